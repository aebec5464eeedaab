#include "cube.h"

#include "cube.frag.h"
#include "cube.vert.h"

#define COLOUR VK_FORMAT_R8G8B8A8_UNORM
#define DEPTH VK_FORMAT_D16_UNORM

static const VkExtent2D extent = { CUBE_WIDTH, CUBE_HEIGHT };

static VkImage make_image(const struct device *device, VkFormat format, VkImageUsageFlags usage)
{
	VkImageCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO, .imageType = VK_IMAGE_TYPE_2D, .format = format,
		.extent = { CUBE_WIDTH, CUBE_HEIGHT, 1 }, .mipLevels = 1, .arrayLayers = 1, .samples = VK_SAMPLE_COUNT_1_BIT,
		.usage = usage,
	};
	VkMemoryRequirements needs;
	VkImage image;

	CHECK(vkCreateImage(device->handle, &info, NULL, &image));
	vkGetImageMemoryRequirements(device->handle, image, &needs);
	CHECK(vkBindImageMemory(device->handle, image, device_allocate(device, &needs, 0), 0));
	return image;
}

static VkImageView view(const struct device *device, VkImage image, VkFormat format, VkImageAspectFlags aspect)
{
	VkImageViewCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO, .image = image, .viewType = VK_IMAGE_VIEW_TYPE_2D,
		.format = format, .subresourceRange = { aspect, 0, 1, 0, 1 },
	};
	VkImageView view;

	CHECK(vkCreateImageView(device->handle, &info, NULL, &view));
	return view;
}

static VkRenderPass make_pass(const struct device *device)
{
	VkAttachmentDescription attachments[] = {
		{ .format = COLOUR, .samples = VK_SAMPLE_COUNT_1_BIT, .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
		  .storeOp = VK_ATTACHMENT_STORE_OP_STORE, .finalLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL },
		{ .format = DEPTH, .samples = VK_SAMPLE_COUNT_1_BIT, .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
		  .storeOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
		  .finalLayout = VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL },
	};
	VkAttachmentReference colour = { 0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL };
	VkAttachmentReference depth = { 1, VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL };
	VkSubpassDescription subpass = {
		.colorAttachmentCount = 1, .pColorAttachments = &colour, .pDepthStencilAttachment = &depth,
	};
	// The copy waits for the picture.
	VkSubpassDependency drawn = {
		.srcSubpass = 0, .dstSubpass = VK_SUBPASS_EXTERNAL,
		.srcStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT, .dstStageMask = VK_PIPELINE_STAGE_TRANSFER_BIT,
		.srcAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT, .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT,
	};
	VkRenderPassCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO, .attachmentCount = 2, .pAttachments = attachments,
		.subpassCount = 1, .pSubpasses = &subpass, .dependencyCount = 1, .pDependencies = &drawn,
	};
	VkRenderPass pass;

	CHECK(vkCreateRenderPass(device->handle, &info, NULL, &pass));
	return pass;
}

static VkFramebuffer make_framebuffer(const struct device *device, const struct cube *cube)
{
	VkImage depth = make_image(device, DEPTH, VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT);
	VkImageView views[] = {
		view(device, cube->colour, COLOUR, VK_IMAGE_ASPECT_COLOR_BIT),
		view(device, depth, DEPTH, VK_IMAGE_ASPECT_DEPTH_BIT),
	};
	VkFramebufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO, .renderPass = cube->pass, .attachmentCount = 2,
		.pAttachments = views, .width = CUBE_WIDTH, .height = CUBE_HEIGHT, .layers = 1,
	};
	VkFramebuffer framebuffer;

	CHECK(vkCreateFramebuffer(device->handle, &info, NULL, &framebuffer));
	return framebuffer;
}

static VkPipelineShaderStageCreateInfo stage(const struct device *device, VkShaderStageFlagBits flag, const uint32_t *code,
					     size_t bytes)
{
	return (VkPipelineShaderStageCreateInfo){
		.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = flag,
		.module = device_shader(device, code, bytes), .pName = "main",
	};
}

