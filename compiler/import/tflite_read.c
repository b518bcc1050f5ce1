/* The tables of a TFLite file as structs, every index checked. */
#include "compiler/import/tflite.h"
#include "compiler/ops/attrs.h"

#include <limits.h>
#include <string.h>

static const struct tf_row rows[] = {
#define TF_OP(code, name, builder, detail, options, activation, min_in, max_in, n_out)                                 \
    [code] = {#name, ncc_tflite_build_##builder, TF_OPT_##options, activation, min_in, max_in, n_out, detail},
#define TF_CUSTOM(name, builder, min_in, max_in)
#define TF_NAME(code, name) [code] = {#name, NULL, 0, -1, 0, INT_MAX, -1, 0},
#include "compiler/import/tflite_ops.def"
#undef TF_OP
#undef TF_CUSTOM
#undef TF_NAME
};

static const struct tf_row custom_rows[] = {
#define TF_OP(code, name, ...)
#define TF_CUSTOM(name, builder, min_in, max_in)                                                                       \
    {#name, ncc_tflite_build_##builder, TF_OPT_none, -1, min_in, max_in, 1, 0},
#define TF_NAME(code, name)
#include "compiler/import/tflite_ops.def"
#undef TF_OP
#undef TF_CUSTOM
#undef TF_NAME
};

const struct tf_row *ncc_tflite_row(int code)
{
    static const struct tf_row unknown = {0};
    return code >= 0 && code < (int)(sizeof rows / sizeof *rows) ? &rows[code] : &unknown;
}

/* dtype N_DTYPES: no such type here. */
static const struct {
    const char *name;
    enum dtype dtype;
} types[N_TF_TYPES] = {
    [TF_F32] = {"float32", DT_F32},     [TF_F16] = {"float16", DT_F16},
    [TF_I32] = {"int32", DT_I32},       [TF_U8] = {"uint8", DT_U8},
    [TF_I64] = {"int64", DT_I64},       [TF_STRING] = {"string", N_DTYPES},
    [TF_BOOL] = {"bool", DT_BOOL},      [TF_I16] = {"int16", DT_I16},
    [TF_COMPLEX64] = {"complex64", N_DTYPES}, [TF_I8] = {"int8", DT_I8},
    [TF_F64] = {"float64", N_DTYPES},   [TF_COMPLEX128] = {"complex128", N_DTYPES},
    [TF_U64] = {"uint64", N_DTYPES},    [TF_RESOURCE] = {"resource", N_DTYPES},
    [TF_VARIANT] = {"variant", N_DTYPES}, [TF_U32] = {"uint32", N_DTYPES},
    [TF_U16] = {"uint16", N_DTYPES},    [TF_I4] = {"int4", N_DTYPES},
};

bool ncc_tflite_dtype(int type, enum dtype *out)
{
    *out = types[type].dtype;
    return *out != N_DTYPES;
}

const char *ncc_tflite_type_name(int type)
{
    return types[type].name;
}

bool ncc_tflite_is_quantised(const struct tf_tensor *t)
{
    return t->scale.n > 0 && (t->type == TF_I8 || t->type == TF_U8 || t->type == TF_I16);
}

static bool complain(struct tflite *m, const char *node, const char *rule, const char *found, int number)
{
    const struct place where = {.file = m->file, .node = node};
    if (found)
        ncc_diag_error(m->diags, FAULT_INPUT, where, rule, NULL, "%s %d", found, number);
    else
        ncc_diag_error(m->diags, FAULT_INPUT, where, rule, NULL, NULL);
    return false;
}

bool ncc_tflite_intact(struct tflite *m)
{
    if (!m->fb.error)
        return true;
    if (m->is_told)
        return false;
    m->is_told = true;
    ncc_diag_error(m->diags, FAULT_INPUT, (struct place){.file = m->file}, "the file is damaged",
                   "copy or export it again", "%s (byte %zu of %zu)", m->fb.error, m->fb.error_off, m->fb.size);
    return false;
}

/* A list of tensor numbers; -1, where it is allowed, stands for an absent tensor. */
static bool read_numbers(struct tflite *m, struct fb_table t, int field, int lowest, int **out, int *n)
{
    const struct fb_vector v = ncc_fb_vector(&m->fb, t, field, 4);
    *n = v.n;
    *out = NCC_NEW(m->arena, int, v.n);
    for (int i = 0; i < v.n; i++) {
        const int k = ncc_fb_vector_i32(v, i);
        if (k < lowest || k >= m->n_tensors)
            return complain(m, NULL, "the file is damaged: a tensor is referred to that does not exist", "tensor", k);
        (*out)[i] = k;
    }
    return true;
}

static struct bytes buffer_bytes(struct fb *f, struct fb_table buffer)
{
    const struct fb_vector v = ncc_fb_vector(f, buffer, F_buffer_data, 1);
    if (v.n > 0)
        return (struct bytes){v.data, (size_t)v.n};
    const int64_t offset = ncc_fb_int(f, buffer, F_buffer_offset, 8, false, 0);
    const int64_t size = ncc_fb_int(f, buffer, F_buffer_size, 8, false, 0);
    if (offset <= 1 || size == 0) /* 0 and 1: not used */
        return (struct bytes){0};
    if (offset < 0 || size < 0 || (uint64_t)offset > f->size || (uint64_t)size > f->size - (uint64_t)offset) {
        ncc_fb_fail(f, buffer.at, "a constant lies outside the file");
        return (struct bytes){0};
    }
    return (struct bytes){f->data + offset, (size_t)size};
}

static void read_shape(struct fb *f, struct fb_table table, struct tf_tensor *t)
{
    const struct fb_vector shape = ncc_fb_vector(f, table, F_tensor_shape, 4);
    const struct fb_vector open = ncc_fb_vector(f, table, F_tensor_shape_signature, 4);
    t->has_shape = shape.n <= NCC_MAX_RANK;
    if (!t->has_shape)
        return;
    t->stored.rank = shape.n;
    for (int i = 0; i < shape.n; i++) {
        const bool is_open = open.n == shape.n && ncc_fb_vector_i32(open, i) < 0;
        t->stored.dim[i] = is_open ? -1 : ncc_fb_vector_i32(shape, i);
    }
}

static bool read_tensor(struct tflite *m, struct fb_table table, struct fb_vector buffers, int number)
{
    struct fb *f = &m->fb;
    struct tf_tensor *t = &m->tensors[number];
    t->name = ncc_fb_string(f, table, F_tensor_name, m->arena);
    if (!*t->name)
        t->name = ncc_arena_printf(m->arena, "tensor_%d", number);
    t->type = ncc_fb_i8(f, table, F_tensor_type, TF_F32);
    if (t->type < 0 || t->type >= N_TF_TYPES)
        return complain(m, t->name, "the element type is not known", "type", t->type);
    read_shape(f, table, t);
    t->sparsity = ncc_fb_table(f, table, F_tensor_sparsity);
    t->is_variable = ncc_fb_bool(f, table, F_tensor_is_variable, false);
    const struct fb_table quant = ncc_fb_table(f, table, F_tensor_quantization);
    t->scale = ncc_fb_vector(f, quant, F_quantization_scale, 4);
    t->zero_point = ncc_fb_vector(f, quant, F_quantization_zero_point, 8);
    t->quant_axis = ncc_fb_i32(f, quant, F_quantization_dimension, 0);
    const int64_t buffer = ncc_fb_int(f, table, F_tensor_buffer, 4, false, 0);
    if (buffer >= buffers.n && buffer > 0)
        return complain(m, t->name, "the file is damaged: a buffer is referred to that does not exist", "buffer",
                        (int)buffer);
    if (buffer > 0)
        t->data = buffer_bytes(f, ncc_fb_vector_table(f, buffers, (int)buffer));
    return true;
}

static bool read_tensors(struct tflite *m, struct fb_table model, struct fb_table subgraph)
{
    const struct fb_vector buffers = ncc_fb_vector(&m->fb, model, F_model_buffers, 4);
    const struct fb_vector v = ncc_fb_vector(&m->fb, subgraph, F_subgraph_tensors, 4);
    if (!ncc_fb_spend(&m->fb, (int64_t)v.n * (int64_t)sizeof(struct tf_tensor) / 16))
        return false;
    m->n_tensors = v.n;
    m->tensors = NCC_NEW(m->arena, struct tf_tensor, v.n);
    for (int i = 0; i < v.n && !m->fb.error; i++)
        if (!read_tensor(m, ncc_fb_vector_table(&m->fb, v, i), buffers, i))
            return false;
    return !m->fb.error;
}

/* One custom operator differs from another by its name only. */
static void read_row(struct tflite *m, struct tf_code *c, struct fb_table table)
{
    const char *custom = ncc_fb_string(&m->fb, table, F_operator_code_custom_name, m->arena);
    c->row = ncc_tflite_row(c->code);
    c->name = c->row->name;
    if (!c->name)
        c->name = ncc_arena_printf(m->arena, "operator code %d", c->code);
    else if (*custom)
        c->name = ncc_arena_printf(m->arena, "%s %s", c->row->name, custom);
    for (size_t i = 0; c->code == TF_CUSTOM_CODE && i < sizeof custom_rows / sizeof *custom_rows; i++)
        if (strcmp(custom_rows[i].name, custom) == 0)
            c->row = &custom_rows[i];
}

static void read_codes(struct tflite *m, struct fb_table model)
{
    const struct fb_vector v = ncc_fb_vector(&m->fb, model, F_model_operator_codes, 4);
    m->n_codes = v.n;
    m->codes = NCC_NEW(m->arena, struct tf_code, v.n);
    for (int i = 0; i < v.n && !m->fb.error; i++) {
        const struct fb_table table = ncc_fb_vector_table(&m->fb, v, i);
        struct tf_code *c = &m->codes[i];
        const int short_code = ncc_fb_i8(&m->fb, table, F_operator_code_short_code, 0);
        const int code = ncc_fb_i32(&m->fb, table, F_operator_code_code, 0);
        c->code = code > short_code ? code : short_code;
        read_row(m, c, table);
    }
}

static bool read_operator(struct tflite *m, int number)
{
    struct tf_operator *op = &m->ops[number];
    const int64_t code = ncc_fb_int(&m->fb, op->table, F_operator_code_index, 4, false, 0);
    if (code >= m->n_codes)
        return complain(m, NULL, "the file is damaged: an operator code is referred to that does not exist", "code",
                        (int)code);
    op->code = &m->codes[code];
    if (!read_numbers(m, op->table, F_operator_inputs, -1, &op->in, &op->n_in) ||
        !read_numbers(m, op->table, F_operator_outputs, -1, &op->out, &op->n_out))
        return false;
    const bool named = op->n_out > 0 && op->out[0] >= 0;
    op->name = named ? m->tensors[op->out[0]].name : ncc_arena_printf(m->arena, "operator_%d", number);
    return true;
}

static bool read_operators(struct tflite *m, struct fb_table subgraph)
{
    const struct fb_vector v = ncc_fb_vector(&m->fb, subgraph, F_subgraph_operators, 4);
    m->n_ops = v.n;
    m->ops = NCC_NEW(m->arena, struct tf_operator, v.n);
    for (int i = 0; i < v.n && !m->fb.error; i++) {
        m->ops[i].table = ncc_fb_vector_table(&m->fb, v, i);
        if (!m->fb.error && !read_operator(m, i))
            return false;
    }
    return true;
}

static bool read_version(struct tflite *m, struct fb_table model)
{
    const int64_t version = ncc_fb_int(&m->fb, model, F_model_version, 4, false, 0);
    if (m->fb.error || version == TF_SCHEMA_VERSION)
        return true;
    ncc_diag_error(m->diags, FAULT_INPUT, (struct place){.file = m->file},
                   "only version 3 of the TFLite format is read", "export the model with TensorFlow 1.13 to 2.x",
                   "version %lld", (long long)version);
    return false;
}

bool ncc_tflite_read(struct tflite *m)
{
    const struct fb_table model = ncc_fb_root(&m->fb);
    if (!read_version(m, model))
        return false;
    const struct fb_vector subgraphs = ncc_fb_vector(&m->fb, model, F_model_subgraphs, 4);
    if (!m->fb.error && subgraphs.n == 0)
        return complain(m, NULL, "the model is empty: it has no subgraph", "the file may be damaged: export it again",
                        0);
    const struct fb_table subgraph = m->fb.error ? model : ncc_fb_vector_table(&m->fb, subgraphs, 0);
    if (subgraphs.n > 1)
        ncc_diag_note(m->diags, (struct place){.file = m->file}, "only the first subgraph is used", NULL,
                      "%d subgraphs", subgraphs.n);
    read_codes(m, model);
    if (m->fb.error || !read_tensors(m, model, subgraph) || !read_operators(m, subgraph) ||
        !read_numbers(m, subgraph, F_subgraph_inputs, 0, &m->inputs.v, &m->inputs.n) ||
        !read_numbers(m, subgraph, F_subgraph_outputs, 0, &m->outputs.v, &m->outputs.n) || m->fb.error) {
        ncc_tflite_intact(m);
        return false;
    }
    return true;
}

bool ncc_tflite_probe(struct bytes file)
{
    struct fb f = ncc_fb_open(file);
    const struct fb_table model = ncc_fb_root(&f);
    const int64_t version = ncc_fb_int(&f, model, F_model_version, 4, false, 0);
    const struct fb_vector subgraphs = ncc_fb_vector(&f, model, F_model_subgraphs, 4);
    return !f.error && version == TF_SCHEMA_VERSION && subgraphs.n > 0;
}
