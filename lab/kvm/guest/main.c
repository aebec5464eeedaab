#include "gpu.h"
#include "interrupts.h"
#include "report.h"
#include "tasks.h"
#include "virtio.h"

void main(void)
{
	EXPECT(boot->magic == BOOT_MAGIC, boot->magic);
	interrupts_init();
	virtio_init();
	gpu_init();
	switch (boot->task) {
	case TASK_ANIMATION:
		animate();
		break;
	case TASK_ROUND_TRIPS:
		measure_round_trips();
		break;
	case TASK_STEPS:
		measure_steps();
		break;
	case TASK_MESSAGE_INTERRUPT:
		await_message();
		break;
	case TASK_TRIPLE_FAULT:
		triple_fault();
		break;
	case TASK_BROKEN_RINGS:
		break_rings();
		break;
	default:
		GIVE_UP(boot->task);
	}
	out32(EVENT_PORT, EVENT_DONE);
}
