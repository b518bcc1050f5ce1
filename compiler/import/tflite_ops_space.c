/* Operators that rearrange or fill tensors, worked out in the model's own order of dimensions. */
#include "compiler/import/tflite.h"
#include "compiler/ops/attrs.h"

#include <math.h>

static struct value *reshaped(struct build *b, struct value *v, const char *suffix, const struct ints *dims)
{
    const struct reshape_attrs attrs = {*dims};
    return v ? ncc_tflite_op(b, OP_reshape, suffix, &attrs, &v, 1) : NULL;
}

/* ---- blocks of space as batches, and back ---- */

struct blocks {
    int n;              /* spatial dimensions: 1 .. n of the tensor */
    struct ints size;   /* of a block in each */
    int before[2], after[2];
};

/* inputs 1 and 2: block sizes, and [dimension][before, after] */
static bool read_blocks(struct build *b, struct blocks *s)
{
    struct ints amounts;
    const int rank = ncc_tflite_in(b, 0)->shape.rank;
    if (!ncc_tflite_ints(b, 1, &s->size) || !ncc_tflite_ints(b, 2, &amounts))
        return false;
    s->n = s->size.n;
    bool good = s->n >= 1 && s->n <= 2 && rank > s->n && rank + s->n <= NCC_MAX_RANK && amounts.n == 2 * s->n;
    for (int i = 0; good && i < s->n; i++) {
        s->before[i] = amounts.v[2 * i];
        s->after[i] = amounts.v[2 * i + 1];
        good = s->size.v[i] >= 1 && s->before[i] >= 0 && s->after[i] >= 0;
    }
    return good || ncc_tflite_refuse(b, "there must be one or two spatial dimensions, each with a block and two amounts",
                                     NULL, "%d blocks for %d dimensions", s->size.n, rank);
}

/* [N, H, W, ...] padded, to [N, H / b, b, W / c, c, ...], to [b, c, N, H / b, W / c, ...] */
bool ncc_tflite_build_space_to_batch(struct build *b)
{
    struct blocks s;
    struct value *v = ncc_tflite_native(b, 0);
    if (!v || !read_blocks(b, &s))
        return false;
    const int rank = v->shape.rank;
    struct pad_attrs pad = {.before.n = rank, .after.n = rank};
    struct ints parts = {0}, out = {.n = rank};
    struct transpose_attrs turn = {{0}};
    for (int i = 0; i < s.n; i++) {
        pad.before.v[1 + i] = s.before[i];
        pad.after.v[1 + i] = s.after[i];
    }
    v = ncc_tflite_op(b, OP_pad, "pad", &pad, &v, 1);
    if (!v)
        return false;
    for (int i = 0; i < rank; i++) {
        const bool spatial = i >= 1 && i <= s.n;
        const int block = spatial ? s.size.v[i - 1] : 1;
        if (v->shape.dim[i] % block != 0)
            return ncc_tflite_refuse(b, "blocks must divide the padded size", NULL, "%d by %d", v->shape.dim[i], block);
        out.v[i] = parts.v[parts.n++] = v->shape.dim[i] / block;
        if (spatial)
            parts.v[parts.n++] = block;
    }
    for (int i = 0; i < s.n; i++) {
        turn.perm.v[turn.perm.n++] = 2 + 2 * i;
        out.v[0] *= s.size.v[i];
    }
    turn.perm.v[turn.perm.n++] = 0;
    for (int i = 0; i < s.n; i++)
        turn.perm.v[turn.perm.n++] = 1 + 2 * i;
    for (int i = 1 + 2 * s.n; i < parts.n; i++)
        turn.perm.v[turn.perm.n++] = i;
    v = reshaped(b, v, "blocks", &parts);
    v = v ? ncc_tflite_op(b, OP_transpose, "turn", &turn, &v, 1) : NULL;
    return ncc_tflite_give_native(b, 0, reshaped(b, v, NULL, &out));
}

