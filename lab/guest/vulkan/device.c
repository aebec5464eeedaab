#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_NS 120000000000ull

void check(VkResult result, const char *call)
{
	if (result == VK_SUCCESS)
		return;
	fprintf(stderr, "%.*s gave %d\n", (int)strcspn(call, "("), call, result);
	exit(result == VK_ERROR_DEVICE_LOST ? 3 : 1);
}

static void pick_first(struct device *device)
{
	VkApplicationInfo application = { .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_2 };
	VkInstanceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &application };
	VkPhysicalDeviceDriverProperties driver = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES };
	VkPhysicalDeviceProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &driver,
	};
	VkInstance instance;
	uint32_t count = 1;
	VkResult result;

	CHECK(vkCreateInstance(&info, NULL, &instance));
	result = vkEnumeratePhysicalDevices(instance, &count, &device->physical);
	if (count == 0) {
		fprintf(stderr, "there is no Vulkan device\n");
		exit(1);
	}
	check(result == VK_INCOMPLETE ? VK_SUCCESS : result, "vkEnumeratePhysicalDevices");
	vkGetPhysicalDeviceProperties2(device->physical, &properties);
	memcpy(device->name, properties.properties.deviceName, sizeof(device->name));
	memcpy(device->driver, driver.driverName, sizeof(device->driver));
}

// Drivers give their first family all kinds of work.
void device_open(struct device *device)
{
	float priority = 1;
	VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &priority,
	};
	VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .queueCreateInfoCount = 1, .pQueueCreateInfos = &queue,
	};
	VkCommandPoolCreateInfo pool_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
	};
	VkCommandBufferAllocateInfo commands = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandBufferCount = 1,
	};
	VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };

	pick_first(device);
	CHECK(vkCreateDevice(device->physical, &info, NULL, &device->handle));
	vkGetDeviceQueue(device->handle, 0, 0, &device->queue);
	CHECK(vkCreateCommandPool(device->handle, &pool_info, NULL, &commands.commandPool));
	CHECK(vkAllocateCommandBuffers(device->handle, &commands, &device->commands));
	CHECK(vkCreateFence(device->handle, &fence, NULL, &device->done));
}

VkDeviceMemory device_allocate(const struct device *device, const VkMemoryRequirements *needs, VkMemoryPropertyFlags flags)
{
	VkMemoryAllocateInfo info = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = needs->size };
	VkPhysicalDeviceMemoryProperties all;
	VkDeviceMemory memory;
	uint32_t type = 0;

	vkGetPhysicalDeviceMemoryProperties(device->physical, &all);
	while (type < all.memoryTypeCount &&
	       (!(needs->memoryTypeBits & 1u << type) || (all.memoryTypes[type].propertyFlags & flags) != flags))
		type++;
	if (type == all.memoryTypeCount) {
		fprintf(stderr, "no memory has properties 0x%x\n", flags);
		exit(1);
	}
	info.memoryTypeIndex = type;
	CHECK(vkAllocateMemory(device->handle, &info, NULL, &memory));
	return memory;
}

struct memory device_buffer(const struct device *device, VkDeviceSize size, VkBufferUsageFlags usage)
{
	VkBufferCreateInfo info = { .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = size, .usage = usage };
	VkMemoryRequirements needs;
	VkDeviceMemory memory;
	struct memory buffer;

	CHECK(vkCreateBuffer(device->handle, &info, NULL, &buffer.handle));
	vkGetBufferMemoryRequirements(device->handle, buffer.handle, &needs);
	memory = device_allocate(device, &needs, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
	CHECK(vkBindBufferMemory(device->handle, buffer.handle, memory, 0));
	CHECK(vkMapMemory(device->handle, memory, 0, VK_WHOLE_SIZE, 0, &buffer.data));
	return buffer;
}

VkShaderModule device_shader(const struct device *device, const uint32_t *code, size_t bytes)
{
	VkShaderModuleCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = bytes, .pCode = code,
	};
	VkShaderModule shader;

	CHECK(vkCreateShaderModule(device->handle, &info, NULL, &shader));
	return shader;
}

void device_record(struct device *device)
{
	VkCommandBufferBeginInfo info = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };

	CHECK(vkBeginCommandBuffer(device->commands, &info));
}

void device_submit(struct device *device)
{
	// What the device has written is there for the CPU to read.
	VkMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT, .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
	};
	VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &device->commands,
	};

	vkCmdPipelineBarrier(device->commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier,
			     0, NULL, 0, NULL);
	CHECK(vkEndCommandBuffer(device->commands));
	CHECK(vkQueueSubmit(device->queue, 1, &submit, device->done));
	CHECK(vkWaitForFences(device->handle, 1, &device->done, VK_TRUE, TIMEOUT_NS));
	CHECK(vkResetFences(device->handle, 1, &device->done));
}
