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
 * ranges that are known) fixes the channels that it touches, and with them all that are tied to these.
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

/* The arrays are in the arena. */
struct tied ncc_quant_tie(const struct graph *g, struct arena *a);

/* The place that stands for channel c of v, which must have places. */
int ncc_tied_place(const struct tied *t, const struct value *v, int c);
/* The id of the value that stands for v's family. */
int ncc_tied_family(const struct tied *t, const struct value *v);

/* Convolution, transposed or not, whose weights and bias are constants. */
bool ncc_tied_ends(const struct node *n);

#endif
