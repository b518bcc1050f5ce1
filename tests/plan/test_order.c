/* The order of nodes: as good as the best of all orders where these can be tried, and the source order otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler/plan/order.h"
#include "random_graph.h"

#include <stdio.h>
#include <string.h>

enum { MAX_NODES = 9 };

struct peaks {
    int64_t by[N_DIMS];
};

static bool is_lower(struct peaks x, struct peaks y)
{
    return x.by[DIM_KPU] != y.by[DIM_KPU] ? x.by[DIM_KPU] < y.by[DIM_KPU] : x.by[DIM_MAIN] < y.by[DIM_MAIN];
}

static struct alias_map share(struct graph_case *c, enum in_place mode)
{
    struct alias_map m;
    struct alias_conflict conflict;
    assert_true(ncc_plan_alias(c->g, mode, &c->arena, &m, &conflict));
    return m;
}

/* ---- trying all orders ---- */

struct trial {
    const struct alias_map *map;
    const struct node *node[MAX_NODES];
    int at[MAX_NODES]; /* step by node */
    int n;
    struct peaks best;
    int n_orders;
};

static int index_of(const struct trial *t, const struct node *n)
{
    for (int i = 0; i < t->n; i++) {
        if (t->node[i] == n)
            return i;
    }
    return -1;
}

static bool touches(const struct trial *t, int node, int buffer)
{
    const struct node *n = t->node[node];
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] && t->map->buffer_of[n->in[i]->id] == buffer)
            return true;
    }
    return t->map->buffer_of[n->out[0]->id] == buffer;
}

/* Straight from the definition: what is alive at each step. */
static struct peaks measure(const struct trial *t)
{
    int64_t live[N_DIMS][MAX_NODES] = {{0}};
    struct peaks p = {{0}};
    for (int b = 0; b < t->map->n_buffers; b++) {
        const struct shared *s = &t->map->buffer[b];
        int birth = s->input ? 0 : MAX_NODES, death = 0;
        for (int i = 0; i < t->n; i++) {
            if (!touches(t, i, b))
                continue;
            const struct node *layer = ncc_plan_fused_layer(t->node[i]);
            int written = t->at[i];
            if (layer && t->map->buffer_of[t->node[i]->out[0]->id] == b)
                written = t->at[index_of(t, layer)];
            birth = written < birth ? written : birth;
            death = t->at[i] > death ? t->at[i] : death;
        }
        for (int step = birth; step <= (s->output ? t->n - 1 : death) && step < t->n; step++)
            live[s->mem == MEM_KPU ? DIM_KPU : DIM_MAIN][step] += s->size;
    }
    for (int d = 0; d < N_DIMS; d++) {
        for (int i = 0; i < t->n; i++)
            p.by[d] = live[d][i] > p.by[d] ? live[d][i] : p.by[d];
    }
    return p;
}

static bool may_come(const struct trial *t, int node)
{
    const struct node *n = t->node[node];
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] && n->in[i]->def && t->at[index_of(t, n->in[i]->def)] < 0)
            return false;
    }
    /* The downloads of the last layer come before anything else. */
    const struct node *mine = ncc_plan_fused_layer(n);
    for (int i = 0; i < t->n; i++) {
        const struct node *layer = ncc_plan_fused_layer(t->node[i]);
        if (layer && t->at[i] < 0 && t->at[index_of(t, layer)] >= 0 && layer != mine)
            return false;
    }
    return true;
}

static void try_all(struct trial *t, int step)
{
    if (step == t->n) {
        const struct peaks p = measure(t);
        if (t->n_orders++ == 0 || is_lower(p, t->best))
            t->best = p;
        return;
    }
    for (int i = 0; i < t->n; i++) {
        if (t->at[i] >= 0 || !may_come(t, i))
            continue;
        t->at[i] = step;
        try_all(t, step + 1);
        t->at[i] = -1;
    }
}

static struct trial open_trial(struct graph_case *c, const struct alias_map *m)
{
    struct trial t = {.map = m};
    for (const struct node *n = c->g->first; n; n = n->next) {
        assert_true(t.n < MAX_NODES);
        t.at[t.n] = -1;
        t.node[t.n++] = n;
    }
    return t;
}

