/* A float KPU layer becomes integers.
 *
 * Expects a kpu_conv whose input is DT_U8 with a quant (one pair, or one per channel), whose output has a quant (the
 * f32 value's, set by ncc_quant_assign), and whose weights and bias are constant f32. Walk the graph in order, so that
 * inputs are already u8: uploads of quantised values, kpu_layers, and kpu_concat, kpu_slice, kpu_recanvas or kpu_view
 * of these.
 *
 *     real            integer (doc/kpu.md 5)
 *     sum(x * w)      acc = sum((qx - x_zero) * (qw - w_zero)), in units of sx * sw[oc]
 *     + bias          v = ((acc * mul) >> shift) + add, in units of v_scale = s / 2^k
 *     act, quantise   table
 *
 * - Scales that differ per input channel go into the weights before these are quantised; zero points that differ (or
 *   are not whole: the model's input) into add, using the quantised weights, so that nothing but the pad sees the
 *   rounding.
 * - Scales that differ per output channel go into weights and bias likewise; the table has the coarsest of them. Its
 *   function must not mind (quant/by_channel.h).
 * - Weight scales are chosen so that mul is a whole number: the multiplier costs no accuracy. Weights that are
 *   multiples of one number, 256 of them at most (those of a quantised model), keep it as their scale and so are exact;
 *   then mul is rounded, to 10 bits at least if that is possible.
 * - Weights of 16 bits have codes up to 65535, or fewer where so many are added that the sum of products could leave 36
 *   bits.
 * - w_zero is the one of 0..255 with the least squared error of the weights. A weight of 0 is always exactly w_zero.
 * - Where the input's means are known (value->mean), what the rounding of the weights takes from the mean of each
 *   channel's sum is given back through add.
 * - Mean pools truncate (codes 2, 4, 8): the table adds what that loses on average, 3/8 or 15/32 of a code.
 * - acc and v are proven to fit 36 bits for every input, add 32 bits; otherwise k is made smaller.
 * - Layers with `copy` move all 256 codes unchanged.
 */
#ifndef NCC_K210_KPU_INTEGER_H
#define NCC_K210_KPU_INTEGER_H

#include "compiler/ir/op.h"
#include "compiler/ir/patches.h"

struct integer_options {
    const struct patches *patches; /* NULL, or what this layer reads: weights are then rounded one after another, each
                                      making up for the error that those before it left in the sums; and the table is
                                      fitted to the sums at these places */
    bool even_table;               /* with the least largest error, else fitted to what it sees (act_table.h) */
    bool leave_truncated;          /* what a mean pool cuts off is not given back (kpu.md section 3) */
    int rounding_passes;           /* more than 1: each weight is looked at again once all have been rounded */
    int w_zero;                    /* -1: search; 0..255: take this one (tests, comparisons) */
    int weight_bits;               /* 8 (also 0), or 16: then all rounding of weights is to the nearest */
};

struct layer_quality {
    double weight_sqnr_db; /* of the quantised weights; INFINITY when exact */
    double act_max_error;  /* of the table, in codes against the real function; perfect: 0.5 */
    double act_mean_error; /* perfect: 0.25 */
    int act_pieces;
    int w_zero;
    int acc_bits, v_bits; /* signed bits that the worst input needs */
    double v_scale;       /* real per quantum of v; negative: the sum is negated, as the activation falls */
};

/* Puts a kpu_layer in the place of the kpu_conv and removes that. The new output has the old one's name, quant, range,
 * window and uses, and is u8. `options` and `quality` may be NULL. NULL: an error was reported. */
struct node *ncc_k210_integer_layer(struct graph *g, struct node *kpu_conv, const struct integer_options *options,
                                    struct layer_quality *quality);

#endif
