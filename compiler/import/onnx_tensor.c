/* Constants of the file. Bytes that have the right type already are used where protobuf-c has put them. */
#include "compiler/import/onnx.h"
#include "compiler/ir/element.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What of an element type is in the file, and what we make of it. */
static const struct type {
    const char *name;
    int size; /* bytes of raw data; 0: not read */
    enum dtype dtype;
    int qmin, qmax; /* of types that quantised models use for their codes; else 0, 0 */
} types[] = {
    [ONNX__TENSOR_PROTO__DATA_TYPE__UNDEFINED] = {"undefined", 0, DT_F32, 0, 0},
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT] = {"float", 4, DT_F32, 0, 0},
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT8] = {"uint8", 1, DT_U8, 0, 255},
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT8] = {"int8", 1, DT_I8, -128, 127},
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT16] = {"uint16", 2, DT_I64, 0, 65535},
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT16] = {"int16", 2, DT_I16, -32768, 32767},
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT32] = {"int32", 4, DT_I32, 0, 0},
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT64] = {"int64", 8, DT_I64, 0, 0},
    [ONNX__TENSOR_PROTO__DATA_TYPE__STRING] = {"string", 0, DT_F32, 0, 0},
    [ONNX__TENSOR_PROTO__DATA_TYPE__BOOL] = {"bool", 1, DT_BOOL, 0, 0},
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16] = {"float16", 2, DT_F32, 0, 0},
    [ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE] = {"double", 8, DT_F32, 0, 0},
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT32] = {"uint32", 4, DT_I64, 0, 0},
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT64] = {"uint64", 8, DT_I64, 0, 0},
    [ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX64] = {"complex64", 0, DT_F32, 0, 0},
    [ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX128] = {"complex128", 0, DT_F32, 0, 0},
    [ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16] = {"bfloat16", 2, DT_F32, 0, 0},
};
enum { N_TYPES = sizeof types / sizeof *types };

static const struct type *type_of(int type)
{
    return type >= 0 && type < N_TYPES ? &types[type] : &types[0];
}

bool ncc_onnx_dtype(int type, enum dtype *out)
{
    *out = type_of(type)->dtype;
    return type_of(type)->size > 0;
}

const char *ncc_onnx_type_name(int type)
{
    return type_of(type)->name;
}

bool ncc_onnx_is_code_type(int type, int *qmin, int *qmax)
{
    *qmin = type_of(type)->qmin;
    *qmax = type_of(type)->qmax;
    return *qmax > 0;
}

/* ---- where the bytes are ---- */

static bool complain(struct onnx *m, const char *name, const char *rule, const char *remedy, const char *found)
{
    ncc_diag_error(m->diags, FAULT_INPUT, (struct place){.file = m->file, .node = name}, rule, remedy,
                   found ? "%s" : NULL, found);
    return false;
}

static const char *entry(const Onnx__TensorProto *t, const char *key)
{
    for (size_t i = 0; i < t->n_external_data; i++)
        if (t->external_data[i]->key && strcmp(t->external_data[i]->key, key) == 0)
            return t->external_data[i]->value;
    return NULL;
}

