/* The last step of a layer: from the map before the pool to KPU RAM (doc/kpu.md section 6). */
#include "sim/job.h"

#include <string.h>

/* Sum or maximum down the rows of a window, for every column, in steps of SIM_STEP. A window of stride 1 reaches
 * beyond the last row and column: it meets those again, which does not change a maximum. */
SIM_INLINE void combine_rows(const struct grid *g, bool mean, int window, const uint8_t *plane, int y, int16_t *column)
{
    const uint8_t *row[4];
    for (int k = 0; k < window; k++)
        row[k] = plane + (y + k < g->h ? y + k : g->h - 1) * g->pitch;
    for (int x = 0; x < g->w; x += SIM_STEP) {
        int16_t step[SIM_STEP];
        for (int i = 0; i < SIM_STEP; i++)
            step[i] = row[0][x + i];
        for (int k = 1; k < window; k++) {
            for (int i = 0; i < SIM_STEP; i++) {
                const int16_t other = row[k][x + i];
                step[i] = mean ? (int16_t)(step[i] + other) : step[i] > other ? step[i] : other;
            }
        }
        memcpy(column + x, step, sizeof step);
    }
    column[g->w] = column[g->w - 1];
}

SIM_INLINE void combine_columns(bool mean, int window, int stride, const int16_t *column, int n, uint8_t *out)
{
    for (int x = 0; x < n; x++, column += stride) {
        int value = column[0];
        for (int k = 1; k < window; k++)
            value = mean ? value + column[k] : value > column[k] ? value : column[k];
        out[x] = (uint8_t)(mean ? value / (window * window) : value);
    }
}

/* Inlined once for each kind of window, so that the loops inside are short and constant. */
SIM_INLINE void store_pooled(const struct job *job, int channel, const uint8_t *plane, bool mean, int window,
                             int stride)
{
    int16_t column[NCC_KPU_FIELD_MAX_W + 2 * SIM_STEP];
    for (int y = 0; y <= job->regs->o_col_high; y++) {
        combine_rows(&job->grid, mean, window, plane, y * stride, column);
        combine_columns(mean, window, stride, column, (int)job->regs->o_row_wid + 1,
                        ncc_sim_output_row(job, channel, y));
    }
}

static void store_rows(const struct job *job, int channel, const uint8_t *plane)
{
    const int64_t distance = NCC_KPU_LINE_SIZE * job->regs->wb_row_switch_addr;
    uint8_t *out = ncc_sim_output_row(job, channel, 0);
    for (int y = 0; y <= job->regs->o_col_high; y++, plane += job->grid.pitch, out += distance)
        memcpy(out, plane, (size_t)job->regs->o_row_wid + 1);
}

void ncc_sim_store(const struct job *job, int channel)
{
    const uint8_t *plane = job->planes + (size_t)channel * (size_t)job->grid.n_positions;
    switch ((enum ncc_kpu_pool)job->shape.pool) {
    case NCC_KPU_POOL_MAX_2_S2:
        store_pooled(job, channel, plane, false, 2, 2);
        break;
    case NCC_KPU_POOL_MEAN_2_S2:
        store_pooled(job, channel, plane, true, 2, 2);
        break;
    case NCC_KPU_POOL_MAX_4_S4:
        store_pooled(job, channel, plane, false, 4, 4);
        break;
    case NCC_KPU_POOL_MEAN_4_S4:
        store_pooled(job, channel, plane, true, 4, 4);
        break;
    case NCC_KPU_POOL_MEAN_2_S1:
        store_pooled(job, channel, plane, true, 2, 1);
        break;
    case NCC_KPU_POOL_MAX_2_S1:
        store_pooled(job, channel, plane, false, 2, 1);
        break;
    default: /* none, or picked positions only */
        store_rows(job, channel, plane);
    }
}
