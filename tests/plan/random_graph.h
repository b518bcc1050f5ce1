/* Random graphs as they look after quantisation, for planning only: constants are never read. */
#ifndef NCC_TESTS_PLAN_RANDOM_GRAPH_H
#define NCC_TESTS_PLAN_RANDOM_GRAPH_H

#include "compiler/ops/attrs.h"
#include "random.h"

/* Everything that a graph hangs on. */
struct graph_case {
    struct exit exit;
    struct arena arena;
    struct diags diags;
    struct graph *g;
};

/* The case must not move afterwards. Running out of memory ends the program. */
void case_open(struct graph_case *c);
void case_close(struct graph_case *c);

/* Building blocks; all abort when the operator refuses. */
struct value *case_input(struct graph_case *c, enum memory mem, int channels, int h, int w);
struct value *case_layer(struct graph_case *c, struct value *x, int channels);          /* 1x1, same canvas */
struct value *case_pool_layer(struct graph_case *c, struct value *x, int channels);     /* halves the canvas */
struct value *case_node(struct graph_case *c, enum op op, const void *attrs, struct value *const *in, int n_in);
#define CASE_NODE(c, op, attrs, ...)                                                                                   \
    case_node((c), (op), (attrs), (struct value *const[]){__VA_ARGS__},                                                \
              (int)(sizeof((struct value *const[]){__VA_ARGS__}) / sizeof(struct value *)))
struct value *case_quantize(struct graph_case *c, struct value *x);
struct value *case_upload(struct graph_case *c, struct value *x);
struct value *case_concat(struct graph_case *c, enum op op, struct value *const *in, int n_in); /* of channels */
struct value *case_reshape(struct graph_case *c, struct value *x, int channels, int h, int w);
struct value *case_slice(struct graph_case *c, struct value *x, int begin, int count);
struct value *case_recanvas(struct graph_case *c, struct value *x, int h, int w);

/* Random nodes, at most n of them: branches, skips, concats of both kinds, slices, downloads, uploads, element-wise
 * operators. What nobody reads becomes an output. */
void case_random(struct graph_case *c, struct random *r, int n);

#endif
