/* Inputs of a Caffe net: which blobs, and their shapes, which stand in several places. */
#include "compiler/import/caffe.h"
#include "compiler/import/layout.h"

#include <string.h>

static bool to_shape(const Caffe__Shape *s, struct shape *out)
{
    *out = (struct shape){0};
    if (!s || s->n_dim > NCC_MAX_RANK)
        return false;
    for (size_t i = 0; i < s->n_dim; i++)
        out->dim[out->rank++] = s->dim[i] > 0 && s->dim[i] <= NCC_MAX_ELEMENTS ? (int)s->dim[i] : -1;
    return true;
}

static bool four(int64_t n, int64_t c, int64_t h, int64_t w, struct shape *out)
{
    int64_t dims[4] = {n, c, h, w};
    const Caffe__Shape s = {.n_dim = 4, .dim = dims};
    return to_shape(&s, out);
}

/* Of an input that the net lists in front of its layers. */
static bool listed_shape(const Caffe__Net *net, size_t i, struct shape *out)
{
    if (i < net->n_input_shape)
        return to_shape(net->input_shape[i], out);
    if (4 * i + 3 < net->n_input_dim)
        return four(net->input_dim[4 * i], net->input_dim[4 * i + 1], net->input_dim[4 * i + 2],
                    net->input_dim[4 * i + 3], out);
    return false;
}

static bool dummy_shape(const Caffe__DummyData *d, size_t k, struct shape *out)
{
    if (d->n_shape > 0)
        return to_shape(d->shape[k < d->n_shape ? k : 0], out);
    if (!d->n_num || !d->n_channels || !d->n_height || !d->n_width)
        return false;
    return four(d->num[k < d->n_num ? k : 0], d->channels[k < d->n_channels ? k : 0],
                d->height[k < d->n_height ? k : 0], d->width[k < d->n_width ? k : 0], out);
}

/* Of result k of a layer that gives the net its inputs; those that read databases do not say. */
static bool source_shape(const Caffe__Layer *p, size_t k, struct shape *out)
{
    const Caffe__MemoryData *memory = p->memory_data_param;
    if (p->input_param && p->input_param->n_shape > 0)
        return to_shape(p->input_param->shape[k < p->input_param->n_shape ? k : 0], out);
    if (p->dummy_data_param)
        return dummy_shape(p->dummy_data_param, k, out);
    return memory && k == 0 && four(memory->batch_size, memory->channels, memory->height, memory->width, out);
}

static bool own_shape(struct caffe *m, const struct cf_blob *b, struct shape *out)
{
    if (ncc_caffe_is_source(m, b))
        return source_shape(m->layers[b->maker].p, (size_t)b->place, out);
    return b->maker < 0 && b->place >= 0 && listed_shape(m->files.net, (size_t)b->place, out);
}

static const struct shape_override *find_override(const struct caffe *m, const char *name)
{
    for (int i = 0; i < m->options->n_shapes; i++)
        if (strcmp(m->options->shapes[i].name, name) == 0)
            return &m->options->shapes[i];
    return NULL;
}

/* The batch becomes 1 where the input is a batch of maps. */
static void set_batch(struct caffe *m, const struct cf_blob *b, struct shape *shape)
{
    if (shape->rank < 4 || shape->dim[0] == 1)
        return;
    if (shape->dim[0] > 1) {
        m->old_batch = shape->dim[0];
        ncc_diag_note(m->diags, (struct place){.file = m->files.net_file, .node = b->name}, "the batch is set to 1",
                      NULL, "it was %d", shape->dim[0]);
    }
    shape->dim[0] = 1;
}

/* The shape of a tensor that is made somewhere in the middle: what the layers in front of it give. */
static bool inner_shape(struct caffe *m, const struct cf_blob *b, struct shape *out)
{
    struct diags unheard;
    ncc_diag_init(&unheard, m->arena);
    const struct import_options front = {.shapes = m->options->shapes, .n_shapes = m->options->n_shapes};
    struct caffe *part = NCC_NEW(m->arena, struct caffe, 1);
    *part = (struct caffe){.arena = m->arena,
                           .diags = &unheard,
                           .options = &front,
                           .files = m->files,
                           .old_batch = 1,
                           .budget = m->budget,
                           .graph = ncc_graph_new(m->arena, &unheard, m->files.net_file)};
    if (!ncc_caffe_connect(part))
        return false;
    for (int i = 0; i < part->blobs.n; i++)
        if (m->blobs.v[i] == b)
            NCC_PUSH(part->arena, &part->outputs, part->blobs.v[i]);
    return ncc_caffe_build(part) && (*out = part->outputs.v[0]->v->shape, true);
}

static bool make_input(struct caffe *m, struct cf_blob *b)
{
    const struct shape_override *o = find_override(m, b->name);
    struct shape shape = {0};
    char text[80];
    if (b->v)
        return ncc_caffe_complain(m, b->name, "an input must be named only once", "leave out one of the two --input-tensor",
                        NULL);
    bool known = true;
    if (o)
        shape = o->shape;
    else
        known = own_shape(m, b, &shape) || (b->maker >= 0 && !ncc_caffe_is_source(m, b) && inner_shape(m, b, &shape));
    set_batch(m, b, &shape);
    for (int i = 0; known && i < shape.rank; i++)
        known = shape.dim[i] >= 1;
    if (!known || ncc_shape_count(shape) < 0)
        return ncc_caffe_complain(m, b->name,
                        "all dimensions of an input must be known, positive, and make at most 2^28 elements",
                        ncc_layout_shape_option(m->arena, b->name, shape),
                        shape.rank ? ncc_shape_text(shape, text) : NULL);
    b->v = ncc_graph_input(m->graph, b->name, DT_F32, shape);
    return true;
}

void ncc_caffe_find_inputs(struct caffe *m)
{
    for (int i = 0; i < m->blobs.n; i++) {
        struct cf_blob *b = m->blobs.v[i];
        const bool own = b->maker < 0 ? b->place >= 0 || find_override(m, b->name) : ncc_caffe_is_source(m, b);
        if (b->needed && own)
            NCC_PUSH(m->arena, &m->inputs, b);
    }
}

static const char *input_names(struct caffe *m)
{
    enum { MOST = 8 };
    const char *names = "";
    for (int i = 0; i < m->inputs.n && i < MOST; i++)
        names = ncc_arena_printf(m->arena, "%s '%s'", names, m->inputs.v[i]->name);
    return names;
}

bool ncc_caffe_make_inputs(struct caffe *m)
{
    bool good = true;
    for (int i = 0; i < m->options->n_shapes; i++) {
        bool found = false;
        for (int k = 0; k < m->inputs.n && !found; k++)
            found = strcmp(m->inputs.v[k]->name, m->options->shapes[i].name) == 0;
        if (!found)
            good = ncc_caffe_complain(m, m->options->shapes[i].name, "a shape is given for an input that does not exist",
                            "name one of the model's inputs",
                            ncc_arena_printf(m->arena, "its inputs are%s", input_names(m)));
    }
    for (int i = 0; i < m->inputs.n; i++) {
        struct cf_blob *b = m->inputs.v[i];
        b->is_input = true;
        b->is_failed = !make_input(m, b); /* what reads it has no fault of its own */
        good = good && !b->is_failed;
    }
    return good;
}
