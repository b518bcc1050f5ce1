#include "compiler/k210/pool_plan.h"

enum { ROWS, COLS };

/* What remains to be done, in each direction. */
struct rest {
    int stride;
    int m[2];
    int before[2]; /* pixels before output 0 that it sees */
    bool covered[2];
};

/* The window always ends at or behind its output, so a pool that looks nowhere but back shifts in every step. At stride
 * 1 it is shifted as soon as that loses nothing, in front of a reduction only to make the offset even. */
static bool grows_with_shift(const struct rest *r, int d)
{
    const int before = r->before[d];
    return before == r->m[d] - 1 ? before > 0 : before > 0 && r->covered[d] && (r->stride == 1 || before % 2);
}

static struct pool_step step(const struct rest *r, int code, bool shift_row, bool shift_col)
{
    return (struct pool_step){.code = code,
                              .stride = ncc_kpu_pool_info(code)->stride,
                              .row = shift_row ? -1 : 0,
                              .col = shift_col ? -1 : 0,
                              .covered_row = r->covered[ROWS],
                              .covered_col = r->covered[COLS]};
}

static struct pool_step grow(struct rest *r, enum pool_along along)
{
    const bool rows = along != ALONG_COLUMNS, cols = along != ALONG_ROWS;
    struct pool_step s = step(r, along == ALONG_BOTH ? NCC_KPU_POOL_MAX_2_S1 : NCC_KPU_POOL_NONE,
                              rows && grows_with_shift(r, ROWS), cols && grows_with_shift(r, COLS));
    s.along = along;
    r->m[ROWS] -= rows;
    r->m[COLS] -= cols;
    r->before[ROWS] += s.row;
    r->before[COLS] += s.col;
    r->covered[ROWS] |= rows;
    r->covered[COLS] |= cols;
    return s;
}

static bool divisible(const struct rest *r, int by)
{
    bool all = r->stride % by == 0;
    for (int d = 0; d < 2; d++)
        all = all && r->m[d] % by == 0 && r->before[d] % by == 0;
    return all;
}

static struct pool_step reduce(struct rest *r)
{
    const struct pool_step s = divisible(r, 4)
                                   ? step(r, NCC_KPU_POOL_MAX_4_S4, false, false)
                                   : step(r, NCC_KPU_POOL_MAX_2_S2, r->before[ROWS] % 2, r->before[COLS] % 2);
    r->before[ROWS] += s.row;
    r->before[COLS] += s.col;
    for (int d = 0; d < 2; d++) {
        r->m[d] /= s.stride;
        r->before[d] /= s.stride;
        r->covered[d] = false;
    }
    r->stride /= s.stride;
    return s;
}

static struct pool_step pick(struct rest *r)
{
    const struct pool_step s =
        step(r, r->stride % 4 ? NCC_KPU_POOL_LEFT_TOP_2 : NCC_KPU_POOL_LEFT_TOP_4, false, false);
    r->stride /= s.stride;
    return s;
}

/* In front of a reduction: to an even size, and where a shift would lose something. */
static bool must_grow(const struct rest *r, int d)
{
    return r->m[d] % 2 || (r->before[d] % 2 && !r->covered[d] && r->m[d] > 2);
}

static struct pool_step next(struct rest *r)
{
    const bool rows = r->m[ROWS] > 1, cols = r->m[COLS] > 1;
    if (!rows && !cols)
        return pick(r);
    if (!rows || !cols)
        return grow(r, rows ? ALONG_ROWS : ALONG_COLUMNS);
    const bool must_rows = r->stride == 1 || must_grow(r, ROWS), must_cols = r->stride == 1 || must_grow(r, COLS);
    if (!must_rows && !must_cols)
        return reduce(r);
    if (r->m[ROWS] == r->m[COLS] || (must_rows && must_cols))
        return grow(r, ALONG_BOTH);
    return grow(r, must_rows ? ALONG_ROWS : ALONG_COLUMNS);
}

int ncc_pool_step_reads(const struct pool_step *s, bool rows, int n)
{
    const struct ncc_kpu_pool_info *pool = ncc_kpu_pool_info(s->code);
    if (s->along != ALONG_BOTH)
        return s->along == (rows ? ALONG_ROWS : ALONG_COLUMNS) ? n + 1 : n;
    return (n - 1) * s->stride + (pool->kind == NCC_KPU_POOL_PICK ? 1 : pool->window);
}

/* Where the windows begin that see what begins at `n` results of the step. */
static int begins(const struct pool_step *s, int n, int shift)
{
    const int begin = (n - 1) * s->stride + shift + 1;
    return begin > 1 ? begin : 1;
}

/* What each step must produce, from the last one on. */
static void find_sizes(struct pool_plan *p, int h, int w)
{
    int begin_h = h, begin_w = w;
    for (int i = p->n - 1; i >= 0; i--) {
        struct pool_step *s = &p->step[i];
        s->h = h;
        s->w = w;
        s->begin_h = begin_h;
        s->begin_w = begin_w;
        h = ncc_pool_step_reads(s, true, h) + s->row;
        w = ncc_pool_step_reads(s, false, w) + s->col;
        begin_h = begins(s, begin_h, s->row);
        begin_w = begins(s, begin_w, s->col);
    }
}

/* Windows that span the map may as well be larger, and the stride of a single output anything: what is best for the
 * steps. */
static void use_freedom(struct rest *r, const int in[2], const int out[2], const int stride[2])
{
    bool spans[2];
    for (int d = 0; d < 2; d++)
        spans[d] = out[d] == 1 && r->m[d] - r->before[d] >= in[d];
    const int larger = r->m[ROWS] > r->m[COLS] ? r->m[ROWS] : r->m[COLS];
    if (spans[ROWS] && spans[COLS] && larger > 1) {
        while (r->stride < larger)
            r->stride *= 2;
        r->m[ROWS] = r->m[COLS] = r->stride;
        r->before[ROWS] = r->before[COLS] = 0;
        return;
    }
    for (int d = 0; d < 2; d++)
        if (spans[d] && r->m[d] > 1)
            r->m[d] = larger;
    r->stride = stride[out[ROWS] > 1 ? ROWS : COLS];
}

bool ncc_pool_plan(const struct pool_attrs *a, const struct shape *in, const struct shape *out, struct pool_plan *plan)
{
    const int in_size[2] = {in->dim[2], in->dim[3]}, out_size[2] = {out->dim[2], out->dim[3]};
    const int stride[2] = {a->stride_h, a->stride_w};
    *plan = (struct pool_plan){0};
    if (stride[ROWS] != stride[COLS] && out_size[ROWS] > 1 && out_size[COLS] > 1)
        return false;
    struct rest r = {.stride = 1, .m = {a->kernel_h, a->kernel_w}, .before = {a->pad_top, a->pad_left}};
    use_freedom(&r, in_size, out_size, stride);
    while (r.m[ROWS] > 1 || r.m[COLS] > 1 || r.stride > 1) {
        if (plan->n == NCC_MAX_POOL_STEPS || (r.stride > 1 && r.stride % 2))
            return false;
        plan->step[plan->n++] = next(&r);
    }
    find_sizes(plan, out_size[ROWS], out_size[COLS]);
    return plan->n > 0;
}
