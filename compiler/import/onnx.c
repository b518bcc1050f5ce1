/* An ONNX file to a graph: the walk over its nodes. */
#include "compiler/import/onnx.h"
#include "compiler/import/outline.h"
#include "compiler/import/protobuf.h"
#include "compiler/import/recurrent.h"
#include "compiler/ops/attrs.h"

#include <stdlib.h>
#include <string.h>

enum { OLDEST_VERSION = 7, NEWEST_VERSION = 21 };

static bool complain(struct onnx *m, const char *node, const char *rule, const char *remedy, const char *found)
{
    ncc_diag_error(m->diags, FAULT_INPUT, (struct place){.file = m->file, .node = node}, rule, remedy,
                   found ? "%s" : NULL, found);
    return false;
}

/* ---- operators by name ---- */

static const struct ox_row rows[] = {
#define OX_ROW(name, builder, ...) {#name, ncc_onnx_build_##builder, __VA_ARGS__},
#include "compiler/import/onnx_ops.def"
#undef OX_ROW
};

static int compare_rows(const void *x, const void *y)
{
    return strcmp((*(const struct ox_row *const *)x)->name, (*(const struct ox_row *const *)y)->name);
}

static void sort_rows(struct onnx *m)
{
    m->n_rows = sizeof rows / sizeof *rows;
    m->rows = NCC_NEW(m->arena, const struct ox_row *, m->n_rows);
    for (int i = 0; i < m->n_rows; i++)
        m->rows[i] = &rows[i];
    qsort(m->rows, (size_t)m->n_rows, sizeof *m->rows, compare_rows);
}

static const char *domain_of(const Onnx__NodeProto *p)
{
    return !p->domain || strcmp(p->domain, "ai.onnx") == 0 ? "" : p->domain;
}

static const struct ox_row *find_row(const struct onnx *m, const Onnx__NodeProto *p)
{
    const struct ox_row key = {.name = p->op_type ? p->op_type : ""}, *at = &key;
    const struct ox_row **found = bsearch(&at, m->rows, (size_t)m->n_rows, sizeof *m->rows, compare_rows);
    const char *domain = found && (*found)->flags & OX_MICROSOFT ? "com.microsoft" : "";
    return found && strcmp(domain_of(p), domain) == 0 ? *found : NULL;
}

/* ---- which part of the model ---- */

/* What a node needs, also inside of its branches. Bounded by the file: every node is looked at once per level. */
static void mark_inputs(struct onnx *m, const struct ox_scope *s, const Onnx__NodeProto *p)
{
    for (size_t k = 0; k < p->n_input; k++) {
        struct ox_tensor *t = ncc_onnx_find(s, p->input[k]);
        if (t)
            t->needed = true;
    }
    for (size_t a = 0; a < p->n_attribute; a++) {
        const Onnx__GraphProto *g = p->attribute[a]->g;
        for (size_t i = 0; g && i < g->n_node; i++)
            mark_inputs(m, s, g->node[i]);
        for (size_t i = 0; g && i < g->n_output; i++) {
            struct ox_tensor *t = ncc_onnx_find(s, g->output[i]->name);
            if (t)
                t->needed = true;
        }
    }
}

static bool is_needed(const struct ox_scope *s, const Onnx__NodeProto *p)
{
    for (size_t k = 0; k < p->n_output; k++) {
        const struct ox_tensor *t = ncc_onnx_find(s, p->output[k]);
        if (t && t->needed && !t->is_given)
            return true;
    }
    return false;
}

void ncc_onnx_mark_needed(struct onnx *m, struct ox_scope *s)
{
    for (size_t i = s->p->n_node; i-- > 0;)
        if (is_needed(s, s->nodes[i]))
            mark_inputs(m, s, s->nodes[i]);
}

/* ---- nodes ---- */

struct value *ncc_onnx_value(struct onnx *m, struct ox_tensor *t)
{
    if (!t->v && t->init && !t->is_failed) {
        t->v = ncc_onnx_constant(m, t->init, t->name);
        t->is_failed = !t->v;
    }
    return t->v;
}

/* "1x16x16x3, 8": of the inputs, as far as they are known. */
static const char *shapes_text(const struct ox_build *b)
{
    enum { MOST = 8 };
    const char *text = "";
    char shape[80];
    for (int k = 0; k < b->n_in && k < MOST; k++) {
        const struct ox_tensor *t = b->in[k];
        const char *one = !t ? "absent" : t->v ? ncc_shape_text(t->v->shape, shape) : "unknown";
        text = ncc_arena_printf(b->m->arena, "%s%s%s", text, k ? ", " : "", one);
    }
    return b->n_in > MOST ? ncc_arena_printf(b->m->arena, "%s ...", text) : text;
}

