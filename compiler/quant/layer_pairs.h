/* Which nodes of an integer graph are layers, and which value of the real graph each one's result is held against.
 * Values of the two graphs are matched by value->real_id. */
#ifndef NCC_QUANT_LAYER_PAIRS_H
#define NCC_QUANT_LAYER_PAIRS_H

#include "compiler/ir/op.h"

enum { NCC_LAYER_INPUTS = 8 /* a layer has no more */ };

struct layer_pair {
    const struct node *node;      /* integer */
    const struct node *real;      /* of the real graph; NULL: an input */
    const struct node *view;      /* integer: what alone reads the result, and knows which of it counts; NULL: none */
    const struct value *y, *code; /* what is compared: of the real graph and of the integer graph */
    int first_channel;            /* of all pairs' channels, one after another */
    int n_channels;
};

struct layer_pairs {
    struct layer_pair *v; /* in the order of the integer graph; nodes that only move codes are left out */
    int n, n_channels;
};

/* Inputs and results of nodes by id, NULL where there is none (constants). In the arena. */
struct value **ncc_graph_values(const struct graph *g, struct arena *a);

/* `real_values`: of the real graph, n_real of them. In the arena. */
struct layer_pairs ncc_layer_pairs(const struct graph *codes, struct value *const *real_values, int n_real,
                                   struct arena *a);

#endif
