/* Preloaded into QEMU: writes down each picture that a vhost-user back-end has it put on its console, which QEMU does by
 * pixman_image_composite and tells nobody, for none of its trace events is about these. console-observer.ts reads it.
 * Built by scripts/build-guest.sh. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* As in pixman.h. */
typedef struct pixman_image pixman_image_t;
uint32_t *pixman_image_get_data(pixman_image_t *image);

typedef void composite(int op, pixman_image_t *source, pixman_image_t *mask, pixman_image_t *destination, int16_t source_x,
                       int16_t source_y, int16_t mask_x, int16_t mask_y, int16_t x, int16_t y, uint16_t width,
                       uint16_t height);

enum { PICTURES_MAX = 1 << 18 };

struct picture {
  uint64_t at_us; /* CLOCK_REALTIME, when it is on the console */
  uint32_t pixel;
  uint32_t unused;
};

struct file {
  uint64_t count;
  uint32_t watched_x, watched_y; /* whose pixel is kept of each picture, 0 where it has none there */
  struct picture pictures[PICTURES_MAX];
};

static struct file *file;
static composite *real;

__attribute__((constructor)) static void open_file(void) {
  const char *path = getenv("CONSOLE_OBSERVER_FILE");
  int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

  real = (composite *)dlsym(RTLD_NEXT, "pixman_image_composite");
  if (fd < 0)
    return;
  if (ftruncate(fd, sizeof(*file)) == 0) {
    file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (file == MAP_FAILED)
      file = NULL;
  }
  close(fd);
}

/* QEMU holds its big lock here, so one thread at a time writes. */
void pixman_image_composite(int op, pixman_image_t *source, pixman_image_t *mask, pixman_image_t *destination,
                            int16_t source_x, int16_t source_y, int16_t mask_x, int16_t mask_y, int16_t x, int16_t y,
                            uint16_t width, uint16_t height) {
  struct timespec now;
  struct picture *picture;
  const uint32_t *pixels;
  uint32_t left, top;

  real(op, source, mask, destination, source_x, source_y, mask_x, mask_y, x, y, width, height);
  /* QEMU's own writing on an empty console has letters as masks, and a colour without pixels. */
  pixels = mask ? NULL : pixman_image_get_data(source);
  if (!file || !pixels)
    return;
  clock_gettime(CLOCK_REALTIME, &now);
  picture = &file->pictures[file->count % PICTURES_MAX];
  picture->at_us = (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
  left = file->watched_x - x, top = file->watched_y - y;
  picture->pixel = left < width && top < height ? pixels[(size_t)top * width + left] & 0xffffff : 0;
  __atomic_store_n(&file->count, file->count + 1, __ATOMIC_RELEASE);
}
