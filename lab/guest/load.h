// What keeps a guest drawing for some time, as fast as it can: the loads of `bun bench --guest`.
//
// The first pixel that a frame changes is its stamp, 0x5a in red and the frame's number in green and blue, by which the host
// knows a frame that its console shows. Numbers go on from one load to the next.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "card.h"

#define LOAD_STAMP(number) (0x5a0000u | ((number) & 0xffff))

// Runs the load of that name on the first `heads` scanouts, which show something, for `ms`. Writes how many frames there
// were, "- ran COUNT START-US DURATION-US FIRST-NUMBER", and if asked when each was given to the driver: lines "- at", of microseconds
// from one frame to the next, in hexadecimal. Returns -1 with errno set where that failed.
int load_run(struct card *card, const char *name, uint32_t heads, uint32_t ms, bool with_times,
	     FILE *out);

// A change of a few pixels `count` times, each after a pause.
int load_pokes(struct card *card, uint32_t count, uint32_t pause_ms, FILE *out);

// A number that all pixels of the front buffer take part in, for comparison with what is shown.
uint32_t load_hash(uint32_t scanout);
