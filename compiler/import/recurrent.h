/* Recurrent layers (RNN, GRU, LSTM) as what they compute, step by step: kmodels have no loops, and a K210 model knows
 * how many steps there are. All importers share this. */
#ifndef NCC_IMPORT_RECURRENT_H
#define NCC_IMPORT_RECURRENT_H

#include "compiler/ir/graph.h"

enum recurrent_kind { RECURRENT_RNN, RECURRENT_GRU, RECURRENT_LSTM };

/* Most steps of a layer that are written out, a dozen nodes each; and most values of a graph in all before another layer
 * is, so that the work stays bounded whatever a file says. */
enum { RECURRENT_MAX_STEPS = 512, RECURRENT_MAX_VALUES = 1 << 20 };

/* y = out_factor * op(in_factor * x + in_shift), of which an operator N_OPS leaves op out. */
struct recurrent_function {
    enum op op;
    const void *attrs;
    float in_factor, in_shift, out_factor;
};

/* One direction. T steps, batch B, I inputs, H states, G gates side by side, each H columns wide:
 *
 *     RNN   h = f(z)
 *     GRU   z, r = f(..), n = g(x Wn + r * (h Rn)), h = n + z * (h - n)            in the order z, r, n
 *     LSTM  i, o, f = f(..), c = f * c + i * g(..), h = o * h(c)        in the order i, o, f, c
 *
 * with .. = x W + h R + bias. */
struct recurrent {
    struct graph *g;
    int64_t *fold_budget;
    const char *name;       /* of the source model's node */
    enum recurrent_kind kind;
    struct value *x;        /* [T * B][I] */
    int n_steps, batch, n_states;
    struct value *w, *r;    /* [I][G * H], [H][G * H] */
    struct value *bias;     /* [G * H], or NULL */
    struct value *h_bias;   /* GRU with reset_after: [G * H], what is added to h R; or NULL. Others have it in the bias */
    struct value *h, *c;    /* [B][H] before the first step; NULL: zeros */
    struct value *peepholes[3]; /* LSTM: what i, o, f see of the cell, [H]; or NULL */
    struct recurrent_function f, g_of, h_of;
    float clip;             /* what goes into f and g lies in -clip .. clip; 0: wherever it likes */
    bool backward;          /* from the last step to the first */
    bool reset_after;       /* GRU: r * (h Rn + bias), as above; else (r * h) Rn */
    bool input_forget;      /* LSTM: f = 1 - i */
    /* What codes the states have after each step, in a model that is quantised; or NULL. NULL results are refusals. */
    struct value *(*round_h)(void *ctx, struct value *v);
    struct value *(*round_c)(void *ctx, struct value *v);
    void *ctx;
};

/* y: [T * B][H] in the order of the steps' time; h and c: [B][H] after the last step. Whether y is wanted. */
struct recurrent_result {
    struct value *y, *h, *c;
};

/* False: a node was refused, with a diagnostic. */
bool ncc_recurrent_unroll(const struct recurrent *l, bool wants_y, struct recurrent_result *out);

#endif
