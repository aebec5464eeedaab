// Any other program of the guest's.
#pragma once

#include <stdio.h>

// Runs COMMAND in a shell and passes on what it prints as data lines. Returns its exit status, 128 and the signal's
// number where one ended it, or -1 with errno set.
int shell_run(const char *command, FILE *out);

// The same on a terminal of its own, so that a program's lines come when it prints them.
int shell_run_on_terminal(const char *command, FILE *out);
