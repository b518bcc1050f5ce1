/* What is known of an operator. One row in ops.def, one descriptor in ops/<name>.c; the enum,
 * the tables and doc/ops.md are made from them.
 */
#ifndef NCC_IR_OP_H
#define NCC_IR_OP_H

#include "compiler/ir/graph.h"

/* ---- attributes: the table drives default, copy, compare, print and parse ---- */

enum attr_kind {
    ATTR_INT,   /* int */
    ATTR_FLOAT, /* float */
    ATTR_BOOL,  /* bool */
    ATTR_ENUM,  /* int; `names` lists the words, NULL at the end */
    ATTR_INTS,  /* struct ints */
    ATTR_ACT,   /* struct act_chain */
};

#define NCC_MAX_INTS 12
struct ints {
    int n;
    int v[NCC_MAX_INTS];
};

/* A chain of element-wise functions applied one after another, as a KPU layer's activation
 * table takes them. Empty: identity. Printed as act=[leaky_relu(alpha=0.1),clip(min=0,max=6)]. */
#define NCC_MAX_ACT 6
struct act_chain {
    int n;
    struct act_step {
        enum op op;        /* an operator with a `scalar` function */
        const void *attrs; /* of that operator, in the graph's arena; may be NULL */
    } step[NCC_MAX_ACT];
};

struct attr_desc {
    const char *name;
    enum attr_kind kind;
    size_t offset;
    double def;               /* default of int, float, bool and enum; ints default to none */
    const char *const *names; /* ATTR_ENUM */
};
#define ATTR(type, field, attr_kind, default_value)                                                                    \
    { #field, attr_kind, offsetof(type, field), default_value, NULL }
#define ATTR_WORDS(type, field, words, default_value)                                                                  \
    { #field, ATTR_ENUM, offsetof(type, field), default_value, words }

/* ---- shape inference ---- */

struct infer {
    const struct node *node;         /* attrs, n_in */
    struct value *const *in;         /* NULL for an absent optional input */
    struct { enum dtype dtype; struct shape shape; struct window window; enum memory mem; } *out; /* to fill; starts as in[0]'s */
    char *error;                     /* 200 bytes for the reason when it returns false */
};

/* ---- evaluation ---- */

struct tensor {
    enum dtype dtype;
    struct shape shape;
    void *data; /* packed, row-major */
};

struct eval_args {
    const struct node *node;
    const struct tensor *const *in; /* NULL for an absent input */
    struct tensor *const *out;      /* data allocated, shape and dtype as inferred */
    void *scratch;                  /* as many bytes as desc->scratch said, 64-byte aligned */
};

/* ---- evaluation on codes ---- */

/* What the integers of a tensor stand for: real = (code - zero) * scale, qmin <= code <= qmax. scale 0: it has none. */
struct grid {
    float scale;
    int zero, qmin, qmax;
};

#define NCC_MAX_GRIDS 3
/* A node of a model that computes in fixed point, whose operands and result are codes. The tensors hold the real numbers
 * that these stand for, so whoever looks at them sees the same as everywhere. */
struct code_args {
    const struct eval_args *real;  /* tensors, scratch memory of codes_scratch's size */
    struct grid in[NCC_MAX_GRIDS]; /* of constants only scale and zero mean something; weights with a pair per channel have
                                      none here, but the value's quant */
    struct grid out;
    int low, high; /* between which codes the result is: those of its type, limited by a fused activation */
};

/* ---- hardware rules: the tables are in k210/rules.c ---- */

struct rule {
    const char *text; /* "the kernel must be 1x1 or 3x3": the message and the line in doc/ops.md */
    const char *remedy;
    /* true: holds. Else writes what it found into found[120]. */
    bool (*holds)(const struct node *n, char *found);
};

/* ---- the descriptor ---- */

enum op_flag {
    OP_UNARY = 1,       /* element-wise with one operand: `scalar` is set */
    OP_BINARY = 2,      /* element-wise with two operands, NumPy broadcast: `scalar2` is set */
    OP_COMMUTES = 4,
    OP_MONOTONE = 8,    /* never decreasing: commutes with max pools and corner picks */
    OP_SAME_QUANT = 16, /* moves or selects elements: output codes are input codes (tied quantisation) */
    OP_ALIAS = 32,      /* output bytes are the first input's bytes: costs nothing */
    OP_KPU = 64,        /* exists only after k210 lowering */
    OP_CLAMP = 128,     /* the operand itself, limited to scalar(-inf) .. scalar(inf) */
    OP_STRAIGHT = 256,  /* of few straight pieces, so that an activation table follows it exactly */
};

struct op_desc {
    const char *name; /* as in ops.def */
    const char *doc;  /* one line */
    const char *tflite, *onnx, *caffe; /* names there, comma separated; NULL: not from there */
    int min_in, max_in;                /* max_in -1: any number */
    int n_out;                         /* -1: as many as infer says through node->n_out (split) */
    unsigned flags;
    size_t attrs_size;
    const struct attr_desc *attrs;     /* ends with a zero row; NULL: none */
    bool (*infer)(struct infer *);     /* NULL: output 0 as input 0 */
    void (*eval)(const struct eval_args *);      /* the definition, in plain loops; NULL for OP_UNARY and OP_BINARY */
    void (*eval_fast)(const struct eval_args *); /* NULL: eval is fast enough. Agrees with eval (a test) */
    size_t (*scratch)(const struct node *);      /* bytes that eval_fast needs; NULL: 0 */
    float (*scalar)(const void *attrs, float x);
    float (*scalar2)(const void *attrs, float a, float b);
    double (*macs)(const struct node *);         /* multiply-adds; NULL: 0 */
    bool (*grid)(const struct node *, struct grid *); /* its results are codes of a model in fixed point; NULL: never */
    /* In that fixed point, bit for bit; false, and nothing is written: not for such codes. NULL: for none. */
    bool (*eval_codes)(const struct code_args *);
    size_t (*codes_scratch)(const struct code_args *); /* bytes; only real->node has a meaning then; NULL: 0 */
};

const struct op_desc *ncc_op_desc(enum op op); /* never NULL */
bool ncc_op_by_name(const char *name, enum op *out);

/* Attribute helpers, all driven by the tables. */
void *ncc_attrs_default(enum op op, struct arena *a);
void *ncc_attrs_copy(enum op op, const void *attrs, struct arena *a); /* deep: act chains too */
bool ncc_attrs_equal(enum op op, const void *x, const void *y);

float ncc_act_apply(const struct act_chain *c, float x);
/* Appends a unary node's function; false when the chain is full. */
bool ncc_act_push(struct act_chain *c, const struct node *unary);

#endif
