#include "compiler/base/gemm.h"
#include "compiler/ir/broadcasting.h"
#include "compiler/ops/on_codes.h"

/* All dimensions but the last two, which are the matrix. */
static struct shape batch_of(struct shape s)
{
    s.rank -= 2;
    return s;
}

static bool infer(struct infer *i)
{
    const struct shape a = i->in[0]->shape, b = i->in[1]->shape;
    struct shape out;
    if (!ncc_infer_need_all_f32(i))
        return false;
    if (a.rank < 2 || b.rank < 2)
        return ncc_infer_refuse(i, "both operands must have at least 2 dimensions");
    if (a.dim[a.rank - 1] != b.dim[b.rank - 2])
        return ncc_infer_refuse(i, "a's columns (%d) must be as many as b's rows (%d)", a.dim[a.rank - 1],
                                b.dim[b.rank - 2]);
    if (!ncc_shape_broadcast(batch_of(a), batch_of(b), &out))
        return ncc_infer_refuse(i, "the dimensions before the matrices must be equal or broadcast");
    out.dim[out.rank++] = a.dim[a.rank - 2];
    out.dim[out.rank++] = b.dim[b.rank - 1];
    i->out[0].shape = out;
    return ncc_infer_need_bias(i, 2, b.dim[b.rank - 1], DT_F32);
}

/* m x k times k x n, for each of the batches. */
struct sizes {
    int m, k, n;
    int64_t n_batches;
    struct broadcast batch;
};

static struct sizes sizes_of(struct shape a, struct shape b, struct shape out)
{
    struct sizes s = {.m = a.dim[a.rank - 2], .k = a.dim[a.rank - 1], .n = b.dim[b.rank - 1]};
    s.batch = ncc_broadcast_make(batch_of(a), batch_of(b), batch_of(out));
    s.n_batches = ncc_shape_count(batch_of(out));
    return s;
}

/* Numbers of the matrices that batch `index` of the result is made of. */
static void operands_of(const struct sizes *s, int64_t index, int64_t *a, int64_t *b)
{
    const int last = s->batch.rank - 1;
    const int64_t inner = index % s->batch.dim[last];
    ncc_broadcast_row(&s->batch, index / s->batch.dim[last], a, b);
    *a += inner * s->batch.a[last];
    *b += inner * s->batch.b[last];
}

static const float *bias_of(const struct eval_args *args)
{
    return args->node->n_in > 2 && args->in[2] ? args->in[2]->data : NULL;
}

static void eval(const struct eval_args *args)
{
    const struct sizes s = sizes_of(args->in[0]->shape, args->in[1]->shape, args->out[0]->shape);
    const float *bias = bias_of(args);
    float *y = args->out[0]->data;
    for (int64_t i = 0; i < s.n_batches; i++) {
        int64_t a_index, b_index;
        operands_of(&s, i, &a_index, &b_index);
        const float *a = (const float *)args->in[0]->data + a_index * s.m * s.k;
        const float *b = (const float *)args->in[1]->data + b_index * s.k * s.n;
        for (int r = 0; r < s.m; r++) {
            for (int c = 0; c < s.n; c++) {
                double sum = bias ? (double)bias[c] : 0.0;
                for (int k = 0; k < s.k; k++)
                    sum += (double)a[(int64_t)r * s.k + k] * (double)b[(int64_t)k * s.n + c];
                *y++ = (float)sum;
            }
        }
    }
}

static void eval_fast(const struct eval_args *args)
{
    struct sizes s = sizes_of(args->in[0]->shape, args->in[1]->shape, args->out[0]->shape);
    const float *bias = bias_of(args);
    float *y = args->out[0]->data;
    if (ncc_shape_count(args->out[0]->shape) == 0)
        return;
    const bool one_product = ncc_shape_count(batch_of(args->in[1]->shape)) == 1; /* all rows of a meet one b */
    const int m = one_product ? (int)(s.m * s.n_batches) : s.m;
    for (int64_t row = 0; row < s.m * s.n_batches; row++)
        for (int c = 0; c < s.n; c++)
            y[row * s.n + c] = bias ? bias[c] : 0.0f;
    for (int64_t i = 0; i < (one_product ? 1 : s.n_batches) && s.k > 0; i++) {
        int64_t a, b;
        operands_of(&s, i, &a, &b);
        ncc_gemm(m, s.n, s.k, (const float *)args->in[0]->data + a * s.m * s.k, s.k,
                 (const float *)args->in[1]->data + b * s.k * s.n, s.n, y + i * s.m * s.n, s.n, 1);
    }
}

