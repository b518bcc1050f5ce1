/* From main memory into KPU RAM.
 *
 * Maps whose rows fill whole lines go there by DMA. All others are copied by the CPU, which a v4 firmware does byte by byte:
 * 66 ns each instead of 1.4. So rows of more than half a line are made longer first where that is quicker, by a
 * concatenation in main memory, which costs 3 ns for a byte. What stands in the new columns means nothing, and so it is
 * whatever main memory holds already: the front of the map itself.
 *
 *     map, 224 wide    a a a a a a a      in KPU RAM, 256 wide    a a a a a a a|x
 *                      b b b b b b b                              b b b b b b b|x      declared 224 wide, as it was
 */
#include "compiler/k210/cost.h"
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

#include <stdio.h>

static struct value *pad_to(struct lowering *l, struct value *v, int h, int w)
{
    struct pad_attrs p = {.before = {4, {0}}, .after = {4, {0, 0, h - v->shape.dim[2], w - v->shape.dim[3]}}};
    if (p.after.v[2] == 0 && p.after.v[3] == 0)
        return v;
    return NCC_OP(l->g, OP_pad, ncc_name(l->g, v->name, "pad"), &p, v);
}

bool ncc_lower_fits(int c, int h, int w)
{
    return c <= NCC_LOWER_MAX_C && h <= NCC_KPU_MAX_H && w <= NCC_KPU_MAX_W && ncc_kpu_bytes(c, h, w) < NCC_KPU_RAM_SIZE;
}