/* So that nodes behind one that could not be read are looked at as well: its results stand there with the shape that
 * the file says, if it says one. The graph is given up in the end. */
static void stand_in(struct ox_build *b)
{
    for (int k = 0; k < b->n_out; k++) {
        struct ox_tensor *t = b->out[k];
        const Onnx__TypeProto__Tensor *type = t ? ncc_onnx_tensor_type(t->info) : NULL;
        struct shape shape;
        enum dtype dtype;
        if (!t || t->v)
            continue;
        t->is_failed = true;
        bool good = type && ncc_onnx_stated_shape(t->info, &shape) && ncc_onnx_dtype(type->elem_type, &dtype);
        if (good && shape.rank > 0 && shape.dim[0] < 0)
            shape.dim[0] = 1;
        for (int i = 0; good && i < shape.rank; i++)
            good = shape.dim[i] >= 1;
        if (good && ncc_shape_count(shape) >= 0)
            t->v = ncc_graph_input(b->m->graph, t->name, dtype, shape);
    }
}

/* Finds the node's tensors and makes those that are constants; false: do not build it. */
static bool inputs_ready(struct ox_build *b)
{
    struct onnx *m = b->m;
    for (int k = 0; k < b->n_in; k++) {
        const char *name = b->p->input[k];
        struct ox_tensor *t = b->in[k];
        if (!t && *name)
            return ncc_onnx_refuse(b, "an input must be made by a node, or be an input or constant",
                                   "the file is damaged: export the model again", "no tensor '%s'", name);
        if (!t)
            continue;
        if ((m->steps -= ++t->n_uses) < 0) /* the graph's use lists are walked */
            return ncc_onnx_refuse(b, "the file is damaged: it asks for too much work", NULL, NULL);
        if (ncc_onnx_value(m, t))
            continue;
        if (t->is_failed)
            return false;
        return ncc_onnx_refuse(b, "a node's inputs must be made before it",
                               m->options->n_input_tensors ? "name this tensor as an input, too"
                                                           : "the file is damaged: export the model again",
                               "'%s' is not made by an earlier node", t->name);
    }
    return true;
}

static bool is_well_formed(struct ox_build *b)
{
    const struct ox_row *row = b->row;
    if (b->n_in < row->min_in || (row->max_in >= 0 && b->n_in > row->max_in))
        return ncc_onnx_refuse(b, "the operator must have the right number of inputs", NULL, "%d inputs", b->n_in);
    for (int k = 0; k < b->n_in; k++)
        if (!b->in[k] && (k < row->min_in || row->max_in < 0))
            return ncc_onnx_refuse(b, "an input must not be absent", NULL, "input %d", k);
    return true;
}

static bool build_node(struct ox_build *b)
{
    if (!b->row) {
        const struct outline_op o = {.name = b->name, .op = b->op};
        ncc_outline_refuse(&o, b->m->file, shapes_text(b), b->m->diags);
        return false;
    }
    return inputs_ready(b) && is_well_formed(b) && b->row->builder(b);
}

static const char *name_of(struct onnx *m, const Onnx__NodeProto *p)
{
    if (p->name && *p->name)
        return p->name;
    for (size_t k = 0; k < p->n_output; k++)
        if (*p->output[k])
            return p->output[k];
    return ncc_arena_printf(m->arena, "a %s", p->op_type ? p->op_type : "node");
}

/* "Conv", "com.acme.Foo" */
static const char *kind_of(struct onnx *m, const Onnx__NodeProto *p)
{
    const char *type = p->op_type ? p->op_type : "?";
    return *domain_of(p) ? ncc_arena_printf(m->arena, "%s.%s", p->domain, type) : type;
}

