#include "compiler/k210/rules.h"

#include "compiler/k210/enlarge.h"
#include "compiler/k210/lower.h"
#include "compiler/k210/mean_inside.h"
#include "compiler/k210/pool_plan.h"
#include "compiler/k210/taps.h"
#include "compiler/k210/thin.h"
#include "kpu/limits.h"

#include <math.h>
#include <stdio.h>

/* ---- shapes ---- */

/* A map, or a vector, which stands on a 4x4 canvas. */
static bool map_fits(const struct value *v, char *found)
{
    char text[80];
    const struct shape *s = &v->shape;
    snprintf(found, 120, "%.60s is %.40s", v->name, ncc_shape_text(*s, text));
    if ((s->rank != 4 && s->rank != 2) || s->dim[0] != 1 || s->dim[1] > NCC_LOWER_MAX_C)
        return false;
    return s->rank == 2 || (s->dim[2] <= NCC_KPU_MAX_H && s->dim[3] <= NCC_KPU_MAX_W);
}

static bool maps_fit(const struct node *n, char *found)
{
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && !n->in[i]->data && !map_fits(n->in[i], found))
            return false;
    return map_fits(n->out[0], found);
}

static bool first_and_out_fit(const struct node *n, char *found)
{
    return map_fits(n->in[0], found) && map_fits(n->out[0], found);
}

/* ---- convolutions ---- */

static bool weights_constant(const struct node *n, char *found)
{
    const struct value *bias = n->n_in > 2 ? n->in[2] : NULL;
    snprintf(found, 120, "%s is computed", ncc_is_const(n->in[1]) && bias ? bias->name : n->in[1]->name);
    return ncc_is_const(n->in[1]) && (!bias || ncc_is_const(bias));
}

static bool stride_has_code(const struct node *n, char *found)
{
    const struct conv2d_attrs *a = n->attrs;
    snprintf(found, 120, "stride is %dx%d", a->stride_h, a->stride_w);
    return a->stride_h == a->stride_w && (a->stride_h == 1 || a->stride_h == 2 || a->stride_h == 4);
}

static bool kernel_covered(const struct node *n, char *found)
{
    const struct shape *w = &n->in[1]->shape;
    snprintf(found, 120, "kernel is %dx%d", w->dim[2], w->dim[3]);
    return w->dim[2] <= NCC_MAX_TAPS && w->dim[3] <= NCC_MAX_TAPS;
}

/* ---- vectors ---- */

static bool is_vector(const struct shape *s)
{
    return (s->rank == 2 || (s->rank == 4 && s->dim[2] == 1 && s->dim[3] == 1)) && s->dim[0] == 1;
}

static bool stays_vector(const struct node *n, char *found)
{
    char a[80], b[80];
    snprintf(found, 120, "%.50s to %.50s", ncc_shape_text(n->in[0]->shape, a), ncc_shape_text(n->out[0]->shape, b));
    return is_vector(&n->in[0]->shape) && is_vector(&n->out[0]->shape);
}

static bool one_row(const struct node *n, char *found)
{
    char text[80];
    snprintf(found, 120, "%s is %s", n->in[0]->name, ncc_shape_text(n->in[0]->shape, text));
    return n->in[0]->shape.rank == 2 && n->in[0]->shape.dim[0] == 1 && n->in[1]->shape.rank == 2;
}

static bool vectors_fit(const struct node *n, char *found)
{
    const int k = n->in[0]->shape.dim[1], m = n->out[0]->shape.dim[1];
    snprintf(found, 120, "%d inputs, %d outputs", k, m);
    return k <= NCC_LOWER_MAX_C && m <= NCC_LOWER_MAX_C;
}

/* ---- pools, element-wise ---- */

static void describe_pool(const struct node *n, char *found)
{
    const struct pool_attrs *a = n->attrs;
    snprintf(found, 120, "%dx%d, stride %dx%d, pads %d %d %d %d", a->kernel_h, a->kernel_w, a->stride_h, a->stride_w,
             a->pad_top, a->pad_left, a->pad_bottom, a->pad_right);
}

