#include "compiler/ops/kpu_pool.h"
#include "compiler/ops/support.h"

const struct kpu_pool ncc_kpu_pools[N_KPU_POOLS] = {
    {KPU_POOL_PICK, 1, 1, 0, 0}, {KPU_POOL_MAX, 2, 2, 0, 0},  {KPU_POOL_MEAN, 2, 2, 0, 0}, {KPU_POOL_MAX, 4, 4, 0, 0},
    {KPU_POOL_MEAN, 4, 4, 0, 0}, {KPU_POOL_PICK, 2, 2, 0, 0}, {KPU_POOL_PICK, 2, 2, 0, 1}, {KPU_POOL_PICK, 4, 4, 0, 0},
    {KPU_POOL_MEAN, 2, 1, 0, 0}, {KPU_POOL_MAX, 2, 1, 0, 0},
};

static int within(int x, int size)
{
    return x < size ? x : size - 1;
}

struct kpu_pixels ncc_kpu_pool_pixels(const struct kpu_pool *p, int h, int w, int y, int x)
{
    struct kpu_pixels r = {.n = 0};
    if (p->kind == KPU_POOL_PICK)
        return (struct kpu_pixels){1, {y * p->stride + p->row}, {x * p->stride + p->column}};
    for (int dy = 0; dy < p->size; dy++) {
        for (int dx = 0; dx < p->size; dx++) {
            r.y[r.n] = within(y * p->stride + dy, h); /* repeating a pixel does not change a maximum either */
            r.x[r.n++] = within(x * p->stride + dx, w);
        }
    }
    return r;
}

bool ncc_infer_kpu_layer(struct infer *i, int kernel, bool depthwise, int pool)
{
    const int *x = i->in[0]->shape.dim, *w = i->in[1]->shape.dim;
    if (kernel != 1 && kernel != 3)
        return ncc_infer_refuse(i, "the kernel must be 1x1 or 3x3");
    if (pool < 0 || pool >= N_KPU_POOLS)
        return ncc_infer_refuse(i, "the pool must be one of the codes 0 to %d", N_KPU_POOLS - 1);
    if (!ncc_infer_need_rank(i, 1, 4))
        return false;
    if (w[2] != kernel || w[3] != kernel)
        return ncc_infer_refuse(i, "the weights must be %dx%d", kernel, kernel);
    if (w[0] < 1 || x[1] < 1 || w[1] != (depthwise ? 1 : x[1]) || (depthwise && w[0] != x[1]))
        return ncc_infer_refuse(i, "the weights must fit the %d input channels", x[1]);
    const int stride = ncc_kpu_pools[pool].stride;
    if (x[0] != 1 || x[2] < stride || x[3] < stride)
        return ncc_infer_refuse(i, "the batch must be 1 and the pool must fit into the canvas");
    i->out[0].shape = ncc_shape_4(1, w[0], x[2] / stride, x[3] / stride);
    return true;
}

struct convolve ncc_kpu_convolution(int kernel, bool depthwise, int pool, bool picked, struct shape x, struct shape w)
{
    const struct kpu_pool *pick = &ncc_kpu_pools[picked && ncc_kpu_is_pick(pool) ? pool : 0];
    return (struct convolve){
        .n = 1, .in_c = x.dim[1], .in_h = x.dim[2], .in_w = x.dim[3],
        .out_c = w.dim[0], .out_h = x.dim[2] / pick->stride, .out_w = x.dim[3] / pick->stride,
        .kernel_h = kernel, .kernel_w = kernel,
        .stride_h = pick->stride, .stride_w = pick->stride, .dil_h = 1, .dil_w = 1,
        .top = kernel / 2 - pick->row, .left = kernel / 2 - pick->column,
        .groups = depthwise ? x.dim[1] : 1,
    };
}
