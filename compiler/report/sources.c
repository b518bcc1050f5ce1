/* What became of every node of the source model: found from the lists of origins that the passes keep. */
#include "compiler/report/report.h"

#include <stdlib.h>
#include <string.h>

struct tracing {
    struct report *r;
    struct arena *a;
    const struct source_node **sorted; /* by name */
    const struct source_node *first;
    int n;
};

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct source_node *const *)a)->name, (*(const struct source_node *const *)b)->name);
}

/* The source node whose name is the first `length` bytes of `name`; -1: there is none. */
static int find(const struct tracing *t, const char *name, size_t length)
{
    int low = 0, high = t->n;
    while (low < high) {
        const int middle = (low + high) / 2;
        const char *other = t->sorted[middle]->name;
        const int order = strncmp(other, name, length);
        if (order < 0 || (order == 0 && !other[length]))
            low = middle + 1;
        else
            high = middle;
    }
    /* Now low is behind all names that are smaller or equal. */
    if (low > 0 && strlen(t->sorted[low - 1]->name) == length && strncmp(t->sorted[low - 1]->name, name, length) == 0)
        return (int)(t->sorted[low - 1] - t->first);
    return -1;
}

struct indices {
    int *v;
    int n, cap;
};

/* The source nodes in a comma separated list. Names may hold commas, so the longest name that fits is taken. */
static struct indices nodes_in(const struct tracing *t, const char *list)
{
    struct indices found = {0};
    while (list && *list) {
        int best = -1;
        const char *next = list + strcspn(list, ",");
        for (const char *end = next;; end += 1 + strcspn(end + 1, ",")) {
            const int i = find(t, list, (size_t)(end - list));
            if (i >= 0) {
                best = i;
                next = end;
            }
            if (!*end)
                break;
        }
        if (best >= 0)
            NCC_PUSH(t->a, &found, best);
        list = *next ? next + 1 : next;
    }
    return found;
}

/* "a, b" without saying anything twice. */
static const char *join(struct arena *a, const char *list, const char *item)
{
    const size_t n = strlen(item);
    for (const char *at = list; (at = strstr(at, item)); at += n)
        if ((at == list || at[-1] == ' ') && (!at[n] || at[n] == ','))
            return list;
    return *list ? ncc_arena_printf(a, "%s, %s", list, item) : item;
}

static void add_layer(struct tracing *t, int layer)
{
    const struct report_layer *l = &t->r->layers.v[layer];
    const struct indices nodes = nodes_in(t, l->origin);
    for (int i = 0; i < nodes.n; i++) {
        struct report_source *s = &t->r->sources.v[nodes.v[i]];
        struct indices layers = {s->layers, s->n_layers, s->n_layers};
        NCC_PUSH(t->a, &layers, layer);
        s->layers = layers.v;
        s->n_layers = layers.n;
        if (i == 0)
            s->est_us += l->est_us;
        if (strcmp(l->on, "copy") != 0) {
            s->on = join(t->a, s->on, l->on);
            s->as = join(t->a, s->as, l->op);
        }
        if (l->reason && l->est_us > 0)
            s->reason = l->reason;
        for (int k = 0; k < nodes.n; k++)
            if (nodes.v[k] != nodes.v[i])
                s->with = join(t->a, s->with, t->r->sources.v[nodes.v[k]].name);
    }
}

/* Nodes of the graph that are no layer are ways to look at bytes. */
static void add_views(struct tracing *t, const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next) {
        const struct indices nodes = nodes_in(t, n->origin);
        for (int i = 0; i < nodes.n; i++) {
            struct report_source *s = &t->r->sources.v[nodes.v[i]];
            if (!*s->on) {
                s->on = "free";
                s->as = "the same bytes, seen in another way";
            }
        }
    }
}

void ncc_report_sources(struct report *r, const struct source_node *sources, int n_sources, const struct graph *g,
                        struct arena *a)
{
    struct tracing t = {r, a, NCC_NEW(a, const struct source_node *, n_sources), sources, n_sources};
    for (int i = 0; i < n_sources; i++) {
        t.sorted[i] = &sources[i];
        NCC_PUSH(
            a, &r->sources,
            ((struct report_source){.name = sources[i].name, .op = sources[i].op, .on = "", .as = "", .with = ""}));
    }
    qsort(t.sorted, (size_t)n_sources, sizeof *t.sorted, by_name);
    for (int i = 0; i < r->layers.n; i++)
        add_layer(&t, i);
    add_views(&t, g);
    for (int i = 0; i < r->sources.n; i++) {
        struct report_source *s = &r->sources.v[i];
        if (*s->on)
            continue;
        s->on = sources[i].needed ? "folded" : "left out";
        s->as = sources[i].needed ? "into constants or its neighbours, when the model was compiled"
                                  : "no output depends on it";
    }
}
