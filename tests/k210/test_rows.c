/* For every row of "what becomes of each operation on the K210", random networks:
 *
 *     lowered graph == source graph in real numbers, junk wherever junk may be      to 1e-5 of the largest
 *     kmodel on the simulator ~= lowered graph in real numbers, with the weights that the codes stand for:
 *         n roundings on the longest path                     at most 0.5 + n codes, on average 0.3 * sqrt(n)
 *
 * and no further from 0 on average, signs counted, than the same roundings done to the nearest. The average is held
 * over all networks of a row, and for each of them as far as its number of results allows. NCC_ROW_NETS networks a row
 * (default 8). And a table of the smallest and the largest: maps of 1x1, 2x2 and 512x256, 1 and 1024 channels, prime
 * widths. */
#include "tests/k210/dequantised.h"
#include "tests/k210/net_rows.h"

#include "compiler/ir/text.h"
#include "compiler/k210/bands.h"
#include "kpu/limits.h"

#include <ncc/sim.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4, .output_quantize_threshold = 1024};

struct tally {
    int nets, outputs, explained, bad;
    int most_n;                /* roundings */
    double worst;              /* of: largest error / (0.5 + n) */
    double mean, bias, weight; /* sums over results of: error / sqrt(n) */
};

static void complain(struct net *n, const struct graph *lowered, const char *row, int index, const char *why)
{
    printf("BAD: %s, network %d: %s\n", row, index, why);
    if (getenv("NCC_SHOW"))
        printf("%s---- lowered ----\n%s", ncc_text_print(n->g, false, &n->arena),
               ncc_text_print(lowered, false, &n->arena));
}

/* ---- maps above the limits ---- */

static bool too_large(const struct value *v)
{
    return v->shape.rank == 4 && (v->shape.dim[2] > NCC_KPU_MAX_H || v->shape.dim[3] > NCC_KPU_MAX_W);
}

/* The place of the first node that needs bands and can be cut; -1: none. */
static int first_large(const struct graph *g)
{
    int place = 0;
    for (const struct node *k = g->first; k; k = k->next, place++)
        if ((too_large(k->in[0]) || too_large(k->out[0])) && ncc_bands_possible(k))
            return place;
    return -1;
}

static void cut_into_bands(struct net *n)
{
    assert_true(ncc_k210_legalise(n->g, &options, &n->scratch));
    const int place = first_large(n->g);
    if (place < 0)
        return;
    struct band_choice choice;
    assert_int_equal(ncc_bands_choices(n->g, place, &options, &n->scratch, &choice, 1), 1);
    ncc_bands_apply(n->g, &choice);
    assert_true(ncc_graph_verify(n->g, "bands"));
}

/* ---- in real numbers ---- */

static void check_real(struct net *n, const struct graph *source, const struct net_row *row, int index, uint64_t seed,
                       struct tally *t)
{
    char why[200] = "";
    struct graph *g = ncc_graph_copy(n->g, &n->arena, &n->diags);
    assert_true(ncc_k210_legalise(g, &options, &n->scratch));
    net_force_on_kpu(g);
    assert_true(ncc_k210_lower(g, &options, &n->scratch) && ncc_graph_verify(g, "lower"));
    const char *illegal = net_illegal_layer(g);
    const struct tensor *want = net_evaluate(&n->arena, source, seed, false);
    const struct tensor *got = net_evaluate(&n->arena, g, seed, true);
    const char *promise = net_broken_promise(g, got);
    if (!illegal && !promise && net_same(source, want, g, got, 1e-5, why))
        return;
    t->bad++;
    complain(n, g, row->name, index, illegal ? illegal : promise ? "not zero around" : why);
}

/* ---- in codes ---- */

/* The mean of |error| of a perfect rounding is 1/4 code, and its deviation sqrt(1/48). */
static double mean_limit(int roundings, int64_t n_results)
{
    return sqrt(roundings) * (0.3 + 4 * sqrt(1.0 / 48 / (double)n_results)) + 1e-3;
}

