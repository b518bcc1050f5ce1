/* Inside of the ONNX importer: what its files share.
 *
 *     onnx.c             the walk: opsets, what is needed, nodes in order, outputs
 *     onnx_inputs.c      inputs and their shapes
 *     onnx_scope.c       names of tensors
 *     onnx_order.c       nodes behind what they need
 *     onnx_tensor.c      constants of the file as values of the graph
 *     onnx_build.c       what builders call: operands, attributes, nodes, results, refusals
 *     onnx_ops.def       one row per operator: its builder and what the builder needs to know
 *     onnx_ops_*.c       the builders
 *
 * ONNX is n, c, h, w, as the graph is, so there is a value for a tensor and no more. Element types: all floating
 * types are f32 in the graph, and unsigned integers of more than 8 bits are i64.
 *
 * Tensors of integers that QuantizeLinear makes are special. What the graph has for them is the real numbers that they
 * stand for (behind a fake_quant), and `codes` says how; DequantizeLinear gives these numbers as they are, operators
 * that only move elements pass them on, and for all others the integers are made of them (ncc_onnx_in).
 */
#ifndef NCC_IMPORT_ONNX_H
#define NCC_IMPORT_ONNX_H

#include "compiler/base/file.h"
#include "compiler/import/import.h"
#include "compiler/ir/op.h"

#include <onnx.pb-c.h>

/* real = (integer - zero) * scale */
struct ox_codes {
    int type;                   /* ONNX element type */
    int qmin, qmax;
    struct value *scale, *zero; /* f32 constants: one element, or one per index along the axis */
    int axis;
};

struct ox_tensor {
    const char *name;
    struct value *v;                           /* NULL: not made (yet) */
    const struct ox_codes *codes;              /* v holds what integers stand for; NULL: v is the tensor itself */
    const Onnx__TensorProto *init;             /* constant of the file */
    const Onnx__ValueInfoProto *info;          /* what the file says of type and shape, or NULL */
    int n_uses;
    bool needed;    /* by an output, through nodes */
    bool is_given;  /* a graph input, whoever else makes it */
    bool is_made;   /* by a node of the file */
    bool is_failed; /* its node could not be read: not worth another message */
};

/* The names of a graph; those of a branch of If see the ones around it. */
struct ox_scope {
    struct ox_scope *outer;
    const Onnx__GraphProto *p;
    struct ox_tensor *tensors;
    int n;
    int *slots, n_slots; /* hash table: tensor number + 1, or 0 */
    const Onnx__NodeProto **nodes; /* all n_node of p, in an order in which they can run */
    bool *refused;       /* per node: it is not supported, or not like this */
};

struct ox_tensors {
    struct ox_tensor **v;
    int n, cap;
};

struct ox_build;

/* Makes the node's results and gives them with ncc_onnx_give. False: it has told why not. */
typedef bool ox_builder(struct ox_build *b);

enum ox_flag {
    OX_MOVES = 1,     /* only moves elements of input 0: codes stay codes */
    OX_MICROSOFT = 2, /* domain com.microsoft */
};

struct ox_row {
    const char *name;
    ox_builder *builder;
    int detail;         /* for the builder: mostly the enum op */
    int min_in, max_in; /* max_in -1: any number */
    unsigned flags;
};

struct onnx {
    struct arena *arena;
    struct diags *diags;
    struct graph *graph;
    const char *file;
    const struct import_options *options;
    const Onnx__ModelProto *p;
    const struct ox_row **rows; /* by name */
    int n_rows;
    int version;         /* of the standard operators */
    int old_batch;       /* of the model's inputs, where it was not 1; else 1 */
    int64_t fold_budget; /* elements that constant arithmetic may still touch */
    int64_t budget;      /* elements of constants that are not in the file, and steps of searches */
    int64_t steps;       /* other work, bounded by the file's size */
};

/* One node on its way into the graph. */
struct ox_build {
    struct onnx *m;
    struct ox_scope *scope;
    const Onnx__NodeProto *p;
    const struct ox_row *row;
    const char *name, *op;
    struct ox_tensor **in, **out; /* NULL: absent */
    int n_in, n_out;
    int first_id; /* values from here on are this node's */
};

