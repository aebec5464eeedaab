#include "virtio.h"

#include "cpu.h"
#include "interrupts.h"
#include "memory.h"
#include "report.h"

// Registers (§4.2.2), as words.
enum register_index {
	MAGIC = 0x00 / 4,
	VERSION = 0x04 / 4,
	DEVICE_ID = 0x08 / 4,
	DEVICE_FEATURES = 0x10 / 4,
	DEVICE_FEATURES_SELECT = 0x14 / 4,
	DRIVER_FEATURES = 0x20 / 4,
	DRIVER_FEATURES_SELECT = 0x24 / 4,
	QUEUE_SELECT = 0x30 / 4,
	QUEUE_SIZE_MAX = 0x34 / 4,
	QUEUE_SIZE = 0x38 / 4,
	QUEUE_READY = 0x44 / 4,
	QUEUE_NOTIFY = 0x50 / 4,
	INTERRUPT_STATUS = 0x60 / 4,
	INTERRUPT_ACK = 0x64 / 4,
	STATUS = 0x70 / 4,
	QUEUE_DESCRIPTORS = 0x80 / 4,
	QUEUE_AVAIL = 0x90 / 4,
	QUEUE_USED = 0xa0 / 4,
	CONFIG_GENERATION = 0xfc / 4,
	CONFIG = 0x100 / 4,
};

#define MAGIC_VIRT 0x74726976
#define VERSION_MODERN 2
#define DEVICE_GPU 16

#define ACKNOWLEDGE 1
#define DRIVER 2
#define DRIVER_OK 4
#define FEATURES_OK 8

// Feature bits: those of the GPU and of the rings below 32, VERSION_1 above.
#define FEATURE_EDID (1u << 1)
#define FEATURE_EVENT_IDX (1u << 29)
#define FEATURE_VERSION_1 (1u << (32 - 32))

#define DESCRIPTOR_NEXT 1
#define DESCRIPTOR_WRITE 2
#define USED_NO_NOTIFY 1

#define CONTROL_QUEUE_SIZE (2 * SLOTS_MAX)
#define CURSOR_QUEUE_SIZE 16
#define LOST_KICK_EVERY 3

struct queue control_queue, cursor_queue;

static volatile uint32_t *registers;
static bool has_event_idx;
bool virtio_has_edid;
static uint32_t kicks_wanted;
static bool kick_is_lost[2];

static uint32_t device_features(uint32_t word)
{
	registers[DEVICE_FEATURES_SELECT] = word;
	return registers[DEVICE_FEATURES];
}

static void set_driver_features(uint32_t word, uint32_t features)
{
	registers[DRIVER_FEATURES_SELECT] = word;
	registers[DRIVER_FEATURES] = features;
}

static void negotiate(void)
{
	uint32_t wanted = FEATURE_EDID | (boot->flags & BOOT_EVENT_IDX ? FEATURE_EVENT_IDX : 0);
	uint32_t taken = device_features(0) & wanted;

	EXPECT(device_features(1) & FEATURE_VERSION_1, device_features(1));
	// Other back-ends may have no EDID.
	EXPECT((taken | FEATURE_EDID) == (wanted | FEATURE_EDID), taken);
	set_driver_features(0, taken);
	set_driver_features(1, FEATURE_VERSION_1);
	registers[STATUS] = ACKNOWLEDGE | DRIVER | FEATURES_OK;
	EXPECT(registers[STATUS] & FEATURES_OK, registers[STATUS]);
	has_event_idx = taken & FEATURE_EVENT_IDX;
	virtio_has_edid = taken & FEATURE_EDID;
}

void queue_init(struct queue *queue, uint32_t index, uint32_t size)
{
	queue->index = index;
	queue->size = size;
	queue->descriptors = allocate(queue->size * sizeof(struct descriptor));
	queue->avail = allocate(6 + 2 * queue->size);
	queue->used = allocate(6 + 8 * queue->size);
}

static void queue_start(struct queue *queue, uint32_t index, uint32_t size)
{
	queue_init(queue, index, size);
	registers[QUEUE_SELECT] = queue->index;
	EXPECT(registers[QUEUE_READY] == 0, queue->index);
	EXPECT(registers[QUEUE_SIZE_MAX] >= queue->size, registers[QUEUE_SIZE_MAX]);
	registers[QUEUE_SIZE] = queue->size;
	registers[QUEUE_DESCRIPTORS] = (uint32_t)queue->descriptors;
	registers[QUEUE_DESCRIPTORS + 1] = 0;
	registers[QUEUE_AVAIL] = (uint32_t)queue->avail;
	registers[QUEUE_AVAIL + 1] = 0;
	registers[QUEUE_USED] = (uint32_t)queue->used;
	// 4 GiB further is no memory of ours.
	registers[QUEUE_USED + 1] = boot->task == TASK_MISSING_RINGS;
	registers[QUEUE_READY] = 1;
}

