// The processor: ports, the time-stamp counter, barriers, sleep.
#pragma once

#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

/// The low half of the time-stamp counter.
static inline uint32_t ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return low;
}

/// What was stored before is seen by all before what is loaded after.
static inline void full_barrier(void)
{
	__asm__ volatile("lock addl $0, (%%esp)" : : : "memory");
}

/// Keeps the compiler from moving accesses over it; loads and stores of their own kind the processor keeps in order.
static inline void compiler_barrier(void)
{
	__asm__ volatile("" : : : "memory");
}

static inline void disable_interrupts(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void enable_interrupts(void)
{
	__asm__ volatile("sti" : : : "memory");
}

/// An interrupt that waits is taken after the second instruction: it ends the sleep.
static inline void enable_interrupts_and_sleep(void)
{
	__asm__ volatile("sti; hlt" : : : "memory");
}

static inline void fill_words(uint32_t *words, uint32_t value, uint32_t count)
{
	__asm__ volatile("rep stosl" : "+D"(words), "+c"(count) : "a"(value) : "memory");
}
