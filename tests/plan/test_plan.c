/* Whole plans of random graphs: right, tight, the same every time; and wrong plans that must not pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler/plan/plan.h"
#include "random_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct plan_options options = {.solve_seconds = 0.1, .kpu_limit = 2 << 20};

static void make(struct graph_case *c, struct plan *p)
{
    if (ncc_plan_make(c->g, &options, &c->arena, p) && ncc_graph_verify(c->g, "plan"))
        return;
    ncc_diag_print(&c->diags, stderr);
    fail_msg("no plan");
}

static bool passes(struct graph_case *c, const struct plan *p)
{
    return ncc_plan_check(c->g, p, &c->arena);
}

static void random_case(struct graph_case *c, uint64_t seed, int least, int most)
{
    struct random r = random_make(seed);
    case_open(c);
    case_random(c, &r, least + random_int(&r, most - least + 1));
}

static void count(const struct plan_memory *m, int *n_best, double *worst)
{
    assert_true(m->peak >= m->bound);
    assert_true(m->optimal || m->peak > m->bound);
    *n_best += m->optimal;
    if (m->bound > 0 && (double)m->peak / (double)m->bound > *worst)
        *worst = (double)m->peak / (double)m->bound;
}

/* 200, or as many as NCC_PLAN_GRAPHS says. */
static int n_graphs(void)
{
    const char *text = getenv("NCC_PLAN_GRAPHS");
    const int n = text ? atoi(text) : 0;
    return n > 0 ? n : 200;
}

static void random_graphs(void **state)
{
    (void)state;
    const int n = n_graphs();
    const uint64_t seed = random_seed(1);
    int n_kpu = 0, n_main = 0;
    double worst_kpu = 1, worst_main = 1;
    for (int i = 0; i < n; i++) {
        struct graph_case c;
        struct plan p;
        random_case(&c, seed + (uint64_t)i, 5, 50);
        make(&c, &p);
        if (!passes(&c, &p)) {
            ncc_diag_print(&c.diags, stderr);
            fail_msg("seed %llu", (unsigned long long)seed + i);
        }
        assert_int_equal(p.n_steps, ncc_graph_n_nodes(c.g));
        count(&p.kpu, &n_kpu, &worst_kpu);
        count(&p.main, &n_main, &worst_main);
        case_close(&c);
    }
    print_message("%d graphs: at the bound or proven optimal: KPU RAM %d, main memory %d; worst %.4f, %.4f of the "
                  "bound\n", n, n_kpu, n_main, worst_kpu, worst_main);
    assert_true(n_kpu >= n * 95 / 100 && n_main >= n * 95 / 100);
    assert_true(worst_kpu <= 1.03 && worst_main <= 1.03);
}

static void deterministic(void **state)
{
    (void)state;
    const uint64_t seed = random_seed(7);
    for (int i = 0; i < 50; i++) {
        struct graph_case c, d;
        struct plan p, q;
        random_case(&c, seed + (uint64_t)i, 20, 120);
        random_case(&d, seed + (uint64_t)i, 20, 120);
        make(&c, &p);
        make(&d, &q);
        assert_int_equal(p.buffers.n, q.buffers.n);
        assert_memory_equal(p.buffers.v, q.buffers.v, (size_t)p.buffers.n * sizeof *p.buffers.v);
        for (const struct node *n = c.g->first, *m = d.g->first; n; n = n->next, m = m->next) {
            assert_string_equal(n->name, m->name);
            assert_int_equal(n->out[0]->addr, m->out[0]->addr);
        }
        make(&c, &q); /* a plan of the planned graph is not worse */
        assert_true(q.kpu.bound <= p.kpu.bound);
        case_close(&c);
        case_close(&d);
    }
}

