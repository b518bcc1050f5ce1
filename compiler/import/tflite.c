/* A TFLite file to a graph: the walk over the first subgraph. */
#include "compiler/import/outline.h"
#include "compiler/import/tflite.h"

#include <string.h>

static bool complain(struct tflite *m, const char *node, const char *rule, const char *remedy, const char *found)
{
    ncc_diag_error(m->diags, FAULT_INPUT, (struct place){.file = m->file, .node = node}, rule, remedy,
                   found ? "%s" : NULL, found);
    return false;
}

/* ---- which part of the model ---- */

static int find_tensor(const struct tflite *m, const char *name)
{
    for (int i = 0; i < m->n_tensors; i++)
        if (strcmp(m->tensors[i].name, name) == 0)
            return i;
    return -1;
}

/* The tensors that the options name, instead of the model's own. */
static const char *like(struct tflite *m, const char *name)
{
    const char **names = NCC_NEW(m->arena, const char *, m->n_tensors);
    for (int i = 0; i < m->n_tensors; i++)
        names[i] = m->tensors[i].name;
    return ncc_outline_did_you_mean(name, names, m->n_tensors, m->arena);
}

static bool cut(struct tflite *m, const char *const *names, int n, struct tf_list *list)
{
    if (n == 0)
        return true;
    *list = (struct tf_list){NCC_NEW(m->arena, int, n), n};
    bool good = true;
    for (int i = 0; i < n; i++) {
        list->v[i] = find_tensor(m, names[i]);
        if (list->v[i] < 0)
            good = complain(m, names[i], "the model has no tensor of this name", like(m, names[i]), NULL);
    }
    return good;
}

/* Backwards over the operators, which stand in the order in which they run. */
static void mark_needed(struct tflite *m)
{
    for (int i = 0; i < m->outputs.n; i++)
        m->tensors[m->outputs.v[i]].needed = true;
    for (int i = m->n_ops - 1; i >= 0; i--) {
        struct tf_operator *op = &m->ops[i];
        for (int k = 0; k < op->n_out; k++) {
            const struct tf_tensor *t = op->out[k] >= 0 ? &m->tensors[op->out[k]] : NULL;
            op->needed |= t && t->needed && !t->is_given;
        }
        for (int k = 0; op->needed && k < op->n_in; k++)
            if (op->in[k] >= 0)
                m->tensors[op->in[k]].needed = true;
    }
}

/* ---- inputs ---- */

static const struct shape_override *find_override(const struct tflite *m, const char *name)
{
    for (int i = 0; i < m->options->n_shapes; i++)
        if (strcmp(m->options->shapes[i].name, name) == 0)
            return &m->options->shapes[i];
    return NULL;
}

/* A transposition of t by exactly this order. */
static bool is_transpose(struct tflite *m, const struct tf_operator *op, const int order[4])
{
    if (strcmp(op->code->name, "TRANSPOSE") != 0 || op->n_in != 2 || op->in[1] < 0)
        return false;
    struct tf_tensor *t = &m->tensors[op->in[1]];
    struct ints perm;
    if (!t->data.data || (t->n_forms == 0 && !ncc_tflite_materialise(m, t)) ||
        !ncc_tflite_value_ints(t->form[0].v, &perm) || perm.n != 4)
        return false;
    return memcmp(perm.v, order, 4 * sizeof *order) == 0;
}

enum { MOST_BETWEEN = 8 }; /* operators between an input and its transposition */

/* Operators that do the same in any order of the dimensions, when what they read beside their first
 * input is constant. */
static bool minds_no_order(const struct tflite *m, const struct tf_operator *op)
{
    static const char *const names[] = {"QUANTIZE", "DEQUANTIZE", "PAD", "PADV2", "MIRROR_PAD",
                                        "ADD",      "SUB",        "MUL", "DIV", "CAST"};
    bool good = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        good = good || strcmp(op->code->name, names[i]) == 0;
    for (int k = 1; k < op->n_in; k++)
        good = good && op->in[k] >= 0 && m->tensors[op->in[k]].data.data;
    return good && op->n_out == 1 && op->out[0] >= 0;
}

