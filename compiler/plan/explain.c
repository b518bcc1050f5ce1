/* The message "does not fit": which step needs most, and what is alive there. */
#include "compiler/plan/plan.h"

#include <stdlib.h>

enum { MAX_LINES = 12 };

/* A buffer in the user's terms. */
struct line {
    const struct buffer *buffer;
    const struct value *value; /* the largest one in the buffer */
    const struct node *reader; /* the last one */
};

struct account {
    const struct graph *g;
    const struct plan *plan;
    enum memory mem;
    struct line *line; /* by buffer */
    int64_t *live;     /* by step */
    int n_steps;
};

static bool is_alive(const struct buffer *b, enum memory mem, int step)
{
    return b->mem == mem && b->birth <= step && step <= b->death;
}

static void see(struct account *x, const struct value *v, const struct node *reader)
{
    const int b = v ? x->plan->buffer_of[v->id] : -1;
    if (b < 0)
        return;
    struct line *l = &x->line[b];
    if (!l->value || ncc_plan_value_size(v) > ncc_plan_value_size(l->value))
        l->value = v;
    if (reader)
        l->reader = reader;
}

static struct account take_account(const struct graph *g, const struct plan *p, enum memory mem, struct arena *a)
{
    const int n_buffers = p->buffers.n;
    struct account x = {.g = g, .plan = p, .mem = mem, .n_steps = p->n_steps > 0 ? p->n_steps : 1};
    x.line = NCC_NEW(a, struct line, n_buffers);
    x.live = NCC_NEW(a, int64_t, x.n_steps);
    for (int i = 0; i < g->inputs.n; i++)
        see(&x, g->inputs.v[i], NULL);
    for (const struct node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->n_in; i++)
            see(&x, n->in[i], n);
        for (int i = 0; i < n->n_out; i++)
            see(&x, n->out[i], NULL);
    }
    for (int i = 0; i < n_buffers; i++) {
        x.line[i].buffer = &p->buffers.v[i];
        for (int t = 0; t < x.n_steps; t++)
            x.live[t] += is_alive(&p->buffers.v[i], mem, t) ? p->buffers.v[i].size : 0;
    }
    return x;
}

/* Among the steps at which a buffer ends at the peak, the one with most alive. */
static int find_step(const struct account *x, int64_t peak)
{
    int found = -1;
    for (int i = 0; i < x->plan->buffers.n; i++) {
        const struct buffer *b = &x->plan->buffers.v[i];
        if (b->mem != x->mem || b->addr + b->size != peak)
            continue;
        for (int t = b->birth; t <= b->death && t < x->n_steps; t++) {
            if (found < 0 || x->live[t] > x->live[found])
                found = t;
        }
    }
    return found > 0 ? found : 0;
}

static int compare_lines(const void *x, const void *y)
{
    const struct line *a = x, *b = y;
    if (a->buffer->size != b->buffer->size)
        return a->buffer->size > b->buffer->size ? -1 : 1;
    return a->buffer->birth - b->buffer->birth;
}

static const char *describe(const struct account *x, const struct line *l, struct arena *a)
{
    char shape[80];
    const struct value *v = l->value;
    if (!v)
        return "";
    const char *text = ncc_arena_printf(a, "  '%s' %s", v->name, ncc_shape_text(v->shape, shape));
    if (v->def)
        text = ncc_arena_printf(a, "%s, written by '%s' (%s)", text, v->def->name, ncc_op_desc(v->def->op)->name);
    else
        text = ncc_arena_printf(a, "%s, a graph input", text);
    if (ncc_value_is_output(x->g, v))
        return ncc_arena_printf(a, "%s, kept as a graph output", text);
    if (l->reader)
        text = ncc_arena_printf(a, "%s, needed until '%s' (%s)", text, l->reader->name,
                                ncc_op_desc(l->reader->op)->name);
    return text;
}

static const struct node *node_at(const struct graph *g, int step)
{
    const struct node *n = g->first;
    for (int i = 0; n && i < step; i++)
        n = n->next;
    return n;
}

static const char *head_line(const struct account *x, const struct plan_memory *m, int64_t limit, int step,
                             struct arena *a)
{
    const char *name = x->mem == MEM_KPU ? "KPU RAM" : "main memory";
    const struct node *n = node_at(x->g, step);
    const char *text = ncc_arena_printf(a, "%s: %lld bytes are needed, %lld are there", name, (long long)m->peak,
                                        (long long)limit);
    if (n)
        text = ncc_arena_printf(a, "%s; most at node '%s' (%s), step %d of %d", text, n->name, ncc_op_desc(n->op)->name,
                                step + 1, x->n_steps);
    if (m->peak > limit && m->bound <= limit)
        return ncc_arena_printf(a, "%s\n  alive together are never more than %lld bytes, %s", text, (long long)m->bound,
                                m->optimal ? "but they cannot be placed closer"
                                           : "a longer search may place them closer");
    return ncc_arena_printf(a, "%s\n  alive there are %lld bytes:", text, (long long)x->live[step]);
}

char *ncc_plan_explain(const struct graph *g, const struct plan *p, enum memory mem, int64_t limit, struct arena *a)
{
    const struct plan_memory *m = mem == MEM_KPU ? &p->kpu : &p->main;
    struct account x = take_account(g, p, mem, a);
    const int step = find_step(&x, m->peak);
    const char *text = head_line(&x, m, limit, step, a);
    int n = 0;
    for (int i = 0; i < p->buffers.n; i++) {
        if (is_alive(x.line[i].buffer, mem, step))
            x.line[n++] = x.line[i];
    }
    qsort(x.line, (size_t)n, sizeof *x.line, compare_lines);
    int64_t rest = 0;
    for (int i = 0; i < n; i++) {
        if (i < MAX_LINES)
            text = ncc_arena_printf(a, "%s\n%12lld%s", text, (long long)x.line[i].buffer->size,
                                    describe(&x, &x.line[i], a));
        else
            rest += x.line[i].buffer->size;
    }
    if (n > MAX_LINES)
        text = ncc_arena_printf(a, "%s\n%12lld  in %d more", text, (long long)rest, n - MAX_LINES);
    return ncc_arena_printf(a, "%s\n", text);
}
