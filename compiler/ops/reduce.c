#include "compiler/ir/element.h"
#include "compiler/ops/on_codes.h"

static const char *const kinds[] = {"mean", "sum", "max", "min", "prod", NULL};
static const struct attr_desc attrs_table[] = {
    ATTR_WORDS(struct reduce_attrs, kind, kinds, REDUCE_MEAN),
    ATTR(struct reduce_attrs, axes, ATTR_INTS, 0),
    ATTR(struct reduce_attrs, keep_dims, ATTR_BOOL, 0),
    {0},
};

static bool reduces(const struct reduce_attrs *p, int axis)
{
    for (int i = 0; i < p->axes.n; i++)
        if (p->axes.v[i] == axis)
            return true;
    return false;
}

static bool infer(struct infer *i)
{
    const struct reduce_attrs *p = i->node->attrs;
    const struct shape in = i->in[0]->shape;
    const enum dtype t = i->in[0]->dtype;
    if (t == DT_F16 || t == DT_BOOL)
        return ncc_infer_refuse(i, "the elements must be f32 or integers");
    struct shape out = {0};
    for (int k = 0; k < p->axes.n; k++) {
        if (!ncc_infer_need_axis(i, p->axes.v[k], in.rank))
            return false;
        if (k > 0 && p->axes.v[k] <= p->axes.v[k - 1])
            return ncc_infer_refuse(i, "the axes must ascend");
        if (in.dim[p->axes.v[k]] == 0)
            return ncc_infer_refuse(i, "axis %d must not be empty", p->axes.v[k]);
    }
    for (int k = 0; k < in.rank; k++) {
        if (!reduces(p, k))
            out.dim[out.rank++] = in.dim[k];
        else if (p->keep_dims)
            out.dim[out.rank++] = 1;
    }
    i->out[0].shape = out;
    return true;
}

/* Index of the output element that input element `flat` goes into. */
static int64_t target(const struct reduce_attrs *p, struct shape in, int64_t flat)
{
    int64_t at = 0, stride = 1;
    for (int k = in.rank - 1; k >= 0; k--) {
        if (!reduces(p, k)) {
            at += flat % in.dim[k] * stride;
            stride *= in.dim[k];
        }
        flat /= in.dim[k];
    }
    return at;
}

static double combine(int kind, double sum, double x)
{
    switch (kind) {
    case REDUCE_MAX:
        return x > sum ? x : sum;
    case REDUCE_MIN:
        return x < sum ? x : sum;
    case REDUCE_PROD:
        return x * sum;
    default:
        return x + sum;
    }
}

/* Element `at` of the result, from all input elements that go into it. */
static double reduce_one(const struct reduce_attrs *p, const struct tensor *x, int64_t at)
{
    const int64_t n = ncc_shape_count(x->shape);
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (target(p, x->shape, i) != at)
            continue;
        const double v = ncc_element_real(x->dtype, x->data, i);
        sum = count++ ? combine(p->kind, sum, v) : v;
    }
    return p->kind == REDUCE_MEAN ? sum / (double)count : sum;
}

static void eval(const struct eval_args *a)
{
    const int64_t n = ncc_shape_count(a->out[0]->shape);
    for (int64_t i = 0; i < n; i++)
        ncc_element_set_real(a->out[0]->dtype, a->out[0]->data, i, reduce_one(a->node->attrs, a->in[0], i));
}

/* ---- one walk over the input ---- */

static size_t scratch(const struct node *n)
{
    return (size_t)ncc_shape_count(n->out[0]->shape) * sizeof(double);
}

/* Runs of the last dimension: into one element when it is reduced, else side by side. */
static void take_run(int kind, bool first, bool inner, const struct tensor *x, int64_t from, int n, double *sums)
{
    for (int k = 0; k < n; k++) {
        double *to = sums + (inner ? 0 : k);
        const double v = x->dtype == DT_F32 ? (double)((const float *)x->data)[from + k]
                                            : ncc_element_real(x->dtype, x->data, from + k);
        *to = first && (k == 0 || !inner) ? v : combine(kind, *to, v);
    }
}

/* Whether a run is the first to reach its target: all reduced dimensions before the last are at 0. */
static bool is_first(const struct reduce_attrs *p, struct shape in, int64_t flat)
{
    for (int k = in.rank - 1; k >= 0; k--) {
        if (reduces(p, k) && flat % in.dim[k] != 0)
            return false;
        flat /= in.dim[k];
    }
    return true;
}