static bool give_space(struct build *b, const struct blocks *s)
{
    struct value *v = ncc_tflite_native(b, 0);
    if (!v)
        return false;
    const int rank = v->shape.rank;
    int batch = v->shape.dim[0];
    struct ints parts = {0}, whole = {0};
    struct transpose_attrs turn = {{0}};
    struct slice_attrs cut = {{.n = rank}, {.n = rank}, {.n = rank}};
    for (int i = 0; i < s->n; i++) {
        parts.v[parts.n++] = s->size.v[i];
        if (batch % s->size.v[i] != 0)
            return ncc_tflite_refuse(b, "the blocks must divide the batch", NULL, "%d", v->shape.dim[0]);
        batch /= s->size.v[i];
    }
    parts.v[parts.n++] = batch;
    whole.v[whole.n++] = batch;
    turn.perm.v[turn.perm.n++] = s->n;
    for (int i = 1; i < rank; i++) {
        const bool spatial = i <= s->n;
        turn.perm.v[turn.perm.n++] = parts.n;
        if (spatial)
            turn.perm.v[turn.perm.n++] = i - 1;
        parts.v[parts.n++] = v->shape.dim[i];
        whole.v[whole.n++] = v->shape.dim[i] * (spatial ? s->size.v[i - 1] : 1);
    }
    for (int i = 0; i < rank; i++) {
        const bool spatial = i >= 1 && i <= s->n;
        cut.begin.v[i] = spatial ? s->before[i - 1] : 0;
        cut.size.v[i] = whole.v[i] - (spatial ? s->before[i - 1] + s->after[i - 1] : 0);
        cut.stride.v[i] = 1;
        if (cut.size.v[i] < 1)
            return ncc_tflite_refuse(b, "something must be left when the result is cropped", NULL, "dimension %d", i);
    }
    v = reshaped(b, v, "blocks", &parts);
    v = v ? ncc_tflite_op(b, OP_transpose, "turn", &turn, &v, 1) : NULL;
    v = reshaped(b, v, "space", &whole);
    return ncc_tflite_give_native(b, 0, v ? ncc_tflite_op(b, OP_slice, NULL, &cut, &v, 1) : NULL);
}

static bool is_built(const struct tflite *m, const struct tf_operator *op)
{
    bool good = op && op->n_in >= op->code->row->min_in && op->n_in <= op->code->row->max_in && !op->is_refused;
    for (int k = 0; good && k < op->n_in; k++)
        good = op->in[k] < 0 ? k >= op->code->row->min_in : m->tensors[op->in[k]].n_forms > 0;
    return good;
}

/* Exporters write a dilated convolution as space to batch, convolution, batch to space. What the three read and write
 * is the same as of one convolution whose taps are a block apart, with the padding of the first less the crop
 * of the last. */
static bool is_dilated_conv(struct build *b, const struct blocks *s, const struct tf_operator **conv, struct dilated *d)
{
    struct tflite *m = b->m;
    struct blocks in;
    if (!ncc_fb_spend(&m->fb, 2 * (int64_t)m->n_ops)) /* to find makers */
        return false;
    *conv = ncc_tflite_maker(m, b->op->in[0]);
    if (s->n != 2 || !*conv || !ncc_tflite_is_plain_conv(m, *conv) || !is_built(m, *conv))
        return false;
    const struct tf_operator *first = ncc_tflite_maker(m, (*conv)->in[0]);
    if (!first || first->code->row->builder != ncc_tflite_build_space_to_batch || !is_built(m, first))
        return false;
    struct build before = {.m = m, .op = first, .row = first->code->row, .name = first->name};
    if (!read_blocks(&before, &in) || in.n != 2)
        return false;
    for (int i = 0; i < 2; i++)
        if (in.size.v[i] != s->size.v[i] || in.before[i] < s->before[i] || in.after[i] < s->after[i])
            return false;
    *d = (struct dilated){.x = first->in[0],
                          .h = {in.size.v[0], in.before[0] - s->before[0], in.after[0] - s->after[0]},
                          .w = {in.size.v[1], in.before[1] - s->before[1], in.after[1] - s->after[1]}};
    return true;
}

