/* CPU kernels that only move elements, by emit_cpu.c's table. */
#include "compiler/emit/emit_cpu.h"
#include "compiler/ops/slice.h"

#include <math.h>
#include <string.h>

void ncc_emit_transpose(struct writing *w, const struct node *n)
{
    const struct transpose_attrs *a = n->attrs;
    struct ncc_km_transpose b = {.in = ncc_emit_range(w, n->in[0]), .out = ncc_emit_range(w, n->out[0])};
    if (!ncc_emit_shape(w, n, n->in[0]->shape, b.in_shape))
        return;
    const int lead = 4 - a->perm.n;
    for (int i = 0; i < 4; i++)
        b.perm[i] = i < lead ? i : a->perm.v[i - lead] + lead;
    EMIT(w, transpose, b, NULL, 0, NULL, 0);
}

/* A slice as a concatenation of its runs: a copy of memory for each, where strided_slice goes element by element. */
static bool emit_runs(struct writing *w, const struct node *n)
{
    struct slice_runs r;
    if (!ncc_slice_runs(n, &r) || !ncc_slice_copies_runs(&r))
        return false;
    const uint32_t size = (uint32_t)ncc_dtype_size(n->out[0]->dtype);
    const struct ncc_km_concat b = {
        .out = ncc_emit_range(w, n->out[0]), .inner_size = size, .outer_size = 1, .n = (uint32_t)r.n};
    struct ncc_km_range *in = NCC_NEW(w->arena, struct ncc_km_range, r.n);
    int32_t *dims = NCC_NEW(w->arena, int32_t, r.n);
    for (int64_t i = 0; i < r.n; i++) {
        in[i] = ncc_emit_range(w, n->in[0]);
        in[i].start += (uint32_t)ncc_slice_run_at(n, &r, i) * size;
        in[i].size = (uint32_t)r.length * size;
        dims[i] = (int32_t)r.length;
    }
    EMIT(w, concat, b, in, (size_t)r.n * sizeof *in, dims, (size_t)r.n * sizeof *dims);
    return true;
}

void ncc_emit_slice(struct writing *w, const struct node *n)
{
    if (emit_runs(w, n))
        return;
    const struct slice_attrs *a = n->attrs;
    struct ncc_km_strided_slice b = {.in = ncc_emit_range(w, n->in[0]), .out = ncc_emit_range(w, n->out[0])};
    if (!ncc_emit_shape(w, n, n->in[0]->shape, b.in_shape))
        return;
    const int lead = 4 - a->begin.n;
    for (int i = 0; i < 4; i++) {
        b.strides[i] = i < lead ? 1 : a->stride.v[i - lead];
        b.begin[i] = i < lead ? 0 : a->begin.v[i - lead];
        const int size = i < lead ? 1 : a->size.v[i - lead];
        b.end[i] = b.begin[i] + (size - 1) * b.strides[i] + (b.strides[i] > 0 ? 1 : -1);
    }
    EMIT(w, strided_slice, b, NULL, 0, NULL, 0);
}

static void pad_value(const struct node *n, const struct pad_attrs *a, uint8_t out[4])
{
    memset(out, 0, 4);
    if (n->out[0]->dtype != DT_U8) {
        memcpy(out, &a->value, 4);
        return;
    }
    const struct quant *q = &n->out[0]->quant;
    const double code = rint((double)a->value / q->scale[0] + q->zero_point[0]);
    out[0] = (uint8_t)(code < 0 ? 0 : code > 255 ? 255 : code);
}

void ncc_emit_pad(struct writing *w, const struct node *n)
{
    const struct pad_attrs *a = n->attrs;
    if (a->mode != PAD_CONSTANT) {
        ncc_emit_refuse(w, n, "kmodel v4 pads with a constant only");
        return;
    }
    struct ncc_km_pad b = {.in = ncc_emit_range(w, n->in[0]), .out = ncc_emit_range(w, n->out[0])};
    if (!ncc_emit_shape(w, n, n->in[0]->shape, b.in_shape))
        return;
    const int lead = 4 - a->before.n;
    for (int i = lead; i < 4; i++)
        b.pads[i] = (struct ncc_km_padding){a->before.v[i - lead], a->after.v[i - lead]};
    b.value_type = n->out[0]->dtype == DT_U8 ? NCC_KM_U8 : NCC_KM_F32;
    pad_value(n, a, b.value);
    EMIT(w, pad, b, NULL, 0, NULL, 0);
}

void ncc_emit_concat(struct writing *w, const struct node *n)
{
    const struct concat_attrs *a = n->attrs;
    const struct shape *s = &n->out[0]->shape;
    struct ncc_km_concat b = {.out = ncc_emit_range(w, n->out[0]),
                              .inner_size = (uint32_t)ncc_dtype_size(n->out[0]->dtype),
                              .outer_size = 1,
                              .n = (uint32_t)n->n_in};
    for (int i = 0; i < a->axis; i++)
        b.outer_size *= (uint32_t)s->dim[i];
    for (int i = a->axis + 1; i < s->rank; i++)
        b.inner_size *= (uint32_t)s->dim[i];
    struct ncc_km_range *in = NCC_NEW(w->arena, struct ncc_km_range, n->n_in);
    int32_t *dims = NCC_NEW(w->arena, int32_t, n->n_in);
    for (int i = 0; i < n->n_in; i++) {
        in[i] = ncc_emit_range(w, n->in[i]);
        dims[i] = n->in[i]->shape.dim[a->axis];
    }
    EMIT(w, concat, b, in, (size_t)n->n_in * sizeof *in, dims, (size_t)n->n_in * sizeof *dims);
}

void ncc_emit_resize(struct writing *w, const struct node *n)
{
    const struct resize_attrs *a = n->attrs;
    struct ncc_km_resize_image b = {.in = ncc_emit_range(w, n->in[0]),
                                    .out = ncc_emit_range(w, n->out[0]),
                                    .out_h = a->out_h,
                                    .out_w = a->out_w,
                                    .mode = a->mode == RESIZE_NEAREST ? NCC_KM_RESIZE_NEAREST : NCC_KM_RESIZE_BILINEAR,
                                    .align_corners = a->align_corners};
    if (a->half_pixel || (a->align_corners && a->mode == RESIZE_NEAREST))
        ncc_emit_refuse(w, n, "kmodel v4 resizes without half pixels, and nearest without aligned corners");
    else if (ncc_emit_shape(w, n, n->in[0]->shape, b.in_shape))
        EMIT(w, resize_image, b, NULL, 0, NULL, 0);
}