/* Whether all that operators from number `first` on do to a tensor ends, `most` operators later, in making it NHWC:
 * then it is NCHW now. */
static bool is_channels_first(struct tflite *m, int tensor, int first, int most)
{
    static const int to_nhwc[4] = {0, 2, 3, 1};
    bool found = false;
    for (int i = first; i < m->n_ops && ncc_fb_spend(&m->fb, m->ops[i].n_in + 1); i++) {
        const struct tf_operator *op = &m->ops[i];
        for (int k = 0; op->needed && k < op->n_in; k++) {
            if (op->in[k] != tensor)
                continue;
            if (k != 0 || !(is_transpose(m, op, to_nhwc) ||
                            (most > 0 && minds_no_order(m, op) && is_channels_first(m, op->out[0], i + 1, most - 1))))
                return false;
            found = true;
        }
    }
    return found;
}

/* The batch becomes 1: where it is open in any case, where it is another number if the input is a batch of maps. */
static void set_batch(struct tflite *m, struct tf_tensor *t, struct shape *shape)
{
    if (shape->rank == 0)
        return;
    const bool is_open = shape->dim[0] < 0;
    if (!is_open && (shape->rank < 4 || shape->dim[0] <= 1))
        return;
    if (!is_open) {
        m->old_batch = shape->dim[0];
        ncc_diag_note(m->diags, (struct place){.file = m->file, .node = t->name}, "the batch is set to 1", NULL,
                      "it was %d", shape->dim[0]);
    }
    shape->dim[0] = 1;
    m->is_reshaped = true;
}

static bool input_shape(struct tflite *m, struct tf_tensor *t, struct ints perm, struct shape *shape)
{
    const struct shape_override *o = find_override(m, t->name);
    char text[80];
    *shape = t->stored;
    if (o) {
        if (o->shape.rank != t->stored.rank)
            return complain(m, t->name, "the given shape must have as many dimensions as the input",
                            "give one number for each dimension", ncc_shape_text(o->shape, text));
        for (int i = 0; i < o->shape.rank; i++)
            shape->dim[perm.v[i]] = o->shape.dim[i];
        m->is_reshaped = true;
    }
    set_batch(m, t, shape);
    bool good = t->has_shape;
    for (int i = 0; good && i < shape->rank; i++)
        good = shape->dim[i] >= 1;
    if (!good || ncc_shape_count(*shape) < 0)
        return complain(m, t->name,
                        "all dimensions of an input must be known, positive, and make at most 2^28 elements",
                        ncc_layout_shape_option(m->arena, t->name, ncc_layout_apply(*shape, perm)),
                        t->has_shape ? ncc_shape_text(*shape, text) : NULL);
    return true;
}

static bool make_input(struct tflite *m, int tensor)
{
    struct tf_tensor *t = &m->tensors[tensor];
    enum dtype dtype;
    if (t->n_forms > 0)
        return complain(m, t->name, "an input must be named only once", "leave out one of the two --input-tensor",
                        NULL);
    if (!ncc_tflite_dtype(t->type, &dtype) || dtype == DT_F16)
        return complain(m, t->name, "inputs of this type are not supported", "convert the model to float32",
                        ncc_tflite_type_name(t->type));
    const bool is_map = t->stored.rank == 4 && !(t->stored.dim[1] == 1 && t->stored.dim[2] == 1);
    const bool first = is_map && is_channels_first(m, tensor, 0, MOST_BETWEEN);
    const struct ints perm = is_map && !first ? ncc_layout_channels_first(4) : ncc_layout_identity(t->stored.rank);
    m->channels_first |= first;
    if (!input_shape(m, t, perm, &t->shape))
        return false;
    const bool is_codes = ncc_tflite_is_quantised(t); /* the graph's input are the real numbers */
    const struct shape shape = ncc_layout_apply(t->shape, perm);
    const struct tf_operator op = {.name = t->name};
    struct build b = {.m = m, .op = &op, .name = t->name, .first_id = m->graph->next_id};
    t->form[0] = (struct form){ncc_graph_input(m->graph, t->name, is_codes ? DT_F32 : dtype, shape), perm};
    t->form[0].v = ncc_tflite_round(&b, t, t->form[0]);
    t->n_forms = 1;
    t->is_given = true;
    return t->form[0].v != NULL;
}

