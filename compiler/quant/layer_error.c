#include "compiler/quant/layer_error.h"

#include "compiler/base/parallel.h"
#include "compiler/base/progress.h"
#include "compiler/quant/by_channel.h"
#include "compiler/quant/range.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_BINS = 256, MAX_IN = 8 /* inputs of a layer */ };

/* A layer with what it is held against. */
struct layer {
    const struct node *node;      /* integer */
    const struct node *real;      /* of the real graph; NULL: an input */
    const struct node *view;      /* integer: what alone reads the result, and knows which of it counts; NULL: none */
    const struct value *y, *code; /* what is compared: of the real graph and of the integer graph */
    int first_channel;       /* in a thread's row of maxima */
    int n_channels;
};

/* What a thread works with. */
struct store {
    struct tensor *real;      /* by id of the real graph: this sample's values */
    struct tensor *total;     /* by id of the integer graph: the same in codes */
    const struct tensor **in; /* of the integer graph's widest node */
    struct tensor **out, *fixed;
    struct tensor own, part;       /* a layer's result, from exact inputs */
    struct tensor own_shown, part_shown;
    struct tensor rounded[MAX_IN]; /* its inputs */
    float *largest;                /* [channels of all layers]: over the samples */
    int64_t (*bins)[N_BINS];       /* [layer]: how often which share of the range was reached */
};

struct job {
    const struct graph *real, *codes;
    bool (*feed)(void *ctx, int sample, int input, struct tensor *to);
    void *ctx;
    struct layer *layer;
    int n_layers, n_channels;
    struct store *store;               /* [thread] */
    struct layer_sums *sums, *outputs; /* [sample][layer], [sample][output] */
    struct progress progress;
};

/* ---- tensors ---- */

static size_t size_of(const struct value *v)
{
    return (size_t)ncc_shape_count(v->shape) * ncc_dtype_size(v->dtype);
}

static struct tensor tensor_for(const struct value *v, struct arena *a)
{
    return (struct tensor){v->dtype, v->shape, ncc_arena_alloc(a, size_of(v) + 1, 1, 64)};
}

/* Elements that share a scale: all, or one channel. */
static int64_t run_of(const struct value *v)
{
    const int64_t n = ncc_shape_count(v->shape);
    return v->quant.n_channels > 1 && n ? n / v->shape.dim[1] : n;
}

static double code_of(const struct quant *q, int channel, double x)
{
    const double code = rint(x / ncc_quant_scale(q, channel) + ncc_quant_zero(q, channel));
    return code < 0 ? 0 : code > 255 ? 255 : code;
}

static double real_of(const struct quant *q, int channel, double code)
{
    return (code - ncc_quant_zero(q, channel)) * ncc_quant_scale(q, channel);
}

/* Codes of x, where v is the value that has them. */
static void to_codes(const struct value *v, const float *x, uint8_t *to)
{
    const int64_t n = ncc_shape_count(v->shape), run = run_of(v);
    for (int64_t i = 0; i < n; i++)
        to[i] = (uint8_t)code_of(&v->quant, (int)(i / run), (double)x[i]);
}

static void round_reals(const struct value *v, const float *x, float *to)
{
    const int64_t n = ncc_shape_count(v->shape), run = run_of(v);
    for (int64_t i = 0; i < n; i++) {
        const int c = (int)(i / run);
        to[i] = (float)real_of(&v->quant, c, code_of(&v->quant, c, (double)x[i]));
    }
}

/* ---- which nodes are layers ---- */

static const struct value *counterpart(const struct job *j, struct value *const *by_id, const struct value *v)
{
    return v->real_id < j->real->next_id ? by_id[v->real_id] : NULL;
}

static bool only_moves(const struct node *n)
{
    switch ((int)n->op) {
    case OP_kpu_upload:
    case OP_kpu_download:
    case OP_kpu_concat:
    case OP_kpu_stack:
    case OP_kpu_slice:
    case OP_kpu_recanvas:
    case OP_kpu_view:
    case OP_dequantize:
    case OP_concat:
        return true;
    default:
        return ncc_op_desc(n->op)->flags & (OP_SAME_QUANT | OP_ALIAS);
    }
}