static VkPipeline make_pipeline(const struct device *device, VkRenderPass pass, VkPipelineLayout layout)
{
	VkPipelineShaderStageCreateInfo stages[] = {
		stage(device, VK_SHADER_STAGE_VERTEX_BIT, cube_vert, sizeof(cube_vert)),
		stage(device, VK_SHADER_STAGE_FRAGMENT_BIT, cube_frag, sizeof(cube_frag)),
	};
	VkPipelineVertexInputStateCreateInfo no_input = { .sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO };
	VkPipelineInputAssemblyStateCreateInfo triangles = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO,
		.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
	};
	VkViewport port = { 0, 0, CUBE_WIDTH, CUBE_HEIGHT, 0, 1 };
	VkRect2D scissor = { .extent = extent };
	VkPipelineViewportStateCreateInfo viewport = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO,
		.viewportCount = 1, .pViewports = &port, .scissorCount = 1, .pScissors = &scissor,
	};
	VkPipelineRasterizationStateCreateInfo raster = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO, .lineWidth = 1,
	};
	VkPipelineMultisampleStateCreateInfo samples = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO, .rasterizationSamples = VK_SAMPLE_COUNT_1_BIT,
	};
	VkPipelineDepthStencilStateCreateInfo depth = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO,
		.depthTestEnable = VK_TRUE, .depthWriteEnable = VK_TRUE, .depthCompareOp = VK_COMPARE_OP_LESS,
	};
	VkPipelineColorBlendAttachmentState opaque = { .colorWriteMask = 0xf };
	VkPipelineColorBlendStateCreateInfo blend = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO, .attachmentCount = 1, .pAttachments = &opaque,
	};
	VkGraphicsPipelineCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO, .stageCount = 2, .pStages = stages,
		.pVertexInputState = &no_input, .pInputAssemblyState = &triangles, .pViewportState = &viewport,
		.pRasterizationState = &raster, .pMultisampleState = &samples, .pDepthStencilState = &depth,
		.pColorBlendState = &blend, .layout = layout, .renderPass = pass,
	};
	VkPipeline pipeline;

	CHECK(vkCreateGraphicsPipelines(device->handle, VK_NULL_HANDLE, 1, &info, NULL, &pipeline));
	return pipeline;
}

static VkPipelineLayout make_layout(const struct device *device)
{
	VkPushConstantRange push = { VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(float) };
	VkPipelineLayoutCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .pushConstantRangeCount = 1, .pPushConstantRanges = &push,
	};
	VkPipelineLayout layout;

	CHECK(vkCreatePipelineLayout(device->handle, &info, NULL, &layout));
	return layout;
}

struct cube cube_make(const struct device *device)
{
	struct cube cube = {
		.colour = make_image(device, COLOUR, VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT),
		.pass = make_pass(device),
		.layout = make_layout(device),
		.pixels = device_buffer(device, CUBE_WIDTH * CUBE_HEIGHT * 4, VK_BUFFER_USAGE_TRANSFER_DST_BIT),
	};

	cube.framebuffer = make_framebuffer(device, &cube);
	cube.pipeline = make_pipeline(device, cube.pass, cube.layout);
	return cube;
}

const uint8_t *cube_draw(struct device *device, const struct cube *cube, float turn)
{
	VkClearValue clear[] = { { .color = { .float32 = { 0.5f, 0.5f, 0.5f, 1 } } }, { .depthStencil = { 1, 0 } } };
	VkRenderPassBeginInfo begin = {
		.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO, .renderPass = cube->pass, .framebuffer = cube->framebuffer,
		.renderArea = { .extent = extent }, .clearValueCount = 2, .pClearValues = clear,
	};
	VkBufferImageCopy whole = {
		.imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1 }, .imageExtent = { CUBE_WIDTH, CUBE_HEIGHT, 1 },
	};

	device_record(device);
	vkCmdBeginRenderPass(device->commands, &begin, VK_SUBPASS_CONTENTS_INLINE);
	vkCmdBindPipeline(device->commands, VK_PIPELINE_BIND_POINT_GRAPHICS, cube->pipeline);
	vkCmdPushConstants(device->commands, cube->layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(turn), &turn);
	vkCmdDraw(device->commands, 36, 1, 0, 0);
	vkCmdEndRenderPass(device->commands);
	vkCmdCopyImageToBuffer(device->commands, cube->colour, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, cube->pixels.handle, 1,
			       &whole);
	device_submit(device);
	return cube->pixels.data;
}