static bool has_plan(const struct node *n, char *found)
{
    struct pool_plan plan;
    describe_pool(n, found);
    return ncc_pool_plan(n->attrs, &n->in[0]->shape, &n->out[0]->shape, &plan);
}

static bool pool_stride_has_code(const struct node *n, char *found)
{
    const struct pool_attrs *a = n->attrs;
    describe_pool(n, found);
    return a->stride_h == a->stride_w && (a->stride_h == 1 || a->stride_h == 2 || a->stride_h == 4);
}

static bool mean_can_divide(const struct node *n, char *found)
{
    struct mean_inside unused;
    describe_pool(n, found);
    return ((const struct pool_attrs *)n->attrs)->count_pad || ncc_mean_inside_of(n, &unused);
}

static bool over_the_map(const struct node *n, char *found)
{
    const struct ints *axes = &((const struct reduce_attrs *)n->attrs)->axes;
    int at = snprintf(found, 120, "axes");
    for (int i = 0; i < axes->n; i++)
        at += snprintf(found + at, 120 - (size_t)at, " %d", axes->v[i]);
    return n->in[0]->shape.rank == 4 && axes->n == 2 && axes->v[0] == 2 && axes->v[1] == 3;
}

static bool adds(const struct node *n, char *found)
{
    const int kind = ((const struct reduce_attrs *)n->attrs)->kind;
    snprintf(found, 120, "%s", kind == REDUCE_MAX ? "greatest" : kind == REDUCE_MIN ? "least" : "product");
    return kind == REDUCE_MEAN || kind == REDUCE_SUM;
}

static bool per_channel_constant(const struct value *k, const struct value *out)
{
    const int64_t count = ncc_shape_count(k->shape);
    const int axis = k->shape.rank - (out->shape.rank == 2 ? 1 : 3); /* channels, from the end as broadcasting counts */
    return k->dtype == DT_F32 &&
           (count == 1 || (axis >= 0 && count == k->shape.dim[axis] && count == out->shape.dim[1]));
}

static bool operands_known(const struct node *n, char *found)
{
    const bool a = ncc_is_const(n->in[0]), b = ncc_is_const(n->in[1]);
    char s[80], t[80];
    snprintf(found, 120, "%.50s and %.50s", ncc_shape_text(n->in[0]->shape, s), ncc_shape_text(n->in[1]->shape, t));
    if (!a && !b)
        return ncc_shape_equal(n->in[0]->shape, n->in[1]->shape);
    return a != b && per_channel_constant(n->in[a ? 0 : 1], n->out[0]) &&
           ncc_shape_equal(n->in[a ? 1 : 0]->shape, n->out[0]->shape);
}

static bool both_computed(const struct node *n, char *found)
{
    char s[80], t[80];
    snprintf(found, 120, "%.50s and %.50s", ncc_shape_text(n->in[0]->shape, s), ncc_shape_text(n->in[1]->shape, t));
    return !ncc_is_const(n->in[0]) && !ncc_is_const(n->in[1]) && ncc_shape_equal(n->in[0]->shape, n->in[1]->shape);
}

static bool divisor_constant(const struct node *n, char *found)
{
    snprintf(found, 120, "%s and %s are computed", n->in[0]->name, n->in[1]->name);
    return ncc_is_const(n->in[1]) || n->op == OP_mul;
}

/* A layer multiplies by 1 / divisor. */
static bool divisor_invertible(const struct node *n, char *found)
{
    const float *d = n->in[1]->data;
    for (int64_t i = 0, count = ncc_shape_count(n->in[1]->shape); n->op == OP_div && i < count; i++)
        if (!isfinite(1 / d[i])) {
            snprintf(found, 120, "a divisor of %g", (double)d[i]);
            return false;
        }
    return true;
}

static bool over_channels_or_rows(const struct node *n, char *found)
{
    const struct concat_attrs *a = n->attrs;
    snprintf(found, 120, "axis is %d", a->axis);
    return a->axis == 1 || a->axis == 2;
}

static bool over_channels(const struct node *n, char *found)
{
    const int axis = ((const struct gather_attrs *)n->attrs)->axis;
    snprintf(found, 120, "axis is %d of %d, %s indices", axis, n->in[0]->shape.rank,
             ncc_is_const(n->in[1]) ? "constant" : "computed");
    return axis == 1 && ncc_is_const(n->in[1]) && n->in[1]->shape.rank == 1;
}