static bool is_layer(const struct node *n, const struct value *y)
{
    return n->n_out == 1 && n->n_in <= MAX_IN && y && y->dtype == DT_F32 && !(y->def && ncc_quant_is_copy(y->def)) &&
           ncc_shape_equal(y->shape, n->out[0]->shape) && !only_moves(n);
}

static struct value **values_by_id(const struct graph *g, struct arena *a)
{
    struct value **v = NCC_NEW(a, struct value *, g->next_id);
    for (int i = 0; i < g->inputs.n; i++)
        v[g->inputs.v[i]->id] = g->inputs.v[i];
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            v[n->out[i]->id] = n->out[i];
    return v;
}

/* Maps that were added line by line: bytes of no channel were, too, which only the view leaves out. */
static void show(const struct job *j, struct value *const *real, struct layer *l)
{
    const struct node *view = ncc_value_only_use(j->codes, l->code);
    const struct value *y = view && view->op == OP_kpu_view ? counterpart(j, real, view->out[0]) : NULL;
    if (!y || !ncc_shape_equal(y->shape, view->out[0]->shape) || y->shape.dim[1] <= l->y->shape.dim[1])
        return;
    l->view = view;
    l->code = view->out[0];
    l->y = y;
}

static void list_layers(struct job *j, struct value *const *real, struct arena *a)
{
    j->layer = NCC_NEW(a, struct layer, ncc_graph_n_nodes(j->codes));
    for (const struct node *n = j->codes->first; n; n = n->next) {
        const struct value *y = n->n_out ? counterpart(j, real, n->out[0]) : NULL;
        if (!is_layer(n, y))
            continue;
        struct layer *l = &j->layer[j->n_layers++];
        *l = (struct layer){.node = n, .real = y->def, .y = y, .code = n->out[0], .first_channel = j->n_channels};
        show(j, real, l);
        l->n_channels = l->y->shape.rank == 4 ? l->y->shape.dim[1] : 1;
        j->n_channels += l->n_channels;
    }
}

/* ---- one sample ---- */

static struct tensor constant(const struct value *v)
{
    return (struct tensor){v->dtype, v->shape, (void *)(uintptr_t)v->data}; /* only read */
}

static bool feed_real(void *ctx, int sample, int input, struct tensor *to)
{
    const struct job *j = ctx;
    return j->feed(j->ctx, sample, input, to);
}

static void keep(void *ctx, int sample, int thread, const struct value *v, const struct tensor *t)
{
    const struct job *j = ctx;
    (void)sample;
    if (j->store[thread].real[v->id].data)
        memcpy(j->store[thread].real[v->id].data, t->data, size_of(v));
}

/* The whole integer graph on this sample. */
static void run_codes(const struct job *j, const struct store *s)
{
    for (int i = 0; i < j->codes->inputs.n; i++) {
        const struct value *v = j->codes->inputs.v[i];
        const float *x = s->real[v->real_id].data;
        if (v->dtype == DT_U8)
            to_codes(v, x, s->total[v->id].data);
        else
            memcpy(s->total[v->id].data, x, size_of(v));
    }
    for (const struct node *n = j->codes->first; n; n = n->next) {
        for (int i = 0; i < n->n_in; i++) {
            const struct value *v = n->in[i];
            if (v && v->data)
                s->fixed[i] = constant(v);
            s->in[i] = !v ? NULL : v->data ? &s->fixed[i] : &s->total[v->id];
        }
        for (int i = 0; i < n->n_out; i++)
            s->out[i] = &s->total[n->out[i]->id];
        ncc_eval_node(n, s->in, s->out, EVAL_FAST);
    }
}

/* A layer's result from exact inputs, as codes where it takes codes. False: an input has no counterpart. */
static bool run_own(const struct job *j, struct store *s, const struct layer *l)
{
    const struct node *n = l->node;
    const struct tensor *in[MAX_IN];
    struct tensor given[MAX_IN];
    for (int i = 0; i < n->n_in; i++) {
        const struct value *v = n->in[i];
        in[i] = v ? &given[i] : NULL;
        if (!v || v->data) {
            if (v)
                given[i] = constant(v);
            continue;
        }
        if (v->real_id >= j->real->next_id || !s->real[v->real_id].data)
            return false;
        const struct tensor *x = &s->real[v->real_id];
        given[i] = *x;
        if (v->dtype == DT_U8) {
            given[i] = (struct tensor){DT_U8, v->shape, s->rounded[i].data};
            to_codes(v, x->data, given[i].data);
        }
    }
    s->own.dtype = n->out[0]->dtype;
    s->own.shape = n->out[0]->shape;
    ncc_eval_node(n, in, (struct tensor *[]){&s->own}, EVAL_FAST);
    return true;
}

