/* Layers that take maps apart into their even and odd rows and columns, and views that lay those together in another
 * way: what maps are made larger (enlarge.c) and thinner (thin_rows.c) of. Codes pass unchanged. */
#ifndef NCC_K210_TURNS_H
#define NCC_K210_TURNS_H

#include "compiler/k210/lower.h"

/* Where a channel of a pick reads: pixel (y, x) of it is pixel (2 y + row, 2 x + column) of `channel`; row, column: 0
 * or 1. */
struct pick_source {
    int channel, row, column;
    bool zero; /* it reads nothing */
};
typedef struct pick_source pick_source_of(const void *arg, int out_channel);

/* The layer, of half x's height and width; all of x is its window. */
struct value *ncc_lower_pick(struct lowering *l, const char *name, struct value *x, int out_c, pick_source_of *of,
                             const void *arg);
/* What it takes, or any layer, with the runtime's part; a byte of weights counts as a clock. */
double ncc_lower_pick_clocks(const struct lowering *l, int in_c, int h, int w, int out_c);
double ncc_lower_layer_clocks(const struct lowering *l, const struct ncc_kpu_shape *s);

/* The lines of x from `line` on as c maps of h x w. */
struct value *ncc_lower_maps_of(struct lowering *l, const char *name, struct value *x, int line, int c, int h, int w);

/* A turn: n tiles of h lines become four channels for each, of every other row and column, and these are tiles again:
 * the lowest digit of the lines, and of the columns, becomes the highest. So many of them. */
struct value *ncc_lower_turns(struct lowering *l, const char *name, struct value *x, int n, int h, int times);
double ncc_lower_turns_clocks(const struct lowering *l, int n, int h, int times);
pick_source_of ncc_lower_turn_source;

/* x with copies of its first channels behind it, so many lines at least. */
struct value *ncc_lower_fill_lines(struct lowering *l, const char *name, struct value *x, int64_t lines);

#endif
