// What the VMM and the program tell each other, in two pages of guest memory and two ports (lab/kvm/layout.ts).
#pragma once

#include <stdint.h>

#define BOOT_PAGE 0x1000
#define REPORT_PAGE 0x2000
/// Above the program: what it allocates.
#define HEAP 0x400000

/// What the program does.
enum task {
	TASK_ANIMATION,
	TASK_ROUND_TRIPS,
	TASK_STEPS,
	TASK_MESSAGE_INTERRUPT,
	TASK_TRIPLE_FAULT,
	TASK_BROKEN_RINGS,
	/// Rings where there is no memory.
	TASK_MISSING_RINGS,
};

enum boot_flag {
	/// Take VIRTIO_F_EVENT_IDX.
	BOOT_EVENT_IDX = 1,
	/// The device's interrupt line is level-triggered.
	BOOT_LEVEL = 2,
	/// Leave out one kick in three, and make up for it late.
	BOOT_LOST_KICKS = 4,
	/// Kick both queues again after each kick.
	BOOT_SPURIOUS_KICKS = 8,
};

struct boot_page {
	uint32_t magic;
	uint32_t task;
	uint32_t flags;
	/// Of the virtio-mmio device.
	uint32_t device_address;
	uint32_t device_irq;
	/// Frames to draw (0: no end), or samples to take.
	uint32_t count;
	/// Commands in flight of TASK_ROUND_TRIPS.
	uint32_t depth;
};
#define BOOT_MAGIC 0x4b505646

struct report_page {
	uint32_t frames;
	/// Commands whose answer was as it must be.
	uint32_t commands;
	uint32_t interrupts;
	/// Interrupts for which the device had no reason.
	uint32_t idle_interrupts;
	/// Changes of the configuration space that it was interrupted for.
	uint32_t config_changes;
	/// Kicks that went to the device.
	uint32_t kicks;
	/// Where samples lie, in ticks of the time-stamp counter, and how many.
	uint32_t samples_address;
	uint32_t sample_count;
	/// Why the program gave up: where in its source, and the value that it did not expect.
	uint32_t failed_line;
	uint32_t failed_value;
	char failed_file[32];
};

/// A write of four bytes tells the VMM what happened.
#define EVENT_PORT 0x500
enum event {
	EVENT_FRAME = 1,
	EVENT_DONE = 2,
	EVENT_FAILED = 3,
};
/// A write that the VMM does nothing for.
#define IDLE_PORT 0x504

/// Queues that no device has: kicks of the first one wake nobody, those of the second raise ECHO_IRQ, and those of the third
/// wake a thread of the VMM's that does so.
#define SINK_QUEUE 2
#define ECHO_QUEUE 3
#define RELAY_QUEUE 4
#define ECHO_IRQ 6
/// The vector of TASK_MESSAGE_INTERRUPT.
#define MESSAGE_VECTOR 0x40