static const char *input_names(struct tflite *m)
{
    const char *names = "";
    for (int i = 0; i < m->inputs.n; i++)
        names = ncc_arena_printf(m->arena, "%s '%s'", names, m->tensors[m->inputs.v[i]].name);
    return names;
}

static bool make_inputs(struct tflite *m)
{
    for (int i = 0; i < m->options->n_shapes; i++) {
        bool found = false;
        for (int k = 0; k < m->inputs.n && !found; k++)
            found = strcmp(m->tensors[m->inputs.v[k]].name, m->options->shapes[i].name) == 0;
        if (!found)
            return complain(m, m->options->shapes[i].name, "a shape is given for an input that does not exist",
                            "name one of the model's inputs",
                            ncc_arena_printf(m->arena, "its inputs are%s", input_names(m)));
    }
    bool good = true;
    for (int i = 0; i < m->inputs.n; i++)
        good &= make_input(m, m->inputs.v[i]);
    return good;
}

/* ---- operators ---- */

/* "1x16x16x3, 8 -> 1x16x16x8": as known, or as stored. */
static const char *shapes_text(struct tflite *m, const struct tf_operator *op)
{
    enum { MOST = 8 };
    const char *text = "";
    char shape[80];
    for (int k = 0; k < op->n_in + op->n_out && k < MOST; k++) {
        const int tensor = k < op->n_in ? op->in[k] : op->out[k - op->n_in];
        const struct tf_tensor *t = tensor >= 0 ? &m->tensors[tensor] : NULL;
        const char *one = !t ? "absent" : ncc_shape_text(t->n_forms ? t->shape : t->stored, shape);
        text = ncc_arena_printf(m->arena, "%s%s%s", text, k == op->n_in ? " -> " : k ? ", " : "", one);
    }
    return op->n_in + op->n_out > MOST ? ncc_arena_printf(m->arena, "%s ...", text) : text;
}

/* So that operators behind one that could not be read are looked at as well: its results stand there with the shape
 * that the file says. The graph is given up in the end. */
static void stand_in(struct tflite *m, const struct tf_operator *op)
{
    for (int k = 0; k < op->n_out; k++) {
        struct tf_tensor *t = op->out[k] >= 0 ? &m->tensors[op->out[k]] : NULL;
        enum dtype dtype;
        if (!t || t->n_forms > 0)
            continue;
        bool good = t->has_shape && ncc_tflite_dtype(t->type, &dtype);
        t->shape = t->stored;
        if (t->shape.rank > 0 && t->shape.dim[0] < 0)
            t->shape.dim[0] = 1;
        for (int i = 0; i < t->shape.rank; i++)
            good = good && t->shape.dim[i] >= 1;
        t->is_failed = true;
        if (!good || ncc_shape_count(t->shape) < 0)
            continue;
        const struct ints perm = t->shape.rank == 4 ? ncc_layout_channels_first(4) : ncc_layout_identity(t->shape.rank);
        dtype = ncc_tflite_is_quantised(t) ? DT_F32 : dtype;
        t->form[0] = (struct form){ncc_graph_input(m->graph, t->name, dtype, ncc_layout_apply(t->shape, perm)), perm};
        t->n_forms = 1;
    }
}

