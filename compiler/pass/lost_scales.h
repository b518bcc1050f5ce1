/* Scales of a quantised model that the chip does not have: what becomes of its values instead. Inside of compiler/pass
 * only. */
#ifndef NCC_PASS_LOST_SCALES_H
#define NCC_PASS_LOST_SCALES_H

#include "compiler/ir/op.h"

enum { N_LOST_SCALES = 3 };

/* Starts as {0}. */
struct lost_scales {
    struct {
        int n;              /* values that break the limit */
        struct place place; /* of the first */
        const char *found;
    } row[N_LOST_SCALES];
};

/* Looks at a fake_quant with constant scales. */
void ncc_lost_scales_look(struct lost_scales *l, const struct graph *g, const struct node *fake_quant);

/* One message for each limit that was broken. */
void ncc_lost_scales_tell(const struct lost_scales *l, const struct graph *g);

#endif
