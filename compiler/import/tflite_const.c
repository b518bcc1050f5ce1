/* Constants. Their bytes stay in the file; only what is neither f32 nor an integer is converted, in one pass. */
#include "compiler/import/tflite.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static bool complain(struct tflite *m, const struct tf_tensor *t, const char *rule, const char *remedy,
                     const char *found)
{
    ncc_diag_error(m->diags, FAULT_INPUT, (struct place){.file = m->file, .node = t->name}, rule, remedy,
                   found ? "%s" : NULL, found);
    return false;
}

/* Index of the first NaN or infinity, or -1: all bits of the exponent are set. */
static int64_t find_not_finite(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        if ((bits & 0x7f800000u) == 0x7f800000u)
            return i;
    }
    return -1;
}

static float from_half(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h >> 15) << 31, exponent = h >> 10 & 31, fraction = h & 0x3ff;
    if (exponent == 0)
        return ldexpf(sign ? -(float)fraction : (float)fraction, -24);
    const uint32_t bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float *halves_to_floats(struct arena *a, const uint8_t *data, int64_t n)
{
    float *out = ncc_arena_alloc(a, (size_t)n, sizeof *out, 64);
    for (int64_t i = 0; i < n; i++)
        out[i] = from_half((uint16_t)(data[2 * i] | data[2 * i + 1] << 8));
    return out;
}

static int code_at(const uint8_t *data, int type, int64_t i)
{
    if (type == TF_U8)
        return data[i];
    return type == TF_I8 ? (int8_t)data[i] : (int16_t)(uint16_t)(data[2 * i] | data[2 * i + 1] << 8);
}

/* real = (code - zero point) * scale, one pair for all or one per index along quant_axis; NULL: the numbers
 * of pairs do not fit the shape. */
static float *codes_to_floats(struct arena *a, const struct tf_tensor *t, int64_t n)
{
    int64_t inner = n ? n : 1, pairs = 1;
    if (t->scale.n > 1) {
        if (t->quant_axis < 0 || t->quant_axis >= t->stored.rank || t->stored.dim[t->quant_axis] != t->scale.n)
            return NULL;
        pairs = t->scale.n;
        inner = 1;
        for (int i = t->quant_axis + 1; i < t->stored.rank; i++)
            inner *= t->stored.dim[i];
    }
    float *out = ncc_arena_alloc(a, (size_t)n, sizeof *out, 64);
    for (int64_t start = 0; start < n; start += inner) {
        const int k = (int)(start / inner % pairs);
        const float scale = ncc_fb_vector_float(t->scale, k);
        const float zero = t->zero_point.n ? (float)ncc_fb_vector_i64(t->zero_point, t->zero_point.n > k ? k : 0) : 0;
        for (int64_t i = start; i < start + inner; i++)
            out[i] = ((float)code_at(t->data.data, t->type, i) - zero) * scale;
    }
    return out;
}

/* The bytes themselves when they are aligned for their type. */
static const void *as_they_are(struct arena *a, struct bytes data, size_t item_size)
{
    if ((uintptr_t)data.data % item_size == 0)
        return data.data;
    void *copy = ncc_arena_alloc(a, data.size, 1, 64);
    memcpy(copy, data.data, data.size);
    return copy;
}

/* Fills type and data of the value; false with a diagnostic. */
static bool convert(struct tflite *m, const struct tf_tensor *t, int64_t n, enum dtype *dtype, const void **data)
{
    const size_t item_size = ncc_dtype_size(*dtype);
    if ((size_t)n * item_size != t->data.size) {
        ncc_diag_error(m->diags, FAULT_INPUT, (struct place){.file = m->file, .node = t->name},
                       "a constant must have as many bytes as its shape says", "export the model again",
                       "%zu bytes instead of %zu", t->data.size, (size_t)n * item_size);
        return false;
    }
    if (!ncc_fb_spend(&m->fb, (int64_t)t->data.size))
        return ncc_tflite_intact(m);
    if (*dtype == DT_F16)
        *data = halves_to_floats(m->arena, t->data.data, n);
    else if (ncc_tflite_is_quantised(t))
        *data = codes_to_floats(m->arena, t, n);
    else
        *data = as_they_are(m->arena, t->data, item_size);
    if (!*data)
        return complain(m, t, "a constant must have one scale, or one per channel", "export the model again", NULL);
    if (*dtype == DT_F16 || ncc_tflite_is_quantised(t))
        *dtype = DT_F32;
    return true;
}

bool ncc_tflite_materialise(struct tflite *m, struct tf_tensor *t)
{
    enum dtype dtype;
    char text[80];
    bool good = t->has_shape;
    for (int i = 0; good && i < t->stored.rank; i++)
        good = t->stored.dim[i] > 0;
    const int64_t n = good ? ncc_shape_count(t->stored) : -1;
    if (n < 0)
        return complain(m, t, "the shape of a constant must be known, with at most 6 dimensions and 2^28 elements",
                        "the file may be damaged: export it again",
                        t->has_shape ? ncc_shape_text(t->stored, text) : NULL);
    if (t->type == TF_I4 && !t->sparsity.at && !ncc_tflite_unpack_halves(m, t))
        return false;
    if (!ncc_tflite_dtype(t->type, &dtype))
        return complain(m, t, "constants of this type are not supported", "export the model with floats or integers",
                        ncc_tflite_type_name(t->type));
    if (t->sparsity.at && !ncc_tflite_expand(m, t, ncc_dtype_size(dtype)))
        return ncc_tflite_intact(m) && false;
    const void *data = NULL;
    if (!convert(m, t, n, &dtype, &data))
        return false;
    const int64_t bad = dtype == DT_F32 ? find_not_finite(data, n) : -1;
    if (bad >= 0) {
        ncc_diag_error(m->diags, FAULT_INPUT, (struct place){.file = m->file, .node = t->name},
                       "the weights must be finite numbers", "train or export the model again", "element %lld is %g",
                       (long long)bad, (double)((const float *)data)[bad]);
        return false;
    }
    t->form[0] = (struct form){ncc_const(m->graph, t->name, dtype, t->stored, data),
                               ncc_layout_identity(t->stored.rank)};
    t->n_forms = 1;
    t->shape = t->stored;
    if (t->scale.n == 1)
        t->form[0].v->quant = ncc_tflite_pairs(m, t);
    return true;
}

bool ncc_tflite_start_empty(struct tflite *m, struct tf_tensor *t)
{
    const int64_t n = t->has_shape ? ncc_shape_count(t->stored) : -1;
    if (n < 0 || !ncc_fb_spend(&m->fb, n))
        return false;
    const float *zeros = NCC_NEW(m->arena, float, n);
    t->form[0] = (struct form){ncc_const(m->graph, t->name, DT_F32, t->stored, zeros),
                               ncc_layout_identity(t->stored.rank)};
    t->n_forms = 1;
    t->shape = t->stored;
    return true;
}

bool ncc_tflite_value_ints(const struct value *v, struct ints *out)
{
    const int64_t n = ncc_shape_count(v->shape);
    if (!ncc_is_const(v) || n < 0 || n > NCC_MAX_INTS || (v->dtype != DT_I32 && v->dtype != DT_I64))
        return false;
    out->n = (int)n;
    for (int i = 0; i < out->n; i++) {
        const int64_t x = v->dtype == DT_I32 ? ((const int32_t *)v->data)[i] : ((const int64_t *)v->data)[i];
        out->v[i] = x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (int)x;
    }
    return true;
}
