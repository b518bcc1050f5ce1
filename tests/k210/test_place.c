/* Placement by minimum cut against all 2^n assignments. */
#include "tests/k210/net.h"

#include "compiler/k210/cost.h"
#include "compiler/k210/rules.h"
#include "compiler/ops/attrs.h"

#include <math.h>
#include <string.h>

#define RUNTIME NCC_KPU_RUNTIME_V4
enum { MAX_NODES = 12 };
#define NEVER 1e12

/* ---- the cost of an assignment, by the words of compiler/k210/place.c's head ---- */

static bool on_kpu(const struct graph *g, const struct node *node, unsigned kpu)
{
    int i = 0;
    for (const struct node *n = g->first; n != node; n = n->next)
        i++;
    return kpu >> i & 1;
}

static double cost_of_value(const struct graph *g, const struct value *v, unsigned kpu)
{
    const bool made = on_kpu(g, v->def, kpu);
    bool read_by_kpu = false, read_by_cpu = ncc_value_is_output(g, v);
    for (const struct use *u = v->uses; u; u = u->next) {
        const bool k = on_kpu(g, u->node, kpu);
        read_by_kpu = read_by_kpu || k;
        read_by_cpu = read_by_cpu || !k;
    }
    return (made && read_by_cpu ? ncc_cost_download_us(v, RUNTIME) : 0) +
           (!made && read_by_kpu ? ncc_cost_upload_us(v, RUNTIME) : 0);
}

static double cost_of_input(const struct graph *g, const struct value *v, unsigned kpu, const struct k210_options *o)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (on_kpu(g, u->node, kpu))
            return o->float_input || v->shape.rank != 4 ? ncc_cost_upload_us(v, RUNTIME)
                                                        : ncc_cost_input_us(v, true, RUNTIME);
    return 0;
}

static double cost_of(const struct graph *g, unsigned kpu, const struct k210_options *o)
{
    char found[120];
    double sum = 0;
    for (const struct node *n = g->first; n; n = n->next) {
        const bool k = on_kpu(g, n, kpu);
        if (k && (n->barred || o->cpu_only || ncc_k210_rule_broken(n, found) || isinf(n->kpu_us)))
            return NEVER;
        sum += k ? n->kpu_us : ncc_k210_cpu_us(g, n, RUNTIME);
        for (int i = 0; i < n->n_out; i++)
            sum += cost_of_value(g, n->out[i], kpu);
    }
    for (int i = 0; i < g->inputs.n; i++)
        sum += cost_of_input(g, g->inputs.v[i], kpu, o);
    return sum;
}

static unsigned chosen(const struct graph *g)
{
    unsigned kpu = 0, bit = 1;
    for (const struct node *n = g->first; n; n = n->next, bit <<= 1)
        kpu |= n->on_kpu ? bit : 0;
    return kpu;
}

/* ---- random graphs: what the KPU can and what it cannot do, of different sizes ---- */

static struct value *pick(uint64_t *state, struct value **v, int n)
{
    return v[n - 1 - net_int(state, 0, n < 3 ? n - 1 : 2)];
}

static struct value *cpu_only_piece(struct graph *g, uint64_t *state, struct value *x)
{
    const struct transpose_attrs t = {{4, {0, 1, 3, 2}}};
    const struct softmax_attrs s = {x->shape.rank - 1, 1};
    if (x->shape.rank == 4 && net_int(state, 0, 1))
        return NCC_OP(g, OP_transpose, "turn", &t, x);
    return NCC_OP(g, OP_softmax, "softmax", &s, x);
}

