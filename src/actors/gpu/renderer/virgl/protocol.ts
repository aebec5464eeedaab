// Numbers of the virgl command stream that this side acts on (virgl_protocol.h): commands, objects, and where in a
// command's payload a field is, in words from its header.

/** VIRGL_CCMD_*. */
export const Ccmd = {
  CREATE_OBJECT: 1,
  BIND_OBJECT: 2,
  DESTROY_OBJECT: 3,
  SET_VIEWPORT_STATE: 4,
  SET_FRAMEBUFFER_STATE: 5,
  CLEAR: 7,
  DRAW_VBO: 8,
  RESOURCE_INLINE_WRITE: 9,
  SET_INDEX_BUFFER: 11,
  SET_SCISSOR_STATE: 15,
  BLIT: 16,
  RESOURCE_COPY_REGION: 17,
  GET_QUERY_RESULT: 21,
  SET_STREAMOUT_TARGETS: 25,
  SET_SUB_CTX: 28,
  CREATE_SUB_CTX: 29,
  DESTROY_SUB_CTX: 30,
  SET_SHADER_IMAGES: 35,
  GET_QUERY_RESULT_QBO: 42,
  TRANSFER3D: 43,
  COPY_TRANSFER3D: 45,
  CLEAR_TEXTURE: 47,
  PIPE_RESOURCE_CREATE: 48,
  GET_MEMORY_INFO: 50,
  CLEAR_SURFACE: 62,
  GET_PIPE_RESOURCE_LAYOUT: 63,
} as const;

/** The first command of which nothing is known here: what it would write would go by unseen. */
export const firstUnknownCommand = 64;

/** VIRGL_CCMD_CREATE_VIDEO_CODEC to VIRGL_CCMD_END_FRAME. */
export const videoCommands = [53, 54, 55, 56, 57, 58, 59, 60, 61] as const;

/** VIRGL_OBJECT_QUERY. */
export const queryObject = 9;

/** SET_STREAMOUT_TARGETS: where the first target's handle is. */
export const StreamoutField = { first: 2 } as const;

/** What RESOURCE_INLINE_WRITE, TRANSFER3D and COPY_TRANSFER3D have in common. The box is x, y, z, width, height, depth. */
export const TransferField = { resource: 1, level: 2, stride: 4, layerStride: 5, box: 6, words: 11 } as const;

/** What TRANSFER3D has besides. */
export const Transfer3d = { offset: 12, direction: 13, words: 13, fromHost: 2 } as const;

/** What COPY_TRANSFER3D has besides; `backing` is the resource whose backing is meant. */
export const CopyTransfer3d = { backing: 12, offset: 13, flags: 14, words: 14, readFromHost: 2 } as const;

/** GET_QUERY_RESULT_QBO: the buffer of GL's that the result goes into. */
export const ResultField = { buffer: 2, words: 6 } as const;

/** SET_SHADER_IMAGES: where the first image is, the words of one, and where in one its format is. */
export const ImageField = { first: 3, words: 5, format: 0 } as const;

/** Every version of the library has a table of at least so many formats. */
export const formatsMax = 322;

/** VIRGL_OBJECT_SHADER, and where CREATE_OBJECT says that its text goes on with a shader that was begun. */
export const shaderObject = 4;
export const ShaderField = { offset: 3, goesOn: 0x8000_0000 } as const;

/** CREATE_OBJECT of a query. */
export const QueryField = { resource: 4, words: 4 } as const;

/** struct virgl_host_query_state, at the beginning of a query's buffer. Bytes. */
export const QueryState = { bytes: 16, done: 1 } as const;

/** struct virgl_memory_info, which GET_MEMORY_INFO writes where the backing begins. Bytes. */
export const memoryInfoBytes = 24;

/** GET_PIPE_RESOURCE_LAYOUT, of 1.3: `answer` is the resource into whose backing the layout is written. */
export const LayoutField = { answer: 1, words: 2 } as const;

/** struct virgl_resource_layout. Bytes. */
export const layoutBytes = 80;

/** VIRGL_OBJECT_RASTERIZER; its first word of flags, and the one that has the scissor count. */
export const rasterizerObject = 2;
export const RasterizerField = { flags: 2, scissor: 1 << 14, words: 2 } as const;

/** VIRGL_OBJECT_SURFACE of a texture; `layers` has the first one in its lower half. */
export const surfaceObject = 8;
export const SurfaceField = { resource: 2, level: 4, layers: 5, words: 5 } as const;

/** SET_FRAMEBUFFER_STATE: how many colour surfaces, the depth surface, and where the first colour surface is. */
export const FramebufferField = { colours: 1, depth: 2, first: 3, coloursMax: 8 } as const;

/** CLEAR: which buffers, a bit each: depth and stencil, then the colours from `firstColour` on. */
export const ClearField = { buffers: 1, depthStencil: 3, firstColour: 2 } as const;

/** SET_VIEWPORT_STATE of the first slot: floats. */
export const ViewportField = {
  slot: 1,
  scaleX: 2,
  scaleY: 3,
  translateX: 5,
  translateY: 6,
  words: 7,
} as const;

/** SET_SCISSOR_STATE of the first slot: x below and y above in one word, the ends in the next. */
export const ScissorField = { slot: 1, least: 2, most: 3, words: 3 } as const;

/** Where BLIT, RESOURCE_COPY_REGION, CLEAR_TEXTURE write: x, y, z from `at` on, and width, height, depth from `size` on. */
export const WriteField = {
  blit: { resource: 4, level: 5, at: 7, size: 10, words: 21 },
  copy: { resource: 1, level: 2, at: 3, size: 11, words: 13 },
  clearTexture: { resource: 1, level: 2, at: 3, size: 6, words: 12 },
  transfer: { resource: 1, level: 2, at: 6, size: 9, words: 11 },
} as const;

/** CLEAR_SURFACE: the surface's handle, then x, y, width, height from `at` on. */
export const ClearSurfaceField = { surface: 2, at: 7, words: 10 } as const;