static bool slope_constant(const struct node *n, char *found)
{
    char text[80];
    snprintf(found, 120, "%.60s is %.40s", n->in[1]->name, ncc_shape_text(n->in[1]->shape, text));
    return ncc_is_const(n->in[1]) && per_channel_constant(n->in[1], n->out[0]);
}

static bool zero_channels(const struct node *n, char *found)
{
    const struct pad_attrs *a = n->attrs;
    snprintf(found, 120, "value %g", (double)a->value);
    bool only_channels = a->mode == PAD_CONSTANT && a->value == 0;
    for (int i = 0; i < a->before.n; i++)
        only_channels = only_channels && (i == 1 ? a->before.v[i] >= 0 && a->after.v[i] >= 0
                                                 : a->before.v[i] == 0 && a->after.v[i] == 0);
    return only_channels;
}

static int step_along(const struct slice_attrs *a, int axis)
{
    return a->size.v[axis] > 1 ? a->stride.v[axis] : 1;
}

static bool takes_near(const struct node *n, char *found)
{
    const struct slice_attrs *a = n->attrs;
    if (a->stride.n != 4 || n->out[0]->shape.dim[1] < 1)
        return false;
    const int w = n->in[0]->shape.dim[3], rows = step_along(a, 2), columns = step_along(a, 3);
    snprintf(found, 120, "every %d-th row and every %d-th column of %d", rows, columns, w);
    return step_along(a, 0) == 1 && ncc_lower_thins(w, rows, columns);
}

static bool enlarges(const struct node *n, char *found)
{
    const int *x = n->in[0]->shape.dim, *y = n->out[0]->shape.dim;
    if (n->op == OP_resize) {
        const struct resize_attrs *a = n->attrs;
        snprintf(found, 120, "%s, %dx%d to %dx%d%s", a->mode == RESIZE_NEAREST ? "nearest" : "bilinear", x[2], x[3], y[2],
                 y[3], a->align_corners ? ", corners aligned" : a->half_pixel ? ", centres aligned" : "");
    } else if (n->op == OP_depth_to_space) {
        const struct depth_to_space_attrs *a = n->attrs;
        snprintf(found, 120, "blocks of %dx%d, %s, %d channels", a->block, a->block, a->crd ? "channel by channel" : "phase by phase",
                 y[1]);
    } else {
        const struct conv2d_transpose_attrs *a = n->attrs;
        snprintf(found, 120, "kernel %dx%d, stride %dx%d", n->in[1]->shape.dim[2], n->in[1]->shape.dim[3], a->stride_h,
                 a->stride_w);
    }
    return ncc_lower_enlarging(n).factor > 0;
}

/* ---- the table ---- */

#define MAPS(check)                                                                                                    \
    {                                                                                                                  \
        "tensors must be vectors, or maps of at most 8192 channels of 256x512 pixels", "a smaller input", check                           \
    }