/* Downloads follow their layer, and their output is alive from the layer's step on. */
/* What a graph needs is what its plan takes, and the graph is left alone. */
static void need(void **state)
{
    (void)state;
    const uint64_t seed = random_seed(1);
    for (int i = 0; i < n_graphs(); i++) {
        struct graph_case c;
        struct plan p;
        struct plan_need n;
        struct plan_options tight = options;
        tight.kpu_limit = 0;
        random_case(&c, seed + (uint64_t)i, 1, 60);
        struct node *nodes[1000];
        int n_nodes = 0;
        for (struct node *k = c.g->first; k; k = k->next)
            nodes[n_nodes++] = k;
        assert_true(ncc_plan_need(c.g, &tight, &c.arena, &n));
        int place = 0;
        for (const struct node *k = c.g->first; k; k = k->next)
            assert_ptr_equal(k, nodes[place++]);
        assert_int_equal(place, n_nodes);
        make(&c, &p);
        assert_true(n.bound == p.kpu.bound && n.peak == n.bound);
        assert_true((n.excess > 0) == (n.bound > 0));
        case_close(&c);
    }
}

static void fused_downloads(void **state)
{
    (void)state;
    const uint64_t seed = random_seed(9);
    int n_seen = 0;
    for (int i = 0; i < 200; i++) {
        struct graph_case c;
        struct plan p;
        int step = 0;
        random_case(&c, seed + (uint64_t)i, 10, 60);
        make(&c, &p);
        for (const struct node *n = c.g->first; n; n = n->next, step++) {
            const struct node *layer = n->op == OP_kpu_download ? n->in[0]->def : NULL;
            if (!layer || layer->op != OP_kpu_conv)
                continue;
            n_seen++;
            int back = 1;
            const struct node *before = n->prev;
            for (; before && before != layer; before = before->prev, back++)
                assert_true(before->op == OP_kpu_download && before->in[0]->def == layer);
            assert_ptr_equal(before, layer);
            assert_true(p.buffers.v[p.buffer_of[n->out[0]->id]].birth <= step - back);
        }
        case_close(&c);
    }
    assert_true(n_seen > 100);
}

/* ---- wrong plans ---- */

struct values {
    struct value *v[2048];
    int n;
};

static void list_values(const struct graph_case *c, struct values *out)
{
    out->n = 0;
    for (int i = 0; i < c->g->inputs.n; i++)
        out->v[out->n++] = c->g->inputs.v[i];
    for (struct node *n = c->g->first; n; n = n->next)
        out->v[out->n++] = n->out[0];
}

/* The only value of a buffer, if it is read by a node, else NULL. */
static struct value *sole_value(const struct values *all, const struct plan *p, int buffer)
{
    struct value *found = NULL;
    for (int i = 0; i < all->n; i++) {
        if (p->buffer_of[all->v[i]->id] != buffer)
            continue;
        if (found)
            return NULL;
        found = all->v[i];
    }
    return found && found->uses ? found : NULL;
}

/* Two buffers that live at the same step are made to share one line, or one word, of bytes. The peak grows with
 * them, so that it is the overlap that must be found. */
static int break_by_overlap(struct graph_case *c, struct plan *p, struct random *r, uint64_t seed)
{
    struct values all;
    int n_broken = 0;
    list_values(c, &all);
    for (int tries = 0; tries < 60; tries++) {
        const int i = random_int(r, p->buffers.n), k = random_int(r, p->buffers.n);
        const struct buffer *x = &p->buffers.v[i], *y = &p->buffers.v[k];
        struct value *moved = sole_value(&all, p, i), *hit = sole_value(&all, p, k);
        if (i == k || x->mem != y->mem || x->birth > y->death || y->birth > x->death || !moved || !hit)
            continue;
        const int64_t unit = x->mem == MEM_KPU ? 64 : 8, old = moved->addr;
        const int64_t peaks[2] = {p->kpu.peak, p->main.peak};
        const int64_t below = hit->addr - ncc_plan_value_size(moved) + unit;
        const int64_t above = hit->addr + (ncc_plan_value_size(hit) - 1) / unit * unit;
        moved->addr = random_chance(r, 50) && below >= 0 && below % unit == 0 ? below : above;
        p->kpu.peak = p->main.peak = INT64_MAX;
        if (passes(c, p))
            fail_msg("seed %llu: '%s' on '%s' was not found", (unsigned long long)seed, moved->name, hit->name);
        moved->addr = old;
        p->kpu.peak = peaks[0];
        p->main.peak = peaks[1];
        n_broken++;
    }
    return n_broken;
}