bool ncc_onnx_build_nodes(struct onnx *m, struct ox_scope *s)
{
    bool good = true;
    s->refused = NCC_NEW(m->arena, bool, s->p->n_node);
    for (size_t i = 0; i < s->p->n_node; i++) {
        const Onnx__NodeProto *p = s->nodes[i];
        const bool needed = is_needed(s, p);
        const char *type = p->op_type ? p->op_type : "?";
        if (strcmp(type, "Constant") != 0)
            ncc_graph_source(m->graph, name_of(m, p), type, needed);
        if (!needed)
            continue;
        struct ox_build b = {.m = m,
                             .scope = s,
                             .p = p,
                             .row = find_row(m, p),
                             .name = name_of(m, p),
                             .op = kind_of(m, p),
                             .in = NCC_NEW(m->arena, struct ox_tensor *, p->n_input),
                             .out = NCC_NEW(m->arena, struct ox_tensor *, p->n_output),
                             .n_in = (int)p->n_input,
                             .n_out = (int)p->n_output,
                             .first_id = m->graph->next_id};
        const int n_errors = m->diags->n_errors;
        while (b.n_in > 0 && !*p->input[b.n_in - 1])
            b.n_in--;
        for (int k = 0; k < b.n_in; k++)
            b.in[k] = ncc_onnx_find(s, p->input[k]);
        for (int k = 0; k < b.n_out; k++)
            b.out[k] = ncc_onnx_find(s, p->output[k]);
        if (build_node(&b))
            continue;
        good = false;
        if (m->diags->n_errors > n_errors)
            s->refused[i] = true;
        stand_in(&b);
    }
    return good;
}

/* ---- the rest of a model that is not all supported ---- */

static int number_of(const struct ox_scope *s, const char *name)
{
    const struct ox_tensor *t = ncc_onnx_find(s, name);
    return t ? (int)(t - s->tensors) : -1;
}

static const int *numbers_of(struct onnx *m, const struct ox_scope *s, char *const *names, size_t n)
{
    int *v = NCC_NEW(m->arena, int, n);
    for (size_t k = 0; k < n; k++)
        v[k] = number_of(s, names[k]);
    return v;
}

static const int *numbers_in(struct onnx *m, const struct ox_scope *s, const struct ox_tensors *list)
{
    int *v = NCC_NEW(m->arena, int, list->n);
    for (int k = 0; k < list->n; k++)
        v[k] = number_of(s, list->v[k]->name);
    return v;
}

static void make_outline(struct onnx *m, const struct ox_scope *s, const struct ox_tensors *inputs,
                         const struct ox_tensors *outputs)
{
    struct outline_op *ops = NCC_NEW(m->arena, struct outline_op, s->p->n_node);
    const char **names = NCC_NEW(m->arena, const char *, s->n);
    bool *is_constant = NCC_NEW(m->arena, bool, s->n);
    struct outline *o = NCC_NEW(m->arena, struct outline, 1);
    *o = (struct outline){.ops = ops,
                          .tensor_names = names,
                          .is_constant = is_constant,
                          .n_tensors = s->n,
                          .inputs = numbers_in(m, s, inputs),
                          .n_inputs = inputs->n,
                          .outputs = numbers_in(m, s, outputs),
                          .n_outputs = outputs->n};
    for (int i = 0; i < s->n; i++) {
        names[i] = s->tensors[i].name;
        is_constant[i] = s->tensors[i].init != NULL;
    }
    for (size_t i = 0; i < s->p->n_node; i++) {
        const Onnx__NodeProto *p = s->nodes[i];
        if (is_needed(s, p))
            ops[o->n_ops++] = (struct outline_op){name_of(m, p),
                                                  kind_of(m, p),
                                                  numbers_of(m, s, p->input, p->n_input),
                                                  numbers_of(m, s, p->output, p->n_output),
                                                  (int)p->n_input,
                                                  (int)p->n_output,
                                                  s->refused[i],
                                                  false};
    }
    m->graph->outline = o;
}

/* ---- outputs ---- */

static bool make_output(struct onnx *m, struct ox_tensor *t)
{
    struct value *v = ncc_onnx_value(m, t);
    if (!v)
        return t->is_failed ? false
                            : complain(m, t->name, "an output must be made by a node",
                                       "the file is damaged: export it again", NULL);
    ncc_graph_output(m->graph, v, t->name);
    return true;
}

/* ---- all ---- */

static bool check_versions(struct onnx *m)
{
    m->version = 1;
    for (size_t i = 0; i < m->p->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *o = m->p->opset_import[i];
        if (!o->domain || !*o->domain || strcmp(o->domain, "ai.onnx") == 0)
            m->version = o->version > 0 && o->version < 1000 ? (int)o->version : 1;
    }
    const struct place where = {.file = m->file};
    if (m->version > NEWEST_VERSION)
        ncc_diag_warn(m->diags, where, "the model's operators are newer than we know; they are read as of opset 21",
                      "export it for opset 21 or older", "opset %d", m->version);
    if (m->version < OLDEST_VERSION)
        ncc_diag_warn(m->diags, where, "the model's operators are older than we know; they are read as of opset 7",
                      "export it for opset 7 or newer", "opset %d", m->version);
    return true;
}