static struct peaks present(struct graph_case *c, const struct alias_map *m)
{
    struct trial t = open_trial(c, m);
    for (int i = 0; i < t.n; i++)
        t.at[i] = i;
    return measure(&t);
}

/* One or two inputs, and nodes that read whatever is there. */
static void bushy(struct graph_case *c, struct random *r, int n)
{
    struct value *v[2 * MAX_NODES];
    int n_v = 0;
    v[n_v++] = case_input(c, MEM_KPU, 4, 8, 16);
    while (ncc_graph_n_nodes(c->g) < n) {
        struct value *x = v[random_int(r, n_v)];
        const int what = random_int(r, 10);
        if (x->mem == MEM_MAIN)
            v[n_v++] = what < 7 ? CASE_NODE(c, OP_relu, NULL, x) : CASE_NODE(c, OP_add, NULL, x, x);
        else if (what < 8)
            v[n_v++] = case_layer(c, x, 4 * (1 + random_int(r, 12)));
        else
            v[n_v++] = CASE_NODE(c, OP_kpu_download, NULL, x);
    }
    for (int i = 1; i < n_v; i++) {
        if (!v[i]->uses)
            ncc_graph_output(c->g, v[i], "out");
    }
}

static void as_good_as_any(void **state)
{
    (void)state;
    enum { N = 400 };
    const uint64_t seed = random_seed(1);
    int n_improved = 0, n_kept = 0;
    for (int i = 0; i < N; i++) {
        struct graph_case c;
        struct random r = random_make(seed + (uint64_t)i);
        case_open(&c);
        if (i % 2)
            case_random(&c, &r, 4 + random_int(&r, 5));
        else
            bushy(&c, &r, 4 + random_int(&r, 5));
        const struct alias_map m = share(&c, IN_PLACE_ANY_ORDER);
        const struct peaks before = present(&c, &m);
        struct trial t = open_trial(&c, &m);
        try_all(&t, 0);
        ncc_plan_order(c.g, &m, &c.arena);
        const struct peaks after = present(&c, &m);
        if (memcmp(&after, &t.best, sizeof after))
            fail_msg("seed %llu: %lld, %lld but the best is %lld, %lld", (unsigned long long)seed + i,
                     (long long)after.by[0], (long long)after.by[1], (long long)t.best.by[0], (long long)t.best.by[1]);
        assert_true(ncc_graph_verify(c.g, "order"));
        n_improved += is_lower(after, before);
        bool same = true;
        for (int k = 0; k < t.n; k++) {
            int step = 0;
            for (const struct node *n = c.g->first; n != t.node[k]; n = n->next)
                step++;
            same = same && step == k;
        }
        n_kept += same;
        case_close(&c);
    }
    print_message("%d graphs of up to 8 nodes: as good as any order; %d better than the source order, %d left alone\n",
                  N, n_improved, n_kept);
    assert_true(n_improved > 10 && n_kept > 100);
}

/* Both branches widen first and then narrow. In source order both wide maps are alive together. */
static void branches(void **state)
{
    (void)state;
    struct graph_case c;
    case_open(&c);
    struct value *x = case_input(&c, MEM_KPU, 4, 16, 16);
    struct value *wide_1 = case_layer(&c, x, 64), *wide_2 = case_layer(&c, x, 64);
    struct value *part[] = {case_layer(&c, wide_1, 8), case_layer(&c, wide_2, 8)};
    struct value *out = case_concat(&c, OP_kpu_concat, part, 2);
    ncc_graph_output(c.g, CASE_NODE(&c, OP_kpu_download, NULL, case_layer(&c, out, 4)), "out");
    const struct alias_map m = share(&c, IN_PLACE_ANY_ORDER);
    const int64_t line = 16 * 64;
    assert_int_equal(present(&c, &m).by[DIM_KPU], line * (1 + 16 + 16 + 4) - line);
    ncc_plan_order(c.g, &m, &c.arena);
    assert_int_equal(present(&c, &m).by[DIM_KPU], line * (1 + 16 + 4));
    assert_ptr_equal(c.g->first->out[0], wide_1);
    assert_ptr_equal(c.g->first->next->out[0], part[0]);
    assert_ptr_equal(c.g->first->next->next->out[0], wide_2);
    case_close(&c);
}