/* The real layer on inputs that went through codes. False: nothing of it is codes, or it was made of several nodes. */
static bool run_input(struct store *s, const struct layer *l)
{
    const struct node *n = l->real;
    const struct tensor *in[MAX_IN];
    struct tensor given[MAX_IN];
    bool any = false;
    if (!n || n->n_in > MAX_IN || n->n_out != 1)
        return false;
    for (int i = 0; i < n->n_in; i++) {
        const struct value *v = n->in[i];
        in[i] = v ? &given[i] : NULL;
        if (!v)
            continue;
        given[i] = v->data ? constant(v) : s->real[v->id];
        if (v->data || !given[i].data)
            continue;
        bool is_codes = false, found = false;
        for (int k = 0; k < l->node->n_in; k++)
            if (l->node->in[k] && l->node->in[k]->real_id == v->id) {
                found = true;
                is_codes |= l->node->in[k]->dtype == DT_U8;
            }
        if (!found)
            return false;
        if (!is_codes || !v->quant.n_channels)
            continue;
        any = true;
        given[i].data = s->rounded[i].data;
        round_reals(v, s->real[v->id].data, given[i].data);
    }
    s->part.dtype = DT_F32;
    s->part.shape = n->out[0]->shape;
    if (any)
        ncc_eval_node(n, in, (struct tensor *[]){&s->part}, EVAL_FAST);
    return any;
}

/* ---- comparing ---- */

/* A layer's result as its view shows it. */
static const struct tensor *shown(const struct layer *l, struct tensor *t, struct tensor *to)
{
    if (!l->view)
        return t;
    to->dtype = t->dtype;
    to->shape = l->y->shape;
    ncc_eval_node(l->view, (const struct tensor *[]){t}, (struct tensor *[]){to}, EVAL_FAST);
    return to;
}

static double element(const struct tensor *t, const struct quant *q, int channel, int64_t i)
{
    return t->dtype == DT_U8 ? real_of(q, channel, ((const uint8_t *)t->data)[i]) : (double)((const float *)t->data)[i];
}

/* Elements are visited channel by channel, inside the window only. */
struct place_in {
    int channel;
    int64_t at;
};

static struct place_in element_at(const struct value *v, int64_t i)
{
    const struct window *w = &v->window;
    if (!w->h || v->shape.rank != 4)
        return (struct place_in){v->shape.rank == 4 ? (int)(i / ((int64_t)v->shape.dim[2] * v->shape.dim[3])) : 0, i};
    const int64_t plane = (int64_t)w->h * w->w, c = i / plane, y = i % plane / w->w, x = i % w->w;
    return (struct place_in){(int)c, (c * v->shape.dim[2] + w->top + y) * v->shape.dim[3] + w->left + x};
}

static int64_t n_elements(const struct value *v)
{
    if (!v->window.h || v->shape.rank != 4)
        return ncc_shape_count(v->shape);
    return (int64_t)v->shape.dim[1] * v->window.h * v->window.w;
}

static void add_output(struct layer_sums *sum, const struct quant *q, int channel, double y)
{
    const double back = real_of(q, channel, code_of(q, channel, y)), error = (y - back) * (y - back);
    sum->output += error;
    if (fabs(y - back) <= 0.5001 * ncc_quant_scale(q, channel))
        return;
    sum->clipped += error;
    sum->n_clipped++;
}

static void note_reach(struct store *s, int layer, const struct layer *l, const struct quant *q, int channel, double y)
{
    float *largest = &s->largest[l->first_channel + (channel < l->n_channels ? channel : 0)];
    *largest = fmaxf(*largest, (float)fabs(y));
    if (!q)
        return;
    const double reach = fmax(fabs(real_of(q, channel, 0)), fabs(real_of(q, channel, 255)));
    const int bin = (int)fmin(fabs(y) / reach * (N_BINS - 1), N_BINS - 1);
    s->bins[layer][bin]++;
}

