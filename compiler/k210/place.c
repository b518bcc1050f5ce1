/* What runs where: a minimum cut.
 *
 * Every node costs so much on the KPU and so much on the CPU, and every value that changes sides costs a copy, once,
 * however many readers there are. Choosing sides at least total cost is a minimum cut between K (the KPU) and C (the
 * CPU):
 *
 *     K --cpu cost--> node --kpu cost--> C            cut: the node is on the other side
 *     producer --download--> d,  d --inf--> consumer  cut: made on the KPU, some reader on the CPU
 *     consumer --inf--> u,  u --upload--> producer    cut: made on the CPU, some reader on the KPU
 *
 * A node that breaks a hardware rule costs infinity on the KPU, others what a trial says (estimate.c). Found by Dinic's algorithm.
 */
#include "compiler/k210/cost.h"
#include "compiler/k210/k210.h"
#include "compiler/k210/rules.h"
#include "compiler/ops/clamps.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define INF 1e12
/* More than any kernel takes, and less than what cannot be: the KPU does it if it can at all. */
#define NO_KERNEL 1e9

struct edge {
    int to, next; /* next edge of the same vertex, -1: last */
    double room;  /* edge i ^ 1 is its reverse */
};

struct network {
    struct arena *arena;
    struct {
        struct edge *v;
        int n, cap;
    } edges;
    struct {
        int *v;
        int n, cap;
    } head; /* first edge of each vertex */
    int *level, *at, *queue;
};

enum { SIDE_KPU, SIDE_CPU, FIRST_VERTEX };

static int new_vertex(struct network *net)
{
    NCC_PUSH(net->arena, &net->head, -1);
    return net->head.n - 1;
}

static void connect(struct network *net, int from, int to, double room, double back)
{
    NCC_PUSH(net->arena, &net->edges, ((struct edge){to, net->head.v[from], room}));
    net->head.v[from] = net->edges.n - 1;
    NCC_PUSH(net->arena, &net->edges, ((struct edge){from, net->head.v[to], back}));
    net->head.v[to] = net->edges.n - 1;
}

/* Distances from SIDE_KPU over edges with room. False: SIDE_CPU is out of reach. */
static bool levels(struct network *net)
{
    for (int i = 0; i < net->head.n; i++)
        net->level[i] = -1;
    int n = 0;
    net->queue[n++] = SIDE_KPU;
    net->level[SIDE_KPU] = 0;
    for (int i = 0; i < n; i++)
        for (int e = net->head.v[net->queue[i]]; e >= 0; e = net->edges.v[e].next) {
            const struct edge *x = &net->edges.v[e];
            if (x->room > 1e-9 && net->level[x->to] < 0) {
                net->level[x->to] = net->level[net->queue[i]] + 1;
                net->queue[n++] = x->to;
            }
        }
    return net->level[SIDE_CPU] >= 0;
}

/* One augmenting path at a time along rising levels, without recursion: path[] holds its edges. */
static bool augment(struct network *net, int *path)
{
    int n = 0, v = SIDE_KPU;
    while (v != SIDE_CPU) {
        int *e = &net->at[v];
        while (*e >= 0 && !(net->edges.v[*e].room > 1e-9 && net->level[net->edges.v[*e].to] == net->level[v] + 1))
            *e = net->edges.v[*e].next;
        if (*e >= 0) {
            path[n++] = *e;
            v = net->edges.v[*e].to;
        } else if (n == 0) {
            return false;
        } else {
            net->level[v] = -1; /* a dead end */
            v = net->edges.v[path[--n] ^ 1].to;
        }
    }
    double room = DBL_MAX;
    for (int i = 0; i < n; i++)
        room = net->edges.v[path[i]].room < room ? net->edges.v[path[i]].room : room;
    for (int i = 0; i < n; i++) {
        net->edges.v[path[i]].room -= room;
        net->edges.v[path[i] ^ 1].room += room;
    }
    return true;
}

/* Afterwards level[v] >= 0 for the vertices on the KPU's side. */
static void cut(struct network *net)
{
    const int n = net->head.n;
    net->level = NCC_NEW(net->arena, int, n);
    net->at = NCC_NEW(net->arena, int, n);
    net->queue = NCC_NEW(net->arena, int, n);
    int *path = NCC_NEW(net->arena, int, n);
    while (levels(net)) {
        memcpy(net->at, net->head.v, (size_t)n * sizeof *net->at);
        while (augment(net, path))
            ;
    }
}

/* ---- the graph as a network ---- */

struct placing {
    struct graph *g;
    const struct k210_options *options;
    struct network net;
    int *vertex; /* by value id: that of the node that makes it; 0: constants and inputs that are anywhere */
};

/* A clamp behind what only a CPU kernel can do that clamps by itself: nothing is saved on the KPU, and codes of the
 * value in front of it would be coarser. */
