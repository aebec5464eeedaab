#include "report.h"

_Noreturn void give_up(const char *file, uint32_t line, uint32_t value)
{
	report->failed_line = line;
	report->failed_value = value;
	for (uint32_t at = 0; at + 1 < sizeof(report->failed_file) && file[at]; at++)
		report->failed_file[at] = file[at];
	out32(EVENT_PORT, EVENT_FAILED);
	for (;;)
		__asm__ volatile("cli; hlt");
}
