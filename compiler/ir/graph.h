/* The graph: one SSA graph from import to emission.
 *
 * Nodes stand in a list in an order in which they can run. Each value is written once, by
 * one node (or is an input or a constant) and knows its uses. Everything lives in the
 * graph's arena; removing a node only unlinks it.
 *
 * Shapes are NCHW; the batch is 1 from import on.
 *
 * Building and changing (all keep the use lists right):
 *
 *     struct value *x = ncc_graph_input(g, "image", DT_F32, ncc_shape_4(1, 3, 32, 32));
 *     struct node *relu = ncc_node_new(g, OP_relu, "relu1", NULL, (struct value *[]){x}, 1);
 *     // relu->out[0] has its shape and type: they were inferred
 *     ncc_graph_output(g, relu->out[0], "y");
 */
#ifndef NCC_IR_GRAPH_H
#define NCC_IR_GRAPH_H

#include "compiler/base/diag.h"
#include "compiler/ir/type.h"

enum op {
#define OP(name) OP_##name,
#include "compiler/ir/ops.def"
#undef OP
    N_OPS
};

struct node;

struct use {
    struct node *node;
    int index; /* node->in[index] is the value */
    struct use *next;
};

/* How far the samples went. */
struct swing {
    float lo, hi;
};

struct value {
    int id;             /* unique in the graph, never reused */
    const char *name;   /* in the source model where it comes from there; never NULL */
    struct shape shape; /* of the canvas when mem is MEM_KPU */
    enum dtype dtype;
    enum memory mem;
    struct window window;
    struct quant quant;
    struct range range;     /* observed on the samples, or known from the model */
    const struct swing *seen; /* of a factor of a product, per channel (dimension 1), on some samples: a hint; or NULL */
    const double *mean;     /* of a canvas, per channel, inside the window, observed on the samples; or NULL */
    const void *data;       /* constant: its elements, packed; else NULL */
    struct node *def;       /* NULL: graph input or constant */
    int def_index;
    struct use *uses;
    int64_t addr;           /* byte offset in its memory, set by plan; -1 before */
    int real_id;            /* its own id; in an integer graph the id that the value whose codes it holds had before */
    int family;             /* of pieces of one map, which must have the same codes; 0: none. Some value's id plus one */
};

struct node {
    enum op op;
    const char *name;   /* unique is nice, not needed; never NULL */
    const char *origin; /* names of the source model's nodes it stands for, comma separated, or NULL */
    void *attrs;        /* struct of the operator (ops/attrs.h), or NULL */
    struct value **in;
    int n_in;           /* an optional input that is absent is NULL */
    struct value **out;
    int n_out;
    bool on_kpu;        /* set by placement: this node becomes KPU layers */
    bool barred;        /* must not: its layers do not fit KPU RAM; the reason is set */
    bool apart;         /* a slice: on the KPU its rows get a canvas of their own, where a window of the whole would do */
    int made_for;       /* lowered: 1 + the id of the first result of the canonical node that asked for it; 0: none */
    bool in_float;      /* it must stay in floating point */
    double kpu_us;      /* set by placement: estimated time of its KPU layers; INFINITY: there are none that do it */
    const char *reason; /* why it is where it is, for the report; or NULL */
    struct node *prev, *next;
};

struct graph_output {
    struct value *value;
    const char *name;
};

/* A node of the source model in its own words. Importers list all that they read, so that the report can say what became of
 * each; nodes of the graph name them in `origin`. */
struct source_node {
    const char *name, *op;
    bool needed; /* for the outputs, as the model was cut */
};

struct outline;

struct graph {
    struct arena *arena;
    struct diags *diags;
    const char *file;   /* of the source model, for messages */
    struct node *first, *last;
    struct { struct value **v; int n, cap; } inputs;
    struct { struct graph_output *v; int n, cap; } outputs;
    struct { struct source_node *v; int n, cap; } sources; /* not copied with the graph */
    const struct outline *outline; /* the source model as its importer saw it (import/outline.h), or NULL; not copied */
    int next_id;
    struct node *cursor; /* new nodes go before it; NULL: to the end */
    bool unnamed;        /* nobody will read the names of new nodes and values: none are made, and those given are kept as they
                            are. Not copied */
};

