/* The inputs of an ONNX model: their shapes, of which the options may give some, and their order. */
#include "compiler/import/layout.h"
#include "compiler/import/onnx.h"
#include "compiler/ops/attrs.h"

#include <string.h>

static bool complain(struct onnx *m, const char *node, const char *rule, const char *remedy, const char *found)
{
    ncc_diag_error(m->diags, FAULT_INPUT, (struct place){.file = m->file, .node = node}, rule, remedy,
                   found ? "%s" : NULL, found);
    return false;
}

/* ---- what the file says ---- */

const Onnx__TypeProto__Tensor *ncc_onnx_tensor_type(const Onnx__ValueInfoProto *info)
{
    return info && info->type && info->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ? info->type->tensor_type
                                                                                               : NULL;
}

bool ncc_onnx_stated_shape(const Onnx__ValueInfoProto *info, struct shape *out)
{
    const Onnx__TypeProto__Tensor *t = ncc_onnx_tensor_type(info);
    *out = (struct shape){0};
    if (!t || !t->shape || t->shape->n_dim > NCC_MAX_RANK)
        return false;
    for (size_t i = 0; i < t->shape->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *d = t->shape->dim[i];
        const bool is_number = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        const bool good = is_number && d->dim_value >= 0 && d->dim_value <= NCC_MAX_ELEMENTS;
        out->dim[out->rank++] = good ? (int)d->dim_value : -1;
    }
    return true;
}

/* "batch x 3 x height x ?": the shape in the model's own words. */
static const char *dimensions_text(struct onnx *m, const Onnx__ValueInfoProto *info)
{
    const Onnx__TypeProto__Tensor *t = ncc_onnx_tensor_type(info);
    if (!t || !t->shape)
        return "no shape";
    const char *text = "";
    for (size_t i = 0; i < t->shape->n_dim && i < 2 * NCC_MAX_RANK; i++) {
        const Onnx__TensorShapeProto__Dimension *d = t->shape->dim[i];
        const char *join = i ? " x " : "";
        if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
            text = ncc_arena_printf(m->arena, "%s%s%lld", text, join, (long long)d->dim_value);
        else
            text = ncc_arena_printf(m->arena, "%s%s%s", text, join,
                                    d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
                                            d->dim_param && *d->dim_param
                                        ? d->dim_param
                                        : "?");
    }
    return text;
}

/* ---- shapes ---- */

static const struct shape_override *find_override(const struct onnx *m, const char *name)
{
    for (int i = 0; i < m->options->n_shapes; i++)
        if (strcmp(m->options->shapes[i].name, name) == 0)
            return &m->options->shapes[i];
    return NULL;
}

/* The batch becomes 1: where it is open in any case, where it is another number if the input is a batch of maps. */
static void set_batch(struct onnx *m, const struct ox_tensor *t, struct shape *shape)
{
    if (shape->rank == 0 || m->options->keep_batch)
        return;
    if (shape->dim[0] > 1 && shape->rank >= 4) {
        m->old_batch = shape->dim[0];
        ncc_diag_note(m->diags, (struct place){.file = m->file, .node = t->name}, "the batch is set to 1", NULL,
                      "it was %d", shape->dim[0]);
    } else if (shape->dim[0] > 0) {
        return;
    }
    shape->dim[0] = 1;
}

static bool has_too_many_dimensions(const Onnx__ValueInfoProto *info)
{
    const Onnx__TypeProto__Tensor *t = ncc_onnx_tensor_type(info);
    return t && t->shape && t->shape->n_dim > NCC_MAX_RANK;
}

/* `perm`: dimension i of the graph's input is the model's perm.v[i]. */
static bool input_shape(struct onnx *m, const struct ox_tensor *t, struct ints perm, struct shape *shape)
{
    const struct shape_override *o = find_override(m, t->name);
    bool known = ncc_onnx_stated_shape(t->info, shape);
    if (o) {
        if (known && o->shape.rank != shape->rank)
            return complain(m, t->name, "the given shape must have as many dimensions as the input",
                            "give one number for each dimension", dimensions_text(m, t->info));
        shape->rank = o->shape.rank;
        for (int i = 0; i < o->shape.rank; i++)
            shape->dim[perm.n ? perm.v[i] : i] = o->shape.dim[i];
        known = true;
    }
    if (has_too_many_dimensions(t->info))
        return complain(m, t->name, "inputs must have at most 6 dimensions",
                        "export the model with fewer, or cut it behind this input with --input-tensor",
                        dimensions_text(m, t->info));
    set_batch(m, t, shape);
    for (int i = 0; known && i < shape->rank; i++)
        if (shape->dim[i] == 0)
            return complain(m, t->name, "inputs must not be empty", "export the model without this input",
                            dimensions_text(m, t->info));
    for (int i = 0; known && i < shape->rank; i++)
        known = shape->dim[i] >= 1;
    if (known && ncc_shape_count(*shape) >= 0)
        return true;
    return complain(m, t->name, "all dimensions of an input must be known, positive, and make at most 2^28 elements",
                    ncc_layout_shape_option(m->arena, t->name, perm.n ? ncc_layout_apply(*shape, perm) : *shape),
                    dimensions_text(m, t->info));
}

