// virtio-gpu's commands (virtio 1.3 §5.7.6). Each answer is looked at when it comes.
#pragma once

#include <stdint.h>

#include "picture.h"

#define FORMAT_BGRA 1
#define FORMAT_BGRX 2

/// Has the queues' answers looked at.
void gpu_init(void);
/// Says that what has happened to the outputs was seen.
void gpu_clear_events(void);
/// The size of the first output, from the display information; its EDID, where there is one, is looked at too.
struct size gpu_screen(void);
/// A resource with backing.
void gpu_create(uint32_t resource, uint32_t format, struct size size, const uint32_t *pixels);
void gpu_set_scanout(uint32_t resource, struct size size);
/// Brings rectangles to the device and onto the screen, by commands in flight at once; the last one is fenced. Waits.
void gpu_present(uint32_t resource, uint32_t stride, const struct rectangle *damage, uint32_t count, uint32_t fence);
void gpu_transfer(uint32_t resource, struct size size);
/// The pointer: with a new image, or moved. Does not wait.
void gpu_update_cursor(uint32_t resource, struct point at);
void gpu_move_cursor(uint32_t resource, struct point at);
/// Offers the smallest command: a flush of a pixel of what no scanout shows.
void gpu_offer_smallest(uint32_t resource);
