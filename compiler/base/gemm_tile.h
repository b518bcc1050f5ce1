/* The inside of ncc_gemm_rows, included once for each kind of processor, with
 *
 *     NAME(x)           x_<kind>
 *     TARGET            what its functions are compiled for
 *     VEC, LANES        a register, and the floats in it
 *     WIDE              registers beside each other; WIDE * TILE_ROWS sums, WIDE inputs and a weight are in registers
 *     SPLAT(x)          x in all lanes
 *     MULTIPLY_ADD      a * b + c
 *
 *     sums[m][columns] = bias[m] + a[m][0] * b[0][columns] + a[m][1] * b[1][columns] + ...
 */
typedef float NAME(loose) __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

#define UNROLLED _Pragma("GCC unroll 8") for

TARGET static inline __attribute__((always_inline)) void NAME(sums)(const struct gemm_rows *g, int m, int64_t at,
                                                                    const int rows, const int wide)
{
    VEC sum[TILE_ROWS][WIDE];
    const float *a[TILE_ROWS];
    UNROLLED(int r = 0; r < rows; r++)
    {
        a[r] = g->a + (int64_t)(m + r) * g->k;
        UNROLLED(int v = 0; v < wide; v++) sum[r][v] = SPLAT(g->bias ? g->bias[m + r] : 0.0f);
    }
    for (int k = 0; k < g->k; k++) {
        const float *from = g->b[k] + at;
        VEC x[WIDE];
        UNROLLED(int v = 0; v < wide; v++) x[v] = *(const NAME(loose) *)(from + v * LANES);
        UNROLLED(int r = 0; r < rows; r++)
        {
            const VEC w = SPLAT(a[r][k]);
            UNROLLED(int v = 0; v < wide; v++) sum[r][v] = MULTIPLY_ADD(w, x[v], sum[r][v]);
        }
    }
    UNROLLED(int r = 0; r < rows; r++)
    {
        float *to = g->c + (m + r) * g->ldc + at;
        UNROLLED(int v = 0; v < wide; v++) *(NAME(loose) *)(to + v * LANES) = sum[r][v];
    }
}

TARGET static void NAME(columns)(const struct gemm_rows *g, int m, int rows, int64_t at, bool wide)
{
    switch (2 * rows + wide) {
#define CASE(n)                                                                                                        \
    case 2 * (n):                                                                                                      \
        NAME(sums)(g, m, at, n, 1);                                                                                    \
        return;                                                                                                        \
    case 2 * (n) + 1:                                                                                                  \
        NAME(sums)(g, m, at, n, WIDE);                                                                                 \
        return;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
#undef CASE
    }
}

/* All rows of some columns after each other, as long as these are in the cache. What does not fill a register at the end
 * is computed with columns before it, a second time. */
TARGET static void NAME(gemm)(const struct gemm_rows *g)
{
    const int blocks = (g->m + TILE_ROWS - 1) / TILE_ROWS, rows = (g->m + blocks - 1) / blocks;
    for (int64_t at = 0; at < g->n;) {
        const bool wide = g->n - at >= WIDE * LANES;
        const int64_t from = g->n - at >= LANES ? at : g->n - LANES;
        for (int m = 0; m < g->m; m += rows)
            NAME(columns)(g, m, g->m - m < rows ? g->m - m : rows, from, wide);
        at = from + (wide ? WIDE * LANES : LANES);
    }
}

#undef UNROLLED
#undef NAME
#undef TARGET
#undef VEC
#undef LANES
#undef WIDE
#undef SPLAT
#undef MULTIPLY_ADD
