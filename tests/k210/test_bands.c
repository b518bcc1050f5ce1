/* Bands: a random part of a random network, cut into a random number of pieces, computes the same in real numbers; and
 * with the same ranges the compiled model gives the same bytes as when it is compiled in one piece. */
#include "compiler/k210/bands.h"
#include "compiler/ops/attrs.h"
#include "compiler/quant/assign.h"
#include "tests/k210/compiled.h"
#include "tests/k210/net_pieces.h"

#include "compiler/ir/text.h"

#include <ncc/sim.h>

#include <stdio.h>
#include <string.h>

static const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4};

static bool reads(const struct node *n, const bool *of)
{
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && of[n->in[i]->id])
            return true;
    return false;
}

/* Nodes from a random one on that need nothing from behind themselves. */
static struct band_choice random_choice(struct net *n, uint64_t *state)
{
    const int count = ncc_graph_n_nodes(n->g), begin = net_int(state, 0, count), most = net_int(state, 1, 8);
    struct band_choice c = {.node = NCC_NEW(&n->arena, int, count),
                            .rows = net_int(state, 1, 3),
                            .cols = net_int(state, 1, 3),
                            .join_in_main = net_int(state, 0, 1),
                            .enter_in_kpu = net_int(state, 0, 1)};
    bool *made = NCC_NEW(&n->arena, bool, n->g->next_id), *behind = NCC_NEW(&n->arena, bool, n->g->next_id);
    int place = 0;
    for (const struct node *k = n->g->first; k; k = k->next, place++) {
        if (place < begin)
            continue;
        const bool in = c.n < most && ncc_bands_possible(k) && !reads(k, behind) && (c.n == 0 || reads(k, made));
        if (in)
            c.node[c.n++] = place;
        for (int i = 0; i < k->n_out; i++) {
            made[k->out[i]->id] = in;
            behind[k->out[i]->id] = !in && (reads(k, behind) || reads(k, made));
        }
    }
    return c;
}

/* Is every result that leaves the group large enough for that many pieces? */
static bool fits(struct net *n, const struct band_choice *c)
{
    struct banding t;
    struct node **node = NCC_NEW(&n->arena, struct node *, c->n);
    int place = 0, k = 0;
    for (struct node *at = n->g->first; at && k < c->n; at = at->next, place++)
        if (place == c->node[k])
            node[k++] = at;
    ncc_bands_open(&t, n->g, node, c->n, &n->arena);
    t.rows = c->rows;
    t.cols = c->cols;
    for (int r = 0; r < c->rows; r++)
        for (int col = 0; col < c->cols; col++)
            if (!ncc_bands_regions(&t, r, col))
                return false;
    return c->n > 0 && c->rows * c->cols > 1;
}

static struct graph *cut(struct net *n, const struct band_choice *c)
{
    struct graph *g = ncc_graph_copy(n->g, &n->arena, &n->diags);
    ncc_bands_apply(g, c);
    if (ncc_graph_verify(g, "bands"))
        return g;
    ncc_diag_print(&n->diags, stderr);
    fprintf(stderr, "%s", ncc_text_print(g, false, &n->arena));
    fail_msg("broken graph");
    return NULL;
}

/* A network that has been made legal, with a choice; false: nothing to cut. */
static bool prepare(struct net *n, uint64_t *state, int index, struct band_choice *c)
{
    net_open(n);
    net_random(n, state, index);
    assert_true(ncc_k210_legalise(n->g, &options, &n->scratch));
    int number = 0;
    for (struct node *k = n->g->first; k; k = k->next) /* names of their own, by which pieces and whole are compared */
        k->name = k->out[0]->name = ncc_arena_printf(&n->arena, "%s%d", k->name, number++);
    *c = random_choice(n, state);
    return fits(n, c);
}

static void fail_with(struct net *n, const struct graph *cut, const char *what, int index)
{
    fprintf(stderr, "---- whole ----\n%s---- bands ----\n%s", ncc_text_print(n->g, false, &n->arena),
            ncc_text_print(cut, false, &n->arena));
    fail_msg("network %d: %s", index, what);
}