/* Makes the values of an operator's inputs; false: do not build it. */
static bool inputs_ready(struct build *b)
{
    struct tflite *m = b->m;
    for (int k = 0; k < b->op->n_in; k++) {
        struct tf_tensor *t = ncc_tflite_in(b, k);
        if (!t)
            continue;
        if (!ncc_fb_spend(&m->fb, ++t->n_uses)) /* the graph's use lists are walked */
            return false;
        if (t->n_forms > 0)
            continue;
        if (t->is_failed)
            return false;
        if (!t->data.data && t->is_variable && ncc_tflite_start_empty(m, t))
            continue;
        if (!t->data.data && t->has_shape && t->stored.rank == 1 && t->stored.dim[0] == 0)
            return ncc_tflite_refuse(b, "empty constants are not supported", NULL, "'%s'", t->name);
        if (!t->data.data)
            return ncc_tflite_refuse(b, "an operator's inputs must be made before it",
                                     m->options->n_input_tensors ? "name this tensor as an input, too"
                                                                 : "the file is damaged: export the model again",
                                     "'%s' is not made by an earlier operator, nor an input or constant", t->name);
        if (!ncc_tflite_materialise(m, t)) {
            t->is_failed = true;
            return false;
        }
    }
    return true;
}

static bool is_well_formed(struct build *b)
{
    const struct tf_operator *op = b->op;
    const struct tf_row *row = b->row;
    if (op->n_in < row->min_in || op->n_in > row->max_in || op->n_out < 1 ||
        (row->n_out >= 0 && op->n_out != row->n_out))
        return ncc_tflite_refuse(b, "the operator must have the right number of inputs and outputs", NULL,
                                 "%d inputs, %d outputs", op->n_in, op->n_out);
    for (int k = 0; k < row->min_in; k++)
        if (op->in[k] < 0)
            return ncc_tflite_refuse(b, "an input must not be absent", NULL, "input %d", k);
    for (int k = 0; k < op->n_out; k++) {
        const struct tf_tensor *t = op->out[k] >= 0 ? &b->m->tensors[op->out[k]] : NULL;
        if (t && !t->is_given && (t->n_forms > 0 || t->data.data))
            return ncc_tflite_refuse(b, "a tensor must be made only once",
                                     "the file is damaged: export the model again", "'%s'", t->name);
    }
    const int type = (int)ncc_fb_int(&b->m->fb, op->table, F_operator_options_type, 1, false, 0);
    if (row->options != TF_OPT_none && type != TF_OPT_none && type != row->options)
        return ncc_tflite_refuse(b, "the operator must have options of its own kind", NULL, "kind %d instead of %d",
                                 type, row->options);
    return true;
}

static bool build_operator(struct tflite *m, const struct tf_operator *op)
{
    struct build b = {.m = m, .op = op, .row = op->code->row, .name = op->name, .first_id = m->graph->next_id};
    if (!b.row->builder) {
        const struct outline_op o = {.name = op->name, .op = op->code->name};
        ncc_outline_refuse(&o, m->file, shapes_text(m, op), m->diags);
        return false;
    }
    if (!is_well_formed(&b) || !inputs_ready(&b))
        return false;
    b.options = ncc_fb_table(&m->fb, op->table, F_operator_options);
    return b.row->builder(&b);
}

static void make_outline(struct tflite *m)
{
    struct outline_op *ops = NCC_NEW(m->arena, struct outline_op, m->n_ops);
    const char **names = NCC_NEW(m->arena, const char *, m->n_tensors);
    bool *is_constant = NCC_NEW(m->arena, bool, m->n_tensors);
    struct outline *o = NCC_NEW(m->arena, struct outline, 1);
    *o = (struct outline){.ops = ops, .tensor_names = names, .is_constant = is_constant, .n_tensors = m->n_tensors,
                          .inputs = m->inputs.v, .n_inputs = m->inputs.n,
                          .outputs = m->outputs.v, .n_outputs = m->outputs.n};
    for (int i = 0; i < m->n_tensors; i++) {
        names[i] = m->tensors[i].name;
        is_constant[i] = m->tensors[i].data.data != NULL;
    }
    for (int i = 0; i < m->n_ops; i++) {
        const struct tf_operator *op = &m->ops[i];
        if (op->needed)
            ops[o->n_ops++] = (struct outline_op){op->name,  op->code->name,  op->in, op->out, op->n_in,
                                                  op->n_out, op->is_refused, false};
    }
    m->graph->outline = o;
}