bool ncc_tflite_build_batch_to_space(struct build *b)
{
    struct blocks s;
    struct dilated d;
    const struct tf_operator *conv;
    if (!read_blocks(b, &s))
        return false;
    if (!is_dilated_conv(b, &s, &conv, &d))
        return give_space(b, &s);
    struct tf_operator again = *conv;
    again.in = NCC_NEW(b->m->arena, int, conv->n_in);
    for (int k = 0; k < conv->n_in; k++)
        again.in[k] = k ? conv->in[k] : d.x;
    again.out = b->op->out;
    again.name = b->name;
    struct build one = {b->m, &again, conv->code->row, ncc_fb_table(&b->m->fb, conv->table, F_operator_options),
                        b->name, b->first_id, &d};
    return one.row->builder(&one);
}

/* ---- elements in another place ---- */

/* inputs: x, axes */
bool ncc_tflite_build_reverse(struct build *b)
{
    struct ints axes;
    struct form f = ncc_tflite_any(b, 0);
    if (!ncc_tflite_ints(b, 1, &axes))
        return false;
    struct slice_attrs s = {{.n = f.perm.n}, {.n = f.perm.n}, {.n = f.perm.n}};
    for (int i = 0; i < f.perm.n; i++) {
        s.size.v[i] = f.v->shape.dim[i];
        s.stride.v[i] = 1;
    }
    for (int i = 0; i < axes.n; i++) {
        int axis;
        if (!ncc_tflite_axis(b, axes.v[i], f.perm.n, &axis))
            return false;
        const int k = ncc_layout_axis(f.perm, axis);
        s.begin.v[k] = f.v->shape.dim[k] - 1;
        s.stride.v[k] = -1;
    }
    f.v = ncc_tflite_op(b, OP_slice, NULL, &s, &f.v, 1);
    return ncc_tflite_give(b, 0, f);
}

/* Rows of a table: GATHER along the first dimension. inputs: indices, table */
bool ncc_tflite_build_embedding_lookup(struct build *b)
{
    struct value *in[2] = {ncc_tflite_native(b, 1), ncc_tflite_native(b, 0)};
    const struct gather_attrs attrs = {0};
    return in[0] && in[1] && ncc_tflite_give_native(b, 0, ncc_tflite_op(b, OP_gather, NULL, &attrs, in, 2));
}

/* The last dimension of the indices says where in the first dimensions of x: of these one is made, and what the index
 * in it is follows by multiplication. */
bool ncc_tflite_build_gather_nd(struct build *b)
{
    struct value *x = ncc_tflite_native(b, 0), *at = ncc_tflite_native(b, 1);
    if (!x || !at)
        return false;
    const int rank = at->shape.rank, depth = rank > 0 ? at->shape.dim[rank - 1] : 0;
    if (depth < 1 || depth > x->shape.rank || (at->dtype != DT_I32 && at->dtype != DT_I64))
        return ncc_tflite_refuse(b, "the last dimension of the indices must be 1 to the rank of what they choose from",
                                 NULL, "%d of %d", depth, x->shape.rank);
    int64_t *wide = NCC_NEW(b->m->arena, int64_t, depth), step = 1;
    int32_t *narrow = NCC_NEW(b->m->arena, int32_t, depth);
    for (int i = depth - 1; i >= 0; i--) {
        wide[i] = step;
        narrow[i] = (int32_t)step;
        step *= x->shape.dim[i];
    }
    struct ints flat = {1, {(int)step}};
    for (int i = depth; i < x->shape.rank; i++)
        flat.v[flat.n++] = x->shape.dim[i];
    const struct reduce_attrs sum = {REDUCE_SUM, {1, {rank - 1}}, false};
    const struct gather_attrs first = {0};
    struct value *steps = ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, "steps"), at->dtype,
                                    ncc_shape_make(1, &depth), at->dtype == DT_I64 ? (const void *)wide : narrow);
    struct value *index = ncc_tflite_op(b, OP_mul, "index", NULL, (struct value *[]){at, steps}, 2);
    index = index ? ncc_tflite_op(b, OP_reduce, "place", &sum, &index, 1) : NULL;
    x = reshaped(b, x, "flat", &flat);
    if (!index || !x)
        return false;
    return ncc_tflite_give_native(b, 0, ncc_tflite_op(b, OP_gather, NULL, &first, (struct value *[]){x, index}, 2));
}

/* ---- elements from one ---- */

