#include "compiler/ops/on_codes.h"
#include "compiler/ops/pool_window.h"

static double window_sum(const float *map, int w, struct pool_window win)
{
    double sum = 0;
    for (int y = win.y0; y < win.y1; y++)
        for (int x = win.x0; x < win.x1; x++)
            sum += (double)map[y * w + x];
    return sum;
}

static void eval(const struct eval_args *a)
{
    const struct pool_attrs *p = a->node->attrs;
    const int *in = a->in[0]->shape.dim, *out = a->out[0]->shape.dim;
    const float *map = a->in[0]->data;
    float *to = a->out[0]->data;
    for (int64_t m = 0; m < (int64_t)in[0] * in[1]; m++, map += in[2] * in[3]) {
        for (int y = 0; y < out[2]; y++) {
            for (int x = 0; x < out[3]; x++) {
                const struct pool_window win = ncc_pool_window_at(p, in[2], in[3], y, x);
                const int64_t inside = (int64_t)(win.y1 - win.y0) * (win.x1 - win.x0);
                const int64_t count = p->count_pad ? (int64_t)p->kernel_h * p->kernel_w : inside;
                *to++ = (float)(window_sum(map, in[3], win) / (double)count);
            }
        }
    }
}

/* Sums of codes, zero points and all. */
static int64_t window_codes(struct grid g, const float *map, int w, struct pool_window win)
{
    int64_t sum = 0;
    for (int y = win.y0; y < win.y1; y++)
        for (int x = win.x0; x < win.x1; x++)
            sum += ncc_step_of(g, map[y * w + x]) + g.zero;
    return sum;
}

/* The mean of the codes, half away from code 0. */
static bool eval_codes(const struct code_args *c)
{
    const struct eval_args *a = c->real;
    const struct pool_attrs *p = a->node->attrs;
    const int *in = a->in[0]->shape.dim, *out = a->out[0]->shape.dim;
    const float *map = a->in[0]->data;
    float *to = a->out[0]->data;
    if (p->count_pad || !ncc_same_grid(c->in[0], c->out))
        return false;
    for (int64_t m = 0; m < (int64_t)in[0] * in[1]; m++, map += in[2] * in[3]) {
        for (int y = 0; y < out[2]; y++) {
            for (int x = 0; x < out[3]; x++) {
                const struct pool_window win = ncc_pool_window_at(p, in[2], in[3], y, x);
                const int64_t count = (int64_t)(win.y1 - win.y0) * (win.x1 - win.x0);
                const int64_t sum = window_codes(c->in[0], map, in[3], win);
                *to++ = ncc_real_of(c, (int32_t)((sum + (sum > 0 ? count / 2 : -(count / 2))) / count));
            }
        }
    }
    return true;
}

static bool infer(struct infer *i)
{
    return ncc_infer_need_dtype(i, 0, DT_F32) && ncc_infer_pool(i);
}

const struct op_desc ncc_op_avg_pool = {
    .name = "avg_pool",
    .doc = "mean of each window: of the pixels inside the map, or with count_pad of the whole window",
    .tflite = "AVERAGE_POOL_2D,L2_POOL_2D",
    .onnx = "AveragePool,GlobalAveragePool,LpPool,QLinearAveragePool,QLinearGlobalAveragePool",
    .caffe = "Pooling,LRN",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs_size = sizeof(struct pool_attrs),
    .attrs = ncc_pool_attrs_table,
    .infer = infer,
    .eval = eval,
    .eval_codes = eval_codes,
};
