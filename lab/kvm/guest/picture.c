#include "picture.h"

#include "cpu.h"

struct box {
	/// In sixteenths of the picture's height.
	uint32_t width, height;
	/// Pixels a frame, and where on its way it begins.
	uint32_t speed_x, speed_y, start_x, start_y;
	uint32_t colour;
};

static const struct box boxes[BOX_COUNT] = {
	{ 4, 3, 3, 2, 0, 17, 0xe4572e },   { 3, 3, 2, 3, 90, 40, 0xf3a712 },  { 2, 3, 4, 1, 200, 5, 0x76b041 },
	{ 2, 2, 1, 4, 33, 120, 0x17bebb }, { 3, 1, 5, 3, 310, 60, 0x8e6ccf }, { 1, 1, 3, 5, 150, 90, 0xfafafa },
};

#define EDGE 2
#define EDGE_COLOUR 0x202028
#define ARROW_HEIGHT 32
#define ARROW_DARK 0xff101018
#define ARROW_LIGHT 0xfffafafa

static struct rectangle places[BOX_COUNT];

/// There and back between 0 and `range`.
static uint32_t bounce(uint32_t way, uint32_t range)
{
	uint32_t at = range ? way % (2 * range) : 0;

	return at <= range ? at : 2 * range - at;
}

static struct rectangle place_of(const struct box *box, struct size size, uint32_t frame)
{
	uint32_t width = box->width * size.height / 16, height = box->height * size.height / 16;

	return (struct rectangle){
		{ bounce(box->start_x + frame * box->speed_x, size.width - width),
		  bounce(box->start_y + frame * box->speed_y, size.height - height) },
		{ width, height },
	};
}

static void fill(uint32_t *pixels, struct size size, struct rectangle area, uint32_t colour)
{
	for (uint32_t y = area.at.y; y < area.at.y + area.size.height; y++)
		fill_words(pixels + y * size.width + area.at.x, colour, area.size.width);
}

static void fill_sky(uint32_t *pixels, struct size size, struct rectangle area)
{
	for (uint32_t y = area.at.y; y < area.at.y + area.size.height; y++) {
		uint32_t red = 20 + y * 90 / size.height, green = 30 + y * 110 / size.height;
		uint32_t blue = 80 + y * 130 / size.height;

		fill_words(pixels + y * size.width + area.at.x, red << 16 | green << 8 | blue, area.size.width);
	}
}

static void draw_box(uint32_t *pixels, struct size size, const struct box *box, struct rectangle place)
{
	struct rectangle inside = { { place.at.x + EDGE, place.at.y + EDGE },
				    { place.size.width - 2 * EDGE, place.size.height - 2 * EDGE } };

	fill(pixels, size, place, EDGE_COLOUR);
	fill(pixels, size, inside, box->colour);
}

static struct rectangle around(struct rectangle a, struct rectangle b)
{
	uint32_t left = a.at.x < b.at.x ? a.at.x : b.at.x, top = a.at.y < b.at.y ? a.at.y : b.at.y;
	uint32_t right = a.at.x > b.at.x ? a.at.x : b.at.x, bottom = a.at.y > b.at.y ? a.at.y : b.at.y;

	// Both are of one size.
	return (struct rectangle){ { left, top }, { right - left + a.size.width, bottom - top + a.size.height } };
}

void picture_begin(uint32_t *pixels, struct size size)
{
	struct rectangle damage[BOX_COUNT];

	fill_sky(pixels, size, (struct rectangle){ { 0, 0 }, size });
	for (uint32_t at = 0; at < BOX_COUNT; at++)
		places[at] = place_of(&boxes[at], size, 0);
	picture_draw(pixels, size, 0, damage);
}

void picture_draw(uint32_t *pixels, struct size size, uint32_t frame, struct rectangle damage[BOX_COUNT])
{
	for (uint32_t at = 0; at < BOX_COUNT; at++)
		fill_sky(pixels, size, places[at]);
	for (uint32_t at = 0; at < BOX_COUNT; at++) {
		struct rectangle place = place_of(&boxes[at], size, frame);

		damage[at] = around(places[at], place);
		places[at] = place;
		draw_box(pixels, size, &boxes[at], place);
	}
}

struct point picture_pointer(struct size size, uint32_t frame)
{
	return (struct point){ bounce(3 * frame, size.width - 1), bounce(size.height / 3 + 2 * frame, size.height - 1) };
}

void picture_draw_arrow(uint32_t *pixels)
{
	for (uint32_t y = 0; y < ARROW_HEIGHT; y++)
		for (uint32_t x = 0; x <= y; x++)
			pixels[y * CURSOR_SIZE + x] =
				x == 0 || x == y || y == ARROW_HEIGHT - 1 ? ARROW_DARK : ARROW_LIGHT;
}