static void real_numbers(void **unused)
{
    (void)unused;
    enum { N = 300 };
    const uint64_t seed = net_seed("bands");
    int n_cut = 0, n_pieces = 0;
    for (int i = 0; i < N; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        struct net n;
        struct band_choice c;
        if (prepare(&n, &state, i, &c)) {
            struct graph *g = cut(&n, &c);
            char why[200] = "";
            const struct tensor *x = net_evaluate(&n.arena, n.g, state, false);
            if (!net_same(n.g, x, g, net_evaluate(&n.arena, g, state, false), 1e-5, why))
                fail_with(&n, g, why, i);
            net_force_on_kpu(g);
            assert_true(ncc_k210_lower(g, &options, &n.scratch) && ncc_graph_verify(g, "lower"));
            if (!net_same(n.g, x, g, net_evaluate(&n.arena, g, state, true), 1e-5, why))
                fail_with(&n, g, why, i);
            n_cut++;
            n_pieces += c.rows * c.cols;
        }
        net_close(&n);
    }
    print_message("%d networks, %d pieces\n", n_cut, n_pieces);
    assert_true(n_cut > N / 4);
}

/* ---- ranges of channels ---- */

/* A convolution, and behind it some of what works channel by channel. */
static void make_run(struct net *n, uint64_t *state)
{
    struct value *x = ncc_graph_input(n->g, "x", DT_F32, ncc_shape_4(1, net_int(state, 1, 9), net_int(state, 6, 20), net_int(state, 6, 40)));
    struct conv2d_attrs a = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    x = net_conv(n->g, state, x, a, net_int(state, 5, 37), 1, 1);
    a.pad_top = a.pad_left = a.pad_bottom = a.pad_right = 1;
    for (int i = net_int(state, 1, 3); i > 0; i--) {
        const struct pool_attrs pool = {.kernel_h = 2, .kernel_w = 2, .stride_h = 1, .stride_w = 1};
        a.groups = x->shape.dim[1];
        x = net_int(state, 0, 1) ? NCC_OP(n->g, OP_relu, "relu", NULL, x) : x;
        x = net_int(state, 0, 2) ? net_conv(n->g, state, x, a, a.groups, 3, 3) : NCC_OP(n->g, OP_max_pool, "pool", &pool, x);
    }
    ncc_graph_output(n->g, net_pointwise(n->g, state, x), "y");
    ncc_graph_sweep(n->g);
}

static void ranges_of_channels(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("ranges of channels");
    for (int i = 0; i < 40; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        struct net n;
        net_open(&n);
        ncc_diag_init(&n.diags, &n.arena);
        n.g = ncc_graph_new(&n.arena, &n.diags, "run");
        make_run(&n, &state);
        struct graph *g = ncc_graph_copy(n.g, &n.arena, &n.diags);
        struct channel_run run;
        assert_true(ncc_bands_channel_run(g, g->first->next, &run) && run.first == g->first);
        assert_true(ncc_bands_channel_ranges(g, &run) == 2); /* it would fit as it is */
        ncc_bands_cut_channels(g, &run, net_int(&state, 2, 5));
        assert_true(ncc_graph_verify(g, "ranges") && net_count(g, OP_concat) == 1);
        char why[200] = "";
        const struct tensor *want = net_evaluate(&n.arena, n.g, state, false);
        if (!net_same(n.g, want, g, net_evaluate(&n.arena, g, state, false), 1e-5, why))
            fail_with(&n, g, why, i);
        net_force_on_kpu(g);
        assert_true(ncc_k210_lower(g, &options, &n.scratch) && ncc_graph_verify(g, "lower"));
        if (!net_same(n.g, want, g, net_evaluate(&n.arena, g, state, true), 1e-5, why))
            fail_with(&n, g, why, i);
        net_close(&n);
    }
}

/* ---- codes ---- */