/* ---- onnx_scope.c ---- */

/* All names of a graph; tensors that the file describes or fills know it. False with a diagnostic. */
bool ncc_onnx_scope(struct onnx *m, const Onnx__GraphProto *p, struct ox_scope *outer, struct ox_scope *out);
/* The scope's nodes, each behind those that it needs; where the file has such an order, that one. (onnx_order.c) */
const Onnx__NodeProto **ncc_onnx_order(struct onnx *m, const struct ox_scope *s);
/* NULL: no such name, here or around. An empty name is none. */
struct ox_tensor *ncc_onnx_find(const struct ox_scope *s, const char *name);

/* ---- onnx_inputs.c ---- */

/* What the file says of a tensor; NULL: it is none, or nothing is said. */
const Onnx__TypeProto__Tensor *ncc_onnx_tensor_type(const Onnx__ValueInfoProto *info);
/* Open dimensions are -1. False: it says no shape. */
bool ncc_onnx_stated_shape(const Onnx__ValueInfoProto *info, struct shape *out);
/* Makes the graph's inputs; false with diagnostics. */
bool ncc_onnx_make_inputs(struct onnx *m, const struct ox_scope *s, const struct ox_tensors *inputs);

/* ---- onnx_tensor.c ---- */

/* Element types of the graph; false when we have none for it. */
bool ncc_onnx_dtype(int type, enum dtype *out);
const char *ncc_onnx_type_name(int type);
bool ncc_onnx_is_code_type(int type, int *qmin, int *qmax);
/* A tensor of the file as a value; NULL with a diagnostic. The second also refuses what is not a number. */
struct value *ncc_onnx_tensor(struct onnx *m, const Onnx__TensorProto *t, const char *name);
struct value *ncc_onnx_constant(struct onnx *m, const Onnx__TensorProto *t, const char *name);
/* Integers of a constant value, at most NCC_MAX_INTS; false when it is no such constant. */
bool ncc_onnx_value_ints(const struct value *v, struct ints *out);

/* ---- onnx_build.c: for builders. k counts the node's inputs or outputs ---- */

/* Adds an error about this node and returns false. */
bool ncc_onnx_refuse(struct ox_build *b, const char *rule, const char *remedy, const char *found, ...)
    __attribute__((format(printf, 4, 5)));

/* Attributes. */
const Onnx__AttributeProto *ncc_onnx_attr(const struct ox_build *b, const char *name);
int ncc_onnx_int(const struct ox_build *b, const char *name, int def); /* saturates */
float ncc_onnx_float(const struct ox_build *b, const char *name, float def);
const char *ncc_onnx_string(const struct ox_build *b, const char *name, const char *def);
/* False and told when it is too long; n = 0 when it is absent. */
bool ncc_onnx_list(struct ox_build *b, const char *name, struct ints *out);

/* An input, or NULL when it is absent: whether it is present; its value (of a tensor of codes: the integers).
 * Its shape is known. */
bool ncc_onnx_has(const struct ox_build *b, int k);
struct value *ncc_onnx_in(struct ox_build *b, int k);
/* The integers of a tensor of codes. */
struct value *ncc_onnx_codes(struct ox_build *b, const struct ox_tensor *t);
/* Constant integers; refuses when they are not constant. Scalars give n = 1. */
bool ncc_onnx_ints(struct ox_build *b, int k, struct ints *out);
bool ncc_onnx_scalar(struct ox_build *b, int k, double *out); /* a constant of one element */
/* The list that is an attribute in old versions and an input in new ones. absent: *has is false. */
bool ncc_onnx_ints_or_list(struct ox_build *b, int k, const char *name, struct ints *out, bool *has);
/* An axis brought into 0 .. rank - 1; a list of axes, ascending, without doubles. */
bool ncc_onnx_axis(struct ox_build *b, int axis, int rank, int *out);
bool ncc_onnx_axes(struct ox_build *b, const struct ints *axes, int rank, struct ints *out);

/* A node; suffix NULL for the one that bears the node's name. Constants are folded. NULL: refused, also when an
 * operand is NULL, so that calls can be nested. */
