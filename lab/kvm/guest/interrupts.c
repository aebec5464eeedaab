#include "interrupts.h"

#include "cpu.h"
#include "gpu.h"
#include "report.h"
#include "virtio.h"

#define PIC_COMMAND 0x20
#define PIC_MASK 0x21
#define SECOND_PIC_COMMAND 0xa0
#define SECOND_PIC_MASK 0xa1
/// Which lines of the first PIC are level-triggered.
#define PIC_LEVEL 0x4d0
#define PIC_INIT 0x11
#define PIC_8086 0x01
#define PIC_END_OF_INTERRUPT 0x20
#define FIRST_VECTOR 0x20
#define SECOND_VECTOR 0x28
#define CASCADE_IRQ 2

#define APIC_END_OF_INTERRUPT ((volatile uint32_t *)0xfee000b0)
#define APIC_SPURIOUS ((volatile uint32_t *)0xfee000f0)
#define APIC_ENABLED 0x1ff

#define CODE_SEGMENT 8
#define INTERRUPT_GATE 0x8e00

struct table {
	uint16_t limit;
	uint32_t address;
} __attribute__((packed));

void device_entry(void);
void echo_entry(void);
void message_entry(void);

volatile uint32_t echoes, messages;

static uint64_t segments[] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };
static uint32_t gates[256][2];

static void set_gate(uint32_t vector, void (*entry)(void))
{
	uint32_t address = (uint32_t)entry;

	gates[vector][0] = CODE_SEGMENT << 16 | (address & 0xffff);
	gates[vector][1] = (address & 0xffff0000) | INTERRUPT_GATE;
}

static void init_pics(void)
{
	uint8_t wanted = 1 << boot->device_irq | 1 << ECHO_IRQ;

	out8(PIC_LEVEL, boot->flags & BOOT_LEVEL ? 1 << boot->device_irq : 0);
	out8(PIC_COMMAND, PIC_INIT);
	out8(PIC_MASK, FIRST_VECTOR);
	out8(PIC_MASK, 1 << CASCADE_IRQ);
	out8(PIC_MASK, PIC_8086);
	out8(PIC_MASK, (uint8_t)~wanted);
	out8(SECOND_PIC_COMMAND, PIC_INIT);
	out8(SECOND_PIC_MASK, SECOND_VECTOR);
	out8(SECOND_PIC_MASK, CASCADE_IRQ);
	out8(SECOND_PIC_MASK, PIC_8086);
	out8(SECOND_PIC_MASK, 0xff);
}

void interrupts_init(void)
{
	struct table segment_table = { sizeof(segments) - 1, (uint32_t)segments };
	struct table gate_table = { sizeof(gates) - 1, (uint32_t)gates };

	set_gate(FIRST_VECTOR + boot->device_irq, device_entry);
	set_gate(FIRST_VECTOR + ECHO_IRQ, echo_entry);
	set_gate(MESSAGE_VECTOR, message_entry);
	__asm__ volatile("lgdt %0" : : "m"(segment_table));
	__asm__ volatile("lidt %0" : : "m"(gate_table));
	init_pics();
	if (boot->task == TASK_MESSAGE_INTERRUPT)
		*APIC_SPURIOUS = APIC_ENABLED;
}

void sleep_unless_changed(const volatile uint32_t *count, uint32_t seen)
{
	disable_interrupts();
	if (*count == seen)
		enable_interrupts_and_sleep();
	else
		enable_interrupts();
}

void device_interrupt(void)
{
	uint32_t reasons = virtio_acknowledge();

	report->interrupts++;
	if (!reasons)
		report->idle_interrupts++;
	if (reasons & REASON_CONFIG_CHANGE) {
		report->config_changes++;
		gpu_clear_events();
	}
	out8(PIC_COMMAND, PIC_END_OF_INTERRUPT);
}

void echo_interrupt(void)
{
	echoes++;
	out8(PIC_COMMAND, PIC_END_OF_INTERRUPT);
}

void message_interrupt(void)
{
	messages++;
	*APIC_END_OF_INTERRUPT = 0;
}