static void eval_fast(const struct eval_args *a)
{
    const struct reduce_attrs *p = a->node->attrs;
    const struct tensor *x = a->in[0], *y = a->out[0];
    const int64_t n = ncc_shape_count(x->shape), n_out = ncc_shape_count(y->shape);
    const int run = x->shape.rank ? x->shape.dim[x->shape.rank - 1] : 1;
    const bool inner = x->shape.rank > 0 && reduces(p, x->shape.rank - 1);
    double *sums = a->scratch;
    for (int64_t i = 0; i < n; i += run)
        take_run(p->kind, is_first(p, x->shape, i), inner, x, i, run, sums + target(p, x->shape, i));
    const double share = p->kind == REDUCE_MEAN ? (double)n / (double)n_out : 1; /* elements per result */
    for (int64_t i = 0; i < n_out; i++)
        ncc_element_set_real(y->dtype, y->data, i, sums[i] / share);
}

/* ---- means and sums of codes ---- */

static size_t codes_scratch(const struct code_args *c)
{
    return (size_t)ncc_shape_count(c->real->node->out[0]->shape) * sizeof(int64_t);
}

static void sum_steps(const struct reduce_attrs *p, const struct tensor *x, struct grid g, int64_t *sums)
{
    const int64_t n = ncc_shape_count(x->shape);
    const int run = x->shape.rank ? x->shape.dim[x->shape.rank - 1] : 1;
    const bool inner = x->shape.rank > 0 && reduces(p, x->shape.rank - 1);
    const float *from = x->data;
    for (int64_t i = 0; i < n; i += run) {
        int64_t *to = sums + target(p, x->shape, i);
        for (int k = 0; k < run; k++)
            to[inner ? 0 : k] += ncc_step_of(g, from[i + k]);
    }
}

/* The factor of a mean takes over the division by `count`, cut, with as many more bits as there are. */
static struct fx shared(struct fx f, int64_t count)
{
    int more = 0;
    while (count >> (more + 1) && more < 32 && more < 31 + f.shift)
        more++;
    return (struct fx){(int32_t)((int64_t)f.mul * (INT64_C(1) << more) / count), f.shift - more};
}

static bool eval_codes(const struct code_args *c)
{
    const struct reduce_attrs *p = c->real->node->attrs;
    const struct tensor *x = c->real->in[0], *y = c->real->out[0];
    const int64_t n_out = ncc_shape_count(y->shape);
    if (!ncc_has_grid(c->in[0]) || (p->kind != REDUCE_MEAN && p->kind != REDUCE_SUM))
        return false;
    int64_t *sums = c->real->scratch;
    for (int64_t i = 0; i < n_out; i++)
        sums[i] = 0;
    sum_steps(p, x, c->in[0], sums);
    struct fx f = ncc_fx_of((double)c->in[0].scale / (double)c->out.scale);
    if (p->kind == REDUCE_MEAN)
        f = shared(f, ncc_shape_count(x->shape) / n_out);
    for (int64_t i = 0; i < n_out; i++)
        ((float *)y->data)[i] =
            ncc_real_of(c, ncc_code_at(c->out.zero, ncc_fx_times((int32_t)(uint32_t)(uint64_t)sums[i], f)));
    return true;
}

const struct op_desc ncc_op_reduce = {
    .name = "reduce",
    .doc = "mean, sum, max, min or product over axes",
    .tflite = "MEAN,SUM,REDUCE_MAX,REDUCE_MIN,REDUCE_PROD,REDUCE_ANY,REDUCE_ALL",
    .onnx = "ReduceMean,ReduceSum,ReduceMax,ReduceMin,ReduceProd,ReduceL1,"
            "ReduceL2,ReduceSumSquare,ReduceLogSum,ReduceLogSumExp,InstanceNormalization,"
            "GroupNormalization,LayerNormalization,MeanVarianceNormalization,LogSoftmax",
    .caffe = "Reduction,MVN,Normalize",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    NCC_ATTRS(reduce_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
    .eval_fast = eval_fast,
    .scratch = scratch,
    .eval_codes = eval_codes,
    .codes_scratch = codes_scratch,
};