static const struct rule conv2d_rules[] = {
    MAPS(first_and_out_fit),
    {"weights and bias must be constant", "freeze the model before exporting it", weights_constant},
    {"the stride must be 1, 2 or 4, alike in both directions", NULL, stride_has_code},
    {"the kernel must be at most 32 in each direction", NULL, kernel_covered},
    {0},
};
static const struct rule reshape_rules[] = {
    {"only a vector can be reshaped, to a vector", NULL, stays_vector},
    MAPS(maps_fit),
    {0},
};
static const struct rule matmul_rules[] = {
    {"the left operand must be one row", NULL, one_row},
    {"weights and bias must be constant", "freeze the model before exporting it", weights_constant},
    {"at most 8192 inputs and outputs", NULL, vectors_fit},
    {0},
};
static const struct rule max_pool_rules[] = {
    MAPS(first_and_out_fit),
    {"the stride must be 1, 2, 4 or 8, alike in both directions, and the size within 32 steps of two pixels", NULL,
     has_plan},
    {0},
};
static const struct rule avg_pool_rules[] = {
    MAPS(first_and_out_fit),
    {"the stride must be 1, 2 or 4, alike in both directions", NULL, pool_stride_has_code},
    {"windows that the map's edge cuts off must count the padding, or have few different sizes", NULL, mean_can_divide},
    {0},
};
static const struct rule reduce_rules[] = {
    MAPS(first_and_out_fit),
    {"only whole maps can be reduced, to one value for each channel", NULL, over_the_map},
    {"only means and sums can be reduced to", NULL, adds},
    {0},
};
static const struct rule unary_rules[] = {MAPS(maps_fit), {0}};
static const struct rule sum_rules[] = {
    MAPS(maps_fit),
    {"the operands must have equal shapes, or one be constant per channel", NULL, operands_known},
    {0},
};
static const struct rule extremum_rules[] = {
    MAPS(maps_fit),
    {"both operands must be computed, of equal shapes", NULL, both_computed},
    {0},
};
static const struct rule product_rules[] = {
    MAPS(maps_fit),
    {"the divisor must be constant", NULL, divisor_constant},
    {"1 / divisor must be a finite number", NULL, divisor_invertible},
    {"the operands must have equal shapes, or one be constant per channel", NULL, operands_known},
    {0},
};
static const struct rule prelu_rules[] = {
    MAPS(maps_fit),
    {"the slopes must be constant, one for each channel", NULL, slope_constant},
    {0},
};
static const struct rule pad_rules[] = {
    MAPS(maps_fit),
    {"only channels can be padded, with zeros", "pad in front of a convolution, where it costs nothing", zero_channels},
    {0},
};
static const struct rule concat_rules[] = {
    MAPS(maps_fit),
    {"only channels can lie side by side, and rows below one another", NULL, over_channels_or_rows},
    {0},
};

static const struct rule gather_rules[] = {
    MAPS(first_and_out_fit),
    {"only channels can be taken in another order, by constant indices", NULL, over_channels},
    {0},
};
static const struct rule slice_rules[] = {
    MAPS(maps_fit),
    {"rows and columns must be neighbours; or 2, 4 .. of at most 128 columns apart, and rows of at most 64 then also 3, 6 ..", NULL, takes_near},
    {0},
};

static const struct rule resize_rules[] = {
    MAPS(first_and_out_fit),
    {"maps can only be enlarged by the same power of two in both directions", NULL, enlarges},
    {0},
};
static const struct rule transposed_rules[] = {
    MAPS(first_and_out_fit),
    {"pixels can only be set apart by the same power of two in both directions, with zeros between them", NULL,
     enlarges},
    {0},
};

static const struct rule blocks_rules[] = {
    MAPS(first_and_out_fit),
    {"blocks must be 2x2, in the order phase by phase, and the channels a multiple of 4", NULL, enlarges},
    {0},
};

const struct rule *ncc_k210_rules(enum op op)
{
    switch ((int)op) {
    case OP_conv2d:
        return conv2d_rules;
    case OP_matmul:
        return matmul_rules;
    case OP_reshape:
        return reshape_rules;
    case OP_max_pool:
        return max_pool_rules;
    case OP_avg_pool:
        return avg_pool_rules;
    case OP_reduce:
        return reduce_rules;
    case OP_add:
    case OP_sub:
        return sum_rules;
    case OP_maximum:
    case OP_minimum:
        return extremum_rules;
    case OP_mul:
    case OP_div:
        return product_rules;
    case OP_concat:
        return concat_rules;
    case OP_prelu:
        return prelu_rules;
    case OP_pad:
        return pad_rules;
    case OP_slice:
        return slice_rules;
    case OP_resize:
        return resize_rules;
    case OP_conv2d_transpose:
        return transposed_rules;
    case OP_depth_to_space:
        return blocks_rules;
    case OP_gather:
        return gather_rules;
    default:
        return ncc_op_desc(op)->flags & OP_UNARY ? unary_rules : NULL;
    }
}

const char *ncc_k210_rule_broken(const struct node *n, char found[120])
{
    found[0] = 0;
    const struct rule *r = ncc_k210_rules(n->op);
    if (!r)
        return "the KPU has no such operation";
    for (; r->text; r++)
        if (!r->holds(n, found))
            return r->text;
    found[0] = 0;
    return NULL;
}