static void compare(const struct job *j, struct store *s, int layer, struct layer_sums *sum)
{
    const struct layer *l = &j->layer[layer];
    const struct value *v = l->code;
    const struct quant *q = v->dtype == DT_U8 && v->quant.n_channels ? &v->quant : NULL;
    const struct tensor *own = run_own(j, s, l) ? shown(l, &s->own, &s->own_shown) : NULL;
    const struct tensor *input = run_input(s, l) ? shown(l, &s->part, &s->part_shown) : NULL;
    const float *y = s->real[l->y->id].data;
    sum->n = n_elements(l->y);
    for (int64_t i = 0; i < sum->n; i++) {
        const struct place_in p = element_at(l->y, i);
        const double want = (double)y[p.at];
        const double total = element(&s->total[v->id], q, p.channel, p.at) - want;
        sum->signal += want * want;
        sum->total += total * total;
        if (own) {
            const double e = element(own, q, p.channel, p.at) - want;
            sum->own += e * e;
        }
        if (input) {
            const double e = (double)((const float *)input->data)[p.at] - want;
            sum->input += e * e;
        }
        if (q)
            add_output(sum, q, p.channel, want);
        note_reach(s, layer, l, q, p.channel, want);
    }
}

static void compare_output(const struct job *j, const struct store *s, int output, struct layer_sums *sum)
{
    const struct value *v = j->codes->outputs.v[output].value, *y = j->real->outputs.v[output].value;
    const float *want = s->real[y->id].data;
    const struct quant *q = v->dtype == DT_U8 && v->quant.n_channels ? &v->quant : NULL;
    if (v->data || y->data)
        return; /* a constant: nothing is lost */
    sum->n = ncc_shape_count(y->shape);
    const int64_t run = q && q->n_channels > 1 ? sum->n / y->shape.dim[1] : sum->n;
    for (int64_t i = 0; i < sum->n; i++) {
        const double e = element(&s->total[v->id], q, (int)(i / run), i) - (double)want[i];
        sum->signal += (double)want[i] * (double)want[i];
        sum->total += e * e;
    }
}

static void judge(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    struct job *j = ctx;
    (void)outputs;
    run_codes(j, &j->store[thread]);
    for (int i = 0; i < j->n_layers; i++)
        compare(j, &j->store[thread], i, &j->sums[(size_t)sample * j->n_layers + i]);
    for (int k = 0; k < j->codes->outputs.n; k++)
        compare_output(j, &j->store[thread], k, &j->outputs[(size_t)sample * j->codes->outputs.n + k]);
}

static void step(void *ctx)
{
    ncc_progress_step(&((struct job *)ctx)->progress);
}

/* ---- memory ---- */

/* A buffer of the size of the largest value. */
static struct tensor largest_tensor(size_t size, struct arena *a)
{
    return (struct tensor){.data = ncc_arena_alloc(a, size + 1, 1, 64)};
}

static void open_store(struct job *j, struct store *s, struct value *const *real, struct value *const *codes,
                       struct arena *a)
{
    size_t largest = 0;
    int widest = 1;
    for (const struct node *n = j->codes->first; n; n = n->next) {
        widest = n->n_in > widest ? n->n_in : widest;
        widest = n->n_out > widest ? n->n_out : widest;
    }
    s->in = NCC_NEW(a, const struct tensor *, widest);
    s->out = NCC_NEW(a, struct tensor *, widest);
    s->fixed = NCC_NEW(a, struct tensor, widest);
    s->real = NCC_NEW(a, struct tensor, j->real->next_id);
    s->total = NCC_NEW(a, struct tensor, j->codes->next_id);
    for (int i = 0; i < j->real->next_id; i++)
        if (real[i]) {
            s->real[i] = tensor_for(real[i], a);
            largest = size_of(real[i]) > largest ? size_of(real[i]) : largest;
        }
    for (int i = 0; i < j->codes->next_id; i++)
        if (codes[i])
            s->total[i] = tensor_for(codes[i], a);
    s->own = largest_tensor(largest, a);
    s->part = largest_tensor(largest, a);
    s->own_shown = largest_tensor(largest, a);
    s->part_shown = largest_tensor(largest, a);
    for (int i = 0; i < MAX_IN; i++)
        s->rounded[i] = largest_tensor(largest, a);
    s->largest = NCC_NEW(a, float, j->n_channels);
    s->bins = ncc_arena_alloc(a, (size_t)j->n_layers, sizeof *s->bins, 64);
}

