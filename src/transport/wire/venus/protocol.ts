// Venus, Vulkan's calls as streams of words: the few of them that we send ourselves. Numbers are Vulkan's and
// venus-protocol's (VkCommandTypeEXT), of version 1.0 and later.

/** VkCommandTypeEXT. */
export const VenusCommand = {
  vkCreateInstance: 0,
  vkDestroyInstance: 1,
  vkEnumeratePhysicalDevices: 2,
  vkGetPhysicalDeviceProperties: 6,
  vkCreateDevice: 11,
  vkAllocateMemory: 21,
  vkEnumerateInstanceVersion: 137,
  vkGetDeviceQueue2: 155,
  vkSetReplyCommandStreamMESA: 178,
} as const;

/** VK_COMMAND_GENERATE_REPLY_BIT_EXT: the answer is written where vkSetReplyCommandStreamMESA says. */
export const GENERATE_REPLY = 1;

/** VkStructureType. */
export const StructureType = {
  INSTANCE_CREATE_INFO: 1,
  DEVICE_QUEUE_CREATE_INFO: 2,
  DEVICE_CREATE_INFO: 3,
  MEMORY_ALLOCATE_INFO: 5,
  APPLICATION_INFO: 0,
  EXPORT_MEMORY_ALLOCATE_INFO: 1000072002,
  DEVICE_QUEUE_INFO_2: 1000145003,
  DEVICE_QUEUE_TIMELINE_INFO_MESA: 1000384005,
} as const;

/** VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT. */
export const HANDLE_TYPE_OPAQUE_FD = 1;

/** VK_API_VERSION_1_1: the least that venus takes. */
export const API_VERSION_1_1 = (1 << 22) | (1 << 12);

/** VK_INCOMPLETE: there is more than what was asked for. */
export const INCOMPLETE = 5;

/**
 * Where a reply has what: 32-bit words behind the command's number. Pointers that are not null and counts of arrays take two
 * each.
 */
export const Reply = {
  command: 0,
  result: 1,
  /** Of what makes an object: the object's. */
  handle: 4,
  /** Of vkEnumeratePhysicalDevices. */
  deviceCount: 4,
  /** Of vkEnumerateInstanceVersion. */
  apiVersion: 4,
  /** Of vkGetPhysicalDeviceProperties, which has no result: 256 bytes of text, NUL-terminated. */
  deviceName: 10,
  deviceNameBytes: 256,
} as const;
