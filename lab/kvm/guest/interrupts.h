// Interrupts: the descriptor tables, the PICs, and what each interrupt does.
#pragma once

#include <stdint.h>

/// Sets everything up, with interrupts off.
void interrupts_init(void);

/// Sleeps until an interrupt, unless there were others than `seen` already.
void sleep_unless_changed(const volatile uint32_t *count, uint32_t seen);

/// Interrupts of the line that the VMM's ECHO_QUEUE raises, and messages.
extern volatile uint32_t echoes, messages;