static struct graph *lowered(struct net *n, const struct graph *from)
{
    struct graph *g = ncc_graph_copy(from, &n->arena, &n->diags);
    net_force_on_kpu(g);
    assert_true(ncc_k210_lower(g, &options, &n->scratch) && ncc_k210_cpu_forms(g));
    return g;
}

static struct observations observe(struct net *n, const struct graph *g, uint64_t seed)
{
    struct net_feeding f = {g, seed};
    struct observations seen;
    const struct observe_options o = {.quiet = true};
    const struct samples samples = net_samples(&f, 8);
    assert_true(ncc_quant_observe(g, &samples, &o, &n->arena, &seen));
    for (int i = 0; i < seen.n; i++)
        seen.v[i].mean = NULL; /* pixels that two pieces compute count twice */
    return seen;
}

/* The name without "/band0.1". */
static const char *whole_name(const char *name, struct arena *a)
{
    const char *band = strstr(name, "/band");
    if (!band)
        return name;
    const char *end = strchr(band + 1, '/');
    return ncc_arena_printf(a, "%.*s%s", (int)(band - name), name, end ? end : "");
}

static const struct value *find(const struct graph *g, const char *name)
{
    for (const struct node *n = g->first; n; n = n->next)
        if (!strcmp(n->out[0]->name, name))
            return n->out[0];
    return NULL;
}

/* What computes new values, in a layer or on the CPU. */
static bool computes(const struct node *n)
{
    if (n->op == OP_kpu_conv)
        return !((const struct kpu_conv_attrs *)n->attrs)->copy;
    return !(ncc_op_desc(n->op)->flags & (OP_KPU | OP_SAME_QUANT | OP_ALIAS)) && n->op != OP_concat;
}

static int count_of(struct net *n, const struct node *k, const struct graph *g)
{
    int count = 0;
    for (const struct node *p = g->first; p; p = p->next)
        count += p->op == k->op && !strcmp(whole_name(p->out[0]->name, &n->arena), whole_name(k->out[0]->name, &n->arena));
    return count;
}

/* Is every piece lowered as the whole is? Sometimes one needs a layer more or less, with its rounding; and the squares
 * of a product stand for no value of the source, so that their means, and the bias that follows, are
 * each piece's own. */
static bool lowered_alike(struct net *n, const struct graph *whole, const struct graph *pieces, int n_pieces)
{
    for (const struct node *k = pieces->first; k; k = k->next) {
        const int wanted = strstr(k->out[0]->name, "/band") ? n_pieces : 1;
        if (strstr(k->out[0]->name, "/squares"))
            return false;
        if (computes(k) && (count_of(n, k, whole) != 1 || count_of(n, k, pieces) != wanted))
            return false;
    }
    for (const struct node *k = whole->first; k; k = k->next)
        if (computes(k) && !count_of(n, k, pieces))
            return false;
    return true;
}

static bool has_quants(const struct value *v)
{
    return v->quant.n_channels > 0;
}

/* The pieces take the codes of the whole. */
static void take_codes(struct net *n, const struct graph *whole, const struct graph *pieces)
{
    for (const struct node *k = pieces->first; k; k = k->next) {
        const struct value *w = find(whole, whole_name(k->out[0]->name, &n->arena));
        if (w && w->def->op == k->op && has_quants(w))
            k->out[0]->quant = w->quant;
    }
}

/* Do the pieces have the codes of the whole? Channels with scales of their own lose these where a piece goes through
 * main memory, or rows are put together. */
static bool kept_codes(struct net *n, const struct graph *whole, const struct graph *pieces)
{
    for (const struct node *k = pieces->first; k; k = k->next) {
        const struct value *w = find(whole, whole_name(k->out[0]->name, &n->arena));
        const int n_channels = k->out[0]->quant.n_channels;
        if (n_channels > 1 && n_channels != k->out[0]->shape.dim[1])
            return false; /* some of the channels of a layer: the whole's codes are none that pieces would have */
        if (!w || w->def->op != k->op || !has_quants(w))
            continue;
        const struct quant *a = &w->quant, *b = &k->out[0]->quant;
        if (a->n_channels > 1 && net_count(pieces, OP_kpu_stack))
            return false;
        if (a->n_channels != b->n_channels || memcmp(a->scale, b->scale, (size_t)a->n_channels * sizeof *a->scale))
            return false;
    }
    return true;
}