static bool within_bounds(const struct code_errors *e, int roundings)
{
    return e->most <= 0.5 + roundings + 1e-3 && e->mean <= mean_limit(roundings, e->n);
}

/* Roundings to the nearest are not high or low on average. */
static bool is_fair(const struct code_errors *e, const struct code_errors *best, int roundings)
{
    return fabs(e->bias - best->bias) <= 0.2 + 2 * sqrt(roundings / (double)e->n);
}

/* Nothing but the roundings, which an operation amplifies; those of tables as far as 16 pieces come near a function. */
static bool explained(const struct code_errors *e, const struct code_errors *best, const struct spread *s)
{
    return e->most <= 1.25 * best->most * s->table_most / 0.5 + 1 &&
           e->mean <= best->mean * s->table_mean / 0.25 * (1.1 + 2 / sqrt((double)e->n)) + 0.1;
}

/* One output over the samples that were run. */
struct output_errors {
    struct code_errors is, best; /* the kmodel's; of the same roundings at best */
};

static void judge(struct net *n, const struct compiled *c, int k, const struct output_errors *e,
                  const struct spread *spread, const struct net_row *row, int index, struct tally *t)
{
    const int count = count_roundings(c->codes, &n->arena)[c->codes->outputs.v[k].value->id];
    const struct code_errors *is = &e->is, *best = &e->best;
    t->outputs++;
    t->most_n = count > t->most_n ? count : t->most_n;
    if (within_bounds(is, count) && is_fair(is, best, count)) {
        const double root = sqrt(fmax(count, 1));
        t->worst = fmax(t->worst, is->most / (0.5 + count));
        t->mean += is->mean / root * (double)is->n;
        t->bias += is->bias / root * (double)is->n;
        t->weight += (double)is->n;
        return;
    }
    const bool good = !within_bounds(is, count) && explained(is, best, spread);
    t->explained += good;
    t->bad += !good;
    if (!good || getenv("NCC_SHOW"))
        complain(
            n, c->real, row->name, index,
            ncc_arena_printf(&n->arena,
                             "%d roundings, worst %.2f codes, mean %.3f (%.3f is allowed), bias %+.3f, of %lld; at "
                             "best %.2f, %.3f, %+.3f",
                             count, is->most, is->mean, mean_limit(count, is->n), is->bias, (long long)is->n,
                             best->most, best->mean, best->bias));
}

enum { N_SAMPLES = 8, ENOUGH = 400 /* results of an output */ };

static void run_sample(struct net *n, const struct compiled *c, uint64_t seed, struct ncc_sim *sim,
                       struct output_errors *e)
{
    const struct tensor *want = net_evaluate(&n->arena, c->real, seed, false);
    const struct tensor *rounded = evaluate_rounded(n, c, seed);
    ncc_sim_scramble(sim, seed);
    const void **got = compiled_run(n, c, c->codes, seed, sim);
    for (int k = 0; k < c->real->outputs.n; k++) {
        const struct value *v = c->real->outputs.v[k].value;
        e[k].is = add_errors(e[k].is, compare_codes(v, &want[v->id], got[k]));
        e[k].best = add_errors(e[k].best, compare_codes(v, &want[v->id], rounded[v->id].data));
    }
}

/* Samples are those that the ranges come from, as many as there are results to average over. */
static void check_codes(struct net *n, const struct net_row *row, int index, uint64_t seed, struct ncc_sim *sim,
                        struct tally *t)
{
    const struct compiled c = compile_net(n, &options, true, seed, row->name);
    const struct spread *spread = dequantise_weights(n, c.real);
    struct output_errors *e = NCC_NEW(&n->arena, struct output_errors, c.real->outputs.n);
    for (int s = 0; s < N_SAMPLES && e[0].is.n < ENOUGH; s++)
        run_sample(n, &c, seed + (uint64_t)s, sim, e);
    for (int k = 0; k < c.real->outputs.n; k++)
        judge(n, &c, k, &e[k], &spread[c.real->outputs.v[k].value->id], row, index, t);
}

