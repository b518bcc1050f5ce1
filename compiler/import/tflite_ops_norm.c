/* Operators that are composed of others: normalisations, products, sums along an axis. */
#include "compiler/import/tflite.h"
#include "compiler/ops/attrs.h"

#include <math.h>

static struct value *op1(struct build *b, enum op op, const char *suffix, const void *attrs, struct value *x)
{
    return x ? ncc_tflite_op(b, op, suffix, attrs, &x, 1) : NULL;
}

static struct value *op2(struct build *b, enum op op, const char *suffix, struct value *x, struct value *y,
                         const void *attrs)
{
    return x && y ? ncc_tflite_op(b, op, suffix, attrs, (struct value *[]){x, y}, 2) : NULL;
}

static struct value *with(struct build *b, enum op op, const char *suffix, struct value *x, float number)
{
    return op2(b, op, suffix, x, ncc_const_copy(b->m->graph, b->name, DT_F32, (struct shape){0}, &number), NULL);
}

/* x - max - log(sum(exp(x - max))), along the model's last axis */
bool ncc_tflite_build_log_softmax(struct build *b)
{
    struct form f = ncc_tflite_any(b, 0);
    if (f.perm.n == 0)
        return ncc_tflite_refuse(b, "the input must have at least one dimension", NULL, NULL);
    const struct ints axes = {1, {ncc_layout_axis(f.perm, f.perm.n - 1)}};
    const struct reduce_attrs max = {REDUCE_MAX, axes, true}, sum = {REDUCE_SUM, axes, true};
    struct value *x = op2(b, OP_sub, "low", f.v, op1(b, OP_reduce, "top", &max, f.v), NULL);
    struct value *s = op1(b, OP_log, "log", NULL, op1(b, OP_reduce, "sum", &sum, op1(b, OP_exp, "exp", NULL, x)));
    f.v = op2(b, OP_sub, NULL, x, s, NULL);
    return ncc_tflite_give(b, 0, f);
}

/* [c][c][1][1]: each channel is `factor` times the sum of itself and its neighbours. */
static struct value *neighbours(struct build *b, int c, int radius, float factor)
{
    if (!ncc_fb_spend(&b->m->fb, (int64_t)c * c))
        return NULL;
    float *w = NCC_NEW(b->m->arena, float, (int64_t)c * c);
    for (int out = 0; out < c; out++)
        for (int in = 0; in < c; in++)
            w[(int64_t)out * c + in] = in >= out - radius && in <= out + radius ? factor : 0;
    return ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, "neighbours"), DT_F32, ncc_shape_4(c, c, 1, 1), w);
}

/* x / (bias + alpha * sum of the squares of neighbouring channels) ^ beta: a convolution takes the sum. */
bool ncc_tflite_build_lrn(struct build *b)
{
    static const struct conv2d_attrs plain = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    const int radius = ncc_fb_i32(&b->m->fb, b->options, F_lrn_radius, 0);
    const float bias = ncc_fb_float(&b->m->fb, b->options, F_lrn_bias, 0);
    const float alpha = ncc_fb_float(&b->m->fb, b->options, F_lrn_alpha, 0);
    const float beta = ncc_fb_float(&b->m->fb, b->options, F_lrn_beta, 0);
    struct value *x = ncc_tflite_map(b, 0);
    if (!x)
        return false;
    if (radius < 0 || radius > 512 || !(bias > 0 && alpha >= 0) || !isfinite(bias + alpha + beta))
        return ncc_tflite_refuse(b, "the radius must be 0 to 512, the bias positive and alpha not negative", NULL,
                                 "radius %d, bias %g, alpha %g", radius, (double)bias, (double)alpha);
    struct value *y = op2(b, OP_conv2d, "sum", op1(b, OP_square, "square", NULL, x),
                          neighbours(b, x->shape.dim[1], radius, alpha), &plain);
    y = with(b, OP_mul, "power", op1(b, OP_log, "log", NULL, with(b, OP_add, "base", y, bias)), -beta);
    return ncc_tflite_give_map(b, 0, op2(b, OP_mul, NULL, x, op1(b, OP_exp, "factor", NULL, y), NULL));
}

/* ---- integers and reals alike ---- */

/* What remains has the sign of the divisor. */
static struct value *floor_mod(struct build *b, const char *suffix, struct value *x, struct value *y)
{
    if (x->dtype == DT_F32) {
        struct value *whole = op1(b, OP_floor, "whole", NULL, op2(b, OP_div, "quotient", x, y, NULL));
        return op2(b, OP_sub, suffix, x, op2(b, OP_mul, "part", whole, y, NULL), NULL);
    }
    struct value *r = op2(b, OP_remainder, "remainder", x, y, NULL);
    return op2(b, OP_remainder, suffix, op2(b, OP_add, "above", r, y, NULL), y, NULL);
}

