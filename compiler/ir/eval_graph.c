/* Evaluating whole graphs.
 *
 * Each thread has one block of memory. Before anything runs, every value gets an offset in it for
 * the steps between its birth and its last use; the scratch memory of a node lives for one step.
 * A new buffer goes into the smallest hole between the live ones that holds it:
 *
 *     block  | x |  w1  |   hole   | y |  hole  | z |   beyond: the block grows
 */
#include "compiler/base/parallel.h"
#include "compiler/ir/eval_node.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64

/* What a value's tensor is. */
struct slot {
    const struct value *value; /* NULL: no value has this id */
    int root;      /* id of the value whose bytes it shares; its own id when it shares none */
    size_t off;    /* in the block, when the root is not a constant */
    int last_use;  /* of the root: step after which its bytes are free */
};

struct step {
    const struct node *node;
    size_t scratch_off;
    bool on_codes;
    struct code_args codes;
};

struct evaluator {
    const struct graph *g;
    enum eval_mode mode;
    struct slot *slots; /* by value id */
    struct step *steps;
    int n_steps, n_ids, max_in, max_out, n_threads;
    size_t block_size;
    struct worker *workers;
};

struct worker {
    char *block;
    struct tensor *tensors; /* by value id */
    const struct tensor **in;
    struct tensor **out;
};

/* ---- planning ---- */

struct live {
    size_t off, size;
    int last_use;
};

/* Live buffers by offset, and the largest end so far. */
struct layout {
    struct live *v;
    int n;
    size_t peak;
};

