// The hardware cursor of each scanout, 64x64.
#pragma once

#include <stdint.h>

#include "card.h"

// X and Y place the cursor image's top left corner. All return 0, or -1 with errno set.
int cursor_show(struct card *card, uint32_t scanout, int x, int y, int hot_x, int hot_y, uint32_t seed);
int cursor_move(struct card *card, uint32_t scanout, int x, int y);
int cursor_hide(struct card *card, uint32_t scanout);

// Frees all images; to be called before the card is closed.
void cursor_release(struct card *card);