/* The KPU's peak is the same in any order, main memory's is not. */
static void main_memory_second(void **state)
{
    (void)state;
    struct graph_case c;
    case_open(&c);
    struct value *x = case_input(&c, MEM_MAIN, 1, 1, 64);
    const struct tile_attrs tile = {.repeats = {4, {1, 8, 1, 1}}};
    const struct reduce_attrs sum = {.kind = REDUCE_SUM, .axes = {1, {1}}, .keep_dims = true};
    struct value *big_1 = CASE_NODE(&c, OP_tile, &tile, x), *big_2 = CASE_NODE(&c, OP_tile, &tile, x);
    struct value *small_1 = CASE_NODE(&c, OP_reduce, &sum, big_1), *small_2 = CASE_NODE(&c, OP_reduce, &sum, big_2);
    ncc_graph_output(c.g, CASE_NODE(&c, OP_add, NULL, small_1, small_2), "out");
    const struct alias_map m = share(&c, IN_PLACE_ANY_ORDER);
    assert_int_equal(present(&c, &m).by[DIM_MAIN], 256 * (8 + 8 + 1));
    ncc_plan_order(c.g, &m, &c.arena);
    assert_int_equal(present(&c, &m).by[DIM_MAIN], 256 * (8 + 1 + 1));
    case_close(&c);
}

/* A chain stays as it is, and so does everything when no order is better. */
static void stable(void **state)
{
    (void)state;
    struct graph_case c;
    case_open(&c);
    struct value *x = case_input(&c, MEM_KPU, 4, 16, 16), *y = x;
    for (int i = 0; i < 4; i++)
        y = case_layer(&c, y, 60 - 10 * i);
    struct value *p = case_layer(&c, y, 4), *q = case_layer(&c, y, 8);
    struct value *s = case_layer(&c, p, 4), *t = case_layer(&c, q, 4);
    struct value *part[] = {s, t};
    ncc_graph_output(c.g, case_concat(&c, OP_kpu_concat, part, 2), "out");
    const struct node *before[16];
    int n = 0;
    for (const struct node *k = c.g->first; k; k = k->next)
        before[n++] = k;
    const struct alias_map m = share(&c, IN_PLACE_ANY_ORDER);
    ncc_plan_order(c.g, &m, &c.arena);
    n = 0;
    for (const struct node *k = c.g->first; k; k = k->next)
        assert_ptr_equal(k, before[n++]);
    case_close(&c);
}

/* Segments: the units that are comparable to all others stand alone. */
static void segments(void **state)
{
    (void)state;
    struct graph_case c;
    case_open(&c);
    struct value *x = case_layer(&c, case_input(&c, MEM_KPU, 4, 16, 16), 8);
    struct value *left = case_layer(&c, case_layer(&c, x, 8), 8), *right = case_layer(&c, x, 8);
    struct value *part[] = {left, right};
    struct value *y = case_layer(&c, case_concat(&c, OP_kpu_concat, part, 2), 8);
    ncc_graph_output(c.g, CASE_NODE(&c, OP_kpu_download, NULL, y), "out");
    const struct alias_map m = share(&c, IN_PLACE_ANY_ORDER);
    const struct units u = ncc_plan_units(c.g, &m, &c.arena);
    assert_int_equal(u.n, 6); /* the download belongs to its layer */
    assert_int_equal(u.n_segments, 4);
    assert_int_equal(u.segments[1].begin, 1);
    assert_int_equal(u.segments[1].end, 4);
    assert_int_equal(u.v[5].nodes.n, 2);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_good_as_any), cmocka_unit_test(branches), cmocka_unit_test(main_memory_second),
        cmocka_unit_test(stable),         cmocka_unit_test(segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