static bool give_broadcast(struct build *b, struct value *v, const struct ints *dims)
{
    struct tile_attrs tile = {.repeats.n = dims->n};
    bool good = v && dims->n <= NCC_MAX_RANK && v->shape.rank <= dims->n;
    if (!v)
        return false;
    const struct shape from = good ? ncc_shape_left_pad(v->shape, dims->n) : v->shape;
    for (int i = 0; good && i < dims->n; i++) {
        good = dims->v[i] >= 1 && (from.dim[i] == 1 || from.dim[i] == dims->v[i]);
        tile.repeats.v[i] = good ? dims->v[i] / from.dim[i] : 1;
    }
    if (!good || ncc_shape_count(ncc_shape_make(dims->n, dims->v)) < 0)
        return ncc_tflite_refuse(b, "the input must broadcast to the shape", NULL, NULL);
    struct ints longer = {.n = from.rank};
    for (int i = 0; i < from.rank; i++)
        longer.v[i] = from.dim[i];
    v = reshaped(b, v, "ones", &longer);
    return ncc_tflite_give_native(b, 0, v ? ncc_tflite_op(b, OP_tile, NULL, &tile, &v, 1) : NULL);
}

/* inputs: x, shape */
bool ncc_tflite_build_broadcast_to(struct build *b)
{
    struct ints dims;
    return ncc_tflite_ints(b, 1, &dims) && give_broadcast(b, ncc_tflite_native(b, 0), &dims);
}

/* inputs: shape, value */
bool ncc_tflite_build_fill(struct build *b)
{
    struct ints dims;
    return ncc_tflite_ints(b, 0, &dims) && give_broadcast(b, ncc_tflite_native(b, 1), &dims);
}

bool ncc_tflite_build_zeros_like(struct build *b)
{
    const struct form f = ncc_tflite_any(b, 0);
    const int64_t n = ncc_shape_count(f.v->shape);
    if (!ncc_fb_spend(&b->m->fb, n))
        return false;
    const void *zeros = NCC_NEW(b->m->arena, int64_t, n);
    return ncc_tflite_give(b, 0, (struct form){ncc_const(b->m->graph, b->name, f.v->dtype, f.v->shape, zeros), f.perm});
}

bool ncc_tflite_build_rank(struct build *b)
{
    const int32_t rank = ncc_tflite_in(b, 0)->shape.rank;
    return ncc_tflite_give_native(b, 0, ncc_const_copy(b->m->graph, b->name, DT_I32, (struct shape){0}, &rank));
}

/* A constant number of any type; NAN: it is none. */
static double number(struct build *b, int k)
{
    const struct value *v = ncc_tflite_native(b, k);
    if (!v || !ncc_is_const(v) || ncc_shape_count(v->shape) != 1)
        return NAN;
    switch ((int)v->dtype) {
    case DT_F32:
        return (double)*(const float *)v->data;
    case DT_I32:
        return *(const int32_t *)v->data;
    case DT_I64:
        return (double)*(const int64_t *)v->data;
    default:
        return NAN;
    }
}

/* inputs: start, limit, step */
bool ncc_tflite_build_range(struct build *b)
{
    enum { MOST = 1 << 24 };
    const enum dtype type = ncc_tflite_in(b, 0)->form[0].v->dtype;
    const double start = number(b, 0), limit = number(b, 1), step = number(b, 2);
    const double count = ceil((limit - start) / step);
    if (!(count >= 1 && count <= MOST) || !ncc_fb_spend(&b->m->fb, (int64_t)count))
        return ncc_tflite_refuse(b, "start, limit and step must be constant numbers that give 1 to 2^24 elements",
                                 "export the model with fixed shapes", "%g, %g, %g", start, limit, step);
    const int n = (int)count;
    int64_t *data = NCC_NEW(b->m->arena, int64_t, n); /* room for any type */
    for (int i = 0; i < n; i++) {
        const double x = start + i * step;
        if (type == DT_F32)
            ((float *)(void *)data)[i] = (float)x;
        else if (type == DT_I32)
            ((int32_t *)(void *)data)[i] = (int32_t)x;
        else
            data[i] = (int64_t)x;
    }
    return ncc_tflite_give_native(b, 0, ncc_const(b->m->graph, b->name, type, ncc_shape_make(1, &n), data));
}
