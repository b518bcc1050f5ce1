#include "compiler/quant/layer_run.h"

#include "compiler/ir/eval_node.h"
#include "compiler/quant/code_rows.h"

#include <string.h>

/* ---- codes ---- */

/* Codes of x, where v is the value that has them. */
static void to_codes(const struct value *v, const float *x, uint8_t *to)
{
    const int64_t n = ncc_shape_count(v->shape), run = ncc_code_run(v);
    for (int64_t i = 0; i < n; i += run)
        ncc_row_codes(ncc_code_pair(&v->quant, (int)(i / run)), x + i, run, to + i);
}

static void round_reals(const struct value *v, const float *x, float *to)
{
    const int64_t n = ncc_shape_count(v->shape), run = ncc_code_run(v);
    for (int64_t i = 0; i < n; i += run)
        ncc_row_rounded(ncc_code_pair(&v->quant, (int)(i / run)), x + i, run, to + i);
}

/* ---- room ---- */

size_t ncc_value_size(const struct value *v)
{
    return (size_t)ncc_shape_count(v->shape) * ncc_dtype_size(v->dtype);
}

struct tensor ncc_constant_tensor(const struct value *v)
{
    return (struct tensor){v->dtype, v->shape, (void *)(uintptr_t)v->data};
}

struct tensor *ncc_value_tensors(struct value *const *values, int n, struct arena *a)
{
    struct tensor *t = NCC_NEW(a, struct tensor, n);
    for (int i = 0; i < n; i++)
        if (values[i])
            t[i] = (struct tensor){values[i]->dtype, values[i]->shape,
                                   ncc_arena_alloc(a, ncc_value_size(values[i]) + 1, 1, 64)};
    return t;
}

struct layer_graphs ncc_layer_graphs(const struct graph *real, const struct graph *codes, struct arena *a)
{
    struct layer_graphs g = {real, codes, ncc_graph_values(real, a), ncc_graph_values(codes, a), {0}};
    g.pairs = ncc_layer_pairs(codes, g.real_values, real->next_id, a);
    return g;
}

static struct tensor buffer(size_t size, struct arena *a)
{
    return (struct tensor){.data = ncc_arena_alloc(a, size + 1, 1, 64)};
}

/* Of the node that takes most. */
static size_t largest_scratch(const struct graph *g)
{
    size_t most = 1;
    for (const struct node *n = g->first; n; n = n->next) {
        const size_t size = ncc_eval_scratch(n, EVAL_FAST);
        most = size > most ? size : most;
    }
    return most;
}

static void *scratch_for(const struct layer_graphs *g, struct arena *a)
{
    const size_t real = largest_scratch(g->real), codes = largest_scratch(g->codes);
    return ncc_arena_alloc(a, real > codes ? real : codes, 1, 64);
}

static void run_node(const struct node *n, const struct tensor *const *in, struct tensor *const *out, void *scratch)
{
    ncc_eval_with(&(struct eval_args){n, in, out, scratch}, EVAL_FAST);
}

struct layer_room ncc_layer_room(const struct layer_graphs *g, struct arena *a)
{
    size_t largest = 0;
    for (int i = 0; i < g->real->next_id; i++)
        if (g->real_values[i] && ncc_value_size(g->real_values[i]) > largest)
            largest = ncc_value_size(g->real_values[i]);
    struct layer_room room = {.own = buffer(largest, a),
                              .part = buffer(largest, a),
                              .own_shown = buffer(largest, a),
                              .part_shown = buffer(largest, a),
                              .scratch = scratch_for(g, a)};
    for (int i = 0; i < NCC_LAYER_INPUTS; i++)
        room.rounded[i] = buffer(largest, a);
    return room;
}

struct codes_room ncc_codes_room(const struct layer_graphs *g, void *scratch, struct arena *a)
{
    int widest = 1;
    for (const struct node *n = g->codes->first; n; n = n->next) {
        widest = n->n_in > widest ? n->n_in : widest;
        widest = n->n_out > widest ? n->n_out : widest;
    }
    return (struct codes_room){ncc_value_tensors(g->code_values, g->codes->next_id, a),
                               NCC_NEW(a, const struct tensor *, widest), NCC_NEW(a, struct tensor *, widest),
                               NCC_NEW(a, struct tensor, widest), scratch};
}

/* ---- running ---- */