/* A vector stands in the first column of a 4-high map; declaring four columns costs nothing. */
static struct value *upload_vector(struct lowering *l, struct value *v, int c)
{
    const struct reshape_attrs r = {{4, {1, c, 1, 1}}};
    struct value *x = v->shape.rank == 4 ? v : NCC_OP(l->g, OP_reshape, ncc_name(l->g, v->name, "column"), &r, v);
    x = pad_to(l, x, NCC_KPU_MIN_H, 1);
    const struct kpu_upload_attrs u = {.h = 1, .w = 1, .outside = OUT_JUNK};
    x = NCC_OP(l->g, OP_kpu_upload, ncc_name(l->g, v->name, "upload"), &u, x);
    const struct kpu_recanvas_attrs wide = {.canvas_h = NCC_KPU_MIN_H, .canvas_w = NCC_KPU_MIN_W, .h = 1, .w = 1};
    return NCC_OP(l->g, OP_kpu_recanvas, ncc_name(l->g, v->name, "canvas"), &wide, x);
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

/* ---- in whole lines ---- */

bool ncc_lower_uploads_lines(const struct lowering *l, const struct value *v)
{
    const int *d = v->shape.dim;
    const enum ncc_kpu_runtime r = l->options->runtime;
    const double as_it_is = ncc_kpu_upload_us(d[1], d[2], d[3], r);
    if (!ncc_k210_has_room(l->options))
        return false;
    return v->def ? ncc_cost_lines_us(d[1], d[2], d[3], r) < as_it_is : ncc_cost_input_us(v, true, r) < as_it_is;
}

/* h x w pixels of each of c channels, whichever: views of what is there. */
static struct value *anything(struct lowering *l, struct value *x, int w)
{
    const int *d = x->shape.dim;
    const int n = d[1] * d[2] * w;
    const struct reshape_attrs row = {{2, {1, d[1] * d[2] * d[3]}}}, map = {{4, {1, d[1], d[2], w}}};
    const struct slice_attrs front = {.begin = {2, {0}}, .size = {2, {1, n}}, .stride = {2, {1, 1}}};
    struct value *y = NCC_OP(l->g, OP_reshape, ncc_name(l->g, x->name, "row"), &row, x);
    y = NCC_OP(l->g, OP_slice, ncc_name(l->g, x->name, "front"), &front, y);
    return NCC_OP(l->g, OP_reshape, ncc_name(l->g, x->name, "columns"), &map, y);
}

static struct value *channels_of(struct lowering *l, struct value *v, int begin, int count)
{
    const int *d = v->shape.dim;
    const struct slice_attrs s = {
        .begin = {4, {0, begin, 0, 0}}, .size = {4, {1, count, d[2], d[3]}}, .stride = {4, {1, 1, 1, 1}}};
    return count == d[1] ? v : NCC_OP(l->g, OP_slice, ncc_name(l->g, v->name, "channel"), &s, v);
}

/* Of few channels, as inputs have them, one at a time: main memory holds only one twice. */
enum { FEW_CHANNELS = 4 };

/* Of which `rows` rows are the map. */
static struct value *upload_lines(struct lowering *l, struct value *v, int rows)
{
    const int *d = v->shape.dim;
    const int lines_w = ncc_kpu_whole_lines(d[3]), n = d[1] <= FEW_CHANNELS ? d[1] : 1, each = d[1] / n;
    const struct concat_attrs columns = {3};
    const struct kpu_upload_attrs u = {.h = rows, .w = d[3], .outside = OUT_JUNK};
    struct value *part[FEW_CHANNELS];
    for (int i = 0; i < n; i++) {
        char suffix[32];
        snprintf(suffix, sizeof suffix, "c%d", i * each);
        struct value *x = channels_of(l, v, i * each, each);
        x = NCC_OP(l->g, OP_concat, ncc_name(l->g, v->name, "lines"), &columns, x, anything(l, x, lines_w - d[3]));
        part[i] = NCC_OP(l->g, OP_kpu_upload, ncc_name(l->g, v->name, suffix), &u, x);
    }
    struct value *all = n == 1 ? part[0] : ncc_op(l->g, OP_kpu_concat, ncc_name(l->g, v->name, "upload"), NULL, part, n);
    return ncc_lower_recanvas(l, all, d[2], d[3]);
}

/* ---- of few rows ---- */

/* Rows that are missed are those of the map once more, since runs of bytes are copied at a fraction of what a pad takes.
 * What stands there means nothing. */
static struct value *upload_rows(struct lowering *l, struct value *v)
{
    const int *d = v->shape.dim;
    const struct concat_attrs rows = {2};
    struct value *part[NCC_KPU_MIN_H];
    int n = 0;
    for (int missed = NCC_KPU_MIN_H; missed > 0; missed -= d[2]) {
        const struct slice_attrs first = {
            .begin = {4, {0}}, .size = {4, {1, d[1], missed, d[3]}}, .stride = {4, {1, 1, 1, 1}}};
        part[n++] = missed >= d[2] ? v : NCC_OP(l->g, OP_slice, ncc_name(l->g, v->name, "again"), &first, v);
    }
    struct value *x = ncc_op(l->g, OP_concat, ncc_name(l->g, v->name, "rows"), &rows, part, n);
    if (ncc_lower_uploads_lines(l, x))
        return upload_lines(l, x, d[2]);
    const struct kpu_upload_attrs u = {.h = d[2], .w = d[3], .outside = OUT_JUNK};
    return NCC_OP(l->g, OP_kpu_upload, ncc_name(l->g, v->name, "upload"), &u, x);
}

/* ---- either ---- */

/* On a canvas of at least least_h x least_w. */
static struct value *upload_map(struct lowering *l, struct value *v, int least_h, int least_w)
{
    const int h = v->shape.dim[2], w = v->shape.dim[3];
    const bool few_rows = h < NCC_KPU_MIN_H && least_h <= h && w >= most(least_w, NCC_KPU_MIN_W);
    if (few_rows && !l->options->kmodel_v3) /* which has no such concatenation */
        return upload_rows(l, v);
    if (h >= most(least_h, NCC_KPU_MIN_H) && w >= least_w && ncc_lower_uploads_lines(l, v))
        return upload_lines(l, v, h);
    struct value *x = pad_to(l, v, most(h, most(least_h, NCC_KPU_MIN_H)), most(w, most(least_w, NCC_KPU_MIN_W)));
    const struct kpu_upload_attrs u = {.h = h, .w = w, .outside = OUT_ZERO};
    return NCC_OP(l->g, OP_kpu_upload, ncc_name(l->g, v->name, "upload"), &u, x);
}

struct value *ncc_lower_upload(struct lowering *l, struct value *v, int least_h, int least_w)
{
    const struct shape s = v->shape;
    const bool vector = s.rank == 2 && s.dim[0] == 1;
    if (!vector && (s.rank != 4 || s.dim[0] != 1))
        return NULL;
    const int h = vector ? 1 : s.dim[2], w = vector ? 1 : s.dim[3];
    if (!ncc_lower_fits(s.dim[1], most(h, least_h), most(w, least_w)))
        return NULL;
    if (h == 1 && w == 1 && least_h <= NCC_KPU_MIN_H && least_w <= NCC_KPU_MIN_W)
        return upload_vector(l, v, s.dim[1]);
    return vector ? NULL : upload_map(l, v, least_h, least_w);
}

bool ncc_lower_was_uploaded(const struct value *canvas)
{
    while (canvas->def && (canvas->def->op == OP_kpu_recanvas || canvas->def->op == OP_kpu_concat))
        canvas = canvas->def->in[0];
    return canvas->def && canvas->def->op == OP_kpu_upload;
}
