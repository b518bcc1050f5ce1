/* The walk over a Caffe net: names to blobs, what is needed, layers, outputs. */
#include "compiler/import/caffe.h"
#include "compiler/import/outline.h"

#include <stdlib.h>
#include <string.h>

bool ncc_caffe_complain(struct caffe *m, const char *node, const char *rule, const char *remedy, const char *found)
{
    ncc_diag_error(m->diags, FAULT_INPUT, (struct place){.file = m->files.net_file, .node = node}, rule, remedy,
                   found ? "%s" : NULL, found);
    return false;
}

/* ---- names ---- */

/* All names of blobs, sorted, and for each the blob that it stands for at this point of the walk. */
struct names {
    const char **v;
    struct cf_blob **now;
    size_t n;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct names collect_names(struct caffe *m, const Caffe__Layer *const *layers, int n_layers)
{
    const Caffe__Net *net = m->files.net;
    size_t n = net->n_input;
    for (int i = 0; i < n_layers; i++)
        n += layers[i]->n_bottom + layers[i]->n_top;
    struct names names = {NCC_NEW(m->arena, const char *, n), NCC_NEW(m->arena, struct cf_blob *, n), 0};
    for (size_t i = 0; i < net->n_input; i++)
        names.v[names.n++] = net->input[i];
    for (int i = 0; i < n_layers; i++) {
        for (size_t k = 0; k < layers[i]->n_bottom; k++)
            names.v[names.n++] = layers[i]->bottom[k];
        for (size_t k = 0; k < layers[i]->n_top; k++)
            names.v[names.n++] = layers[i]->top[k];
    }
    if (n > 0)
        qsort(names.v, n, sizeof *names.v, compare_names);
    return names;
}

/* Any of equal names: bsearch always finds the same one. */
static struct cf_blob **now(struct names *names, const char *name)
{
    const char **at = names->n ? bsearch(&name, names->v, names->n, sizeof *names->v, compare_names) : NULL;
    return at ? &names->now[at - names->v] : NULL;
}

static struct cf_blob *new_blob(struct caffe *m, const char *name, int maker, int place)
{
    struct cf_blob *b = NCC_NEW(m->arena, struct cf_blob, 1);
    *b = (struct cf_blob){.name = name, .number = m->blobs.n, .maker = maker, .place = place};
    NCC_PUSH(m->arena, &m->blobs, b);
    return b;
}

static const char *layer_name(struct caffe *m, const Caffe__Layer *l, int index)
{
    if (l->name && *l->name)
        return l->name;
    return l->n_top ? l->top[0] : ncc_arena_printf(m->arena, "layer %d", index);
}

static void connect_layer(struct caffe *m, const Caffe__Layer *p, int index, struct names *names)
{
    struct cf_layer *l = &m->layers[index];
    *l = (struct cf_layer){
        .name = layer_name(m, p, index),
        .p = p,
        .row = ncc_caffe_row(p->type ? p->type : ""),
        .in = NCC_NEW(m->arena, struct cf_blob *, p->n_bottom),
        .out = NCC_NEW(m->arena, struct cf_blob *, p->n_top),
        .n_in = (int)p->n_bottom,
        .n_out = (int)p->n_top,
    };
    for (int k = 0; k < l->n_in; k++) {
        struct cf_blob **b = now(names, p->bottom[k]);
        if (!*b)
            *b = new_blob(m, p->bottom[k], -1, -1);
        l->in[k] = *b;
        (*b)->is_used |= l->row->kind != CF_DROPPED;
    }
    for (int k = 0; k < l->n_out; k++)
        l->out[k] = *now(names, p->top[k]) = new_blob(m, p->top[k], index, k);
}

bool ncc_caffe_connect(struct caffe *m)
{
    const Caffe__Layer **layers;
    if (!ncc_caffe_layers(m, &layers, &m->n_layers))
        return false;
    if (m->n_layers == 0)
        return ncc_caffe_complain(m, NULL, "the net must have layers", "give the net that is used for inference", NULL);
    struct names names = collect_names(m, layers, m->n_layers);
    m->layers = NCC_NEW(m->arena, struct cf_layer, m->n_layers);
    for (size_t i = 0; i < m->files.net->n_input; i++) {
        char *name = m->files.net->input[i];
        *now(&names, name) = new_blob(m, name, -1, (int)i);
    }
    for (int i = 0; i < m->n_layers; i++)
        connect_layer(m, layers[i], i, &names);
    for (size_t i = 0; i < names.n; i++)
        if (names.now[i])
            names.now[i]->is_last = true;
    ncc_caffe_match_weights(m);
    return true;
}

/* ---- cutting ---- */

/* What a name stands for at the end of the net; of a layer that works in place also by the layer's own name. */
static struct cf_blob *find_blob(struct caffe *m, const char *name)
{
    for (int i = m->blobs.n - 1; i >= 0; i--)
        if (strcmp(m->blobs.v[i]->name, name) == 0)
            return m->blobs.v[i];
    for (int i = m->n_layers - 1; i >= 0; i--)
        if (strcmp(m->layers[i].name, name) == 0 && m->layers[i].n_out > 0)
            return m->layers[i].out[0];
    return NULL;
}

static const char *like(struct caffe *m, const char *name)
{
    const int n = m->blobs.n + m->n_layers;
    const char **names = NCC_NEW(m->arena, const char *, n);
    for (int i = 0; i < n; i++)
        names[i] = i < m->blobs.n ? m->blobs.v[i]->name : m->layers[i - m->blobs.n].name;
    return ncc_outline_did_you_mean(name, names, n, m->arena);
}

static bool cut(struct caffe *m, const char *const *names, int n, struct cf_list *list)
{
    bool good = true;
    for (int i = 0; i < n; i++) {
        struct cf_blob *b = find_blob(m, names[i]);
        if (b)
            NCC_PUSH(m->arena, list, b);
        else
            good = ncc_caffe_complain(m, names[i], "there is no such tensor in the model", like(m, names[i]), NULL);
    }
    return good;
}

bool ncc_caffe_is_source(const struct caffe *m, const struct cf_blob *b)
{
    return b->maker >= 0 && m->layers[b->maker].row->kind == CF_SOURCE;
}

/* Results that no layer uses, but for layers that are left out. */
static void find_outputs(struct caffe *m)
{
    for (int i = 0; i < m->blobs.n; i++) {
        struct cf_blob *b = m->blobs.v[i];
        if (b->is_used || b->maker < 0 || ncc_caffe_is_source(m, b) || m->layers[b->maker].row->kind == CF_DROPPED)
            continue;
        NCC_PUSH(m->arena, &m->outputs, b);
    }
}

/* Backwards over the layers, which stand in the order in which they run. */
static void mark_needed(struct caffe *m)
{
    for (int i = 0; i < m->outputs.n; i++)
        m->outputs.v[i]->needed = true;
    for (int i = m->n_layers - 1; i >= 0; i--) {
        struct cf_layer *l = &m->layers[i];
        for (int k = 0; k < l->n_out; k++)
            l->needed |= l->out[k]->needed && !l->out[k]->is_input;
        for (int k = 0; l->needed && k < l->n_in; k++)
            l->in[k]->needed = true;
    }
}

/* ---- layers ---- */

static bool is_missing(struct cf_build *b, const struct cf_blob *in)
{
    const char *remedy = b->m->options->n_input_tensors ? "name this tensor as an input, too"
                                                        : "give the net that is used for inference, or the tensor's "
                                                          "shape with --input-shape";
    return ncc_caffe_refuse(b, "a layer's bottoms must be made before it", remedy,
                            "'%s' is not the top of an earlier layer, nor an input", in->name);
}

/* False: do not build it. */
static bool inputs_ready(struct cf_build *b)
{
    for (int k = 0; k < b->layer->n_in; k++) {
        struct cf_blob *in = b->layer->in[k];
        b->m->budget -= ++in->n_uses; /* the graph's use lists are walked */
        if (b->m->budget < 0)
            return ncc_caffe_refuse(b, "the net describes far more than its size can hold", NULL, NULL);
        if (in->v)
            continue;
        if (!in->is_failed && (in->maker < 0 || ncc_caffe_is_source(b->m, in)))
            is_missing(b, in);
        in->is_failed = true;
        return false;
    }
    return true;
}

static bool refuse_type(struct cf_build *b)
{
    const struct cf_row *row = b->row;
    const char *remedy = ncc_outline_remedy;
    if (row->kind == CF_NAMED && row->remedy)
        remedy = ncc_arena_printf(b->m->arena, "%s, and %s", "cut the model beside it (see below)", row->remedy);
    if (row->kind == CF_DROPPED)
        return ncc_caffe_refuse(b, "what only training uses cannot be computed", "name another output", NULL);
    return ncc_caffe_refuse(b, row->kind == CF_NAMED ? "the layer is not supported" : "the type of layer is not known",
                            remedy, NULL);
}

static bool build_layer(struct caffe *m, const struct cf_layer *l)
{
    struct cf_build b = {m, l, l->p, l->row, l->name};
    if (l->row->kind != CF_LAYER)
        return refuse_type(&b);
    if (l->n_in < l->row->min_in || l->n_in > l->row->max_in || l->n_out < 1)
        return ncc_caffe_refuse(&b, "the layer must have the right number of bottoms and tops", NULL,
                                "%d bottoms, %d tops", l->n_in, l->n_out);
    return inputs_ready(&b) && l->row->builder(&b);
}

/* What the user can name a blob by: its name means the last one, others go by their layers' names. */
static const char *cut_name(struct caffe *m, const struct cf_blob *b)
{
    return b->is_last || b->maker < 0 ? b->name : m->layers[b->maker].name;
}

static int *numbers_of(struct caffe *m, struct cf_blob *const *blobs, int n)
{
    int *numbers = NCC_NEW(m->arena, int, n);
    for (int i = 0; i < n; i++)
        numbers[i] = blobs[i]->number;
    return numbers;
}

static void suggest_cuts(struct caffe *m)
{
    struct outline_op *ops = NCC_NEW(m->arena, struct outline_op, m->n_layers);
    const char **names = NCC_NEW(m->arena, const char *, m->blobs.n);
    struct outline o = {
        .ops = ops,
        .tensor_names = names,
        .is_constant = NCC_NEW(m->arena, bool, m->blobs.n),
        .n_tensors = m->blobs.n,
        .inputs = numbers_of(m, m->inputs.v, m->inputs.n),
        .n_inputs = m->inputs.n,
        .outputs = numbers_of(m, m->outputs.v, m->outputs.n),
        .n_outputs = m->outputs.n,
    };
    for (int i = 0; i < m->blobs.n; i++)
        names[i] = cut_name(m, m->blobs.v[i]);
    for (int i = 0; i < m->n_layers; i++) {
        const struct cf_layer *l = &m->layers[i];
        if (l->needed && l->row->kind != CF_SOURCE)
            ops[o.n_ops++] = (struct outline_op){
                l->name,  l->p->type,    numbers_of(m, l->in, l->n_in),          numbers_of(m, l->out, l->n_out), l->n_in,
                l->n_out, l->is_refused, l->row->kind == CF_NAMED && l->row->detail};
    }
    ncc_outline_suggest_cuts(&o, m->files.net_file, m->arena, m->diags);
}

static bool build_layers(struct caffe *m)
{
    bool good = true;
    for (int i = 0; i < m->n_layers && m->budget >= 0; i++) {
        struct cf_layer *l = &m->layers[i];
        const int n_errors = m->diags->n_errors + !m->is_told_of_weights; /* a missing file is no fault of the layer's */
        if (l->row->kind != CF_SOURCE)
            ncc_graph_source(m->graph, l->name, l->p->type ? l->p->type : "", l->needed);
        if (!l->needed || l->row->kind == CF_SOURCE || build_layer(m, l))
            continue;
        good = false;
        l->is_refused = m->diags->n_errors + !m->is_told_of_weights > n_errors;
        for (int k = 0; k < l->n_out; k++)
            l->out[k]->is_failed = true;
    }
    if (!good && m->budget >= 0)
        suggest_cuts(m);
    return good && m->budget >= 0;
}

static bool make_outputs(struct caffe *m)
{
    bool good = true;
    for (int i = 0; i < m->outputs.n; i++) {
        const struct cf_blob *b = m->outputs.v[i];
        if (b->v)
            ncc_graph_output(m->graph, b->v, b->name);
        else
            good = ncc_caffe_complain(m, b->name, "an output must be made by a layer", "name another tensor", NULL);
    }
    return good;
}

bool ncc_caffe_build(struct caffe *m)
{
    const struct import_options *o = m->options;
    for (int i = 0; i < m->inputs.n; i++)
        m->inputs.v[i]->is_input = true;
    mark_needed(m);
    if (!o->n_input_tensors)
        ncc_caffe_find_inputs(m);
    /* Layers are looked at without inputs as well: all problems at once. */
    const bool inputs = ncc_caffe_make_inputs(m), layers = build_layers(m);
    return inputs && layers && make_outputs(m);
}

static bool import(struct caffe *m, struct bytes bytes, const char *path)
{
    const struct import_options *o = m->options;
    if (!ncc_caffe_read(m, bytes, path))
        return false;
    m->graph->file = m->files.net_file;
    if (!ncc_caffe_connect(m) || !cut(m, o->input_tensors, o->n_input_tensors, &m->inputs) ||
        !cut(m, o->output_tensors, o->n_output_tensors, &m->outputs))
        return false;
    if (!o->n_output_tensors)
        find_outputs(m);
    if (m->outputs.n == 0)
        return ncc_caffe_complain(m, NULL, "the net must have an output", "name a tensor with --output-tensor", NULL);
    if (!ncc_caffe_build(m))
        return false;
    ncc_graph_sweep(m->graph);
    return ncc_graph_verify(m->graph, "import");
}

struct graph *ncc_caffe_import(struct bytes bytes, const char *path, const struct import_options *options,
                               struct arena *arena, struct diags *d)
{
    enum { STEPS_PER_BYTE = 16, STEPS_AT_LEAST = 1 << 20 };
    struct caffe *m = NCC_NEW(arena, struct caffe, 1);
    *m = (struct caffe){
        .arena = arena,
        .diags = d,
        .graph = ncc_graph_new(arena, d, path),
        .options = options,
        .old_batch = 1,
        .budget = (int64_t)bytes.size * STEPS_PER_BYTE + STEPS_AT_LEAST,
    };
    return import(m, bytes, path) ? m->graph : NULL;
}
