/* Picks of even and odd rows and columns, and the views that make maps of what they gave. */
#include "compiler/k210/turns.h"

#include "kpu/layout.h"
#include "kpu/timing.h"

struct value *ncc_lower_pick(struct lowering *l, const char *name, struct value *x, int out_c, pick_source_of *of,
                             const void *arg)
{
    struct graph *g = l->g;
    const int *d = x->shape.dim;
    const struct shape s = ncc_shape_4(out_c, d[1], 3, 3);
    float *w = NCC_NEW(g->arena, float, ncc_shape_count(s));
    for (int o = 0; o < out_c; o++) {
        const struct pick_source from = of(arg, o);
        if (!from.zero)
            w[((o * d[1] + from.channel) * 3 + 1 + from.row) * 3 + 1 + from.column] = 1;
    }
    const struct kpu_conv_attrs a = {
        .kernel = 3, .pool = NCC_KPU_POOL_LEFT_TOP_2, .copy = true, .h = d[2] / 2, .w = d[3] / 2};
    return NCC_OP(
        g, OP_kpu_conv, ncc_name(g, name, "pick"), &a, x, ncc_const(g, ncc_name(g, name, "w"), DT_F32, s, w),
        ncc_const(g, ncc_name(g, name, "b"), DT_F32, ncc_shape_make(1, &out_c), NCC_NEW(g->arena, float, out_c)));
}

double ncc_lower_layer_clocks(const struct lowering *l, const struct ncc_kpu_shape *s)
{
    return ncc_kpu_layer_clocks(s, 1) + ncc_kpu_costs(l->options->runtime)->layer_clocks + (double)ncc_kpu_n_weights(s);
}

double ncc_lower_pick_clocks(const struct lowering *l, int in_c, int h, int w, int out_c)
{
    const struct ncc_kpu_shape s = {in_c, h, w, out_c, 3, false, NCC_KPU_POOL_LEFT_TOP_2};
    return ncc_lower_layer_clocks(l, &s);
}

struct value *ncc_lower_maps_of(struct lowering *l, const char *name, struct value *x, int line, int c, int h, int w)
{
    const struct kpu_view_attrs a = {.line = line, .c = c, .canvas_h = h, .canvas_w = w, .h = h, .w = w};
    return NCC_OP(l->g, OP_kpu_view, ncc_name(l->g, name, "view"), &a, x);
}

struct pick_source ncc_lower_turn_source(const void *unused, int o)
{
    (void)unused;
    return (struct pick_source){o / 4, o / 2 % 2, o % 2, false};
}

struct value *ncc_lower_turns(struct lowering *l, const char *name, struct value *x, int n, int h, int times)
{
    for (int i = 0; i < times; i++)
        x = ncc_lower_pick(l, name, ncc_lower_maps_of(l, name, x, 0, n, h, NCC_KPU_LINE_SIZE), 4 * n,
                           ncc_lower_turn_source, NULL);
    return x;
}

double ncc_lower_turns_clocks(const struct lowering *l, int n, int h, int times)
{
    return times * ncc_lower_pick_clocks(l, n, h, NCC_KPU_LINE_SIZE, 4 * n);
}

struct value *ncc_lower_fill_lines(struct lowering *l, const char *name, struct value *x, int64_t lines)
{
    const int *d = x->shape.dim, groups = ncc_kpu_groups(d[1], d[3]), group = ncc_kpu_layout_of(d[3]).group;
    const int64_t each = ncc_kpu_lines(1, d[2], d[3]);
    int missing = (int)((lines + each - 1) / each), n = 1;
    struct value **part = NCC_NEW(l->g->arena, struct value *, (size_t)missing + 1);
    part[0] = x;
    for (; missing > 0; missing -= groups) {
        const struct kpu_slice_attrs first = {0, missing * group};
        part[n++] = missing >= groups || first.count >= d[1]
                        ? x
                        : NCC_OP(l->g, OP_kpu_slice, ncc_name(l->g, name, "filler"), &first, x);
    }
    return ncc_lower_beside(l, part, n, ncc_name(l->g, name, "blocks"));
}
