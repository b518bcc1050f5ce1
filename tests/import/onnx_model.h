/* Small ONNX models, made by the same messages that the importer reads. */
#ifndef NCC_TESTS_IMPORT_ONNX_MODEL_H
#define NCC_TESTS_IMPORT_ONNX_MODEL_H

#include "tests/import/support.h"

#include <onnx.pb-c.h>

enum { MODEL_MAX = 32 };

struct model {
    struct exit out;
    struct arena arena;
    Onnx__ModelProto m;
    Onnx__GraphProto g;
    Onnx__OperatorSetIdProto opset, *opsets[1];
    Onnx__NodeProto *nodes[MODEL_MAX];
    Onnx__TensorProto *inits[MODEL_MAX];
    Onnx__ValueInfoProto *inputs[MODEL_MAX], *outputs[MODEL_MAX];
    Onnx__AttributeProto *attrs[MODEL_MAX][4];
};

static inline void model_open(struct model *m, int version)
{
    memset(m, 0, sizeof *m);
    m->arena = ncc_arena_make(&m->out);
    onnx__model_proto__init(&m->m);
    onnx__graph_proto__init(&m->g);
    onnx__operator_set_id_proto__init(&m->opset);
    m->opset.version = version;
    m->opset.has_version = true;
    m->opsets[0] = &m->opset;
    m->m.ir_version = 8;
    m->m.has_ir_version = true;
    m->m.n_opset_import = 1;
    m->m.opset_import = m->opsets;
    m->m.graph = &m->g;
    m->g.name = (char *)(uintptr_t) "test";
    m->g.node = m->nodes;
    m->g.initializer = m->inits;
    m->g.input = m->inputs;
    m->g.output = m->outputs;
}

static inline char *model_text(struct model *m, const char *text)
{
    return ncc_arena_copy(&m->arena, text, strlen(text));
}

/* "a,b" as names; "a,,b" has an absent one. */
static inline char **model_names(struct model *m, const char *list, size_t *n)
{
    char **v = NCC_NEW(&m->arena, char *, MODEL_MAX);
    for (*n = 0; *list || *n == 0;) {
        const size_t length = strcspn(list, ",");
        v[(*n)++] = ncc_arena_copy(&m->arena, list, length);
        list += length + (list[length] == ',');
    }
    return v;
}

/* A dimension of 0 is open; `symbol` is its name, or NULL. */
static inline Onnx__ValueInfoProto *model_info(struct model *m, const char *name, int type, int rank, const int *dims,
                                               const char *symbol)
{
    Onnx__ValueInfoProto *info = NCC_NEW(&m->arena, Onnx__ValueInfoProto, 1);
    Onnx__TypeProto *t = NCC_NEW(&m->arena, Onnx__TypeProto, 1);
    Onnx__TypeProto__Tensor *tensor = NCC_NEW(&m->arena, Onnx__TypeProto__Tensor, 1);
    Onnx__TensorShapeProto *shape = NCC_NEW(&m->arena, Onnx__TensorShapeProto, 1);
    onnx__value_info_proto__init(info);
    onnx__type_proto__init(t);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(shape);
    shape->n_dim = (size_t)rank;
    shape->dim = NCC_NEW(&m->arena, Onnx__TensorShapeProto__Dimension *, rank);
    for (int i = 0; i < rank; i++) {
        shape->dim[i] = NCC_NEW(&m->arena, Onnx__TensorShapeProto__Dimension, 1);
        onnx__tensor_shape_proto__dimension__init(shape->dim[i]);
        if (dims[i] > 0) {
            shape->dim[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            shape->dim[i]->dim_value = dims[i];
        } else if (symbol) {
            shape->dim[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            shape->dim[i]->dim_param = model_text(m, symbol);
        }
    }
    tensor->elem_type = type;
    tensor->has_elem_type = true;
    tensor->shape = shape;
    t->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    t->tensor_type = tensor;
    info->name = model_text(m, name);
    info->type = t;
    return info;
}

static inline void model_input(struct model *m, const char *name, int rank, const int *dims)
{
    m->inputs[m->g.n_input++] = model_info(m, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, rank, dims, "open");
}

static inline void model_output(struct model *m, const char *name)
{
    m->outputs[m->g.n_output++] = model_info(m, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 0, NULL, NULL);
}

/* An initialiser with raw data. */
static inline Onnx__TensorProto *model_init(struct model *m, const char *name, int type, int rank, const int64_t *dims,
                                            const void *data, size_t size)
{
    Onnx__TensorProto *t = NCC_NEW(&m->arena, Onnx__TensorProto, 1);
    onnx__tensor_proto__init(t);
    t->name = model_text(m, name);
    t->data_type = type;
    t->has_data_type = true;
    t->n_dims = (size_t)rank;
    t->dims = NCC_NEW(&m->arena, int64_t, rank);
    for (int i = 0; i < rank; i++)
        t->dims[i] = dims[i];
    t->raw_data.len = size;
    t->raw_data.data = (uint8_t *)ncc_arena_copy(&m->arena, data, size);
    t->has_raw_data = true;
    m->inits[m->g.n_initializer++] = t;
    return t;
}

static inline void model_ints(struct model *m, const char *name, int n, const int64_t *v)
{
    model_init(m, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 1, &(int64_t){n}, v, (size_t)n * sizeof *v);
}

static inline void model_floats(struct model *m, const char *name, int n, const float *v)
{
    model_init(m, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, n > 1, &(int64_t){n}, v, (size_t)n * sizeof *v);
}

static inline Onnx__NodeProto *model_node(struct model *m, const char *op, const char *in, const char *out)
{
    Onnx__NodeProto *n = NCC_NEW(&m->arena, Onnx__NodeProto, 1);
    onnx__node_proto__init(n);
    n->op_type = model_text(m, op);
    n->name = ncc_arena_printf(&m->arena, "%s_%zu", op, m->g.n_node);
    n->input = model_names(m, in, &n->n_input);
    n->output = model_names(m, out, &n->n_output);
    n->attribute = m->attrs[m->g.n_node];
    m->nodes[m->g.n_node++] = n;
    return n;
}

static inline Onnx__AttributeProto *model_attr(struct model *m, Onnx__NodeProto *n, const char *name)
{
    Onnx__AttributeProto *a = NCC_NEW(&m->arena, Onnx__AttributeProto, 1);
    onnx__attribute_proto__init(a);
    a->name = model_text(m, name);
    n->attribute[n->n_attribute++] = a;
    return a;
}

static inline void model_list(struct model *m, Onnx__NodeProto *n, const char *name, size_t count, const int64_t *v)
{
    Onnx__AttributeProto *a = model_attr(m, n, name);
    a->n_ints = count;
    a->ints = NCC_NEW(&m->arena, int64_t, count);
    memcpy(a->ints, v, count * sizeof *v);
}

static inline struct bytes model_pack(struct model *m)
{
    const size_t size = protobuf_c_message_get_packed_size(&m->m.base);
    uint8_t *data = ncc_arena_alloc(&m->arena, size + 1, 1, 16);
    protobuf_c_message_pack(&m->m.base, data);
    return (struct bytes){data, size};
}

static inline void model_write(const char *path, struct bytes b)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b.data, 1, b.size, f), b.size);
    assert_int_equal(fclose(f), 0);
}

#endif
