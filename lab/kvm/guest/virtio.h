// The transport: a virtio-mmio device (virtio 1.3 §4.2), and split virtqueues (§2.7) of commands with one request and one
// response each.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SLOTS_MAX 64
#define REQUEST_BYTES_MAX 128
#define RESPONSE_BYTES_MAX 1280

struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

/// A command's memory.
struct slot {
	uint8_t request[REQUEST_BYTES_MAX];
	uint8_t response[RESPONSE_BYTES_MAX];
	/// Bytes of the response that the device wrote.
	uint32_t length;
	bool in_flight;
};

struct queue {
	uint32_t index;
	/// Descriptors, two a slot.
	uint32_t size;
	struct descriptor *descriptors;
	volatile uint16_t *avail;
	volatile uint16_t *used;
	/// Of chains offered and published, and of those taken back.
	uint16_t offered, published, taken;
	struct slot slots[SLOTS_MAX];
	/// Looks at the response in a slot that came back.
	void (*answered)(struct slot *slot);
};

extern struct queue control_queue, cursor_queue;
/// Whether VIRTIO_GPU_F_EDID was taken.
extern bool virtio_has_edid;

/// Finds the device, negotiates, and starts it with both queues; gives up where anything is not as it must be.
void virtio_init(void);
/// Reads a word of the device's configuration space.
uint32_t virtio_config(uint32_t offset);
void virtio_write_config(uint32_t offset, uint32_t value);

#define REASON_USED_BUFFER 1
#define REASON_CONFIG_CHANGE 2

/// Asks the device why it has interrupted, and says that it was heard. Returns the reasons.
uint32_t virtio_acknowledge(void);
/// Tells the device to look at a queue, whether or not it wants to be told.
void virtio_notify(uint32_t queue);

/// Gives a queue its memory. A device knows nothing of it yet.
void queue_init(struct queue *queue, uint32_t index, uint32_t size);
/// A slot that is not in flight; waits for one.
struct slot *queue_slot(struct queue *queue);
/// Puts a slot's command into the avail ring.
void queue_offer(struct queue *queue, struct slot *slot, uint32_t request_bytes, uint32_t response_bytes);
/// Publishes what was offered, and kicks the device where it wants that.
void queue_publish(struct queue *queue);
/// Takes back what the device has used.
void queue_collect(struct queue *queue);
/// Sleeps until everything published is answered.
void queue_wait(struct queue *queue);
