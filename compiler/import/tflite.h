/* Inside of the TFLite importer: what its files share.
 *
 *     tflite.c           the walk: subgraph, what is needed, inputs, operators in order, outputs
 *     tflite_read.c      tables to structs: tensors, operator codes, constants' bytes
 *     tflite_const.c     constants as values of the graph; integers that shape the graph
 *     tflite_sparse.c    sparse constants and those of four bits made dense
 *     tflite_build.c     what builders call: operands in the order they need, nodes, results, refusals
 *     tflite_codes.c     what a quantised model's integers stand for
 *     tflite_ops.def     one row per operator: its builder and what the builder needs to know
 *     tflite_ops_*.c     the builders
 */
#ifndef NCC_IMPORT_TFLITE_H
#define NCC_IMPORT_TFLITE_H

#include "compiler/import/flatbuf.h"
#include "compiler/import/import.h"
#include "compiler/import/layout.h"
#include "compiler/import/tflite_schema.h"

#define TF_MAX_FORMS 4

struct tf_tensor {
    const char *name;
    int type;            /* enum tf_type, 0 .. N_TF_TYPES - 1 */
    struct shape stored; /* as the file says; -1: open */
    bool has_shape;      /* stored is usable: rank in range */
    struct fb_table sparsity; /* absent: the data are dense */
    struct bytes data; /* constant: its bytes in the file; data NULL: none */
    struct fb_vector scale, zero_point;
    int quant_axis;
    /* The tensor's value in the graph, in one or more orders; none: not made yet. */
    struct form form[TF_MAX_FORMS];
    int n_forms;
    struct shape shape; /* in the model's order, valid when n_forms > 0 */
    int n_uses;
    bool needed;    /* by an output, through operators */
    bool is_given;  /* a graph input, whoever else makes it */
    bool is_variable; /* no operator makes it: zeros when the model starts */
    bool is_failed; /* its operator could not be read: not worth another message */
};

struct build;

/* Makes the operator's nodes and gives its results with ncc_tflite_give. False: it has told why not. */
typedef bool tf_builder(struct build *b);

struct tf_row {
    const char *name;    /* NULL: unknown code */
    tf_builder *builder; /* NULL: not supported */
    int options;         /* enum tf_options; none: they do not matter */
    int activation;      /* field of the fused activation in the options, or -1 */
    int min_in, max_in;
    int n_out;  /* -1: any number above 0 */
    int detail; /* for the builder: mostly the enum op */
};

struct tf_code {
    int code;
    const struct tf_row *row;
    const char *name; /* for messages: "CONV_2D", "CUSTOM Foo", "operator 300" */
};

struct tf_operator {
    struct fb_table table;
    const struct tf_code *code;
    int *in, *out; /* tensor numbers, -1: absent */
    int n_in, n_out;
    const char *name; /* of its first output: operators have none of their own */
    bool needed, is_refused;
};

struct tflite {
    struct arena *arena;
    struct diags *diags;
    struct graph *graph;
    const char *file;
    const struct import_options *options;
    struct fb fb;
    struct tf_tensor *tensors;
    struct tf_code *codes;
    struct tf_operator *ops;
    int n_tensors, n_codes, n_ops;
    struct tf_list { int *v; int n; } inputs, outputs; /* tensor numbers */
    int old_batch;       /* of the model's inputs, where it was not 1; else 1 */
    bool is_reshaped;    /* the stored shapes do not count any more */
    bool channels_first; /* the model is NCHW inside the file */
    bool is_told;        /* that the file is damaged */
    int64_t fold_budget; /* elements that constant arithmetic may still touch */
};

/* A convolution between a space to batch and its inverse: what it is in truth. */
struct dilated {
    int x; /* tensor in front of all three */
    struct { int dilation, before, after; } h, w;
};

/* One operator on its way into the graph. */
struct build {
    struct tflite *m;
    const struct tf_operator *op;
    const struct tf_row *row;
    struct fb_table options; /* absent when the operator has none */
    const char *name;
    int first_id; /* values from here on are this operator's */
    const struct dilated *dilated; /* NULL: the convolution is as its options say */
};

/* ---- tflite_read.c ---- */

/* Fills tensors, codes, ops, inputs and outputs of the first subgraph; false with a diagnostic. */
bool ncc_tflite_read(struct tflite *m);
/* Adds the reader's error as a diagnostic, once, if there is one; returns whether there was none. */
bool ncc_tflite_intact(struct tflite *m);
/* Elements of our types; false when we have no such type. */
bool ncc_tflite_dtype(int type, enum dtype *out);
const char *ncc_tflite_type_name(int type);
/* Whether its elements are codes of real numbers. */
bool ncc_tflite_is_quantised(const struct tf_tensor *t);
/* The row of a builtin code; never NULL. */
const struct tf_row *ncc_tflite_row(int code);

/* ---- tflite_const.c ---- */

/* Makes the value of a constant: f32 where it is f16 or quantised. False with a diagnostic. */
bool ncc_tflite_materialise(struct tflite *m, struct tf_tensor *t);
/* Makes the value of a variable tensor: zeros. False: its shape is not known. */
bool ncc_tflite_start_empty(struct tflite *m, struct tf_tensor *t);

/* ---- tflite_sparse.c: for constants of known shape; they replace t->data. False with a diagnostic ---- */

bool ncc_tflite_expand(struct tflite *m, struct tf_tensor *t, size_t item_size);
/* Codes of four bits become codes of eight, and the type follows. */
bool ncc_tflite_unpack_halves(struct tflite *m, struct tf_tensor *t);