/* ---- all ---- */

static void add_sums(struct layer_sums *to, const struct layer_sums *s)
{
    to->signal += s->signal;
    to->own += s->own;
    to->total += s->total;
    to->input += s->input;
    to->output += s->output;
    to->clipped += s->clipped;
    to->n += s->n;
    to->n_clipped += s->n_clipped;
}

/* The share of the range that holds 999 of 1000 elements. */
static double used_share(const struct job *j, int n_threads, int layer)
{
    int64_t bins[N_BINS] = {0}, n = 0, seen = 0;
    for (int t = 0; t < n_threads; t++)
        for (int b = 0; b < N_BINS; b++) {
            bins[b] += j->store[t].bins[layer][b];
            n += j->store[t].bins[layer][b];
        }
    int b = 0;
    for (; b < N_BINS - 1 && (double)(seen + bins[b]) < 0.999 * (double)n; b++)
        seen += bins[b];
    return n ? (double)(b + 1) / N_BINS : 1;
}

static int n_silent(const struct job *j, int n_threads, const struct layer *l)
{
    const struct value *v = l->code;
    int n = 0;
    for (int c = 0; c < l->n_channels && v->dtype == DT_U8 && v->quant.n_channels; c++) {
        float largest = 0;
        for (int t = 0; t < n_threads; t++)
            largest = fmaxf(largest, j->store[t].largest[l->first_channel + c]);
        n += largest > 0 && (double)largest < ncc_quant_scale(&v->quant, c) / 2;
    }
    return n;
}

static void sum_up(const struct job *j, int n_threads, int n_samples, struct arena *a, struct layer_errors *out)
{
    const int n_outputs = j->codes->outputs.n;
    *out = (struct layer_errors){NCC_NEW(a, struct layer_error, j->n_layers), j->n_layers,
                                 NCC_NEW(a, struct layer_sums, n_outputs), n_outputs};
    for (int s = 0; s < n_samples; s++)
        for (int k = 0; k < n_outputs; k++)
            add_sums(&out->outputs[k], &j->outputs[(size_t)s * n_outputs + k]);
    for (int i = 0; i < j->n_layers; i++) {
        struct layer_error *e = &out->v[i];
        *e = (struct layer_error){.node = j->layer[i].node, .n_channels = j->layer[i].n_channels};
        for (int s = 0; s < n_samples; s++)
            add_sums(&e->sum, &j->sums[(size_t)s * j->n_layers + i]);
        e->n_silent = n_silent(j, n_threads, &j->layer[i]);
        e->used = used_share(j, n_threads, i);
    }
}

bool ncc_quant_layer_errors(const struct graph *real, const struct graph *codes,
                            bool (*feed)(void *ctx, int sample, int input, struct tensor *to), void *ctx, int n_samples,
                            bool quiet, struct arena *arena, struct layer_errors *out)
{
    struct job j = {.real = real, .codes = codes, .feed = feed, .ctx = ctx};
    const int n_threads = ncc_parallel_threads();
    struct value **real_values = values_by_id(real, arena), **code_values = values_by_id(codes, arena);
    list_layers(&j, real_values, arena);
    j.store = NCC_NEW(arena, struct store, n_threads);
    for (int t = 0; t < n_threads; t++)
        open_store(&j, &j.store[t], real_values, code_values, arena);
    j.sums = NCC_NEW(arena, struct layer_sums, (size_t)n_samples * j.n_layers);
    j.outputs = NCC_NEW(arena, struct layer_sums, (size_t)n_samples * codes->outputs.n);
    struct evaluator *e = ncc_eval_open(real, EVAL_FAST, 0);
    if (!e) {
        ncc_diag_error(real->diags, FAULT_INPUT, (struct place){.file = real->file},
                       "not enough memory to run the model",
                       "close other programs, or use fewer threads (NCC_THREADS=1)", NULL);
        return false;
    }
    j.progress = ncc_progress_begin("comparing layers", n_samples, quiet);
    const struct eval_hooks hooks = {.ctx = &j, .feed = feed_real, .see = keep, .done = judge, .step = step};
    const bool good = ncc_eval_run(e, n_samples, &hooks);
    ncc_eval_close(e);
    ncc_progress_end(&j.progress);
    if (good)
        sum_up(&j, n_threads, n_samples, arena, out);
    return good;
}