static bool is_fused_clamp(const struct graph *g, const struct node *n)
{
    char found[120];
    const struct node *d = n->in[0] ? n->in[0]->def : NULL;
    return d && (n->op == OP_relu || n->op == OP_clip) && ncc_op_clamps(d->op) &&
           ncc_value_only_use(g, n->in[0]) == n && (d->barred || isinf(d->kpu_us) || ncc_k210_rule_broken(d, found));
}

double ncc_k210_cpu_us(const struct graph *g, const struct node *n, enum ncc_kpu_runtime runtime)
{
    return is_fused_clamp(g, n) ? 0 : ncc_cost_cpu_us(n, runtime);
}

static double cpu_us(const struct placing *p, const struct node *n)
{
    return p->options->kmodel_v3 && !ncc_k210_v3_has_kernel(n->op) ? NO_KERNEL
                                                                    : ncc_k210_cpu_us(p->g, n, p->options->runtime);
}

static void add_node(struct placing *p, struct node *n)
{
    const int v = new_vertex(&p->net);
    char found[120] = "";
    const char *rule = p->options->cpu_only ? "the target is the CPU"
                       : n->barred          ? n->reason
                                            : ncc_k210_rule_broken(n, found);
    if (!rule && isinf(n->kpu_us))
        rule = n->reason;
    n->reason = !rule ? NULL : found[0] ? ncc_arena_printf(p->g->arena, "%s (%s)", rule, found) : rule;
    connect(&p->net, SIDE_KPU, v, cpu_us(p, n), 0);
    connect(&p->net, v, SIDE_CPU, rule ? INF : n->kpu_us, 0);
    for (int i = 0; i < n->n_out; i++)
        p->vertex[n->out[i]->id] = v;
}

static void add_value(struct placing *p, const struct value *v)
{
    const int made = p->vertex[v->id];
    const int down = new_vertex(&p->net), up = new_vertex(&p->net);
    connect(&p->net, made, down, ncc_cost_download_us(v, p->options->runtime), 0);
    connect(&p->net, up, made, ncc_cost_upload_us(v, p->options->runtime), 0);
    for (const struct use *u = v->uses; u; u = u->next) {
        const int reader = p->vertex[u->node->out[0]->id];
        connect(&p->net, down, reader, INF, 0);
        connect(&p->net, reader, up, INF, 0);
    }
    if (ncc_value_is_output(p->g, v))
        connect(&p->net, down, SIDE_CPU, INF, 0);
}

double ncc_k210_input_us(const struct value *v, const struct k210_options *o)
{
    if (o->float_input || v->shape.rank != 4)
        return ncc_cost_upload_us(v, o->runtime);
    return o->inputs_on_kpu ? 0 : ncc_cost_input_us(v, ncc_k210_has_room(o), o->runtime);
}

static void add_input(struct placing *p, const struct value *v)
{
    const int up = new_vertex(&p->net);
    connect(&p->net, up, SIDE_CPU, ncc_k210_input_us(v, p->options), 0);
    for (const struct use *u = v->uses; u; u = u->next)
        connect(&p->net, p->vertex[u->node->out[0]->id], up, INF, 0);
}

bool ncc_k210_place(struct graph *g, const struct k210_options *options, struct arena *scratch)
{
    struct placing p = {.g = g, .options = options, .net = {.arena = scratch}};
    p.vertex = NCC_NEW(scratch, int, g->next_id);
    if (!options->cpu_only)
        ncc_k210_estimate(g, options, scratch);
    for (int i = 0; i < FIRST_VERTEX; i++)
        new_vertex(&p.net);
    for (struct node *n = g->first; n; n = n->next)
        add_node(&p, n);
    for (struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            add_value(&p, n->out[i]);
    for (int i = 0; i < g->inputs.n; i++)
        add_input(&p, g->inputs.v[i]);
    cut(&p.net);
    for (struct node *n = g->first; n; n = n->next) {
        n->on_kpu = p.net.level[p.vertex[n->out[0]->id]] >= 0;
        if (!n->on_kpu && !n->reason)
            n->reason = "the CPU is estimated to be faster here, copies included";
    }
    return true;
}

/* ---- what it costs ---- */

static bool read_by(const struct graph *g, const struct value *v, bool kpu)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (u->node->on_kpu == kpu)
            return true;
    return !kpu && ncc_value_is_output(g, v);
}

double ncc_k210_placed_us(const struct graph *g, const struct k210_options *options)
{
    const enum ncc_kpu_runtime runtime = options->runtime;
    double us = 0;
    for (const struct node *n = g->first; n; n = n->next) {
        us += n->on_kpu ? n->kpu_us : ncc_cost_cpu_us(n, runtime);
        for (int i = 0; i < n->n_out; i++)
            if (read_by(g, n->out[i], !n->on_kpu))
                us += n->on_kpu ? ncc_cost_download_us(n->out[i], runtime) : ncc_cost_upload_us(n->out[i], runtime);
    }
    for (int i = 0; i < g->inputs.n; i++) {
        const struct value *v = g->inputs.v[i];
        if (read_by(g, v, true))
            us += ncc_k210_input_us(v, options);
    }
    return us;
}
