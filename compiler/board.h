/* The general RAM that a board's firmware leaves for a model, its working memory and its input. */
#ifndef NCC_COMPILER_BOARD_H
#define NCC_COMPILER_BOARD_H

#include "compiler/base/arena.h"

#include <stdbool.h>
#include <stdint.h>

struct board {
    const char *name;
    int64_t bytes;
    const char *source; /* where the figure comes from; NULL: from the command line */
};

extern const struct board ncc_boards[];
extern const int ncc_n_boards;

/* The board that `text` names: one of the table (NULL: the first), or NAME=BYTES for any other. False: neither. The
 * name of such a board is in the arena. */
bool ncc_board_find(const char *text, struct arena *a, struct board *out);

/* "bare-metal, freertos, ..." for messages. */
const char *ncc_board_names(struct arena *a);

#endif
