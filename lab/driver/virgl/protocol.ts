// Numbers of the virgl command stream (virgl_protocol.h, virgl_hw.h) and of the gallium state that it carries
// (p_defines.h). Names are those of the headers without their prefixes.

/** VIRGL_CCMD_*: what a command does. */
export const Ccmd = {
  NOP: 0,
  CREATE_OBJECT: 1,
  BIND_OBJECT: 2,
  DESTROY_OBJECT: 3,
  SET_VIEWPORT_STATE: 4,
  SET_FRAMEBUFFER_STATE: 5,
  SET_VERTEX_BUFFERS: 6,
  CLEAR: 7,
  DRAW_VBO: 8,
  RESOURCE_INLINE_WRITE: 9,
  SET_SAMPLER_VIEWS: 10,
  SET_INDEX_BUFFER: 11,
  SET_CONSTANT_BUFFER: 12,
  SET_SCISSOR_STATE: 15,
  BLIT: 16,
  RESOURCE_COPY_REGION: 17,
  BIND_SAMPLER_STATES: 18,
  BEGIN_QUERY: 19,
  END_QUERY: 20,
  GET_QUERY_RESULT: 21,
  SET_SUB_CTX: 28,
  CREATE_SUB_CTX: 29,
  DESTROY_SUB_CTX: 30,
  BIND_SHADER: 31,
  SET_SHADER_IMAGES: 35,
  GET_QUERY_RESULT_QBO: 42,
  TRANSFER3D: 43,
  COPY_TRANSFER3D: 45,
  PIPE_RESOURCE_CREATE: 48,
  GET_MEMORY_INFO: 50,
  CREATE_VIDEO_CODEC: 53,
} as const;

/** VIRGL_OBJECT_*: what CREATE_OBJECT, BIND_OBJECT and DESTROY_OBJECT are about. */
export const ObjectType = {
  BLEND: 1,
  RASTERIZER: 2,
  DSA: 3,
  SHADER: 4,
  VERTEX_ELEMENTS: 5,
  SAMPLER_VIEW: 6,
  SAMPLER_STATE: 7,
  SURFACE: 8,
  QUERY: 9,
} as const;

/** VIRGL_BIND_*: what a resource will be used for; bits. */
export const Bind = {
  DEPTH_STENCIL: 1 << 0,
  RENDER_TARGET: 1 << 1,
  SAMPLER_VIEW: 1 << 3,
  VERTEX_BUFFER: 1 << 4,
  INDEX_BUFFER: 1 << 5,
  CURSOR: 1 << 16,
  CUSTOM: 1 << 17,
  SCANOUT: 1 << 18,
  STAGING: 1 << 19,
} as const;

/** PIPE_BUFFER and PIPE_TEXTURE_*: the shape of a resource. */
export const Target = {
  BUFFER: 0,
  TEXTURE_2D: 2,
  TEXTURE_3D: 3,
  TEXTURE_2D_ARRAY: 7,
} as const;

/** VIRGL_FORMAT_*, of resources, surfaces, views and vertex elements: gallium's own, of which virtio-gpu names eight. */
export const VirglFormat = {
  B8G8R8A8_UNORM: 1,
  B8G8R8X8_UNORM: 2,
  B5G6R5_UNORM: 7,
  S8_UINT_Z24_UNORM: 20,
  R32G32B32_FLOAT: 30,
  R32G32B32A32_FLOAT: 31,
  R8_UNORM: 64,
  R8G8B8A8_UNORM: 67,
} as const;

/** PIPE_SHADER_*. */
export const ShaderType = { VERTEX: 0, FRAGMENT: 1 } as const;

/** PIPE_PRIM_*. */
export const Primitive = { TRIANGLES: 4 } as const;

/** PIPE_CLEAR_*; bits. */
export const ClearBuffers = { DEPTH: 1, STENCIL: 2, COLOR0: 4 } as const;

/** PIPE_FUNC_*. */
export const CompareFunc = { LESS: 1, EQUAL: 2 } as const;

/** PIPE_STENCIL_OP_*. */
export const StencilOp = { INCR: 3 } as const;

/** PIPE_FACE_*. */
export const Face = { NONE: 0, BACK: 2 } as const;

/** PIPE_BLENDFACTOR_*. */
export const BlendFactor = { SRC_ALPHA: 3, INV_SRC_ALPHA: 0x13 } as const;

/** PIPE_MASK_*: parts of a pixel; bits. */
export const Mask = { RGBA: 0x0f } as const;

/** PIPE_TEX_FILTER_*. */
export const Filter = { NEAREST: 0, LINEAR: 1 } as const;

/** PIPE_TEX_MIPFILTER_*. */
export const MipFilter = { NEAREST: 0, NONE: 2 } as const;

/** PIPE_TEX_WRAP_*. */
export const Wrap = { CLAMP_TO_EDGE: 2 } as const;
