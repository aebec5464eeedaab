// What the guest's kernel says: its log and the EDIDs it has read. Both write data lines to `out`.
#pragma once

#include <stdint.h>
#include <stdio.h>

// Both return 0, or -1 with errno set.
int report_log(FILE *out);
int report_edid(FILE *out, uint32_t scanout);