/* ---- making ---- */

/* `d` and `arena` must outlive the graph; file may be NULL. */
struct graph *ncc_graph_new(struct arena *arena, struct diags *d, const char *file);

struct value *ncc_graph_input(struct graph *g, const char *name, enum dtype dtype, struct shape shape);
void ncc_graph_output(struct graph *g, struct value *v, const char *name);
/* Lists a node of the source model; the strings must live as long as the graph. */
void ncc_graph_source(struct graph *g, const char *name, const char *op, bool needed);

/* Keeps `data` (which must live as long as the graph); ncc_const_copy copies it. */
struct value *ncc_const(struct graph *g, const char *name, enum dtype dtype, struct shape shape, const void *data);
struct value *ncc_const_copy(struct graph *g, const char *name, enum dtype dtype, struct shape shape, const void *data);

/* A node with its outputs, put before g->cursor. attrs (NULL: the operator's defaults) and the
 * input array are copied; shapes and types of the outputs are inferred. If the operator does
 * not take these inputs, a diagnostic is added, and NULL is returned. */
struct node *ncc_node_new(struct graph *g, enum op op, const char *name, const void *attrs, struct value *const *in,
                          int n_in);
/* The same for the common case of one output: the value, or NULL. */
struct value *ncc_op(struct graph *g, enum op op, const char *name, const void *attrs, struct value *const *in,
                     int n_in);
#define NCC_OP(g, op, name, attrs, ...)                                                                                \
    ncc_op((g), (op), (name), (attrs), (struct value *const[]){__VA_ARGS__},                                           \
           (int)(sizeof((struct value *const[]){__VA_ARGS__}) / sizeof(struct value *)))

/* ---- changing ---- */

void ncc_node_set_input(struct node *n, int index, struct value *v, struct arena *a); /* v may be NULL */
/* All uses of `old`, graph outputs included, become uses of `with`. A graph output keeps its name. */
void ncc_value_replace(struct graph *g, struct value *old, struct value *with);
/* The same, where `with` is another form of the same thing: it takes over name, quant, range, mean and real_id. */
void ncc_value_succeed(struct graph *g, struct value *old, struct value *with);
/* Unlinks a node that nobody uses any more. */
void ncc_node_remove(struct graph *g, struct node *n);
void ncc_node_move_before(struct graph *g, struct node *n, struct node *where);
/* Removes nodes whose results nobody needs. Returns how many. */
int ncc_graph_sweep(struct graph *g);
/* A deep copy (constants' data are shared) into another arena. */
struct graph *ncc_graph_copy(const struct graph *g, struct arena *arena, struct diags *d);

/* ---- asking ---- */

static inline bool ncc_is_const(const struct value *v) { return v && v->data; }
bool ncc_value_is_output(const struct graph *g, const struct value *v);
/* The only node that uses v, or NULL when there are none, several, or v is also a graph output. */
struct node *ncc_value_only_use(const struct graph *g, const struct value *v);
struct place ncc_node_place(const struct graph *g, const struct node *n);
int ncc_graph_n_nodes(const struct graph *g);
/* A name derived from an existing one, for nodes that a pass adds: "conv_3/shift". In an unnamed graph that one itself. */
const char *ncc_name(struct graph *g, const char *base, const char *suffix);

/* ---- verifying: graph/verify.c ---- */

/* Checks every invariant: list links, order, use lists, arity, attributes in range, inferred
 * shapes equal to the stored ones, windows inside canvases. A broken one is a FAULT_INTERNAL
 * diagnostic that names `after`. */
bool ncc_graph_verify(const struct graph *g, const char *after);

#endif
