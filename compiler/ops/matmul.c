#include "compiler/base/gemm.h"
#include "compiler/ir/broadcasting.h"
#include "compiler/ops/support.h"

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

static double macs(const struct node *n)
{
    const struct shape a = n->in[0]->shape;
    return (double)ncc_shape_count(n->out[0]->shape) * a.dim[a.rank - 1];
}

const struct op_desc ncc_op_matmul = {
    .name = "matmul",
    .doc = "matrix product of the last two dimensions, plus a bias per column; dimensions before broadcast",
    .tflite = "FULLY_CONNECTED,BATCH_MATMUL,CUMSUM",
    .onnx = "MatMul,Gemm,QLinearMatMul,MatMulInteger,CumSum",
    .caffe = "InnerProduct",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .infer = infer,
    .eval = eval,
    .eval_fast = eval_fast,
    .macs = macs,
};