/* The tensors that the options name, instead of the model's own. */
static const char *like(struct onnx *m, const struct ox_scope *s, const char *name)
{
    const char **names = NCC_NEW(m->arena, const char *, s->n);
    for (int i = 0; i < s->n; i++)
        names[i] = s->tensors[i].name;
    return ncc_outline_did_you_mean(name, names, s->n, m->arena);
}

static bool cut(struct onnx *m, const struct ox_scope *s, const char *const *names, int n, struct ox_tensors *list)
{
    bool good = true;
    for (int i = 0; i < n; i++) {
        struct ox_tensor *t = ncc_onnx_find(s, names[i]);
        if (t)
            NCC_PUSH(m->arena, list, t);
        else
            good = complain(m, names[i], "the model has no tensor of this name", like(m, s, names[i]), NULL);
    }
    return good;
}

static bool choose(struct onnx *m, const struct ox_scope *s, struct ox_tensors *inputs, struct ox_tensors *outputs)
{
    const struct import_options *o = m->options;
    if (!cut(m, s, o->input_tensors, o->n_input_tensors, inputs) ||
        !cut(m, s, o->output_tensors, o->n_output_tensors, outputs))
        return false;
    for (size_t i = 0; i < s->p->n_input && o->n_input_tensors == 0; i++) {
        struct ox_tensor *t = ncc_onnx_find(s, s->p->input[i]->name);
        if (t && !t->init) /* old files list their constants as inputs, too */
            NCC_PUSH(m->arena, inputs, t);
    }
    for (size_t i = 0; i < s->p->n_output && o->n_output_tensors == 0; i++) {
        struct ox_tensor *t = ncc_onnx_find(s, s->p->output[i]->name);
        if (!t)
            return complain(m, s->p->output[i]->name, "an output must be made by a node",
                            "the file is damaged: export it again", NULL);
        NCC_PUSH(m->arena, outputs, t);
    }
    return outputs->n > 0 ||
           complain(m, NULL, "the model must have an output", "name a tensor with --output-tensor", NULL);
}

static bool import(struct onnx *m)
{
    struct ox_scope s;
    struct ox_tensors inputs = {0}, outputs = {0};
    if (!m->p->graph)
        return complain(m, NULL, "the file has no graph", "export the model again", NULL);
    if (!check_versions(m) || !ncc_onnx_scope(m, m->p->graph, NULL, &s) || !choose(m, &s, &inputs, &outputs))
        return false;
    for (int i = 0; i < inputs.n; i++)
        inputs.v[i]->is_given = true;
    for (int i = 0; i < outputs.n; i++)
        outputs.v[i]->needed = true;
    ncc_onnx_mark_needed(m, &s);
    if (!ncc_onnx_make_inputs(m, &s, &inputs))
        return false;
    const bool good = ncc_onnx_build_nodes(m, &s);
    make_outline(m, &s, &inputs, &outputs);
    if (!good) {
        ncc_outline_suggest_cuts(m->graph->outline, m->file, m->arena, m->diags);
        return false;
    }
    for (int i = 0; i < outputs.n; i++)
        if (!make_output(m, outputs.v[i]))
            return false;
    ncc_graph_sweep(m->graph);
    return ncc_graph_verify(m->graph, "import");
}

/* The first field of an ONNX file is the version of its format: tag 8, a small number, and more fields behind. */
bool ncc_onnx_probe(struct bytes file)
{
    return file.size > 2 && file.data[0] == 0x08 && file.data[1] >= 1 && file.data[1] < 32 && (file.data[2] & 7) <= 2;
}

struct graph *ncc_onnx_import(struct bytes bytes, const char *path, const struct import_options *options,
                              struct arena *arena, struct diags *d)
{
    enum { FOLD_AT_LEAST = 1 << 26, STEPS_PER_BYTE = 64, MADE = 1 << 28 };
    struct onnx *m = NCC_NEW(arena, struct onnx, 1);
    *m = (struct onnx){
        .arena = arena,
        .diags = d,
        .graph = ncc_graph_new(arena, d, path),
        .file = path,
        .options = options,
        .old_batch = 1,
        .fold_budget = (int64_t)bytes.size * 4 + FOLD_AT_LEAST,
        .budget = MADE,
        .steps = (int64_t)bytes.size * STEPS_PER_BYTE,
    };
    const char *why = NULL;
    m->p = (const Onnx__ModelProto *)ncc_protobuf_read(&onnx__model_proto__descriptor, bytes, arena, &why);
    if (!m->p) {
        complain(m, NULL, ncc_arena_printf(arena, "the file %s", why), "export the model again", NULL);
        return NULL;
    }
    sort_rows(m);
    return import(m) ? m->graph : NULL;
}
