#include "load.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"
#include "clock.h"
#include "cursor.h"
#include "screen.h"

#define FRAMES_MAX 100000
#define TIMES_PER_LINE 64

struct load {
	const char *name;
	// Paints a frame and gives it to the driver, from where on it counts as the guest's last.
	int (*draw)(struct card *card, uint32_t heads, uint32_t frame);
};

static uint64_t given_at[FRAMES_MAX];
static uint32_t first_number;

static void fill(struct buffer *buffer, struct rectangle area, uint32_t colour)
{
	for (uint32_t y = area.y; y < area.y + area.height; y++) {
		uint32_t *row = buffer->pixels + (size_t)y * (buffer->pitch / 4);

		for (uint32_t x = area.x; x < area.x + area.width; x++)
			row[x] = colour;
	}
}

static void stamp(struct buffer *buffer, struct rectangle area, uint32_t frame)
{
	buffer->pixels[(size_t)area.y * (buffer->pitch / 4) + area.x] = LOAD_STAMP(first_number + frame);
}

static int give(struct card *card, struct rectangle area, uint32_t frame)
{
	stamp(screen_front(0), area, frame);
	given_at[frame] = clock_ticks();
	return screen_mark_dirty(card, 0, area);
}

static int draw_flip(struct card *card, uint32_t heads, uint32_t frame)
{
	for (uint32_t head = 0; head < heads; head++)
		stamp(screen_back(head), (struct rectangle){ 0 }, frame);
	given_at[frame] = clock_ticks();
	for (uint32_t head = 0; head < heads; head++) {
		if (screen_start_flip(card, head) < 0)
			return -1;
	}
	return screen_wait_flips(card, heads);
}

static int draw_all(struct card *card, uint32_t heads, uint32_t frame)
{
	struct buffer *buffer = screen_front(0);

	(void)heads;
	// All but the stamp: a picture that is taken while this paints is the last frame's still, and not none.
	memset(buffer->pixels + 1, (int)frame, buffer->size - sizeof(buffer->pixels[0]));
	return give(card, (struct rectangle){ 0, 0, buffer->width, buffer->height }, frame);
}

// The same sixty times a second, as a video does.
static int draw_video(struct card *card, uint32_t heads, uint32_t frame)
{
	static uint64_t start_us;
	uint64_t now = clock_us(), due;

	if (frame == 0)
		start_us = now;
	due = start_us + frame * 1000000ull / 60;
	if (due > now)
		usleep(due - now);
	return draw_all(card, heads, frame);
}

// A text cursor.
static int draw_blink(struct card *card, uint32_t heads, uint32_t frame)
{
	const struct rectangle area = { 400, 300, 8, 16 };

	(void)heads;
	fill(screen_front(0), area, frame & 1 ? 0xc0c0c0 : 0x101010);
	return give(card, area, frame);
}

// A terminal of 80 by 25 letters goes up by a line.
static int draw_scroll(struct card *card, uint32_t heads, uint32_t frame)
{
	const struct rectangle area = { 64, 64, 640, 400 };
	const uint32_t letter_height = 16;
	struct buffer *buffer = screen_front(0);
	size_t stride = buffer->pitch / 4;
	uint32_t *first = buffer->pixels + area.y * stride + area.x;
	struct rectangle last = { area.x, area.y + area.height - letter_height, area.width, letter_height };

	(void)heads;
	// The stamp stays where it is, as above.
	memcpy(first + 1, first + letter_height * stride + 1, (area.width - 1) * 4);
	for (uint32_t y = 1; y < area.height - letter_height; y++)
		memcpy(first + y * stride, first + (y + letter_height) * stride, area.width * 4);
	fill(buffer, last, frame * 0x010305 & 0xffffff);
	return give(card, area, frame);
}

// A window goes on by some pixels to the right and down; what was below it is painted again.
static int draw_drag(struct card *card, uint32_t heads, uint32_t frame)
{
	const uint32_t width = 400, height = 300, step = 8, steps = 48;
	uint32_t at = frame % steps * step;
	struct rectangle old = { 32 + at, 32 + at, width, height };
	struct rectangle new = { 32 + at + step, 32 + at + step, width, height };
	struct rectangle both = { old.x, old.y, width + step, height + step };

	(void)heads;
	fill(screen_front(0), old, 0x204060);
	fill(screen_front(0), new, 0xe0e0e0);
	return give(card, both, frame);
}