/* ---- orders ---- */

static bool is_one_of(const char *name, const char *const *names)
{
    for (; name && *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static bool is_to_nchw(const Onnx__NodeProto *p)
{
    static const int64_t order[4] = {0, 3, 1, 2};
    const Onnx__AttributeProto *a = p->n_attribute == 1 ? p->attribute[0] : NULL;
    return p->op_type && strcmp(p->op_type, "Transpose") == 0 && a && a->n_ints == 4 &&
           memcmp(a->ints, order, sizeof order) == 0;
}

/* Whether all that happens to a tensor is that it is turned to n, c, h, w, possibly after it was quantised. */
static bool goes_to_nchw(struct onnx *m, const struct ox_scope *s, const char *name, int depth)
{
    static const char *const neutral[] = {"QuantizeLinear", "DequantizeLinear", "Cast", "Identity", NULL};
    bool found = false;
    m->budget -= (int64_t)s->p->n_node; /* each step looks at all nodes */
    if (m->budget < 0)
        return false;
    for (size_t i = 0; i < s->p->n_node && depth < 4; i++) {
        const Onnx__NodeProto *p = s->p->node[i];
        for (size_t k = 0; k < p->n_input; k++) {
            if (strcmp(p->input[k], name) != 0)
                continue;
            const bool good =
                k == 0 && p->n_output == 1 &&
                (is_to_nchw(p) || (is_one_of(p->op_type, neutral) && goes_to_nchw(m, s, p->output[0], depth + 1)));
            if (!good)
                return false;
            found = true;
        }
    }
    return found;
}

/* An input that the model has as n, h, w, c and turns at once is n, c, h, w in the graph; for the model it is turned
 * back, which comes to nothing. */
static struct value *turned_input(struct onnx *m, const char *name, enum dtype dtype, struct shape shape)
{
    const struct shape own = ncc_shape_4(shape.dim[0], shape.dim[3], shape.dim[1], shape.dim[2]);
    const struct transpose_attrs back = {{4, {0, 2, 3, 1}}};
    return NCC_OP(m->graph, OP_transpose, ncc_name(m->graph, name, "nhwc"), &back,
                  ncc_graph_input(m->graph, name, dtype, own));
}

/* ---- inputs ---- */

static bool make_input(struct onnx *m, const struct ox_scope *s, struct ox_tensor *t)
{
    const struct ints as_is = {0}, nhwc = {4, {0, 3, 1, 2}};
    const Onnx__TypeProto__Tensor *type = ncc_onnx_tensor_type(t->info);
    const int element = type ? type->elem_type : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    enum dtype dtype;
    struct shape shape;
    if (t->v)
        return complain(m, t->name, "an input must be named only once", "leave out one of the two --input-tensor",
                        NULL);
    if (t->info && !type && t->info->type && t->info->type->value_case != ONNX__TYPE_PROTO__VALUE__NOT_SET)
        return complain(m, t->name, "inputs must be tensors, not sequences, maps or optionals",
                        "cut the model behind this input with --input-tensor", NULL);
    if (!ncc_onnx_dtype(element, &dtype))
        return complain(m, t->name, "inputs of this type are not supported", "convert the model to float32",
                        ncc_onnx_type_name(element));
    const bool turned = ncc_onnx_stated_shape(t->info, &shape) && shape.rank == 4 && goes_to_nchw(m, s, t->name, 0);
    if (!input_shape(m, t, turned ? nhwc : as_is, &shape))
        return false;
    t->v = turned ? turned_input(m, t->name, dtype, shape) : ncc_graph_input(m->graph, t->name, dtype, shape);
    return true;
}

static const char *names_of(struct onnx *m, const struct ox_tensors *list)
{
    const char *names = "";
    for (int i = 0; i < list->n && i < 16; i++)
        names = ncc_arena_printf(m->arena, "%s%s'%s'", names, i ? ", " : "", list->v[i]->name);
    return names;
}

bool ncc_onnx_make_inputs(struct onnx *m, const struct ox_scope *s, const struct ox_tensors *inputs)
{
    bool good = true;
    for (int i = 0; i < m->options->n_shapes; i++) {
        bool found = false;
        for (int k = 0; k < inputs->n && !found; k++)
            found = strcmp(inputs->v[k]->name, m->options->shapes[i].name) == 0;
        if (!found)
            good = complain(m, m->options->shapes[i].name, "a shape is given for an input that does not exist",
                            "name one of the model's inputs",
                            ncc_arena_printf(m->arena, "its inputs are %s", names_of(m, inputs)));
    }
    for (int i = 0; i < inputs->n; i++)
        good &= make_input(m, s, inputs->v[i]);
    return good;
}
