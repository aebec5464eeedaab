// Tasks that compute without end, and give way to all others.
#pragma once

// There are `tasks` of them from then on. Returns 0, or -1 with errno set.
int spin(long tasks);
