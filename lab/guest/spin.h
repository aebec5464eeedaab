// Tasks that keep every CPU busy with nothing, and give way to all others.
#pragma once

// Both return 0, or -1 with errno set.
int spin_start(void);
int spin_stop(void);