bool ncc_tflite_build_floor_div(struct build *b)
{
    const int rank_x = ncc_tflite_in(b, 0)->shape.rank, rank_y = ncc_tflite_in(b, 1)->shape.rank;
    const struct ints perm = ncc_tflite_choose(b, 0, 2, rank_x > rank_y ? rank_x : rank_y);
    struct value *x = ncc_tflite_get(b, 0, perm), *y = ncc_tflite_get(b, 1, perm), *v;
    if (!x || !y)
        return false;
    if (b->row->detail)
        v = floor_mod(b, NULL, x, y);
    else if (x->dtype == DT_F32)
        v = op1(b, OP_floor, NULL, NULL, op2(b, OP_div, "quotient", x, y, NULL));
    else
        v = op2(b, OP_div, NULL, op2(b, OP_sub, "whole", x, floor_mod(b, "rest", x, y), NULL), y, NULL);
    return ncc_tflite_give(b, 0, (struct form){v, perm});
}

bool ncc_tflite_build_add_n(struct build *b)
{
    const struct ints perm = ncc_tflite_choose(b, 0, b->op->n_in, ncc_tflite_in(b, 0)->shape.rank);
    struct value *sum = ncc_tflite_get(b, 0, perm);
    for (int k = 1; sum && k < b->op->n_in; k++) {
        if (!ncc_tflite_in(b, k))
            return ncc_tflite_refuse(b, "an input must not be absent", NULL, "input %d", k);
        sum = op2(b, OP_add, k + 1 < b->op->n_in ? "sum" : NULL, sum, ncc_tflite_get(b, k, perm), NULL);
    }
    return ncc_tflite_give(b, 0, (struct form){sum, perm});
}

/* ---- products ---- */

static struct value *swapped(struct build *b, struct value *v, const char *suffix, int i, int k)
{
    if (!v || i == k)
        return v;
    struct transpose_attrs t = {ncc_layout_identity(v->shape.rank)};
    t.perm.v[i] = k;
    t.perm.v[k] = i;
    return op1(b, OP_transpose, suffix, &t, v);
}

/* rows x k times k x columns for every index of the dimensions before; both may be computed */
bool ncc_tflite_build_batch_matmul(struct build *b)
{
    struct value *in[2];
    for (int k = 0; k < 2; k++) {
        in[k] = ncc_tflite_native(b, k);
        if (!in[k])
            return false;
        const int rank = in[k]->shape.rank;
        if (rank < 2)
            return ncc_tflite_refuse(b, "the operands must have at least 2 dimensions", NULL, "input %d has %d", k,
                                     rank);
        if (ncc_fb_bool(&b->m->fb, b->options, k ? F_batch_matmul_adj_y : F_batch_matmul_adj_x, false))
            in[k] = swapped(b, in[k], k ? "y" : "x", rank - 2, rank - 1);
    }
    return ncc_tflite_give_native(b, 0, op2(b, OP_matmul, NULL, in[0], in[1], NULL));
}

/* Sums of all elements so far: a product with a triangle of ones. inputs: x, axis */
bool ncc_tflite_build_cumsum(struct build *b)
{
    const bool exclusive = ncc_fb_bool(&b->m->fb, b->options, F_cumsum_exclusive, false);
    const bool reverse = ncc_fb_bool(&b->m->fb, b->options, F_cumsum_reverse, false);
    struct value *x = ncc_tflite_native(b, 0);
    struct ints list;
    int axis;
    if (!x || !ncc_tflite_ints(b, 1, &list) || !ncc_tflite_axis(b, list.n ? list.v[0] : 0, x->shape.rank, &axis))
        return false;
    const int n = x->shape.dim[axis], last = x->shape.rank - 1;
    if ((int64_t)n * n > NCC_MAX_ELEMENTS || !ncc_fb_spend(&b->m->fb, (int64_t)n * n))
        return ncc_tflite_refuse(b, "the axis is too long to be summed", NULL, "%d elements", n);
    float *ones = NCC_NEW(b->m->arena, float, (int64_t)n * n);
    for (int i = 0; i < n; i++) /* element i goes into sum k */
        for (int k = 0; k < n; k++)
            ones[(int64_t)i * n + k] = i == k ? !exclusive : reverse ? i > k : i < k;
    struct value *triangle = ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, "triangle"), DT_F32,
                                       ncc_shape_make(2, (const int[]){n, n}), ones);
    const struct shape shape = x->shape;
    const struct reshape_attrs row = {{2, {1, n}}}, list_again = {{1, {n}}};
    struct value *v = swapped(b, x, "last", axis, last);
    v = shape.rank == 1 ? op1(b, OP_reshape, "row", &row, v) : v;
    v = op2(b, OP_matmul, axis == last && shape.rank > 1 ? NULL : "sums", v, triangle, NULL);
    v = v && shape.rank == 1 ? op1(b, OP_reshape, NULL, &list_again, v) : v;
    return ncc_tflite_give_native(b, 0, swapped(b, v, NULL, axis, last));
}
