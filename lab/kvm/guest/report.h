// What the program tells the VMM.
#pragma once

#include "cpu.h"
#include "layout.h"

static struct boot_page *const boot = (struct boot_page *)BOOT_PAGE;
static volatile struct report_page *const report = (struct report_page *)REPORT_PAGE;

/// Ends the program: `value` is not what it must be.
_Noreturn void give_up(const char *file, uint32_t line, uint32_t value);

#define GIVE_UP(value) give_up(__FILE_NAME__, __LINE__, value)
#define EXPECT(condition, value) \
	do { \
		if (!(condition)) \
			GIVE_UP(value); \
	} while (0)
