// Numbers of the virgl command stream that this side acts on (virgl_protocol.h): commands, objects, and where in a
// command's payload a field is, in words from its header.

/** VIRGL_CCMD_*. */
export const Ccmd = {
  CREATE_OBJECT: 1,
  DESTROY_OBJECT: 3,
  RESOURCE_INLINE_WRITE: 9,
  SET_INDEX_BUFFER: 11,
  GET_QUERY_RESULT: 21,
  SET_SUB_CTX: 28,
  CREATE_SUB_CTX: 29,
  DESTROY_SUB_CTX: 30,
  SET_SHADER_IMAGES: 35,
  GET_QUERY_RESULT_QBO: 42,
  TRANSFER3D: 43,
  COPY_TRANSFER3D: 45,
  PIPE_RESOURCE_CREATE: 48,
  GET_MEMORY_INFO: 50,
  GET_PIPE_RESOURCE_LAYOUT: 63,
} as const;

/** The first command of which nothing is known here: what it would write would go by unseen. */
export const firstUnknownCommand = 64;

/** VIRGL_CCMD_CREATE_VIDEO_CODEC to VIRGL_CCMD_END_FRAME. */
export const videoCommands = [53, 54, 55, 56, 57, 58, 59, 60, 61] as const;

/** VIRGL_OBJECT_QUERY. */
export const queryObject = 9;

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
