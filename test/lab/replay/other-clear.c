/* Preloaded into a server, a renderer with one mistake: where a stream clears to a red of 0.25, it clears to 0.75. The server
 * asks for the library's functions by name, and so it is dlsym that gives it another. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

static int (*submit_of_library)(void *, int, int);

enum { clear = 7 | 8 << 16, red = 2 };

static int submit(void *stream, int context, int words) {
  uint32_t *word = stream;
  float wrong = 0.75f;
  for (int at = 0; at < words; at += 1 + (word[at] >> 16)) {
    float asked;
    if (word[at] != clear || at + red >= words) continue;
    memcpy(&asked, &word[at + red], sizeof asked);
    if (asked == 0.25f) memcpy(&word[at + red], &wrong, sizeof wrong);
  }
  return submit_of_library(stream, context, words);
}

void *dlsym(void *library, const char *name) {
  static void *(*real)(void *, const char *);
  const char *versions[] = {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"};
  for (int at = 0; real == NULL && at < 3; at++)
    real = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", versions[at]);
  void *found = real(library, name);
  if (strcmp(name, "virgl_renderer_submit_cmd") != 0) return found;
  submit_of_library = (int (*)(void *, int, int))found;
  return submit;
}