static void check_net(struct net *n, const struct net_row *row, int index, uint64_t seed, struct ncc_sim *sim,
                      struct tally *t)
{
    const struct graph *source = ncc_graph_copy(n->g, &n->arena, &n->diags);
    if (row->to_bands)
        cut_into_bands(n);
    check_real(n, source, row, index, seed, t);
    check_codes(n, row, index, seed, sim, t);
    t->nets++;
}

/* ---- all rows ---- */

static int nets_per_row(void)
{
    const char *text = getenv("NCC_ROW_NETS");
    return text ? atoi(text) : 8;
}

static struct tally check_row(const struct net_row *row, int number, uint64_t seed, struct ncc_sim *sim)
{
    struct tally t = {0};
    const int n_nets = row->alone ? (nets_per_row() + 3) / 4 : nets_per_row();
    for (int i = 0; i < n_nets; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)number * 7919 + (uint64_t)i;
        struct net n;
        net_open(&n);
        net_make_row(&n, &state, row, i);
        check_net(&n, row, i, state, sim, &t);
        net_close(&n);
    }
    return t;
}

static void rows(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("rows");
    const char *only = getenv("NCC_ROW");
    struct ncc_sim *sim = ncc_sim_new();
    int n_bad = 0;
    for (int r = 0; r < net_n_rows; r++) {
        if (only && atoi(only) != r)
            continue;
        const struct tally t = check_row(&net_rows[r], r, seed, sim);
        const double mean = t.mean / fmax(t.weight, 1), bias = t.bias / fmax(t.weight, 1);
        print_message("%2d %-45s up to %d roundings; largest / (0.5 + n) %.2f, mean / sqrt(n) %.3f, bias %+.3f; %d of "
                      "%d beyond\n",
                      r, net_rows[r].name, t.most_n, t.worst, mean, bias, t.explained, t.outputs);
        n_bad += t.bad;
        if (mean > 0.3 + 4 * sqrt(1.0 / 48 / fmax(t.weight, 1))) {
            printf("BAD: %s: the mean error is too large\n", net_rows[r].name);
            n_bad++;
        }
        if (t.outputs == 0)
            fail_msg("%s: nothing was compared", net_rows[r].name);
    }
    ncc_sim_free(sim);
    assert_int_equal(n_bad, 0);
}

/* ---- the smallest and the largest ---- */

#define SAME     "pad_top=1 pad_left=1 pad_bottom=1 pad_right=1"
#define X(shape) "input %x f32 " shape " !q(0.015686274509803921, 128)\n"
#define W(shape) "const %w f32 " shape " = random 1\n"
#define B(n)     "const %b f32 " n " = random 2\n"
#define Y        "\noutput %y\n"