static size_t rounded(size_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static size_t value_size(const struct value *v)
{
    return rounded((size_t)ncc_shape_count(v->shape) * ncc_dtype_size(v->dtype));
}

static void expire(struct layout *l, int step)
{
    int kept = 0;
    for (int i = 0; i < l->n; i++)
        if (l->v[i].last_use >= step)
            l->v[kept++] = l->v[i];
    l->n = kept;
}

/* Best fit. */
static size_t place(struct layout *l, size_t size, int last_use)
{
    size_t at = 0, best_hole = SIZE_MAX, best = 0, end = 0;
    int where = l->n;
    for (int i = 0; i < l->n; i++) {
        const size_t hole = l->v[i].off - end;
        if (hole >= size && hole < best_hole) {
            best_hole = hole;
            best = end;
            where = i;
        }
        end = l->v[i].off + l->v[i].size;
    }
    at = best_hole == SIZE_MAX ? end : best;
    memmove(l->v + where + 1, l->v + where, (size_t)(l->n - where) * sizeof *l->v);
    l->v[where] = (struct live){at, size, last_use};
    l->n++;
    l->peak = at + size > l->peak ? at + size : l->peak;
    return at;
}

/* A reshape's result lies where its input lies. A canvas declared anew has the same bytes on the
 * chip, but not in packed tensors. */
static bool shares_bytes(const struct node *n)
{
    const unsigned flags = ncc_op_desc(n->op)->flags;
    return (flags & OP_ALIAS) && !(flags & OP_KPU);
}

static void add_value(struct evaluator *e, const struct value *v, int root)
{
    e->slots[v->id].value = v;
    e->slots[v->id].root = root < 0 ? v->id : e->slots[root].root;
}

static void use_value(struct evaluator *e, const struct value *v, int step)
{
    if (!v)
        return;
    if (!e->slots[v->id].value)
        add_value(e, v, -1); /* a constant */
    struct slot *root = &e->slots[e->slots[v->id].root];
    root->last_use = step > root->last_use ? step : root->last_use;
}

static void find_lifetimes(struct evaluator *e)
{
    for (int i = 0; i < e->g->inputs.n; i++)
        add_value(e, e->g->inputs.v[i], -1);
    for (int s = 0; s < e->n_steps; s++) {
        const struct node *n = e->steps[s].node;
        for (int i = 0; i < n->n_in; i++)
            use_value(e, n->in[i], s);
        for (int i = 0; i < n->n_out; i++) {
            add_value(e, n->out[i], shares_bytes(n) ? n->in[0]->id : -1);
            use_value(e, n->out[i], s);
        }
    }
    for (int i = 0; i < e->g->outputs.n; i++)
        use_value(e, e->g->outputs.v[i].value, e->n_steps);
}

static void place_value(struct evaluator *e, struct layout *l, const struct value *v)
{
    struct slot *s = &e->slots[v->id];
    if (s->root == v->id && !v->data)
        s->off = place(l, value_size(v), s->last_use);
}

static size_t scratch_of(const struct evaluator *e, const struct step *s)
{
    const struct op_desc *desc = ncc_op_desc(s->node->op);
    const size_t real = ncc_eval_scratch(s->node, e->mode);
    if (!s->on_codes || !desc->codes_scratch)
        return real;
    struct code_args c = s->codes;
    c.real = &(const struct eval_args){.node = s->node};
    const size_t codes = desc->codes_scratch(&c);
    return codes > real ? codes : real;
}

static void find_offsets(struct evaluator *e, struct live *room)
{
    struct layout l = {room, 0, 0};
    for (int i = 0; i < e->g->inputs.n; i++)
        place_value(e, &l, e->g->inputs.v[i]);
    for (int s = 0; s < e->n_steps; s++) {
        const struct node *n = e->steps[s].node;
        expire(&l, s);
        for (int i = 0; i < n->n_out; i++)
            place_value(e, &l, n->out[i]);
        e->steps[s].scratch_off = place(&l, rounded(scratch_of(e, &e->steps[s])), s);
    }
    e->block_size = l.peak ? l.peak : ALIGNMENT;
}

/* ---- opening and closing ---- */

static void list_steps(struct evaluator *e)
{
    int s = 0;
    for (const struct node *n = e->g->first; n; n = n->next) {
        e->steps[s].node = n;
        e->steps[s].on_codes = ncc_eval_find_codes(e->g, n, &e->steps[s].codes);
        s++;
        e->max_in = n->n_in > e->max_in ? n->n_in : e->max_in;
        e->max_out = n->n_out > e->max_out ? n->n_out : e->max_out;
    }
}

static void bind_tensors(const struct evaluator *e, struct worker *w)
{
    for (int id = 0; id < e->n_ids; id++) {
        const struct slot *s = &e->slots[id];
        if (!s->value)
            continue;
        const struct slot *root = &e->slots[s->root];
        /* constants are only read */
        void *data = root->value->data ? (void *)(uintptr_t)root->value->data : (void *)(w->block + root->off);
        w->tensors[id] = (struct tensor){s->value->dtype, s->value->shape, data};
    }
}

static bool open_worker(const struct evaluator *e, struct worker *w)
{
    const int n_outputs = e->g->outputs.n, n_in = e->max_in > n_outputs ? e->max_in : n_outputs;
    w->block = aligned_alloc(ALIGNMENT, e->block_size);
    w->tensors = calloc((size_t)e->n_ids + 1, sizeof *w->tensors);
    w->in = calloc((size_t)n_in + 1, sizeof *w->in);
    w->out = calloc((size_t)e->max_out + 1, sizeof *w->out);
    if (!w->block || !w->tensors || !w->in || !w->out)
        return false;
    bind_tensors(e, w);
    return true;
}

static void close_worker(struct worker *w)
{
    free(w->block);
    free(w->tensors);
    free(w->in);
    free(w->out);
}

/* As many workers as threads, memory and the limit allow. */
static bool open_workers(struct evaluator *e, size_t limit)
{
    int n = ncc_parallel_threads();
    if (limit > 0 && limit / e->block_size < (size_t)n)
        n = (int)(limit / e->block_size);
    e->workers = calloc((size_t)n + 1, sizeof *e->workers);
    for (int i = 0; e->workers && i < n; i++) {
        if (!open_worker(e, &e->workers[i])) {
            close_worker(&e->workers[i]);
            break;
        }
        e->n_threads++;
    }
    return e->n_threads > 0;
}

struct evaluator *ncc_eval_open(const struct graph *g, enum eval_mode mode, size_t limit)
{
    struct evaluator *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->g = g;
    e->mode = mode;
    e->n_ids = g->next_id;
    e->n_steps = ncc_graph_n_nodes(g);
    e->slots = calloc((size_t)e->n_ids + 1, sizeof *e->slots);
    e->steps = calloc((size_t)e->n_steps + 1, sizeof *e->steps);
    struct live *room = calloc((size_t)e->n_ids + (size_t)e->n_steps + 1, sizeof *room);
    bool good = e->slots && e->steps && room;
    if (good) {
        list_steps(e);
        find_lifetimes(e);
        find_offsets(e, room);
        good = open_workers(e, limit);
    }
    free(room);
    if (good)
        return e;
    ncc_eval_close(e);
    return NULL;
}

struct evaluator *ncc_eval_need(const struct graph *g, size_t limit)
{
    struct evaluator *e = ncc_eval_open(g, EVAL_FAST, limit);
    if (!e)
        ncc_diag_error(g->diags, FAULT_INPUT, (struct place){.file = g->file}, "not enough memory to run the model",
                       "close other programs, or use fewer threads (NCC_THREADS=1)", NULL);
    return e;
}

void ncc_eval_close(struct evaluator *e)
{
    if (!e)
        return;
    for (int i = 0; i < e->n_threads; i++)
        close_worker(&e->workers[i]);
    free(e->workers);
    free(e->slots);
    free(e->steps);
    free(e);
}

/* ---- samples ---- */

struct samples ncc_samples_spread(const struct samples *all, int n)
{
    assert(!all->of);
    struct samples s = *all;
    s.of = all->n;
    s.n = n < all->n ? n : all->n;
    return s;
}

bool ncc_samples_feed(const struct samples *s, int i, int input, struct tensor *to)
{
    const int step = s->of ? (int)((int64_t)i * s->of / s->n) : i;
    return s->feed(s->ctx, s->first + step, input, to);
}

/* ---- running ---- */

struct run {
    const struct evaluator *e;
    const struct samples *samples;
    const struct eval_hooks *hooks;
    atomic_int next; /* sample that nobody has taken yet */
    atomic_bool stopped;
};

static void see(const struct run *r, int sample, int thread, const struct value *v)
{
    if (r->hooks->see)
        r->hooks->see(r->hooks->ctx, sample, thread, v, &r->e->workers[thread].tensors[v->id]);
}

static bool run_on_codes(const struct step *s, const struct eval_args *a)
{
    struct code_args c = s->codes;
    c.real = a;
    return s->on_codes && ncc_op_desc(s->node->op)->eval_codes(&c);
}

static void run_node(const struct run *r, int sample, int thread, const struct step *s)
{
    const struct worker *w = &r->e->workers[thread];
    const struct node *n = s->node;
    for (int i = 0; i < n->n_in; i++)
        w->in[i] = n->in[i] ? &w->tensors[n->in[i]->id] : NULL;
    for (int i = 0; i < n->n_out; i++)
        w->out[i] = &w->tensors[n->out[i]->id];
    if (!shares_bytes(n)) {
        const struct eval_args a = {n, w->in, w->out, w->block + s->scratch_off};
        if (!run_on_codes(s, &a))
            ncc_eval_with(&a, r->e->mode);
    }
    for (int i = 0; i < n->n_out; i++)
        see(r, sample, thread, n->out[i]);
}

static bool feed(const struct run *r, int sample, int thread)
{
    const struct graph *g = r->e->g;
    for (int i = 0; i < g->inputs.n; i++) {
        if (!ncc_samples_feed(r->samples, sample, i, &r->e->workers[thread].tensors[g->inputs.v[i]->id]))
            return false;
        see(r, sample, thread, g->inputs.v[i]);
    }
    return true;
}

static void finish(const struct run *r, int sample, int thread)
{
    const struct graph *g = r->e->g;
    const struct worker *w = &r->e->workers[thread];
    for (int i = 0; i < g->outputs.n; i++)
        w->in[i] = &w->tensors[g->outputs.v[i].value->id];
    if (r->hooks->done)
        r->hooks->done(r->hooks->ctx, sample, thread, w->in);
    if (r->hooks->step)
        r->hooks->step(r->hooks->ctx);
}

/* One worker takes samples until there are none left. */
static void work(void *ctx, int worker, int thread)
{
    struct run *r = ctx;
    (void)thread;
    for (;;) {
        const int sample = atomic_fetch_add(&r->next, 1);
        if (sample >= r->samples->n || atomic_load(&r->stopped))
            return;
        if (!feed(r, sample, worker)) {
            atomic_store(&r->stopped, true);
            return;
        }
        for (int s = 0; s < r->e->n_steps; s++)
            run_node(r, sample, worker, &r->e->steps[s]);
        finish(r, sample, worker);
    }
}

bool ncc_eval_run(struct evaluator *e, const struct samples *samples, const struct eval_hooks *hooks)
{
    struct run r = {.e = e, .samples = samples, .hooks = hooks};
    ncc_parallel_for(samples->n < e->n_threads ? samples->n : e->n_threads, work, &r);
    return !atomic_load(&r.stopped);
}

bool ncc_eval_samples(const struct graph *g, size_t limit, const struct samples *samples,
                      const struct eval_hooks *hooks)
{
    struct evaluator *e = ncc_eval_need(g, limit);
    const bool good = e && ncc_eval_run(e, samples, hooks);
    ncc_eval_close(e);
    return good;
}
