#include "gpu.h"

#include <stddef.h>

#include "report.h"
#include "virtio.h"

enum type {
	GET_DISPLAY_INFO = 0x100,
	RESOURCE_CREATE_2D,
	SET_SCANOUT = 0x103,
	RESOURCE_FLUSH,
	TRANSFER_TO_HOST_2D,
	RESOURCE_ATTACH_BACKING,
	GET_EDID = 0x10a,
	UPDATE_CURSOR = 0x300,
	MOVE_CURSOR,
	OK_NODATA = 0x1100,
	OK_DISPLAY_INFO,
	OK_EDID = 0x1104,
};

#define FLAG_FENCE 1

// The configuration space (§5.7.4).
#define CONFIG_EVENTS_READ 0
#define CONFIG_EVENTS_CLEAR 4
#define CONFIG_SCANOUTS 8

struct header {
	uint32_t type;
	uint32_t flags;
	uint64_t fence;
	uint32_t context;
	uint32_t ring;
};

struct create_2d {
	struct header header;
	uint32_t resource, format;
	struct size size;
};

struct attach_backing {
	struct header header;
	uint32_t resource, count;
	uint64_t address;
	uint32_t length, padding;
};

struct set_scanout {
	struct header header;
	struct rectangle rectangle;
	uint32_t scanout, resource;
};

struct transfer {
	struct header header;
	struct rectangle rectangle;
	uint64_t offset;
	uint32_t resource, padding;
};

struct flush {
	struct header header;
	struct rectangle rectangle;
	uint32_t resource, padding;
};

struct cursor {
	struct header header;
	uint32_t scanout;
	struct point at;
	uint32_t padding, resource;
	struct point hot_spot;
	uint32_t more_padding;
};

struct get_edid {
	struct header header;
	uint32_t scanout, padding;
};

struct display_info {
	struct header header;
	struct {
		struct rectangle rectangle;
		uint32_t enabled, flags;
	} modes[16];
};

struct edid {
	struct header header;
	uint32_t size, padding;
	uint8_t bytes[1024];
};

/// The type of the answer to a request.
static uint32_t answer_to(uint32_t type)
{
	return type == GET_DISPLAY_INFO ? OK_DISPLAY_INFO : type == GET_EDID ? OK_EDID : OK_NODATA;
}

static void check_answer(struct slot *slot)
{
	const struct header *request = (const struct header *)slot->request;
	const struct header *response = (const struct header *)slot->response;

	EXPECT(slot->length >= sizeof(*response), slot->length);
	EXPECT(response->type == answer_to(request->type), response->type);
	EXPECT((response->flags & FLAG_FENCE) == (request->flags & FLAG_FENCE), response->flags);
	EXPECT(!(request->flags & FLAG_FENCE) || response->fence == request->fence, (uint32_t)response->fence);
}

void gpu_init(void)
{
	control_queue.answered = check_answer;
	cursor_queue.answered = check_answer;
	EXPECT(virtio_config(CONFIG_SCANOUTS) >= 1, virtio_config(CONFIG_SCANOUTS));
}

void gpu_clear_events(void)
{
	virtio_write_config(CONFIG_EVENTS_CLEAR, virtio_config(CONFIG_EVENTS_READ));
}

static void *command(struct slot *slot, enum type type)
{
	struct header *header = (struct header *)slot->request;

	*header = (struct header){ .type = type };
	return header;
}

static void call(struct slot *slot, uint32_t request_bytes, uint32_t response_bytes)
{
	queue_offer(&control_queue, slot, request_bytes, response_bytes);
	queue_publish(&control_queue);
	queue_wait(&control_queue);
}

static void check_edid(void)
{
	struct slot *slot = queue_slot(&control_queue);
	struct get_edid *request = command(slot, GET_EDID);
	const struct edid *answer = (const struct edid *)slot->response;

	request->scanout = 0;
	call(slot, sizeof(*request), sizeof(*answer));
	EXPECT(answer->size >= 128 && answer->size <= sizeof(answer->bytes), answer->size);
	EXPECT(answer->bytes[0] == 0 && answer->bytes[1] == 0xff && answer->bytes[7] == 0, answer->bytes[1]);
}

