#include "sim/grid.h"

#include <string.h>

static int round_up(int n, int step)
{
    return (n + step - 1) / step * step;
}

void ncc_sim_grid_init(struct grid *g, const struct ncc_kpu_shape *s)
{
    const struct ncc_kpu_pool_info *pool = ncc_kpu_pool_info(s->pool);
    const int stride = pool->kind == NCC_KPU_POOL_PICK ? pool->stride : 1;
    memset(g, 0, sizeof *g);
    g->stride = stride;
    g->h = s->in_h / stride;
    g->w = s->in_w / stride;
    g->pad = s->kernel / 2;
    g->n_taps = s->kernel * s->kernel;
    g->rows = g->h + (pool->pick_row + s->kernel - 1) / stride;
    g->pitch = g->w + (pool->pick_col + s->kernel - 1) / stride;
    g->plane_size = g->rows * g->pitch;
    g->n_positions = round_up(g->h * g->pitch, SIM_STEP);
    g->n_cells = stride * stride * g->plane_size + 2 * SIM_STEP;
    for (int t = 0; t < g->n_taps; t++) {
        const int y = pool->pick_row + t / s->kernel, x = pool->pick_col + t % s->kernel;
        const int plane = y % stride * stride + x % stride;
        g->tap_off[t] = plane * g->plane_size + y / stride * g->pitch + x / stride;
        g->plane_used[plane] = true;
    }
}
