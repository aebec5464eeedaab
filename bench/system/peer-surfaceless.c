/* Preloaded into a peer that asks virglrenderer for a window system's display, which a machine without a render node
 * does not have: asks for a surfaceless one instead, as Fencepost does. Built by scripts/fetch-peer.sh. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>

enum { VIRGL_RENDERER_USE_SURFACELESS = 1 << 3 };

int virgl_renderer_init(void *cookie, int flags, void *callbacks) {
  int (*init)(void *, int, void *) = (int (*)(void *, int, void *))dlsym(RTLD_NEXT, "virgl_renderer_init");
  return init(cookie, flags | VIRGL_RENDERER_USE_SURFACELESS, callbacks);
}

/* Asked for a scanout's file descriptor, the library dies where there is no render node to make one. The peer answers
 * the guest with an error instead, and goes on. */
int virgl_renderer_get_fd_for_texture(unsigned texture, int *fd) {
  (void)texture;
  *fd = -1;
  return -EINVAL;
}
