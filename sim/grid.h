/* The positions that a layer computes, and where in memory the taps of each lie.
 *
 * The input with its padding ring is stored row after row, one cell per position, so that tap (ky, kx) of the output
 * at cell p is cell p + ky * pitch + kx: a convolution is a few sums over continuous memory. The cells between the end
 * of a row of outputs and the next row are computed too and thrown away.
 *
 *     pitch = w + 2       . . . . . .      . padding (pad_value)
 *                         . x x x x .      output (0, 0) is cell 0, its taps are
 *                         . x x x x .      0 1 2, pitch + 0 1 2, 2 * pitch + 0 1 2
 *                         . . . . . .
 *
 * A pool that picks one element of each window needs only the positions it picks. Then the padded input is cut into
 * stride x stride planes: plane (a, b) holds rows a, a + stride ... and columns b, b + stride ..., and each tap reads
 * one of them, moved by at most one row and column. */
#ifndef NCC_SIM_GRID_H
#define NCC_SIM_GRID_H

#include "kpu/layer.h"
#include "sim/kernel.h"

struct grid {
    int h, w;   /* positions computed: of the output, or of the map before a max or mean pool */
    int stride; /* 1, or that of a picking pool */
    int pad;    /* ring around the input: 0 or 1 */
    int rows, pitch;
    int n_taps;
    int32_t tap_off[SIM_MAX_TAPS];
    bool plane_used[16]; /* by row and column phase */
    int plane_size;      /* rows * pitch */
    int n_cells;         /* of all planes, and cells of 0 that the last step may read */
    int n_positions;     /* h * pitch, rounded up to SIM_STEP */
};

void ncc_sim_grid_init(struct grid *g, const struct ncc_kpu_shape *s);

#endif
