#include "compiler/k210/pool_plan.h"

struct rest {
    int m, stride;      /* what remains to be done */
    int row, col;       /* pixels before output 0 that it sees */
    bool covered;
};

/* The window always ends at or behind its output, so a pool that looks nowhere but back shifts in every step. At stride
 * 1 it is shifted as soon as that loses nothing, in front of a reduction only to make the offset even. */
static bool grows_with_shift(int before, const struct rest *r)
{
    return before == r->m - 1 || (before > 0 && r->covered && (r->stride == 1 || before % 2));
}

static struct pool_step step(const struct rest *r, int code, bool shift_row, bool shift_col)
{
    return (struct pool_step){.code = code,
                              .stride = ncc_kpu_pool_info(code)->stride,
                              .row = shift_row ? -1 : 0,
                              .col = shift_col ? -1 : 0,
                              .covered = r->covered};
}

static struct pool_step grow(struct rest *r)
{
    const struct pool_step s =
        step(r, NCC_KPU_POOL_MAX_2_S1, grows_with_shift(r->row, r), grows_with_shift(r->col, r));
    r->m--;
    r->row += s.row;
    r->col += s.col;
    r->covered = true;
    return s;
}

static struct pool_step reduce(struct rest *r)
{
    const bool by_4 = r->stride % 4 == 0 && r->m % 4 == 0 && r->row % 4 == 0 && r->col % 4 == 0;
    const struct pool_step s = by_4 ? step(r, NCC_KPU_POOL_MAX_4_S4, false, false)
                                    : step(r, NCC_KPU_POOL_MAX_2_S2, r->row % 2, r->col % 2);
    r->m /= s.stride;
    r->row = (r->row + s.row) / s.stride;
    r->col = (r->col + s.col) / s.stride;
    r->stride /= s.stride;
    r->covered = false;
    return s;
}

static struct pool_step pick(struct rest *r)
{
    const struct pool_step s =
        step(r, r->stride % 4 ? NCC_KPU_POOL_LEFT_TOP_2 : NCC_KPU_POOL_LEFT_TOP_4, false, false);
    r->stride /= s.stride;
    return s;
}

static bool must_grow(const struct rest *r)
{
    const bool shifts = r->row % 2 || r->col % 2;
    return r->stride == 1 || r->m % 2 || (shifts && !r->covered && r->m > 2);
}

int ncc_pool_step_reads(const struct pool_step *s, int n)
{
    const struct ncc_kpu_pool_info *pool = ncc_kpu_pool_info(s->code);
    return (n - 1) * s->stride + (pool->kind == NCC_KPU_POOL_PICK ? 1 : pool->window);
}

/* What each step must produce, from the last one on. */
static void find_sizes(struct pool_plan *p, int h, int w)
{
    for (int i = p->n - 1; i >= 0; i--) {
        struct pool_step *s = &p->step[i];
        s->h = h;
        s->w = w;
        h = ncc_pool_step_reads(s, h) + s->row;
        w = ncc_pool_step_reads(s, w) + s->col;
    }
}

bool ncc_pool_plan(const struct pool_attrs *a, int out_h, int out_w, struct pool_plan *out)
{
    *out = (struct pool_plan){0};
    if (a->kernel_h != a->kernel_w || a->stride_h != a->stride_w)
        return false;
    struct rest r = {a->kernel_h, a->stride_h, a->pad_top, a->pad_left, false};
    while (r.m > 1 || r.stride > 1) {
        if (out->n == NCC_MAX_POOL_STEPS || (r.stride > 1 && r.stride % 2))
            return false;
        out->step[out->n++] = r.m == 1 ? pick(&r) : must_grow(&r) ? grow(&r) : reduce(&r);
    }
    find_sizes(out, out_h, out_w);
    return out->n > 0;
}
