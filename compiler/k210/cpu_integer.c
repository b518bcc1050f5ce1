#include "compiler/k210/cpu_integer.h"

#include "compiler/ops/attrs.h"

#include <math.h>

static double scale_of(const struct value *v)
{
    return v->quant.scale[0];
}

static int zero_of(const struct value *v)
{
    return (int)lrint(v->quant.zero_point[0]);
}

/* value = mul * 2^-shift with a multiplier of 31 bits; 0 <= shift <= 62. */
static void fixed_point(double value, int *mul, int *shift)
{
    int exponent = 0;
    const double mantissa = frexp(value, &exponent); /* 0.5 .. 1 */
    int s = 31 - exponent;
    s = s > 62 ? 62 : s < 0 ? 0 : s;
    double m = rint(ldexp(value, s));
    if (m > 2147483647.0)
        m = 2147483647.0;
    *mul = mantissa == 0 ? 0 : (int)m;
    *shift = s;
}

static int clamp_code(double q)
{
    return q < 0 ? 0 : q > 255 ? 255 : (int)lrint(q);
}

static struct value *replace(struct graph *g, struct node *n, enum op op, const void *attrs, struct value *const *in,
                             int n_in)
{
    struct node *q = ncc_node_new(g, op, n->name, attrs, in, n_in);
    if (!q)
        return NULL;
    q->origin = n->origin;
    q->reason = n->reason;
    ncc_value_succeed(g, n->out[0], q->out[0]);
    ncc_node_remove(g, n);
    return q->out[0];
}

/* ---- unary: 256 results ---- */

static bool make_lookup(struct graph *g, struct node *n)
{
    const struct value *x = n->in[0], *y = n->out[0];
    uint8_t *table = NCC_NEW(g->arena, uint8_t, 256);
    for (int i = 0; i < 256; i++) {
        const float real = (float)((i - x->quant.zero_point[0]) * scale_of(x));
        const float f = ncc_op_desc(n->op)->scalar(n->attrs, real);
        table[i] = (uint8_t)clamp_code(f / scale_of(y) + zero_of(y));
    }
    const int shape[1] = {256};
    struct value *t = ncc_const(g, ncc_name(g, n->name, "table"), DT_U8, ncc_shape_make(1, shape), table);
    return replace(g, n, OP_lookup, NULL, (struct value *[]){n->in[0], t}, 2) != NULL;
}

/* ---- binary ---- */

static int binary_kind(enum op op)
{
    switch ((int)op) {
    case OP_add:
        return BIN_ADD;
    case OP_sub:
        return BIN_SUB;
    case OP_mul:
        return BIN_MUL;
    case OP_minimum:
        return BIN_MIN;
    case OP_maximum:
        return BIN_MAX;
    default:
        return -1;
    }
}

/* Both operands in units of the larger scale / 2^20, so that their sum keeps 29 bits; a product keeps the codes. */
static bool make_binary(struct graph *g, struct node *n)
{
    const struct value *a = n->in[0], *b = n->in[1], *y = n->out[0];
    struct q_binary_attrs q = {.kind = binary_kind(n->op),
                               .a_offset = -zero_of(a),
                               .b_offset = -zero_of(b),
                               .out_offset = zero_of(y),
                               .a_mul = 1,
                               .b_mul = 1};
    double unit = scale_of(a) * scale_of(b);
    if (q.kind != BIN_MUL) {
        unit = fmax(scale_of(a), scale_of(b)) / (1 << 20);
        fixed_point(scale_of(a) / unit, &q.a_mul, &q.a_shift);
        fixed_point(scale_of(b) / unit, &q.b_mul, &q.b_shift);
    }
    fixed_point(unit / scale_of(y), &q.out_mul, &q.out_shift);
    return replace(g, n, OP_q_binary, &q, n->in, 2) != NULL;
}

/* ---- weights ---- */

struct weights {
    double scale;
    int zero;
    struct value *codes;
};

static struct weights quantise_weights(struct graph *g, const struct value *w)
{
    const int64_t n = ncc_shape_count(w->shape);
    const float *data = w->data;
    double lo = 0, hi = 0;
    for (int64_t i = 0; i < n; i++) {
        lo = fmin(lo, data[i]);
        hi = fmax(hi, data[i]);
    }
    struct weights r = {.scale = hi > lo ? (hi - lo) / 255 : 1.0 / 255};
    r.zero = (int)lrint(-lo / r.scale);
    uint8_t *q = NCC_NEW(g->arena, uint8_t, n);
    for (int64_t i = 0; i < n; i++)
        q[i] = (uint8_t)clamp_code(data[i] / r.scale + r.zero);
    r.codes = ncc_const(g, ncc_name(g, w->name, "q"), DT_U8, w->shape, q);
    return r;
}

static struct value *quantise_bias(struct graph *g, const struct node *n, int count, double unit)
{
    int32_t *b = NCC_NEW(g->arena, int32_t, count);
    const float *from = n->n_in > 2 && n->in[2] ? n->in[2]->data : NULL;
    for (int i = 0; i < count && from; i++)
        b[i] = (int32_t)lrint(fmax(-2e9, fmin(2e9, from[i] / unit)));
    return ncc_const(g, ncc_name(g, n->name, "bias"), DT_I32, ncc_shape_make(1, &count), b);
}

static bool make_conv2d(struct graph *g, struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    const struct value *x = n->in[0], *y = n->out[0];
    const struct weights w = quantise_weights(g, n->in[1]);
    struct q_conv2d_attrs q = {a->stride_h,  a->stride_w, a->pad_top, a->pad_left, a->pad_bottom,
                               a->pad_right, a->dil_h,    a->dil_w,   a->groups,   -zero_of(x),
                               -w.zero,      0,           0,          zero_of(y)};
    fixed_point(scale_of(x) * w.scale / scale_of(y), &q.out_mul, &q.out_shift);
    struct value *bias = quantise_bias(g, n, y->shape.dim[1], scale_of(x) * w.scale);
    return replace(g, n, OP_q_conv2d, &q, (struct value *[]){n->in[0], w.codes, bias}, 3) != NULL;
}

static bool make_matmul(struct graph *g, struct node *n)
{
    const struct value *x = n->in[0], *y = n->out[0];
    const struct weights w = quantise_weights(g, n->in[1]);
    struct q_matmul_attrs q = {-zero_of(x), -w.zero, 0, 0, zero_of(y)};
    fixed_point(scale_of(x) * w.scale / scale_of(y), &q.out_mul, &q.out_shift);
    struct value *bias = quantise_bias(g, n, n->in[1]->shape.dim[1], scale_of(x) * w.scale);
    return replace(g, n, OP_q_matmul, &q, (struct value *[]){n->in[0], w.codes, bias}, 3) != NULL;
}

bool ncc_cpu_integer_possible(const struct node *n)
{
    if (n->op == OP_matmul && n->in[0]->shape.rank != 2)
        return false;
    if (n->op == OP_conv2d || n->op == OP_matmul)
        return ncc_is_const(n->in[1]) && (n->n_in < 3 || !n->in[2] || ncc_is_const(n->in[2]));
    return binary_kind(n->op) >= 0 && !ncc_is_const(n->in[0]) && !ncc_is_const(n->in[1]);
}

bool ncc_cpu_integer_make(struct graph *g, struct node *n)
{
    if (n->op == OP_conv2d)
        return make_conv2d(g, n);
    if (n->op == OP_matmul)
        return make_matmul(g, n);
    return binary_kind(n->op) >= 0 ? make_binary(g, n) : make_lookup(g, n);
}