/* ---- on codes: b's steps are made once per matrix ---- */

struct products {
    const struct code_args *c;
    struct sizes s;
    bool constant;         /* b: weights, with a scale per column perhaps; else codes like a's */
    struct weight_codes w;
    int32_t *steps; /* [k][n] */
    int64_t *sums;  /* [n] */
};

static bool products_of(const struct code_args *c, struct products *p)
{
    const struct node *n = c->real->node;
    *p = (struct products){.c = c, .s = sizes_of(n->in[0]->shape, n->in[1]->shape, n->out[0]->shape)};
    p->constant = ncc_weight_codes(n->in[1], n->in[1]->shape.rank - 1, &p->w);
    return ncc_has_grid(c->in[0]) && (p->constant || ncc_has_grid(c->in[1]));
}

static float b_scale(const struct products *p, int column)
{
    return p->constant ? ncc_weight_scale(&p->w, column) : p->c->in[1].scale;
}

static void read_b(const struct products *p, const float *b)
{
    for (int64_t k = 0; k < p->s.k; k++)
        for (int c = 0; c < p->s.n; c++)
            p->steps[k * p->s.n + c] = (int32_t)rintf(b[k * p->s.n + c] / b_scale(p, c));
}

static void sum_row(const struct products *p, const float *a)
{
    for (int c = 0; c < p->s.n; c++)
        p->sums[c] = 0;
    for (int64_t k = 0; k < p->s.k; k++) {
        const int32_t step = ncc_step_of(p->c->in[0], a[k]), *b = p->steps + k * p->s.n;
#pragma omp simd
        for (int c = 0; c < p->s.n; c++)
            p->sums[c] += (int64_t)step * b[c];
    }
}

static void finish_row(const struct products *p, const float *bias, float *y)
{
    for (int c = 0; c < p->s.n; c++) {
        const bool by_float = !p->constant || p->w.n_channels == 1;
        const struct channel_codes column = ncc_channel_codes(p->c, b_scale(p, c), bias ? bias + c : NULL, by_float);
        ncc_finish_wide_sums(p->c, column, p->sums + c, 1, y + c);
    }
}

static bool eval_codes(const struct code_args *c)
{
    struct products p;
    if (!products_of(c, &p))
        return false;
    p.sums = c->real->scratch;
    p.steps = (int32_t *)(void *)(p.sums + p.s.n);
    float *y = c->real->out[0]->data;
    for (int64_t i = 0, last = -1; i < p.s.n_batches; i++) {
        int64_t a_index, b_index;
        operands_of(&p.s, i, &a_index, &b_index);
        const float *a = (const float *)c->real->in[0]->data + a_index * p.s.m * p.s.k;
        if (b_index != last)
            read_b(&p, (const float *)c->real->in[1]->data + b_index * p.s.k * p.s.n);
        last = b_index;
        for (int r = 0; r < p.s.m; r++, a += p.s.k, y += p.s.n) {
            sum_row(&p, a);
            finish_row(&p, bias_of(c->real), y);
        }
    }
    return true;
}

static size_t codes_scratch(const struct code_args *c)
{
    struct products p;
    if (!products_of(c, &p))
        return 0;
    return (size_t)p.s.n * (sizeof *p.sums + (size_t)p.s.k * sizeof *p.steps);
}

static double macs(const struct node *n)
{
    const struct shape a = n->in[0]->shape;
    return (double)ncc_shape_count(n->out[0]->shape) * a.dim[a.rank - 1];
}

const struct op_desc ncc_op_matmul = {
    .name = "matmul",
    .doc = "matrix product of the last two dimensions, plus a bias per column; dimensions before broadcast",
    .tflite = "FULLY_CONNECTED,BATCH_MATMUL,CUMSUM,UNIDIRECTIONAL_SEQUENCE_LSTM,UNIDIRECTIONAL_SEQUENCE_RNN",
    .onnx = "MatMul,Gemm,QLinearMatMul,QGemm,MatMulInteger,CumSum,LSTM,GRU,RNN",
    .caffe = "InnerProduct",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .infer = infer,
    .eval = eval,
    .eval_fast = eval_fast,
    .macs = macs,
    .eval_codes = eval_codes,
    .codes_scratch = codes_scratch,
};