void ncc_layer_run_all(const struct layer_graphs *g, const struct tensor *x, struct codes_room *room)
{
    for (int i = 0; i < g->codes->inputs.n; i++) {
        const struct value *v = g->codes->inputs.v[i];
        const float *from = x[v->real_id].data;
        if (v->dtype == DT_U8)
            to_codes(v, from, room->value[v->id].data);
        else
            memcpy(room->value[v->id].data, from, ncc_value_size(v));
    }
    for (const struct node *n = g->codes->first; n; n = n->next) {
        for (int i = 0; i < n->n_in; i++) {
            const struct value *v = n->in[i];
            if (v && v->data)
                room->fixed[i] = ncc_constant_tensor(v);
            room->in[i] = !v ? NULL : v->data ? &room->fixed[i] : &room->value[v->id];
        }
        for (int i = 0; i < n->n_out; i++)
            room->out[i] = &room->value[n->out[i]->id];
        run_node(n, room->in, room->out, room->scratch);
    }
}

/* A layer's result as its view shows it. */
static const struct tensor *shown(const struct layer_pair *l, struct tensor *t, struct tensor *to, void *scratch)
{
    if (!l->view)
        return t;
    to->dtype = t->dtype;
    to->shape = l->y->shape;
    run_node(l->view, (const struct tensor *[]){t}, (struct tensor *[]){to}, scratch);
    return to;
}

const struct tensor *ncc_layer_own(const struct layer_graphs *g, const struct tensor *x, const struct layer_pair *l,
                                   struct layer_room *room)
{
    const struct node *n = l->node;
    const struct tensor *in[NCC_LAYER_INPUTS];
    struct tensor given[NCC_LAYER_INPUTS];
    for (int i = 0; i < n->n_in; i++) {
        const struct value *v = n->in[i];
        in[i] = v ? &given[i] : NULL;
        if (!v || v->data) {
            if (v)
                given[i] = ncc_constant_tensor(v);
            continue;
        }
        if (v->real_id >= g->real->next_id || !x[v->real_id].data)
            return NULL;
        given[i] = x[v->real_id];
        if (v->dtype == DT_U8) {
            given[i] = (struct tensor){DT_U8, v->shape, room->rounded[i].data};
            to_codes(v, x[v->real_id].data, given[i].data);
        }
    }
    room->own.dtype = n->out[0]->dtype;
    room->own.shape = n->out[0]->shape;
    run_node(n, in, (struct tensor *[]){&room->own}, room->scratch);
    return shown(l, &room->own, &room->own_shown, room->scratch);
}

/* Whether v of the real graph is an input of the layer, and comes as codes. */
struct input_kind {
    bool found, is_codes;
};

static struct input_kind kind_of(const struct layer_pair *l, const struct value *v)
{
    struct input_kind kind = {false, false};
    for (int k = 0; k < l->node->n_in; k++)
        if (l->node->in[k] && l->node->in[k]->real_id == v->id) {
            kind.found = true;
            kind.is_codes |= l->node->in[k]->dtype == DT_U8;
        }
    return kind;
}

const struct tensor *ncc_layer_rounded(const struct tensor *x, const struct layer_pair *l, struct layer_room *room)
{
    const struct node *n = l->real;
    const struct tensor *in[NCC_LAYER_INPUTS];
    struct tensor given[NCC_LAYER_INPUTS];
    bool any = false;
    if (!n || n->n_in > NCC_LAYER_INPUTS || n->n_out != 1)
        return NULL;
    for (int i = 0; i < n->n_in; i++) {
        const struct value *v = n->in[i];
        in[i] = v ? &given[i] : NULL;
        if (!v)
            continue;
        given[i] = v->data ? ncc_constant_tensor(v) : x[v->id];
        if (v->data || !given[i].data)
            continue;
        const struct input_kind kind = kind_of(l, v);
        if (!kind.found)
            return NULL;
        if (!kind.is_codes || !v->quant.n_channels)
            continue;
        any = true;
        given[i].data = room->rounded[i].data;
        round_reals(v, x[v->id].data, given[i].data);
    }
    if (!any)
        return NULL;
    room->part.dtype = DT_F32;
    room->part.shape = n->out[0]->shape;
    run_node(n, in, (struct tensor *[]){&room->part}, room->scratch);
    return shown(l, &room->part, &room->part_shown, room->scratch);
}