/* Nodes that do not touch their input themselves, and may show only a part of it. */
static bool is_view(const struct node *n)
{
    switch ((int)n->op) {
    case OP_kpu_concat:
    case OP_kpu_slice:
    case OP_kpu_recanvas:
    case OP_kpu_view:
    case OP_concat:
    case OP_slice:
    case OP_reshape:
        return true;
    default:
        return false;
    }
}

static bool is_read_as_a_whole(const struct graph *g, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (!is_view(u->node))
            return true;
    return ncc_value_is_output(g, v);
}

/* A single value is moved a little: off its alignment, or away from what it shares bytes with. */
static int break_by_moving(struct graph_case *c, struct plan *p, struct random *r, uint64_t seed)
{
    struct values all;
    int n_broken = 0;
    list_values(c, &all);
    for (int tries = 0; tries < 20; tries++) {
        struct value *v = all.v[random_int(r, all.n)];
        const struct node *user = v->uses ? v->uses->node : NULL;
        const bool shows = v->def && is_view(v->def); /* not read itself */
        const bool shares = user && !shows &&
                            (user->op == OP_kpu_concat || user->op == OP_kpu_slice || user->op == OP_reshape) &&
                            is_read_as_a_whole(c->g, user->out[0]);
        const int64_t by = shares ? (v->mem == MEM_KPU ? 64 : 8) : 1;
        v->addr += by;
        p->kpu.peak += 64;
        p->main.peak += 64;
        if (passes(c, p))
            fail_msg("seed %llu: '%s' moved by %d was not found", (unsigned long long)seed, v->name, (int)by);
        v->addr -= by;
        p->kpu.peak -= 64;
        p->main.peak -= 64;
        n_broken++;
    }
    p->main.peak -= 8;
    p->kpu.peak -= 64;
    assert_false(passes(c, p));
    p->main.peak += 8;
    p->kpu.peak += 64;
    return n_broken;
}

/* Lifetimes that are one step too short are what planners get wrong: the order changes under a finished plan. */
static int break_by_order(struct graph_case *c, struct plan *p)
{
    int n_caught = 0;
    for (struct node *n = c->g->first; n && n->next; n = n->next) {
        struct node *next = n->next;
        bool depends = false;
        for (int i = 0; i < next->n_in; i++)
            depends |= next->in[i] && next->in[i]->def == n;
        if (depends || next->op == OP_kpu_download)
            continue;
        ncc_node_move_before(c->g, next, n);
        n_caught += !passes(c, p);
        ncc_node_move_before(c->g, n, next);
    }
    return n_caught;
}

static void wrong_plans(void **state)
{
    (void)state;
    const uint64_t seed = random_seed(5);
    int n_overlap = 0, n_moved = 0, n_order = 0;
    for (int i = 0; i < 150; i++) {
        struct graph_case c;
        struct plan p;
        random_case(&c, seed + (uint64_t)i, 10, 40);
        struct random r = random_make(seed + (uint64_t)i + 1000000);
        make(&c, &p);
        assert_true(passes(&c, &p));
        n_overlap += break_by_overlap(&c, &p, &r, seed + (uint64_t)i);
        n_moved += break_by_moving(&c, &p, &r, seed + (uint64_t)i);
        n_order += break_by_order(&c, &p);
        assert_true(passes(&c, &p));
        case_close(&c);
    }
    print_message("wrong plans, all found: %d overlaps, %d moved values; %d exchanged nodes noticed\n", n_overlap,
                  n_moved, n_order);
    assert_true(n_overlap >= 200 && n_moved >= 200 && n_order > 10);
}

