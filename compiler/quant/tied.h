/* Channels that are tied: a positive factor on one of them is a factor on the others.
 *
 *     conv A --.                       .-- max pool -- conv C          A's channel 0, the concat's, PReLU's and pool's
 *              +-- concat -- PReLU ----+                               channel 0 are one; so are B's channel 0 and the
 *     conv B --'                       '-- conv D                      concat's channel n, and so on
 *
 * Operators with f(s x) = s f(x), s > 0, channel by channel, tie what they read to what they make: ReLU, leaky ReLU and
 * PReLU, pools, resizing, channel concat, and what sums, subtracts or compares two maps of one shape.
 *
 * Convolutions with constant weights end ties: at the producing end a factor goes into the weights' rows, at the
 * reading end its inverse goes into their columns. All else (other operators, inputs and outputs of the graph, clips,
 * ranges that are known) fixes the channels that it touches, and with them all that are tied to these; so does what
 * the caller does not want to be gone through.
 */
#ifndef NCC_QUANT_TIED_H
#define NCC_QUANT_TIED_H

#include "compiler/ir/graph.h"

struct tied {
    int n;       /* places, one per channel of every value of real numbers that no constant holds */
    int *first;  /* by value id: place of channel 0; -1: none */
    int *parent; /* by place: towards the one that stands for all that are tied */
    bool *fixed; /* by place that stands for others */
    int *family; /* by value id: towards the value that stands for all that operators join, whatever their channels */
};

/* What factors may go through; a set. */
enum through {
    THROUGH_RELU = 1 << 0,      /* from convolution to convolution: nothing, a ReLU or a leaky ReLU */
    THROUGH_DEPTHWISE = 1 << 1, /* depthwise layers: what they read and what they make has factors */
    THROUGH_PRELU = 1 << 2,
    THROUGH_POOL = 1 << 3, /* and resizing */
    THROUGH_SUM = 1 << 4,  /* differences, maxima and minima of two maps as well */
    THROUGH_CONCAT = 1 << 5,
    THROUGH_READERS = 1 << 6, /* values that several nodes read */
};

/* The arrays are in the arena. */
struct tied ncc_quant_tie(const struct graph *g, unsigned through, struct arena *a);

/* The place that stands for channel c of v, which must have places. */
int ncc_tied_place(const struct tied *t, const struct value *v, int c);
/* The id of the value that stands for v's family. */
int ncc_tied_family(const struct tied *t, const struct value *v);

/* Convolution, transposed or not, whose weights and bias are constants. */
bool ncc_tied_ends(const struct node *n);

#endif
