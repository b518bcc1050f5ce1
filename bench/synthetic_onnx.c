/* An ONNX model, packed by protobuf-c. */
#include "bench/synthetic_model.h"

#include "bench/measure.h"

#include <onnx.pb-c.h>

#include <stdio.h>
#include <stdlib.h>

/* The messages of one layer: y = x times w. */
struct layer {
    char x[16], w[16], y[16], *in[2], *out[1];
    int64_t dims[2];
    Onnx__NodeProto node;
    Onnx__TensorProto weights;
};

static void make_layer(struct layer *l, int i, int width, float *weights)
{
    snprintf(l->x, sizeof l->x, "t%d", i);
    snprintf(l->w, sizeof l->w, "w%d", i);
    snprintf(l->y, sizeof l->y, "t%d", i + 1);
    l->in[0] = l->x;
    l->in[1] = l->w;
    l->out[0] = l->y;
    l->dims[0] = l->dims[1] = width;
    onnx__node_proto__init(&l->node);
    l->node.op_type = "MatMul";
    l->node.name = l->y;
    l->node.n_input = 2;
    l->node.input = l->in;
    l->node.n_output = 1;
    l->node.output = l->out;
    onnx__tensor_proto__init(&l->weights);
    l->weights.name = l->w;
    l->weights.n_dims = 2;
    l->weights.dims = l->dims;
    l->weights.has_data_type = 1;
    l->weights.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    l->weights.has_raw_data = 1;
    l->weights.raw_data.len = (size_t)width * (size_t)width * sizeof *weights;
    l->weights.raw_data.data = (uint8_t *)weights;
}

/* A tensor of 1 x width floats. */
struct tensor_info {
    Onnx__TensorShapeProto__Dimension dim[2], *dims[2];
    Onnx__TensorShapeProto shape;
    Onnx__TypeProto__Tensor tensor;
    Onnx__TypeProto type;
    Onnx__ValueInfoProto info;
};

static void make_info(struct tensor_info *t, char *name, int width)
{
    onnx__tensor_shape_proto__init(&t->shape);
    for (int i = 0; i < 2; i++) {
        onnx__tensor_shape_proto__dimension__init(&t->dim[i]);
        t->dim[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        t->dim[i].dim_value = i ? width : 1;
        t->dims[i] = &t->dim[i];
    }
    t->shape.n_dim = 2;
    t->shape.dim = t->dims;
    onnx__type_proto__tensor__init(&t->tensor);
    t->tensor.has_elem_type = 1;
    t->tensor.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    t->tensor.shape = &t->shape;
    onnx__type_proto__init(&t->type);
    t->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    t->type.tensor_type = &t->tensor;
    onnx__value_info_proto__init(&t->info);
    t->info.name = name;
    t->info.type = &t->type;
}

static uint8_t *pack(Onnx__GraphProto *graph, size_t *size)
{
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets[] = {&opset};
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    opset.has_version = 1;
    opset.version = 13;
    model.has_ir_version = 1;
    model.ir_version = 7;
    model.n_opset_import = 1;
    model.opset_import = opsets;
    model.graph = graph;
    *size = onnx__model_proto__get_packed_size(&model);
    uint8_t *packed = malloc(*size + 1);
    if (packed)
        onnx__model_proto__pack(&model, packed);
    return packed;
}

uint8_t *bench_onnx_make(int n, int width, size_t *size)
{
    struct layer *layers = calloc((size_t)n, sizeof *layers);
    Onnx__NodeProto **nodes = calloc((size_t)n, sizeof(void *));
    Onnx__TensorProto **weights = calloc((size_t)n, sizeof(void *));
    float *numbers = bench_floats((size_t)width * (size_t)width);
    uint8_t *packed = NULL;
    if (layers && nodes && weights) {
        struct tensor_info in, out;
        Onnx__ValueInfoProto *inputs[] = {&in.info}, *outputs[] = {&out.info};
        Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
        for (int i = 0; i < n; i++) {
            make_layer(&layers[i], i, width, numbers);
            nodes[i] = &layers[i].node;
            weights[i] = &layers[i].weights;
        }
        make_info(&in, layers[0].x, width);
        make_info(&out, layers[n - 1].y, width);
        graph.name = "bench";
        graph.n_node = graph.n_initializer = (size_t)n;
        graph.node = nodes;
        graph.initializer = weights;
        graph.n_input = graph.n_output = 1;
        graph.input = inputs;
        graph.output = outputs;
        packed = pack(&graph, size);
    }
    free(numbers);
    free(weights);
    free(nodes);
    free(layers);
    return packed;
}