/* ---- the rest ---- */

static void explanation(void **state)
{
    (void)state;
    struct graph_case c;
    struct plan p;
    case_open(&c);
    struct value *x = case_input(&c, MEM_KPU, 3, 240, 320);
    struct value *y = case_layer(&c, x, 24);
    struct value *z = case_layer(&c, y, 24);
    ncc_graph_output(c.g, CASE_NODE(&c, OP_kpu_download, NULL, case_pool_layer(&c, z, 8)), "out");
    make(&c, &p);
    assert_true(passes(&c, &p));
    assert_int_equal(p.kpu.peak, 2 * 24 * 240 * 5 * 64);
    const char *text = ncc_plan_explain(c.g, &p, MEM_KPU, 2 << 20, &c.arena);
    print_message("%s", text);
    assert_non_null(strstr(text, "3686400 bytes are needed, 2097152 are there"));
    assert_non_null(strstr(text, z->name));
    assert_non_null(strstr(text, "1x24x240x320"));
    assert_non_null(ncc_plan_explain(c.g, &p, MEM_MAIN, 10, &c.arena));
    case_close(&c);
}

static void no_nodes(void **state)
{
    (void)state;
    struct graph_case c;
    struct plan p;
    case_open(&c);
    ncc_graph_output(c.g, case_input(&c, MEM_MAIN, 3, 5, 7), "same");
    make(&c, &p);
    assert_true(passes(&c, &p));
    assert_int_equal(p.main.peak, (3 * 5 * 7 * 4 + 7) / 8 * 8);
    assert_non_null(ncc_plan_explain(c.g, &p, MEM_MAIN, 10, &c.arena));
    case_close(&c);
}

static void speed(void **state)
{
    (void)state;
    struct graph_case c;
    struct plan p;
    struct random r = random_make(random_seed(11));
    case_open(&c);
    struct value *x = case_input(&c, MEM_KPU, 3, 32, 40);
    while (ncc_graph_n_nodes(c.g) < 5000) { /* blocks with branches of random length */
        struct value *part[4];
        const int n = 2 + random_int(&r, 3);
        for (int i = 0; i < n; i++) {
            part[i] = case_layer(&c, x, 1 + random_int(&r, 32));
            for (int k = random_int(&r, 4); k > 0; k--)
                part[i] = case_layer(&c, part[i], 1 + random_int(&r, 32));
        }
        x = case_layer(&c, case_concat(&c, OP_kpu_concat, part, n), 16);
    }
    ncc_graph_output(c.g, CASE_NODE(&c, OP_kpu_download, NULL, x), "out");
    clock_t start = clock();
    make(&c, &p);
    print_message("%d nodes planned in %.2f s, ", p.n_steps, (double)(clock() - start) / CLOCKS_PER_SEC);
    start = clock();
    assert_true(passes(&c, &p));
    print_message("checked in %.2f s; peak %.4f of the bound\n", (double)(clock() - start) / CLOCKS_PER_SEC,
                  (double)p.kpu.peak / (double)p.kpu.bound);
    case_close(&c);

    struct graph_case d;
    case_open(&d);
    case_random(&d, &r, 900);
    start = clock();
    make(&d, &p);
    print_message("%d random nodes planned in %.2f s; peak %.4f of the bound\n", p.n_steps,
                  (double)(clock() - start) / CLOCKS_PER_SEC, (double)p.kpu.peak / (double)p.kpu.bound);
    assert_true(passes(&d, &p));
    case_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_graphs), cmocka_unit_test(deterministic), cmocka_unit_test(fused_downloads),
        cmocka_unit_test(wrong_plans),   cmocka_unit_test(explanation),   cmocka_unit_test(no_nodes),
        cmocka_unit_test(speed),         cmocka_unit_test(need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
