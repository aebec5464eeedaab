// What a command costs a guest, and what its steps cost, in ticks of the time-stamp counter.

#include "cpu.h"
#include "gpu.h"
#include "interrupts.h"
#include "layout.h"
#include "memory.h"
#include "report.h"
#include "tasks.h"
#include "virtio.h"

#define HIDDEN 1

static uint32_t *begin_samples(uint32_t count)
{
	uint32_t *samples = allocate(count * 4);

	report->samples_address = (uint32_t)samples;
	return samples;
}

void measure_round_trips(void)
{
	struct size size = { 64, 64 };
	uint32_t *samples = begin_samples(boot->count);

	gpu_create(HIDDEN, FORMAT_BGRX, size, allocate(size.width * size.height * 4));
	for (uint32_t sample = 0; sample < boot->count; sample++) {
		uint32_t begin;

		for (uint32_t at = 0; at < boot->depth; at++)
			gpu_offer_smallest(HIDDEN);
		begin = ticks();
		queue_publish(&control_queue);
		queue_wait(&control_queue);
		samples[sample] = ticks() - begin;
		report->sample_count = sample + 1;
	}
}

static void exit_to_vmm(void)
{
	out32(IDLE_PORT, 0);
}

static void kick_nobody(void)
{
	virtio_notify(SINK_QUEUE);
}

static void await_echo(uint32_t queue)
{
	uint32_t seen = echoes;

	virtio_notify(queue);
	while (echoes == seen)
		sleep_unless_changed(&echoes, seen);
}

static void interrupt_itself(void)
{
	await_echo(ECHO_QUEUE);
}

static void wake_and_be_interrupted(void)
{
	await_echo(RELAY_QUEUE);
}

static void read_register(void)
{
	virtio_acknowledge();
}

static struct queue loopback;

static void look_at_nothing(struct slot *slot)
{
	(void)slot;
}

/// Has a command answered before it is published, in the device's place.
static void answer_in_advance(void)
{
	struct slot *slot = queue_slot(&loopback);
	volatile uint32_t *element = (volatile uint32_t *)&loopback.used[2 + 4 * (loopback.offered & (loopback.size - 1))];

	element[0] = 2 * (slot - loopback.slots);
	element[1] = 0;
	queue_offer(&loopback, slot, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX);
	loopback.used[1] = loopback.offered;
	// No kick is wanted before many more.
	loopback.used[2 + 4 * loopback.size] = loopback.offered;
}

static void drive_alone(void)
{
	queue_publish(&loopback);
	queue_wait(&loopback);
}

static void nothing(void)
{
}

void measure_steps(void)
{
	// As lab/kvm/layout.ts has them.
	static const struct {
		void (*prepare)(void);
		void (*run)(void);
	} steps[] = {
		{ nothing, nothing },
		{ nothing, exit_to_vmm },
		{ nothing, kick_nobody },
		{ nothing, interrupt_itself },
		{ nothing, wake_and_be_interrupted },
		{ nothing, read_register },
		{ answer_in_advance, drive_alone },
	};
	uint32_t step_count = sizeof(steps) / sizeof(steps[0]);
	uint32_t *samples = begin_samples(step_count * boot->count);

	queue_init(&loopback, 0, 2 * SLOTS_MAX);
	loopback.answered = look_at_nothing;
	for (uint32_t step = 0; step < step_count; step++)
		for (uint32_t at = 0; at < boot->count; at++) {
			uint32_t begin;

			steps[step].prepare();
			begin = ticks();
			steps[step].run();
			samples[report->sample_count++] = ticks() - begin;
		}
}
