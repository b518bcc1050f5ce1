/* What the builders of the layers call. */
#include "compiler/import/caffe.h"
#include "compiler/import/outline.h"
#include "compiler/ops/attrs.h"

#include <math.h>
#include <string.h>

bool ncc_caffe_refuse(struct cf_build *b, const char *rule, const char *remedy, const char *found, ...)
{
    const char *text = NULL;
    if (found) {
        va_list args;
        va_start(args, found);
        text = ncc_arena_vprintf(b->m->arena, found, args);
        va_end(args);
    }
    remedy = remedy ? remedy : ncc_outline_remedy;
    const struct place where = {.file = b->m->files.net_file, .node = b->name, .op = b->p->type};
    ncc_diag_error(b->m->diags, FAULT_INPUT, where, rule, remedy, text ? "%s" : NULL, text);
    return false;
}

/* ---- operands ---- */

struct value *ncc_caffe_in(struct cf_build *b, int k)
{
    return k < b->layer->n_in ? b->layer->in[k]->v : NULL;
}

struct value *ncc_caffe_map(struct cf_build *b, int k)
{
    struct value *v = ncc_caffe_in(b, k);
    char text[80];
    if (v->shape.rank == 4)
        return v;
    ncc_caffe_refuse(b, "the bottom must have 4 dimensions", NULL, "%s", ncc_shape_text(v->shape, text));
    return NULL;
}

bool ncc_caffe_axis(struct cf_build *b, int axis, int rank, int *out)
{
    *out = axis < 0 ? axis + rank : axis;
    if (*out >= 0 && *out < rank)
        return true;
    return ncc_caffe_refuse(b, "the axis must be one of the bottom's", NULL, "axis %d of %d dimensions", axis, rank);
}

bool ncc_caffe_within(struct cf_build *b, const char *name, int value, int low, int high)
{
    if (value >= low && value <= high)
        return true;
    return ncc_caffe_refuse(b, ncc_arena_printf(b->m->arena, "%s must be %d .. %d", name, low, high), NULL, "%d",
                            value);
}

const void *ncc_caffe_default(struct cf_build *b, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *m = ncc_arena_alloc(b->m->arena, 1, type->sizeof_message, 8);
    protobuf_c_message_init(type, m);
    return m;
}

/* ---- weights ---- */

static bool refuse_missing(struct cf_build *b, int k)
{
    const struct cf_files *f = &b->m->files;
    if (f->weights)
        return ncc_caffe_refuse(b, "the layer must have weights in the caffemodel",
                                "give the caffemodel that belongs to the prototxt", "%d of more than %d are in %s",
                                b->layer->n_weights, k, f->weights_file);
    if (!b->m->is_told_of_weights)
        ncc_diag_error(b->m->diags, FAULT_INPUT, (struct place){.file = f->net_file},
                       "the weights must be there as well as the net",
                       "put the caffemodel there, or give it as the model and this file with --caffe-prototxt",
                       "there is no file %s", f->missing);
    b->m->is_told_of_weights = true;
    return false;
}

static bool refuse_size(struct cf_build *b, int k, int64_t found, struct shape shape)
{
    char text[80];
    return ncc_caffe_refuse(b, "the weights in the caffemodel must have the size that the layer needs",
                            "give the caffemodel that belongs to the prototxt",
                            "blob %d has %lld numbers, and the layer needs %s", k, (long long)found,
                            ncc_shape_text(shape, text));
}

static const float *to_float(struct cf_build *b, const double *v, size_t n)
{
    float *out = NCC_NEW(b->m->arena, float, n);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)v[i];
    return out;
}

/* All bits of the exponent: NaN or infinity. */
static bool is_number(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (bits & 0x7f800000u) != 0x7f800000u;
}

const float *ncc_caffe_numbers(struct cf_build *b, int k, struct shape shape)
{
    if (k >= b->layer->n_weights) {
        refuse_missing(b, k);
        return NULL;
    }
    const Caffe__Blob *blob = b->layer->weights[k];
    const size_t n = blob->n_data ? blob->n_data : blob->n_double_data;
    if ((int64_t)n != ncc_shape_count(shape)) {
        refuse_size(b, k, (int64_t)n, shape);
        return NULL;
    }
    const float *v = blob->n_data ? blob->data : to_float(b, blob->double_data, n);
    for (size_t i = 0; i < n; i++)
        if (!is_number(v[i])) {
            ncc_caffe_refuse(b, "weights must be numbers", "train the model again, or export it before it diverged",
                             "blob %d is %g at index %zu", k, (double)v[i], i);
            return NULL;
        }
    return v;
}

struct value *ncc_caffe_weights(struct cf_build *b, int k, struct shape shape, const char *suffix)
{
    const float *v = ncc_caffe_numbers(b, k, shape);
    return v ? ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, suffix), DT_F32, shape, v) : NULL;
}

struct value *ncc_caffe_along(struct cf_build *b, struct value *x, int axis, int n_axes, const float *v,
                              const char *suffix)
{
    struct shape shape = {.rank = x->shape.rank - axis};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = i < n_axes ? x->shape.dim[axis + i] : 1;
    return v ? ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, suffix), DT_F32, shape, v) : NULL;
}

struct value *ncc_caffe_scalar(struct cf_build *b, float v, const char *suffix)
{
    const struct shape one = {.rank = 1, .dim = {1}};
    return ncc_const_copy(b->m->graph, ncc_name(b->m->graph, b->name, suffix), DT_F32, one, &v);
}

/* ---- nodes ---- */

struct value *ncc_caffe_op(struct cf_build *b, enum op op, const char *suffix, const void *attrs,
                           struct value *const *in, int n_in)
{
    const char *name = suffix ? ncc_name(b->m->graph, b->name, suffix) : b->name;
    for (int i = 0; i < n_in && i < ncc_op_desc(op)->min_in; i++)
        if (!in[i])
            return NULL;
    struct value *v = ncc_op(b->m->graph, op, name, attrs, in, n_in);
    if (v)
        v->def->origin = b->name;
    return v;
}

struct value *ncc_caffe_unary(struct cf_build *b, enum op op, const char *suffix, struct value *x)
{
    return ncc_caffe_op(b, op, suffix, NULL, &x, 1);
}

struct value *ncc_caffe_binary(struct cf_build *b, enum op op, const char *suffix, struct value *x, struct value *y)
{
    return ncc_caffe_op(b, op, suffix, NULL, (struct value *[]){x, y}, 2);
}

struct value *ncc_caffe_reshape(struct cf_build *b, const char *suffix, struct value *x, struct shape to)
{
    if (!x || ncc_shape_equal(x->shape, to))
        return x;
    struct reshape_attrs attrs = {.shape.n = to.rank};
    memcpy(attrs.shape.v, to.dim, (size_t)to.rank * sizeof *to.dim);
    return ncc_caffe_op(b, OP_reshape, suffix, &attrs, &x, 1);
}

/* ---- results ---- */

bool ncc_caffe_give(struct cf_build *b, int k, struct value *v)
{
    if (!v)
        return false;
    for (int i = 0; i < v->shape.rank; i++)
        if (v->shape.dim[i] < 1)
            return ncc_caffe_refuse(b, "the result must not be empty", NULL, "dimension %d is %d", i, v->shape.dim[i]);
    if (k < b->layer->n_out && !b->layer->out[k]->is_input)
        b->layer->out[k]->v = v;
    return true;
}