static int draw_cursor_image(struct card *card, uint32_t heads, uint32_t frame)
{
	(void)heads;
	given_at[frame] = clock_ticks();
	return cursor_show(card, 0, 100, 100, 0, 0, frame);
}

static int draw_cursor_move(struct card *card, uint32_t heads, uint32_t frame)
{
	(void)heads;
	given_at[frame] = clock_ticks();
	return cursor_move(card, 0, (int)(frame % 600), (int)(frame % 500));
}

static const struct load loads[] = {
	{ "flips", draw_flip },
	{ "redraws", draw_all },
	{ "video", draw_video },
	{ "blink", draw_blink },
	{ "scroll", draw_scroll },
	{ "drag", draw_drag },
	{ "cursor-images", draw_cursor_image },
	{ "cursor-moves", draw_cursor_move },
};

static void report(FILE *out, bool with_times, uint32_t count, struct moment start, struct moment end)
{
	double rate = (double)(end.ticks - start.ticks) / (double)(end.us - start.us);
	uint64_t last_us = 0;

	fprintf(out, "- ran %u %llu %llu %u\n", count, (unsigned long long)start.us,
		(unsigned long long)(end.us - start.us), first_number);
	first_number += count;
	fflush(out);
	for (uint32_t frame = 0; with_times && frame < count; frame++) {
		uint64_t us = (uint64_t)((double)(given_at[frame] - start.ticks) / rate);

		fprintf(out, "%s%llx", frame % TIMES_PER_LINE ? " " : "- at ", (unsigned long long)(us - last_us));
		if (frame % TIMES_PER_LINE == TIMES_PER_LINE - 1 || frame == count - 1)
			fputc('\n', out);
		last_us = us;
	}
}

static int check_heads(uint32_t heads)
{
	for (uint32_t head = 0; head < heads; head++) {
		if (!screen_front(head)->framebuffer) {
			errno = ENOENT;
			return -1;
		}
	}
	return 0;
}

int load_run(struct card *card, const char *name, uint32_t heads, uint32_t ms, bool with_times, FILE *out)
{
	const struct load *load = NULL;
	struct moment start;
	uint64_t length;
	uint32_t frame = 0;

	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		if (strcmp(loads[i].name, name) == 0)
			load = &loads[i];
	}
	if (!load) {
		errno = EINVAL;
		return -1;
	}
	if (check_heads(heads) < 0)
		return -1;
	length = (uint64_t)(clock_ticks_per_us() * ms * 1000);
	start = clock_moment();
	while (clock_ticks() - start.ticks < length && frame < FRAMES_MAX) {
		if (load->draw(card, heads, frame++) < 0)
			return -1;
	}
	report(out, with_times, frame, start, clock_moment());
	return 0;
}

int load_pokes(struct card *card, uint32_t count, uint32_t pause_ms, FILE *out)
{
	struct moment start;

	if (check_heads(1) < 0)
		return -1;
	start = clock_moment();
	for (uint32_t frame = 0; frame < count && frame < FRAMES_MAX; frame++) {
		usleep(pause_ms * 1000);
		if (draw_blink(card, 1, frame) < 0)
			return -1;
	}
	report(out, true, count, start, clock_moment());
	return 0;
}

// FNV-1a, a pixel at a time, without what no display shows.
uint32_t load_hash(uint32_t scanout)
{
	const struct buffer *buffer = screen_front(scanout);
	uint32_t hash = 0x811c9dc5;

	for (uint32_t y = 0; y < buffer->height; y++) {
		const uint32_t *row = buffer->pixels + (size_t)y * (buffer->pitch / 4);

		for (uint32_t x = 0; x < buffer->width; x++)
			hash = (hash ^ (row[x] & 0xffffff)) * 0x01000193;
	}
	return hash;
}
