/* Preloaded into a peer that asks virglrenderer for a window system's display, which a machine without a render node
 * does not have: asks for a surfaceless one instead, as Fencepost does. Built by scripts/fetch-peer.sh. */

#define _GNU_SOURCE
#include <dlfcn.h>

enum { VIRGL_RENDERER_USE_SURFACELESS = 1 << 3 };

int virgl_renderer_init(void *cookie, int flags, void *callbacks) {
  int (*init)(void *, int, void *) = (int (*)(void *, int, void *))dlsym(RTLD_NEXT, "virgl_renderer_init");
  return init(cookie, flags | VIRGL_RENDERER_USE_SURFACELESS, callbacks);
}
