#include "compute.h"

#include <stdio.h>

#include "compute.comp.h"

#define NUMBERS 65536
#define GROUP 64

struct job {
	VkPipeline pipeline;
	VkPipelineLayout layout;
	VkDescriptorSet set;
};

// As in compute.comp.
static uint32_t worked(uint32_t number, uint32_t index)
{
	for (int round = 0; round < 32; round++) {
		number ^= number << 13;
		number ^= number >> 17;
		number ^= number << 5;
		number += index;
	}
	return number;
}

static VkDescriptorSet describe(const struct device *device, VkDescriptorSetLayout layout, VkBuffer buffer)
{
	VkDescriptorPoolSize size = { VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1 };
	VkDescriptorPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = 1, .poolSizeCount = 1, .pPoolSizes = &size,
	};
	VkDescriptorSetAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO, .descriptorSetCount = 1, .pSetLayouts = &layout,
	};
	VkDescriptorBufferInfo whole = { buffer, 0, VK_WHOLE_SIZE };
	VkWriteDescriptorSet write = {
		.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .descriptorCount = 1,
		.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .pBufferInfo = &whole,
	};

	CHECK(vkCreateDescriptorPool(device->handle, &pool, NULL, &info.descriptorPool));
	CHECK(vkAllocateDescriptorSets(device->handle, &info, &write.dstSet));
	vkUpdateDescriptorSets(device->handle, 1, &write, 0, NULL);
	return write.dstSet;
}

static struct job make_job(const struct device *device, VkBuffer buffer)
{
	VkDescriptorSetLayoutBinding binding = {
		.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .descriptorCount = 1, .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
	};
	VkDescriptorSetLayoutCreateInfo set_info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = 1, .pBindings = &binding,
	};
	VkDescriptorSetLayout set_layout;
	VkPipelineLayoutCreateInfo layout = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1, .pSetLayouts = &set_layout,
	};
	VkComputePipelineCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage = {
			.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_COMPUTE_BIT,
			.module = device_shader(device, compute_comp, sizeof(compute_comp)), .pName = "main",
		},
	};
	struct job job;

	CHECK(vkCreateDescriptorSetLayout(device->handle, &set_info, NULL, &set_layout));
	CHECK(vkCreatePipelineLayout(device->handle, &layout, NULL, &job.layout));
	info.layout = job.layout;
	CHECK(vkCreateComputePipelines(device->handle, VK_NULL_HANDLE, 1, &info, NULL, &job.pipeline));
	job.set = describe(device, set_layout, buffer);
	return job;
}

static uint32_t run_round(struct device *device, const struct job *job, uint32_t *numbers, uint32_t round, uint32_t hash)
{
	for (uint32_t i = 0; i < NUMBERS; i++)
		numbers[i] = i * 2654435761u + round;
	device_record(device);
	vkCmdBindPipeline(device->commands, VK_PIPELINE_BIND_POINT_COMPUTE, job->pipeline);
	vkCmdBindDescriptorSets(device->commands, VK_PIPELINE_BIND_POINT_COMPUTE, job->layout, 0, 1, &job->set, 0, NULL);
	vkCmdDispatch(device->commands, NUMBERS / GROUP, 1, 1);
	device_submit(device);
	for (uint32_t i = 0; i < NUMBERS; i++)
		hash = (hash ^ numbers[i]) * 16777619u;
	return hash;
}

int compute_run(struct device *device, int rounds)
{
	struct memory buffer = device_buffer(device, NUMBERS * sizeof(uint32_t), VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
	struct job job = make_job(device, buffer.handle);
	const uint32_t *numbers = buffer.data;
	uint32_t hash = 2166136261u, wrong = 0;

	for (int round = 0; round < rounds; round++) {
		hash = run_round(device, &job, buffer.data, round, hash);
		for (uint32_t i = 0; i < NUMBERS; i++)
			wrong += numbers[i] != worked(i * 2654435761u + round, i);
	}
	printf("computed %d numbers, %u wrong, hash %08x\n", NUMBERS * rounds, wrong, hash);
	return wrong ? 1 : 0;
}