static void random_graph(struct net *n, uint64_t *state)
{
    static const int sizes[] = {4, 5, 8, 13, 16, 24, 32};
    ncc_diag_init(&n->diags, &n->arena);
    n->g = ncc_graph_new(&n->arena, &n->diags, "random");
    struct value *v[64];
    int n_values = 0;
    const int size = sizes[net_int(state, 0, 6)], c = net_int(state, 1, 24);
    for (int i = net_int(state, 1, 2); i > 0; i--)
        v[n_values++] = ncc_graph_input(n->g, "x", DT_F32, ncc_shape_4(1, c, size, size));
    while (ncc_graph_n_nodes(n->g) < MAX_NODES && n_values < 40 && net_int(state, 0, 14)) {
        struct value *x = pick(state, v, n_values), *y = NULL;
        const int left = MAX_NODES - ncc_graph_n_nodes(n->g);
        if (net_int(state, 0, 3) == 0)
            y = cpu_only_piece(n->g, state, x);
        else if (net_int(state, 0, 3) == 0 && n_values > 1 && ncc_shape_equal(x->shape, v[n_values - 2]->shape))
            y = NCC_OP(n->g, OP_add, "sum", NULL, x, v[n_values - 2]);
        else if (left >= 8)
            y = net_append(n->g, state, x, (enum net_kind)net_int(state, 0, NET_SUM - 1));
        else
            y = net_append(n->g, state, x, NET_UNARY);
        if (y != x)
            v[n_values++] = y;
    }
    for (int i = 0; i < n_values; i++)
        if (v[i]->def && (!v[i]->uses || net_int(state, 0, 9) == 0))
            ncc_graph_output(n->g, v[i], "y");
}

static void check(struct net *n, const struct k210_options *o, int index, int *n_mixed)
{
    const int count = ncc_graph_n_nodes(n->g);
    assert_true(ncc_k210_place(n->g, o, &n->scratch));
    const unsigned found = chosen(n->g), all = (1u << count) - 1;
    const double got = cost_of(n->g, found, o);
    double best = got;
    for (unsigned k = 0; k <= all; k++)
        best = fmin(best, cost_of(n->g, k, o));
    if (got > best + 1e-6 * best + 1e-6)
        fail_msg("case %d: placed at %.6f us, possible are %.6f us", index, got, best);
    *n_mixed += found != 0 && found != all;
    for (const struct node *k = n->g->first; k; k = k->next)
        if (!k->on_kpu && !k->reason)
            fail_msg("case %d: %s is on the CPU for no reason", index, k->name);
}

static void minimum(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("place");
    int n_mixed = 0, n_cases = 0;
    for (int i = 0; i < 400; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        struct net n;
        net_open(&n);
        random_graph(&n, &state);
        const struct k210_options o = {.runtime = RUNTIME, .float_input = net_int(&state, 0, 1)};
        for (struct node *k = n.g->first; k; k = k->next)
            if (net_int(&state, 0, 9) == 0) {
                k->barred = true;
                k->reason = "barred by the test";
            }
        const int count = ncc_graph_n_nodes(n.g);
        if (count > 0 && count <= MAX_NODES) {
            check(&n, &o, i, &n_mixed);
            n_cases++;
        }
        net_close(&n);
    }
    print_message("%d graphs, %d of them on both\n", n_cases, n_mixed);
    assert_true(n_cases >= 300 && n_mixed >= 60);
}

static void cpu_only(void **unused)
{
    (void)unused;
    struct net n;
    net_open(&n);
    net_parse(&n, "input %x f32 1x16x32x32\nconst %w f32 16x16x3x3 = random 1\n"
                  "%y = conv2d(%x, %w, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n%z = relu(%y)\noutput %z\n");
    const struct k210_options kpu = {.runtime = RUNTIME}, cpu = {.runtime = RUNTIME, .cpu_only = true};
    assert_true(ncc_k210_place(n.g, &kpu, &n.scratch));
    assert_int_equal(chosen(n.g), 3);
    assert_true(ncc_k210_place(n.g, &cpu, &n.scratch));
    assert_int_equal(chosen(n.g), 0);
    assert_string_equal(n.g->first->reason, "the target is the CPU");
    net_close(&n);
}

static void barred(void **unused)
{
    (void)unused;
    struct net n;
    net_open(&n);
    net_parse(&n, "input %x f32 1x16x32x32\nconst %w f32 16x16x3x3 = random 1\n"
                  "%y = conv2d(%x, %w, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n%z = relu(%y)\noutput %z\n");
    const struct k210_options o = {.runtime = RUNTIME};
    n.g->first->barred = true;
    n.g->first->reason = "barred by the test";
    assert_true(ncc_k210_place(n.g, &o, &n.scratch));
    assert_false(n.g->first->on_kpu);
    assert_string_equal(n.g->first->reason, "barred by the test");
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(minimum), cmocka_unit_test(cpu_only), cmocka_unit_test(barred)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