void virtio_init(void)
{
	registers = (volatile uint32_t *)boot->device_address;
	EXPECT(registers[MAGIC] == MAGIC_VIRT, registers[MAGIC]);
	EXPECT(registers[VERSION] == VERSION_MODERN, registers[VERSION]);
	EXPECT(registers[DEVICE_ID] == DEVICE_GPU, registers[DEVICE_ID]);
	registers[STATUS] = 0;
	registers[STATUS] = ACKNOWLEDGE;
	registers[STATUS] = ACKNOWLEDGE | DRIVER;
	negotiate();
	queue_start(&control_queue, 0, CONTROL_QUEUE_SIZE);
	queue_start(&cursor_queue, 1, CURSOR_QUEUE_SIZE);
	registers[STATUS] = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
	EXPECT(registers[STATUS] == (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK), registers[STATUS]);
}

uint32_t virtio_config(uint32_t offset)
{
	uint32_t generation, value;

	do {
		generation = registers[CONFIG_GENERATION];
		value = registers[CONFIG + offset / 4];
	} while (registers[CONFIG_GENERATION] != generation);
	return value;
}

void virtio_write_config(uint32_t offset, uint32_t value)
{
	registers[CONFIG + offset / 4] = value;
}

uint32_t virtio_acknowledge(void)
{
	uint32_t reasons = registers[INTERRUPT_STATUS];

	if (reasons)
		registers[INTERRUPT_ACK] = reasons;
	return reasons;
}

void virtio_notify(uint32_t queue)
{
	registers[QUEUE_NOTIFY] = queue;
}

struct slot *queue_slot(struct queue *queue)
{
	for (;;) {
		for (uint32_t at = 0; at < queue->size / 2; at++)
			if (!queue->slots[at].in_flight)
				return &queue->slots[at];
		queue_publish(queue);
		queue_wait(queue);
	}
}

void queue_offer(struct queue *queue, struct slot *slot, uint32_t request_bytes, uint32_t response_bytes)
{
	uint32_t head = 2 * (slot - queue->slots);
	struct descriptor *chain = &queue->descriptors[head];

	chain[0] = (struct descriptor){ (uint32_t)slot->request, request_bytes, DESCRIPTOR_NEXT, head + 1 };
	chain[1] = (struct descriptor){ (uint32_t)slot->response, response_bytes, DESCRIPTOR_WRITE, 0 };
	slot->in_flight = true;
	queue->avail[2 + (queue->offered++ & (queue->size - 1))] = head;
}

static bool wants_kick(const struct queue *queue, uint16_t before)
{
	uint16_t event;

	if (!has_event_idx)
		return !(queue->used[0] & USED_NO_NOTIFY);
	event = queue->used[2 + 4 * queue->size];
	return (uint16_t)(queue->published - event - 1) < (uint16_t)(queue->published - before);
}

static void kick(const struct queue *queue)
{
	if (boot->flags & BOOT_LOST_KICKS && ++kicks_wanted % LOST_KICK_EVERY == 0) {
		kick_is_lost[queue->index] = true;
		return;
	}
	report->kicks++;
	virtio_notify(queue->index);
	if (boot->flags & BOOT_SPURIOUS_KICKS) {
		virtio_notify(queue->index);
		virtio_notify(!queue->index);
	}
}

void queue_publish(struct queue *queue)
{
	uint16_t before = queue->published;

	if (queue->offered == before)
		return;
	compiler_barrier();
	queue->avail[1] = queue->published = queue->offered;
	// The device stores its event index, then looks at ours; so we store ours, then look at its.
	full_barrier();
	if (wants_kick(queue, before))
		kick(queue);
}

void queue_collect(struct queue *queue)
{
	while (queue->used[1] != queue->taken) {
		const volatile uint32_t *element;
		struct slot *slot;
		uint32_t head;

		compiler_barrier();
		element = (const volatile uint32_t *)&queue->used[2 + 4 * (queue->taken++ & (queue->size - 1))];
		head = element[0];
		EXPECT(head < queue->size && head % 2 == 0, head);
		slot = &queue->slots[head / 2];
		EXPECT(slot->in_flight, head);
		slot->length = element[1];
		slot->in_flight = false;
		queue->answered(slot);
		report->commands++;
	}
}

/// Asks for an interrupt once all is used.
static void enable_call(struct queue *queue)
{
	if (has_event_idx)
		queue->avail[2 + queue->size] = queue->published - 1;
	full_barrier();
}

void queue_wait(struct queue *queue)
{
	for (;;) {
		uint32_t seen = report->interrupts;

		enable_call(queue);
		queue_collect(queue);
		if (queue->taken == queue->published)
			return;
		if (kick_is_lost[queue->index]) {
			kick_is_lost[queue->index] = false;
			virtio_notify(queue->index);
		}
		sleep_unless_changed(&report->interrupts, seen);
	}
}