static const char *const extremes[] = {
    X("1x1x1x1") W("1x1x1x1") B("1") "%y = conv2d(%x, %w, %b)" Y,
    X("1x1x1x1") W("1x1x3x3") B("1") "%y = conv2d(%x, %w, %b) " SAME Y,
    X("1x1x1x1") W("5x1x3x3") B("5") "%y = conv2d(%x, %w, %b) stride_h=2 stride_w=2 " SAME Y,
    X("1x1x2x2") W("1x1x3x3") B("1") "%y = conv2d(%x, %w, %b) groups=1 " SAME Y,
    X("1x7x2x2") W("7x1x3x3") B("7") "%y = conv2d(%x, %w, %b) groups=7 " SAME Y,
    X("1x7x2x2") W("3x7x2x2") "%y = conv2d(%x, %w, _)" Y,
    X("1x3x2x2") "%y = max_pool(%x) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2" Y,
    X("1x3x2x2") "%y = avg_pool(%x) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2" Y,
    X("1x3x1x1") "%y = reduce(%x) axes=[2,3] keep_dims=true" Y,
    X("1x1x1x1") "const %k f32 1x1x1x1 = { 0.3 }\n%y = prelu(%x, %k)" Y,
    X("1x2x1x1") "const %w f32 2x3x2x2 = random 1\n%y = conv2d_transpose(%x, %w, _) stride_h=2 stride_w=2" Y,
    X("1x2x1x1") W("3x2x1x1") "%r = resize(%x) out_h=2 out_w=2\n%y = conv2d(%r, %w, _)" Y,
    X("1x3x13x3")
        W("7x3x1x1") "const %v f32 16x7x1x1 = random 3\n%a = conv2d(%x, %w, _)\n"
                     "%r = resize(%a) mode=bilinear out_h=52 out_w=12 align_corners=true\n%y = conv2d(%r, %v, _)" Y,
    X("1x1x17x13") W("1x1x3x3") "%y = conv2d(%x, %w, _) groups=1 " SAME Y,
    X("1x1x1x509") W("3x1x1x3") "%y = conv2d(%x, %w, _) pad_left=1 pad_right=1" Y,
    X("1x1x251x1") W("3x1x3x1") "%y = conv2d(%x, %w, _) pad_top=1 pad_bottom=1" Y,
    X("1x4x1x509") "%y = max_pool(%x) kernel_h=1 kernel_w=3 stride_h=1 stride_w=1" Y,
    X("1x7x31x61") W("11x7x3x3") "%y = conv2d(%x, %w, _) stride_h=2 stride_w=2 " SAME Y,
    X("1x1x127x251")
        W("3x1x5x5") "%y = conv2d(%x, %w, _) stride_h=2 stride_w=2 pad_top=2 pad_left=2 pad_bottom=2 pad_right=2" Y,
    X("1x1x256x512") W("2x1x3x3") B("2") "%y = conv2d(%x, %w, %b) " SAME Y,
    X("1x2x256x512") W("2x1x3x3") "%y = conv2d(%x, %w, _) groups=2 " SAME Y,
    X("1x1x256x512") "%y = max_pool(%x) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2" Y,
    X("1x1x256x512") W("3x1x3x3") "%y = conv2d(%x, %w, _) stride_h=2 stride_w=2 pad_bottom=1 pad_right=1" Y,
    X("1x1024x1x1") W("1024x1024x1x1") B("1024") "%y = conv2d(%x, %w, %b)" Y,
    X("1x1024x4x4") W("1x1024x1x1") "%y = conv2d(%x, %w, _)" Y,
    X("1x1x4x4") W("1024x1x3x3") "%y = conv2d(%x, %w, _) " SAME Y,
    X("1x1024x4x4") W("1024x1x3x3") B("1024") "%y = conv2d(%x, %w, %b) groups=1024 " SAME Y,
    X("1x1024x2x2") W("7x1024x3x3") "%y = conv2d(%x, %w, _) " SAME Y,
    X("1x1024") W("1024x1024") B("1024") "%y = matmul(%x, %w, %b)" Y,
    X("1x1") W("1x1") "%y = matmul(%x, %w, _)" Y,
    X("1x1024x5x3") W("1024x1x3x3") "%a = conv2d(%x, %w, _) groups=1024 " SAME "\n%y = add(%a, %x)" Y,
    X("1x1x5x7") W("1023x1x1x1") "%a = conv2d(%x, %w, _)\n%c = concat(%a, %x) axis=1\n%y = relu(%c)" Y,
};

static void smallest_and_largest(void **unused)
{
    (void)unused;
    struct ncc_sim *sim = ncc_sim_new();
    struct tally t = {0};
    for (size_t i = 0; i < sizeof extremes / sizeof extremes[0]; i++) {
        struct net n;
        net_open(&n);
        net_parse(&n, extremes[i]);
        const struct net_row row = {.name = extremes[i]};
        check_net(&n, &row, 0, 1, sim, &t);
        net_close(&n);
    }
    ncc_sim_free(sim);
    print_message("%d networks, %d beyond the bound\n", t.nets, t.explained);
    assert_int_equal(t.bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows), cmocka_unit_test(smallest_and_largest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