/* Integers of a constant value, at most NCC_MAX_INTS; false when it is no such constant. */
bool ncc_tflite_value_ints(const struct value *v, struct ints *out);

/* ---- tflite_build.c: for builders. k counts the operator's inputs or outputs ---- */

/* Adds an error about this operator and returns false. */
bool ncc_tflite_refuse(struct build *b, const char *rule, const char *remedy, const char *found, ...)
    __attribute__((format(printf, 4, 5)));

/* An input, or NULL when it is absent. Its shape is known. */
struct tf_tensor *ncc_tflite_in(struct build *b, int k);
/* Constant integers; refuses when they are not constant. Scalars give n = 1. */
bool ncc_tflite_ints(struct build *b, int k, struct ints *out);
/* A constant integer brought into 0 .. rank - 1. */
bool ncc_tflite_axis(struct build *b, int axis, int rank, int *out);
/* An f32 constant in the model's order; NULL: refused. */
struct value *ncc_tflite_weights(struct build *b, int k, int rank);
/* The bias: as weights of `n` elements; *out is NULL when it is absent. Integers are in units of their own scale or,
 * when they have none, of that of input `x` times that of the weights, input `w`. */
bool ncc_tflite_bias(struct build *b, int k, int n, int x, int w, struct value **out);

/* Of which codes a constant was made is noted in it, for evaluation in the model's own fixed point (value->quant). Those
 * with one pair have that from the start; weights, which are input k in another order, need it told, and have a pair
 * for each index along `axis` of the model's order at most. */
struct quant ncc_tflite_pairs(struct tflite *m, const struct tf_tensor *t);
void ncc_tflite_keep_codes(struct build *b, int k, int axis, struct value *v);

/* v, which are the activations (input x) as the operator takes them: rounded where they are floats and the weights, input
 * w, int8, since the kernels multiply integers then. */
struct value *ncc_tflite_hybrid(struct build *b, int x, int w, bool symmetric, struct value *v);

/* The input in the given order, with dimensions of 1 put in front of its shape up to perm.n. NULL: refused. */
struct value *ncc_tflite_get(struct build *b, int k, struct ints perm);
struct value *ncc_tflite_native(struct build *b, int k);
/* The input as 1 x C x H x W; refuses other ranks. */
struct value *ncc_tflite_map(struct build *b, int k);
/* The order to take for an operator that does not mind: one that its inputs have. `rank` is that of the result;
 * inputs of another rank and constants have no say. */
struct ints ncc_tflite_choose(struct build *b, int first, int n, int rank);
/* The input in an order that it has: channels first if that is one, else the one it was made in. */
struct form ncc_tflite_any(struct build *b, int k);

/* A node; suffix NULL for the one that bears the operator's name. Constants are folded. NULL: refused. */
struct node *ncc_tflite_node(struct build *b, enum op op, const char *suffix, const void *attrs,
                             struct value *const *in, int n_in);
struct value *ncc_tflite_op(struct build *b, enum op op, const char *suffix, const void *attrs,
                            struct value *const *in, int n_in);
/* The same elements in another order; under another shape of the model's, which has as many elements; input k under
 * another shape, from the form that serves best. v NULL: refused. */
struct form ncc_tflite_reorder(struct build *b, struct form f, struct ints perm);
struct form ncc_tflite_reshape(struct build *b, struct form f, struct shape to);
struct form ncc_tflite_reshape_in(struct build *b, int k, struct shape to);
/* v, which is tensor t in the order `perm`, limited and rounded to what t's codes stand for; v itself where t is not
 * quantised or v is rounded so already. */
struct value *ncc_tflite_round(struct build *b, const struct tf_tensor *t, struct form f);
/* A fused activation (enum tf_activation). */
struct value *ncc_tflite_activate(struct build *b, struct value *v, int activation, const char *suffix);

/* Output k is this; applies the fused activation. NULL values are passed on as false. */
bool ncc_tflite_give(struct build *b, int k, struct form f);
bool ncc_tflite_give_map(struct build *b, int k, struct value *v);    /* N x C x H x W */
bool ncc_tflite_give_native(struct build *b, int k, struct value *v); /* in the model's order */

/* ---- between builders ---- */

/* The operator that makes a tensor, or NULL. */
const struct tf_operator *ncc_tflite_maker(const struct tflite *m, int tensor);
/* A convolution without padding, of stride and dilation 1. */
bool ncc_tflite_is_plain_conv(struct tflite *m, const struct tf_operator *op);
/* Reduces along the axes that are constant input 1. v NULL: refused. */
struct form ncc_tflite_reduce(struct build *b, struct form f, int kind);

/* ---- the importer ---- */

/* Whether bytes without the identifier look like a TFLite model. */
bool ncc_tflite_probe(struct bytes file);
struct graph *ncc_tflite_import(struct bytes bytes, const char *path, const struct import_options *options,
                                struct arena *arena, struct diags *d);

/* Builders, named in tflite_ops.def. */
#define TF_OP(code, name, builder, ...) tf_builder ncc_tflite_build_##builder;
#define TF_CUSTOM(name, builder, ...) tf_builder ncc_tflite_build_##builder;
#define TF_NAME(code, name)
#include "compiler/import/tflite_ops.def"
#undef TF_OP
#undef TF_CUSTOM
#undef TF_NAME

#endif