static bool read_number(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

/* The path of a file beside or below the model; NULL: it would be elsewhere, also by way of links. */
static const char *path_beside(struct onnx *m, const char *location)
{
    const size_t folder = (size_t)(ncc_file_base(m->file) - m->file);
    const char *base = folder ? ncc_arena_copy(m->arena, m->file, folder) : ".";
    const char *path = ncc_arena_printf(m->arena, "%s/%s", base, location);
    char real_base[PATH_MAX], real_path[PATH_MAX];
    if (!realpath(base, real_base))
        return NULL;
    if (!realpath(path, real_path)) /* does not exist: reading it will say so */
        return location[0] != '/' && !strstr(location, "..") ? path : NULL;
    const size_t n = strcmp(real_base, "/") == 0 ? 0 : strlen(real_base);
    return strncmp(real_path, real_base, n) == 0 && real_path[n] == '/' && location[0] != '/' ? path : NULL;
}

static bool external_bytes(struct onnx *m, const Onnx__TensorProto *t, const char *name, size_t size, struct bytes *out)
{
    const char *location = entry(t, "location"), *offset = entry(t, "offset"), *length = entry(t, "length");
    uint64_t at = 0, n = size;
    if (!location || !*location)
        return complain(m, name, "external data must name their file", "export the model again", NULL);
    if ((offset && !read_number(offset, &at)) || (length && !read_number(length, &n)))
        return complain(m, name, "offset and length of external data must be numbers", "export the model again",
                        offset ? offset : length);
    if (n != size)
        return complain(m, name, "external data must have as many bytes as the tensor", "export the model again",
                        ncc_arena_printf(m->arena, "%llu instead of %zu", (unsigned long long)n, size));
    const char *path = path_beside(m, location);
    if (!path)
        return complain(m, name, "external data must lie in the model's own folder", "move the file beside the model",
                        location);
    void *data = ncc_arena_alloc(m->arena, size + 1, 1, 64);
    const int error = ncc_file_read_part(path, at, data, size);
    if (error)
        return complain(
            m, name, "external data cannot be read", "keep the model's files together",
            ncc_arena_printf(m->arena, "%s: %s", path, error == EIO ? "the file is too short" : strerror(error)));
    *out = (struct bytes){data, size};
    return true;
}

/* ---- elements ---- */

static float from_bfloat(uint16_t bits)
{
    const uint32_t word = (uint32_t)bits << 16;
    float f;
    memcpy(&f, &word, sizeof f);
    return f;
}

static float from_16_bits(int type, uint16_t bits)
{
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ? ncc_element_from_half(bits) : from_bfloat(bits);
}

/* Of the types that are f32 in the graph and something else in the file. */
static float real_at(int type, const uint8_t *data, int64_t i)
{
    uint16_t bits;
    double d;
    if (type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE)
        return memcpy(&d, data + 8 * i, sizeof d), (float)d;
    return memcpy(&bits, data + 2 * i, sizeof bits), from_16_bits(type, bits);
}

static int64_t wide_at(int type, const uint8_t *data, int64_t i)
{
    uint16_t small;
    uint32_t middle;
    int64_t large;
    if (type == ONNX__TENSOR_PROTO__DATA_TYPE__UINT16)
        return memcpy(&small, data + 2 * i, sizeof small), small;
    if (type == ONNX__TENSOR_PROTO__DATA_TYPE__UINT32)
        return memcpy(&middle, data + 4 * i, sizeof middle), middle;
    return memcpy(&large, data + 8 * i, sizeof large), large;
}

static bool has_graph_form(int type)
{
    return type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 && type != ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16 &&
           type != ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE && type != ONNX__TENSOR_PROTO__DATA_TYPE__UINT16 &&
           type != ONNX__TENSOR_PROTO__DATA_TYPE__UINT32;
}

/* Elements as the graph has them, from packed ones. */
static const void *from_raw(struct onnx *m, int type, struct bytes raw, int64_t n)
{
    const enum dtype to = type_of(type)->dtype;
    if (has_graph_form(type) && (uintptr_t)raw.data % ncc_dtype_size(to) == 0 && n > 0)
        return raw.data;
    void *out = ncc_arena_alloc(m->arena, n ? (size_t)n : 1, ncc_dtype_size(to), 64);
    if (has_graph_form(type)) {
        if (raw.size)
            memcpy(out, raw.data, raw.size);
        return out;
    }
    for (int64_t i = 0; i < n; i++) {
        if (to == DT_F32)
            ((float *)out)[i] = real_at(type, raw.data, i);
        else
            ncc_element_set_int(to, out, i, wide_at(type, raw.data, i));
    }
    return out;
}

/* Elements out of the field that the type has for them; *n_found says how many there are. */
static const void *from_fields(struct onnx *m, const Onnx__TensorProto *t, int64_t n, size_t *n_found)
{
    const enum dtype to = type_of(t->data_type)->dtype;
    if (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT) {
        *n_found = t->n_float_data;
        return n ? t->float_data : NULL;
    }
    if (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64) {
        *n_found = t->n_int64_data;
        return n ? t->int64_data : NULL;
    }
    const bool is_double = t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
    const bool is_wide =
        t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__UINT32 || t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__UINT64;
    *n_found = is_double ? t->n_double_data : is_wide ? t->n_uint64_data : t->n_int32_data;
    if (*n_found != (size_t)n)
        return NULL;
    void *out = ncc_arena_alloc(m->arena, n ? (size_t)n : 1, ncc_dtype_size(to), 64);
    for (int64_t i = 0; i < n; i++) {
        if (is_double)
            ((float *)out)[i] = (float)t->double_data[i];
        else if (is_wide)
            ((int64_t *)out)[i] = (int64_t)t->uint64_data[i];
        else if (to == DT_F32)
            ((float *)out)[i] = from_16_bits(t->data_type, (uint16_t)t->int32_data[i]);
        else
            ncc_element_set_int(to, out, i, t->int32_data[i]);
    }
    return out;
}

static const void *elements(struct onnx *m, const Onnx__TensorProto *t, const char *name, int64_t n)
{
    static const int64_t none = 0; /* an empty tensor is constant, too */
    const size_t size = (size_t)n * (size_t)type_of(t->data_type)->size;
    struct bytes raw = {t->raw_data.data, t->raw_data.len};
    size_t n_found = (size_t)n;
    const void *data = NULL;
    if (t->has_data_location && t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        if (!external_bytes(m, t, name, size, &raw))
            return NULL;
        data = from_raw(m, t->data_type, raw, n);
    } else if (t->has_raw_data) {
        n_found = raw.size / (size_t)type_of(t->data_type)->size;
        data = raw.size == size ? from_raw(m, t->data_type, raw, n) : NULL;
    } else {
        data = from_fields(m, t, n, &n_found);
    }
    if (n == 0 && n_found == 0)
        return &none;
    if (n_found == (size_t)n && data)
        return data;
    complain(m, name, "a constant must have as many elements as its shape says", "export the model again",
             ncc_arena_printf(m->arena, "%zu instead of %lld", n_found, (long long)n));
    return NULL;
}

static bool shape_of(const Onnx__TensorProto *t, struct shape *out)
{
    *out = (struct shape){.rank = (int)t->n_dims};
    if (t->n_dims > NCC_MAX_RANK)
        return false;
    for (int i = 0; i < out->rank; i++) {
        if (t->dims[i] < 0 || t->dims[i] > NCC_MAX_ELEMENTS)
            return false;
        out->dim[i] = (int)t->dims[i];
    }
    return ncc_shape_count(*out) >= 0;
}

static bool has_no_nan(struct onnx *m, const char *name, const float *x, int64_t n)
{
    int64_t bad = -1;
    for (int64_t i = 0; i < n && bad < 0; i++)
        if (isnan(x[i]))
            bad = i;
    return bad < 0 || complain(m, name, "the weights must be numbers", "train or export the model again",
                               ncc_arena_printf(m->arena, "element %lld is not", (long long)bad));
}

struct value *ncc_onnx_tensor(struct onnx *m, const Onnx__TensorProto *t, const char *name)
{
    struct shape shape;
    const struct type *type = type_of(t->data_type);
    if (type->size == 0)
        return complain(m, name, "constants of this type are not supported", "export the model with floats or integers",
                        type->name),
               NULL;
    if (!shape_of(t, &shape))
        return complain(m, name, "a constant must have at most 6 dimensions and 2^28 elements",
                        "reshape or cut the model", NULL),
               NULL;
    const void *data = elements(m, t, name, ncc_shape_count(shape));
    return data ? ncc_const(m->graph, name, type->dtype, shape, data) : NULL;
}

struct value *ncc_onnx_constant(struct onnx *m, const Onnx__TensorProto *t, const char *name)
{
    struct value *v = ncc_onnx_tensor(m, t, name);
    return v && (v->dtype != DT_F32 || has_no_nan(m, name, v->data, ncc_shape_count(v->shape))) ? v : NULL;
}

bool ncc_onnx_value_ints(const struct value *v, struct ints *out)
{
    const int64_t n = ncc_shape_count(v->shape);
    if (!ncc_is_const(v) || n < 0 || n > NCC_MAX_INTS || ncc_element_is_float(v->dtype))
        return false;
    out->n = (int)n;
    for (int i = 0; i < out->n; i++) {
        const int64_t x = ncc_element_int(v->dtype, v->data, i);
        out->v[i] = x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (int)x;
    }
    return true;
}
