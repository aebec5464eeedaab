#include "memory.h"

#include "layout.h"

#define PAGE 4096

static uint32_t next = HEAP;

void *allocate(uint32_t bytes)
{
	uint32_t address = next;

	next += (bytes + PAGE - 1) & ~(PAGE - 1);
	return (void *)address;
}

// The compiler calls it.
void *memset(void *to, int value, unsigned long count)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(value) : "memory");
	return to;
}
