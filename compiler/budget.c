/* General RAM: what the model, its working memory and its input take together, held against what the board leaves.
 *
 * The firmware keeps all three at once, beside itself. So a model that misses is refused here, with the list of what
 * takes the room, and not by the board at start. */
#include "compiler/board.h"
#include "compiler/steps.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_LINES = 8 };

struct weights {
    const char *name, *op;
    int64_t bytes;
    int place; /* among the nodes: equal ones stay in their order */
};

static int64_t constant_bytes(const struct node *n)
{
    int64_t bytes = 0;
    for (int i = 0; i < n->n_in; i++)
        if (ncc_is_const(n->in[i]))
            bytes += ncc_shape_count(n->in[i]->shape) * (int64_t)ncc_dtype_size(n->in[i]->dtype);
    return bytes;
}

static int larger_first(const void *x, const void *y)
{
    const struct weights *a = x, *b = y;
    return a->bytes != b->bytes ? (a->bytes > b->bytes ? -1 : 1) : a->place - b->place;
}

/* The layers with most weights. */
static const char *weights_text(const struct graph *g, struct arena *a)
{
    int n = 0;
    struct weights *w = NCC_NEW(a, struct weights, ncc_graph_n_nodes(g));
    for (const struct node *node = g->first; node; node = node->next) {
        const int64_t bytes = constant_bytes(node);
        if (bytes > 0)
            w[n] = (struct weights){node->name, ncc_op_desc(node->op)->name, bytes, n}, n++;
    }
    qsort(w, (size_t)n, sizeof *w, larger_first);
    const char *text = ncc_arena_printf(a, "weights by layer:");
    int64_t rest = 0;
    for (int i = 0; i < n; i++) {
        if (i < MAX_LINES)
            text = ncc_arena_printf(a, "%s\n%12lld  '%s' (%s)", text, (long long)w[i].bytes, w[i].name, w[i].op);
        else
            rest += w[i].bytes;
    }
    return n > MAX_LINES ? ncc_arena_printf(a, "%s\n%12lld  in %d more", text, (long long)rest, n - MAX_LINES) : text;
}

/* Boards that leave enough. */
static const char *other_boards(int64_t needed, struct arena *a)
{
    const char *names = NULL;
    for (int i = 0; i < ncc_n_boards; i++)
        if (ncc_boards[i].bytes >= needed)
            names = names ? ncc_arena_printf(a, "%s, %s", names, ncc_boards[i].name) : ncc_boards[i].name;
    return names;
}

/* Working memory and input grow with the area of the picture, the model does not. */
static const char *smaller_input(const struct report *r, int64_t limit, struct arena *a)
{
    const double left = (double)(limit - r->file_bytes), grows = (double)(r->main_memory_bytes + r->input_bytes);
    const struct shape *s = r->inputs.n == 1 ? &r->inputs.v[0].shape : NULL;
    if (!s || s->rank != 4 || left <= 0 || grows <= 0)
        return NULL;
    const double by = sqrt(left / grows);
    const int h = (int)(s->dim[2] * by) / 8 * 8, w = (int)(s->dim[3] * by) / 8 * 8;
    return h < 8 || w < 8 ? NULL : ncc_arena_printf(a, "an input of about %dx%d (width x height)", w, h);
}

static const char *remedy(const struct report *r, const struct board *b, int64_t needed, struct arena *a)
{
    const char *smaller = smaller_input(r, b->bytes, a), *boards = other_boards(needed, a);
    const char *text = r->file_bytes > b->bytes ? "fewer or narrower layers" : "a smaller model";
    if (smaller)
        text = ncc_arena_printf(a, "%s, or %s", text, smaller);
    if (boards)
        text = ncc_arena_printf(a, "%s, or a firmware that leaves more (--board %s)", text, boards);
    return text;
}

bool ncc_step_budget(struct compilation *c)
{
    const struct report *r = &c->report;
    const struct board *b = &r->board;
    const int64_t needed = r->file_bytes + r->main_memory_bytes + r->input_bytes;
    if (needed <= b->bytes)
        return true;
    struct arena *a = &c->arena;
    ncc_diag_error(
        &c->diags, FAULT_NO_FIT, (struct place){c->options->model, NULL, NULL},
        ncc_arena_printf(a, "the model needs more general RAM than is there on %s", b->name), remedy(r, b, needed, a),
        "%lld bytes of %lld%s%s%s: model %lld, working memory %lld, input %lld\n%s\n%s", (long long)needed,
        (long long)b->bytes, b->source ? " (" : "", b->source ? b->source : "", b->source ? ")" : "",
        (long long)r->file_bytes, (long long)r->main_memory_bytes, (long long)r->input_bytes, weights_text(c->graph, a),
        ncc_plan_explain(c->graph, &c->plan, MEM_MAIN, b->bytes - r->file_bytes - r->input_bytes, a));
    return false;
}