static bool build_operators(struct tflite *m)
{
    bool good = true;
    for (int i = 0; i < m->n_ops && !m->fb.error; i++) {
        struct tf_operator *op = &m->ops[i];
        const int n_errors = m->diags->n_errors;
        ncc_graph_source(m->graph, op->name, op->code->name, op->needed);
        if (!op->needed || build_operator(m, op))
            continue;
        good = false;
        op->is_refused = m->diags->n_errors > n_errors;
        stand_in(m, op);
    }
    if (m->fb.error)
        return false;
    make_outline(m);
    if (!good)
        ncc_outline_suggest_cuts(m->graph->outline, m->file, m->arena, m->diags);
    return good;
}

/* ---- outputs ---- */

/* Maps are given as N x C x H x W, unless they are that in the file. */
static bool make_output(struct tflite *m, int tensor)
{
    static const int to_nchw[4] = {0, 3, 1, 2};
    struct tf_tensor *t = &m->tensors[tensor];
    if (t->n_forms == 0 && (!t->data.data || !ncc_tflite_materialise(m, t)))
        return complain(m, t->name, "an output must be made by an operator", "the file is damaged: export it again",
                        NULL);
    bool is_nchw = m->channels_first || m->options->native_outputs;
    for (int i = 0; i < m->n_ops && !is_nchw && t->shape.rank == 4; i++)
        is_nchw = m->ops[i].needed && m->ops[i].n_out == 1 && m->ops[i].out[0] == tensor &&
                  is_transpose(m, &m->ops[i], to_nchw);
    const struct tf_operator op = {.in = &tensor, .n_in = 1, .name = t->name};
    struct build b = {.m = m, .op = &op, .name = t->name, .first_id = m->graph->next_id};
    const int rank = t->shape.rank;
    struct value *v =
        ncc_tflite_get(&b, 0, rank == 4 && !is_nchw ? ncc_layout_channels_first(rank) : ncc_layout_identity(rank));
    if (v)
        ncc_graph_output(m->graph, v, t->name);
    return v != NULL;
}

static bool make_outputs(struct tflite *m)
{
    for (int i = 0; i < m->outputs.n; i++)
        if (!ncc_fb_spend(&m->fb, m->n_ops) || !make_output(m, m->outputs.v[i]))
            return false;
    return true;
}

/* ---- all ---- */

static bool import(struct tflite *m)
{
    const struct import_options *o = m->options;
    if (!ncc_tflite_read(m) || !cut(m, o->input_tensors, o->n_input_tensors, &m->inputs) ||
        !cut(m, o->output_tensors, o->n_output_tensors, &m->outputs))
        return false;
    if (m->outputs.n == 0)
        return complain(m, NULL, "the model must have an output", "name a tensor with --output-tensor", NULL);
    for (int i = 0; i < m->inputs.n; i++)
        m->tensors[m->inputs.v[i]].is_given = true;
    mark_needed(m);
    if (!make_inputs(m) || !build_operators(m) || !make_outputs(m))
        return false;
    ncc_graph_sweep(m->graph);
    return ncc_graph_verify(m->graph, "import");
}

struct graph *ncc_tflite_import(struct bytes bytes, const char *path, const struct import_options *options,
                                struct arena *arena, struct diags *d)
{
    enum { FOLD_AT_LEAST = 1 << 24 };
    struct tflite *m = NCC_NEW(arena, struct tflite, 1);
    *m = (struct tflite){
        .arena = arena,
        .diags = d,
        .graph = ncc_graph_new(arena, d, path),
        .file = path,
        .options = options,
        .fb = ncc_fb_open(bytes),
        .old_batch = 1,
        .fold_budget = (int64_t)bytes.size * 4 + FOLD_AT_LEAST,
    };
    const bool good = import(m);
    if (!good)
        ncc_tflite_intact(m);
    return good ? m->graph : NULL;
}
