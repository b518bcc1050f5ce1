/* Sums of equal canvases by what they are in KPU RAM: lines of bytes. Whatever channel, row and column a byte belongs to, it is
 * added to those at the same place in the other operands, so all channels of an operand may be declared as one map:
 *
 *     p0 .. p8, 144 channels of 10x10      36 groups of 10 lines each: 360 lines, a map of 2 x 180 lines
 *     sum                                  a layer of 9 channels of 180x128 and one output
 *
 * That is linear in the channels, where a sum over channels is quadratic or takes a layer for every few of them. What is one
 * map has one function, one bias and one scale; each operand has a scale of its own. The layer is 3x3 with one tap that is
 * not zero, since a 1x1 layer has a fixed part.
 */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

/* The fewest lines in a row that make a legal map of so many lines; 0: none do. */
static int lines_per_row(int64_t lines)
{
    for (int n = 1; n * NCC_KPU_LINE_SIZE <= NCC_KPU_MAX_W; n++)
        if (lines % n == 0 && lines / n >= NCC_KPU_MIN_H && lines / n <= NCC_KPU_MAX_H)
            return n;
    return 0;
}

int ncc_lower_line_channels(int c, int h, int w)
{
    const int group = ncc_kpu_layout_of(w).group;
    c = c < NCC_KPU_MAX_C ? c : NCC_KPU_MAX_C;
    while (c > group && !lines_per_row(ncc_kpu_lines(c, h, w)))
        c = (c - 1) / group * group;
    return c;
}

static struct value *as_lines(struct lowering *l, struct value *x)
{
    const int *d = x->shape.dim;
    const int64_t lines = ncc_kpu_lines(d[1], d[2], d[3]);
    const int n = lines_per_row(lines), h = (int)(lines / n), w = n * NCC_KPU_LINE_SIZE;
    const struct kpu_view_attrs all = {.c = 1, .canvas_h = h, .canvas_w = w, .h = h, .w = w};
    return NCC_OP(l->g, OP_kpu_view, ncc_name(l->g, x->name, "lines"), &all, x);
}

static struct value *as_map(struct lowering *l, struct value *lines, const struct value *like, const char *name)
{
    const int *d = like->shape.dim;
    const struct window *w = &like->window;
    const struct kpu_view_attrs map = {
        .c = d[1], .canvas_h = d[2], .canvas_w = d[3], .top = w->top, .left = w->left, .h = w->h, .w = w->w};
    return NCC_OP(l->g, OP_kpu_view, ncc_name(l->g, name, "map"), &map, lines);
}

struct value *ncc_lower_line_sum(struct lowering *l, const struct conv_job *job, struct value *const *part,
                                 const float *factor, int n, const char **why)
{
    struct value **lines = NCC_NEW(l->g->arena, struct value *, n);
    float *w = NCC_NEW(l->g->arena, float, (size_t)n * 9);
    for (int i = 0; i < n; i++) {
        lines[i] = as_lines(l, ncc_lower_placeable(l, part[i]));
        w[i * 9 + 4] = factor ? factor[i] : 1;
    }
    const char *name = ncc_name(l->g, job->name, "sum");
    struct value *x = n == 1 ? lines[0] : ncc_op(l->g, OP_kpu_concat, ncc_name(l->g, name, "parts"), NULL, lines, n);
    struct conv_job j = ncc_lower_pointwise_job(name, job->origin, x, 1);
    j.w = w;
    j.kh = j.kw = 3;
    j.pad_top = j.pad_left = 1;
    j.act = job->act;
    struct value *sum = ncc_lower_conv_as_is(l, &j, why);
    return sum ? as_map(l, sum, part[0], job->name) : NULL;
}

struct value *ncc_lower_line_sums(struct lowering *l, const struct conv_job *job, struct value *const *part,
                                  const float *factor, int n, const char **why)
{
    const int *d = part[0]->shape.dim;
    struct value **y = NCC_NEW(l->g->arena, struct value *, d[1]), **of = NCC_NEW(l->g->arena, struct value *, n);
    int n_chunks = 0;
    for (int begin = 0, count; begin < d[1]; begin += count) {
        count = ncc_lower_line_channels(d[1] - begin, d[2], d[3]);
        for (int i = 0; i < n; i++)
            of[i] = ncc_lower_channels(l, part[i], begin, count);
        if (!(y[n_chunks++] = ncc_lower_line_sum(l, job, of, factor, n, why)))
            return NULL;
    }
    return ncc_lower_maps_beside(l, y, n_chunks, job->name);
}

struct value *ncc_lower_maps_beside(struct lowering *l, struct value **map, int n, const char *name)
{
    return n == 1 ? map[0] : ncc_op(l->g, OP_kpu_concat, ncc_name(l->g, name, "maps"), NULL, map, n);
}
