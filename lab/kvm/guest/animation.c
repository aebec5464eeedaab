#include "gpu.h"
#include "memory.h"
#include "report.h"
#include "tasks.h"
#include "virtio.h"

#define SCREEN 1
#define POINTER 2

static void show_pointer(struct size screen)
{
	struct size size = { CURSOR_SIZE, CURSOR_SIZE };
	uint32_t *pixels = allocate(CURSOR_SIZE * CURSOR_SIZE * 4);

	picture_draw_arrow(pixels);
	gpu_create(POINTER, FORMAT_BGRA, size, pixels);
	gpu_transfer(POINTER, size);
	gpu_update_cursor(POINTER, picture_pointer(screen, 0));
	queue_wait(&cursor_queue);
}

void animate(void)
{
	struct size size = gpu_screen();
	uint32_t *pixels = allocate(size.width * size.height * 4);
	struct rectangle damage[BOX_COUNT], all = { { 0, 0 }, size };

	gpu_create(SCREEN, FORMAT_BGRX, size, pixels);
	picture_begin(pixels, size);
	gpu_set_scanout(SCREEN, size);
	gpu_present(SCREEN, size.width, &all, 1, 0);
	show_pointer(size);
	out32(EVENT_PORT, EVENT_FRAME);

	for (uint32_t frame = 1; boot->count == 0 || frame <= boot->count; frame++) {
		picture_draw(pixels, size, frame, damage);
		gpu_move_cursor(POINTER, picture_pointer(size, frame));
		gpu_present(SCREEN, size.width, damage, BOX_COUNT, frame);
		queue_wait(&cursor_queue);
		report->frames = frame;
		out32(EVENT_PORT, EVENT_FRAME);
	}
}
