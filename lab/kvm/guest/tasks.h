// What the program can do, each until its end.
#pragma once

void animate(void);
void measure_round_trips(void);
void measure_steps(void);
void await_message(void);
void triple_fault(void);
void break_rings(void);
