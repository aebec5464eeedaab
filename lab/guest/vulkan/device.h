// The first Vulkan device, and the little that this guest's Vulkan programs do with one.
#pragma once

#include <stdint.h>
#include <vulkan/vulkan.h>

struct device {
	VkPhysicalDevice physical;
	VkDevice handle;
	VkQueue queue;
	VkCommandBuffer commands;
	VkFence done;
	char name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
	char driver[VK_MAX_DRIVER_NAME_SIZE];
};

// Memory that the CPU sees for as long as the program runs.
struct memory {
	VkBuffer handle;
	void *data;
};

// What fails ends the program, with the call's name and its result.
void check(VkResult result, const char *call);
#define CHECK(call) check(call, #call)

void device_open(struct device *device);
VkDeviceMemory device_allocate(const struct device *device, const VkMemoryRequirements *needs, VkMemoryPropertyFlags flags);
struct memory device_buffer(const struct device *device, VkDeviceSize size, VkBufferUsageFlags usage);
VkShaderModule device_shader(const struct device *device, const uint32_t *code, size_t bytes);

// Commands are recorded between the two; `submit` waits until the device has run them.
void device_record(struct device *device);
void device_submit(struct device *device);
