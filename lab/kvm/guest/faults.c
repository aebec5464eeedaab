// Programs that do what a guest must not.

#include "cpu.h"
#include "interrupts.h"
#include "report.h"
#include "tasks.h"
#include "virtio.h"

void await_message(void)
{
	out32(EVENT_PORT, EVENT_FRAME);
	while (messages == 0)
		sleep_unless_changed(&messages, 0);
}

/// An exception without a table of handlers, and none for the exception that this is.
void triple_fault(void)
{
	struct {
		uint16_t limit;
		uint32_t address;
	} __attribute__((packed)) none = { 0, 0 };

	out32(EVENT_PORT, EVENT_FRAME);
	__asm__ volatile("lidt %0; ud2" : : "m"(none));
}

/// Writes over its rings while the device reads them.
void break_rings(void)
{
	uint16_t index = 0;

	out32(EVENT_PORT, EVENT_FRAME);
	for (;;) {
		for (uint32_t at = 0; at < control_queue.size; at++)
			control_queue.avail[2 + at] = 0x8000 | at;
		control_queue.avail[1] = index += 0x5555;
		control_queue.descriptors[0].next = 0xffff;
		virtio_notify(control_queue.index);
	}
}