/* Layers of real numbers that compute something; some of them disappear in others when they become integers. */
struct layers {
    const char **name;
    int n;
};

static struct layers layers_of(struct net *n, const struct graph *g)
{
    struct layers l = {NCC_NEW(&n->arena, const char *, ncc_graph_n_nodes(g)), 0};
    for (const struct node *k = g->first; k; k = k->next)
        if (k->op == OP_kpu_conv && computes(k))
            l.name[l.n++] = k->out[0]->name;
    return l;
}

/* Did in each piece the same layers disappear as in the whole? */
static bool joined_alike(struct net *n, const struct graph *whole, const struct graph *pieces, const struct layers *of)
{
    for (int i = 0; i < of->n; i++)
        if (!find(pieces, of->name[i]) != !find(whole, whole_name(of->name[i], &n->arena)))
            return false;
    return true;
}

static void must(struct net *n, bool good)
{
    if (good)
        return;
    ncc_diag_print(&n->diags, stderr);
    fail_msg("not compiled");
}

static void assign(struct net *n, struct graph *g, uint64_t seed)
{
    const struct observations seen = observe(n, g, seed);
    must(n, ncc_quant_assign(g, &seen, &(struct assign_options){.method = RANGE_MINMAX, .joint = JOINT_CONCAT | JOINT_SUM}, &n->scratch));
}

static struct compiled compile(struct net *n, struct graph *g)
{
    struct compiled c = {0};
    must(n, ncc_k210_integers(g, &options, NULL, &n->scratch) && compile_planned(n, g, &c));
    return c;
}

static void bytes(void **unused)
{
    (void)unused;
    enum { N = 200 };
    const uint64_t seed = net_seed("bands in codes");
    int n_same = 0, n_other = 0;
    for (int i = 0; i < N; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        struct net n;
        struct band_choice c;
        if (prepare(&n, &state, i, &c)) {
            struct graph *const banded = cut(&n, &c), *whole = lowered(&n, n.g), *pieces = lowered(&n, banded);
            bool comparable = lowered_alike(&n, whole, pieces, c.rows * c.cols);
            assign(&n, whole, state);
            take_codes(&n, whole, pieces);
            assign(&n, pieces, state);
            comparable = comparable && kept_codes(&n, whole, pieces);
            const struct layers before = layers_of(&n, pieces);
            const struct compiled x = compile(&n, whole), y = compile(&n, pieces);
            comparable = comparable && joined_alike(&n, whole, pieces, &before);
            comparable = comparable && net_count(pieces, OP_quantize) == net_count(whole, OP_quantize);
            struct ncc_sim *sim = ncc_sim_new(), *other = ncc_sim_new();
            const void **want = compiled_run(&n, &x, whole, state, sim), **got = compiled_run(&n, &y, pieces, state, other);
            for (int k = 0; k < n.g->outputs.n; k++) {
                const struct value *v = whole->outputs.v[k].value;
                const size_t size = (size_t)ncc_shape_count(v->shape) * ncc_dtype_size(v->dtype);
                if (comparable && memcmp(want[k], got[k], size)) {
                    fprintf(stderr, "---- whole ----\n%s", ncc_text_print(whole, false, &n.arena));
                    fail_with(&n, pieces, "other bytes", i);
                }
            }
            ncc_sim_free(sim);
            ncc_sim_free(other);
            n_same += comparable;
            n_other += !comparable;
        }
        net_close(&n);
    }
    print_message("%d networks give the same bytes; %d are lowered in another way\n", n_same, n_other);
    assert_true(n_same > N / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(real_numbers), cmocka_unit_test(ranges_of_channels), cmocka_unit_test(bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