struct size gpu_screen(void)
{
	struct slot *slot = queue_slot(&control_queue);
	const struct display_info *answer = (const struct display_info *)slot->response;
	struct size size;

	command(slot, GET_DISPLAY_INFO);
	call(slot, sizeof(struct header), sizeof(*answer));
	EXPECT(answer->modes[0].enabled, answer->modes[0].enabled);
	size = answer->modes[0].rectangle.size;
	if (virtio_has_edid)
		check_edid();
	return size;
}

void gpu_create(uint32_t resource, uint32_t format, struct size size, const uint32_t *pixels)
{
	struct slot *slot = queue_slot(&control_queue);
	struct create_2d *create = command(slot, RESOURCE_CREATE_2D);
	struct attach_backing *attach;

	create->resource = resource;
	create->format = format;
	create->size = size;
	call(slot, sizeof(*create), sizeof(struct header));

	slot = queue_slot(&control_queue);
	attach = command(slot, RESOURCE_ATTACH_BACKING);
	attach->resource = resource;
	attach->count = 1;
	attach->address = (uint32_t)pixels;
	attach->length = size.width * size.height * 4;
	call(slot, sizeof(*attach), sizeof(struct header));
}

void gpu_set_scanout(uint32_t resource, struct size size)
{
	struct slot *slot = queue_slot(&control_queue);
	struct set_scanout *request = command(slot, SET_SCANOUT);

	request->rectangle = (struct rectangle){ { 0, 0 }, size };
	request->scanout = 0;
	request->resource = resource;
	call(slot, sizeof(*request), sizeof(struct header));
}

static void offer_transfer(uint32_t resource, uint32_t stride, struct rectangle rectangle)
{
	struct slot *slot = queue_slot(&control_queue);
	struct transfer *request = command(slot, TRANSFER_TO_HOST_2D);

	request->rectangle = rectangle;
	request->offset = (rectangle.at.y * stride + rectangle.at.x) * 4;
	request->resource = resource;
	queue_offer(&control_queue, slot, sizeof(*request), sizeof(struct header));
}

static struct flush *offer_flush(uint32_t resource, struct rectangle rectangle)
{
	struct slot *slot = queue_slot(&control_queue);
	struct flush *request = command(slot, RESOURCE_FLUSH);

	request->rectangle = rectangle;
	request->resource = resource;
	queue_offer(&control_queue, slot, sizeof(*request), sizeof(struct header));
	return request;
}

void gpu_present(uint32_t resource, uint32_t stride, const struct rectangle *damage, uint32_t count, uint32_t fence)
{
	struct flush *flush = NULL;

	for (uint32_t at = 0; at < count; at++)
		offer_transfer(resource, stride, damage[at]);
	for (uint32_t at = 0; at < count; at++)
		flush = offer_flush(resource, damage[at]);
	if (flush) {
		flush->header.flags = FLAG_FENCE;
		flush->header.fence = fence;
	}
	queue_publish(&control_queue);
	queue_wait(&control_queue);
}

void gpu_transfer(uint32_t resource, struct size size)
{
	offer_transfer(resource, size.width, (struct rectangle){ { 0, 0 }, size });
	queue_publish(&control_queue);
	queue_wait(&control_queue);
}

static void send_cursor(enum type type, uint32_t resource, struct point at)
{
	struct slot *slot = queue_slot(&cursor_queue);
	struct cursor *request = command(slot, type);

	request->scanout = 0;
	request->at = at;
	request->resource = resource;
	request->hot_spot = (struct point){ 0, 0 };
	queue_offer(&cursor_queue, slot, sizeof(*request), sizeof(struct header));
	queue_publish(&cursor_queue);
}

void gpu_update_cursor(uint32_t resource, struct point at)
{
	send_cursor(UPDATE_CURSOR, resource, at);
}

void gpu_move_cursor(uint32_t resource, struct point at)
{
	send_cursor(MOVE_CURSOR, resource, at);
}

void gpu_offer_smallest(uint32_t resource)
{
	offer_flush(resource, (struct rectangle){ { 0, 0 }, { 1, 1 } });
}
