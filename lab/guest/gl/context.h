// A GL context without a window, and what every program that draws in one begins with.
#pragma once

// Returns 0, or -1 where GL is not to be had.
int context_open(void);

// Compiles and adds a shader of that kind.
void program_add(unsigned program, unsigned kind, const char *text);
