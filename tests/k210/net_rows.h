/* One small random network for each row of "what becomes of each operation on the K210" (doc/lowering.md): the
 * operation alone, behind a layer, in front of one, or between two. */
#ifndef NCC_TESTS_K210_NET_ROWS_H
#define NCC_TESTS_K210_NET_ROWS_H

#include "tests/k210/net.h"

struct net_row {
    const char *name;
    struct value *(*append)(struct graph *g, uint64_t *state, struct value *x);
    int min_c, max_c, min_size, max_size; /* of its input */
    bool alone;                           /* too large for layers around it */
    bool to_bands;                        /* its maps are too large for the chip: cut them */
};

extern const struct net_row net_rows[];
extern const int net_n_rows;

/* Network number `index` of a row. */
void net_make_row(struct net *n, uint64_t *state, const struct net_row *row, int index);

#endif