struct node *ncc_onnx_node(struct ox_build *b, enum op op, const char *suffix, const void *attrs,
                           struct value *const *in, int n_in);
struct value *ncc_onnx_op(struct ox_build *b, enum op op, const char *suffix, const void *attrs,
                          struct value *const *in, int n_in);
#define OX_OP(b, op, suffix, attrs, ...)                                                                               \
    ncc_onnx_op((b), (op), (suffix), (attrs), (struct value *const[]){__VA_ARGS__},                                   \
                (int)(sizeof((struct value *const[]){__VA_ARGS__}) / sizeof(struct value *)))

/* The same elements under another shape, in other types, in another order. */
struct value *ncc_onnx_reshape(struct ox_build *b, struct value *v, struct shape to, const char *suffix);
struct value *ncc_onnx_cast(struct ox_build *b, struct value *v, enum dtype to, const char *suffix);
struct value *ncc_onnx_transpose(struct ox_build *b, struct value *v, struct ints perm, const char *suffix);
/* Part of one axis. */
struct value *ncc_onnx_part(struct ox_build *b, struct value *v, int axis, int begin, int size, const char *suffix);
/* Repeated along dimensions of 1, and with dimensions of 1 in front. NULL: refused. */
struct value *ncc_onnx_expand(struct ox_build *b, struct value *v, struct shape to);
/* Constants: one number; numbers. They are of type t, of which the result of a node may be. */
struct value *ncc_onnx_number(struct ox_build *b, enum dtype t, double x);
struct value *ncc_onnx_floats(struct ox_build *b, const char *suffix, struct shape shape, const float *data);
struct value *ncc_onnx_filled(struct ox_build *b, enum dtype t, struct shape shape, double x);
/* Takes from the budget of constants that are not in the file; false and told when it is spent. */
bool ncc_onnx_spend(struct ox_build *b, int64_t n);

/* Output k is this. NULL values are passed on as false. */
bool ncc_onnx_wants(const struct ox_build *b, int k);
bool ncc_onnx_give(struct ox_build *b, int k, struct value *v);
bool ncc_onnx_give_codes(struct ox_build *b, int k, struct value *real, const struct ox_codes *codes);

/* Operators that exist for real numbers and for codes: what their builders have in common (onnx_ops_conv.c). NULL:
 * refused. */
struct value *ncc_onnx_convolve(struct ox_build *b, struct value *x, struct value *w, struct value *bias);
struct value *ncc_onnx_average_pool(struct ox_build *b, struct value *x);
struct value *ncc_onnx_global_pool(struct ox_build *b, struct value *x, int kind);
struct value *ncc_onnx_multiply(struct ox_build *b, struct value *x, struct value *y);

/* Before opset 7 the second operand of two was laid over the first from a given axis on (onnx_ops_math.c). */
struct value *ncc_onnx_laid_over(struct ox_build *b, struct value *x, struct value *y);
/* The axis of softmax and its kin. Before opset 13 all dimensions from it on counted as one: *shape is the
 * operator's then (onnx_ops_norm.c). False: refused. */
bool ncc_onnx_softmax_axis(struct ox_build *b, struct shape *shape, int *axis);

/* Details of rows that are no operators of the graph. */
enum { OX_SUM_ABS, OX_SUM_SQUARE, OX_ROOT_SUM_SQUARE, OX_LOG_SUM, OX_LOG_SUM_EXP };

/* ---- onnx.c ---- */

/* All nodes of a graph that are needed, in order. */
bool ncc_onnx_build_nodes(struct onnx *m, struct ox_scope *s);
void ncc_onnx_mark_needed(struct onnx *m, struct ox_scope *s);
/* The value of a tensor, made if it is a constant of the file; NULL: there is none, or it was told why not. */
struct value *ncc_onnx_value(struct onnx *m, struct ox_tensor *t);

bool ncc_onnx_probe(struct bytes file);
struct graph *ncc_onnx_import(struct bytes bytes, const char *path, const struct import_options *options,
                              struct arena *arena, struct diags *d);

/* Builders, named in onnx_ops.def. */
#define OX_ROW(name, builder, ...) ox_builder ncc_onnx_build_##builder;
#include "compiler/import/onnx_ops.def"
#undef OX_ROW

#endif
