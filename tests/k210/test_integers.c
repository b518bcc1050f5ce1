/* From real numbers to what runs: random networks are calibrated, quantised, planned, written and run on the simulator.
 *
 *     runtime + simulator == evaluation of the integer graph        byte for byte; floats to 1e-5
 *     the same            ~= the float graph                        by SQNR
 *     the same            ~= the float graph with the weights that the codes stand for: what roundings alone explain
 */
#include "tests/k210/dequantised.h"

#include "compiler/ir/text.h"
#include "compiler/ops/attrs.h"

#include <ncc/sim.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void list_ops(const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next)
        printf(" %s", ncc_op_desc(n->op)->name);
}

/* Goes on, so that all are seen; NCC_SHOW prints the graphs as well. */
static void bad(struct net *n, int *n_bad, const char *name, const char *why)
{
    ++*n_bad;
    printf("BAD: %s:", name);
    list_ops(n->g);
    printf(": %s\n", why);
    if (getenv("NCC_SHOW"))
        printf("%s", ncc_text_print(n->g, false, &n->arena));
}

/* ---- the simulator against the evaluator, and SQNR ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Signal to noise of a float output in dB, where the signal counts for no less than `floor` at each element. */
static double decibels(const struct tensor *real, const float *got, double floor)
{
    const float *x = real->data;
    const int64_t n = ncc_shape_count(real->shape);
    double signal = 0, noise = 0;
    for (int64_t i = 0; i < n; i++) {
        signal += (double)x[i] * (double)x[i];
        noise += ((double)got[i] - (double)x[i]) * ((double)got[i] - (double)x[i]);
    }
    return noise > 0 ? 10 * log10(fmax(signal, floor * floor * (double)n) / noise) : (double)INFINITY;
}

/* The worst output's signal to noise; INFINITY when nothing differs or the output is always 0. `share`: of the output's
 * range, which a signal counts for at least: a picture may show next to nothing of it. */
static double sqnr(const struct net *n, const struct tensor *real, const struct compiled *c, const void *const *got,
                   double share)
{
    double worst = INFINITY;
    for (int i = 0; i < n->g->outputs.n; i++) {
        const struct quant *q = &c->real->outputs.v[i].value->quant;
        const double range = q->n_channels ? 255 * q->scale[0] : 0;
        if (c->codes->outputs.v[i].value->dtype == DT_F32)
            worst = fmin(worst, decibels(&real[n->g->outputs.v[i].value->id], got[i], share * range));
    }
    return worst == -(double)INFINITY ? (double)INFINITY : worst;
}

static struct k210_options random_options(uint64_t *state)
{
    static const int thresholds[] = {0, 64, 1024};
    return (struct k210_options){.runtime = NCC_KPU_RUNTIME_V4,
                                 .float_input = net_int(state, 0, 4) == 0,
                                 .u8_output = net_int(state, 0, 4) == 0,
                                 .float_binary = net_int(state, 0, 3) == 0,
                                 .output_quantize_threshold = thresholds[net_int(state, 0, 2)]};
}

/* Codes between others by bilinear resizing: computed in floats, and cut off. */
static bool mixes_codes(const struct node *n)
{
    return n->op == OP_resize && ((const struct resize_attrs *)n->attrs)->mode == RESIZE_BILINEAR;
}

/* Floats that were computed and become codes may be rounded to either side where evaluator and runtime differ in the
 * last bit; what follows then differs by codes. */
static bool rounds_floats(const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next)
        if (n->op == OP_quantize && n->in[0]->def)
            return true;
    return false;
}

/* What the same roundings do at best, and 6 dB less: a product of two maps, one of which hardly shows, may be noise. As
 * much less as the worst table is worse than a rounding. */
static double possible(struct net *n, const struct tensor *want, const struct compiled *c, uint64_t seed)
{
    const struct spread *spread = dequantise_weights(n, c->real);
    const struct tensor *t = evaluate_rounded(n, c, seed);
    const void **best = NCC_NEW(&n->arena, const void *, c->real->outputs.n);
    double table = 0.25;
    for (int i = 0; i < c->real->outputs.n; i++) {
        const struct value *v = c->real->outputs.v[i].value;
        best[i] = t[v->id].data;
        table = fmax(table, spread[v->id].table_mean);
    }
    return sqnr(n, want, c, best, 0.1) - 6 - 20 * log10(table / 0.25);
}

/* NCC_NETS, or so many that each test takes a few seconds. */
static int n_nets(void)
{
    const char *text = getenv("NCC_NETS");
    return text ? atoi(text) : 180;
}

static void run_networks(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("integers");
    struct ncc_sim *sim = ncc_sim_new();
    const int count = n_nets();
    double *db = malloc((size_t)count * sizeof *db);
    int n_db = 0, n_bad = 0;
    assert_non_null(db);
    for (int i = 0; i < count; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        struct net n;
        net_open(&n);
        net_random(&n, &state, i);
        const struct k210_options options = random_options(&state);
        char name[40], why[200];
        snprintf(name, sizeof name, "network %d", i);
        const struct compiled c = compile_net(&n, &options, i % 3 != 0, state, name);
        ncc_sim_scramble(sim, state);
        const void **got = compiled_run(&n, &c, c.codes, state, sim);
        const bool near = rounds_floats(c.codes);
        if (!compiled_same(c.codes, net_evaluate(&n.arena, c.codes, state, false), got, near ? 0.05 : 1e-5,
                           near ? 4 : 0, why))
            bad(&n, &n_bad, name, why);
        const struct tensor *want = net_evaluate(&n.arena, n.g, state, false);
        const double d = sqnr(&n, want, &c, got, 0), at_least = sqnr(&n, want, &c, got, 0.1);
        if (isfinite(d))
            db[n_db++] = d;
        if (at_least < 12 && at_least < possible(&n, want, &c, state))
            bad(&n, &n_bad, name, ncc_arena_printf(&n.arena, "only %.1f dB", at_least));
        net_close(&n);
    }
    ncc_sim_free(sim);
    qsort(db, (size_t)n_db, sizeof *db, by_value);
    print_message("%d networks, SQNR: worst %.1f dB, 5%% below %.1f, median %.1f dB\n", count, db[0], db[n_db / 20],
                  db[n_db / 2]);
    const double median = db[n_db / 2], low = db[n_db / 20];
    free(db);
    assert_int_equal(n_bad, 0);
    assert_true(n_db > count / 2 && median > 36 && low > 26);
}

/* ---- with the quantised weights ---- */

/* Only moves and KPU layers. */
static bool is_pure(const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next)
        if (!(ncc_op_desc(n->op)->flags & (OP_KPU | OP_SAME_QUANT | OP_ALIAS)) || mixes_codes(n))
            return false;
    return true;
}

/* Few elements may all be unlucky. */
static bool explained(const struct code_errors *e, const struct spread *s, double code)
{
    return e->most * code <= s->most * 1.001 + 1e-5 &&
           e->mean * code <= s->rms * 1.25 * (1 + 3 / sqrt((double)e->n)) + 1e-5;
}

struct tally {
    int outputs, within; /* of those within, worst case at most half a code and one for each rounding */
    int bad;
};

static void check_output(const struct net *n, const struct graph_output *o, struct tensor *const want, const float *got,
                         const struct spread *spread, const char *name, struct tally *t)
{
    const struct value *v = o->value;
    const struct code_errors e = compare_codes(v, &want[v->id], got);
    const double code = v->quant.scale[0];
    const bool good = explained(&e, &spread[v->id], code);
    t->outputs++;
    t->within += e.most <= 1.5;
    t->bad += !good;
    if (good && !getenv("NCC_SHOW"))
        return;
    printf("%s%s, output %s of", good ? "" : "BAD: ", name, o->name);
    list_ops(n->g);
    printf(": worst %.2f codes, explained %.2f; mean %.3f, explained %.3f\n", e.most, spread[v->id].most / code, e.mean,
           spread[v->id].rms / code);
}

static void quantised_weights(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("integers, quantised weights");
    struct ncc_sim *sim = ncc_sim_new();
    const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4, .output_quantize_threshold = 1024};
    int n_pure = 0;
    struct tally t = {0};
    const int count = n_nets();
    for (int i = 0; i < count; i++) {
        uint64_t state = seed * 2000003 + (uint64_t)i;
        struct net n;
        net_open(&n);
        net_random(&n, &state, i);
        char name[40];
        snprintf(name, sizeof name, "network %d", i);
        const struct compiled c = compile_net(&n, &options, true, state, name);
        if (is_pure(c.real)) {
            n_pure++;
            const struct spread *spread = dequantise_weights(&n, c.real);
            struct tensor *want = net_evaluate(&n.arena, c.real, state, false);
            const void **got = compiled_run(&n, &c, c.codes, state, sim);
            for (int k = 0; k < c.real->outputs.n; k++)
                check_output(&n, &c.real->outputs.v[k], want, got[k], spread, name, &t);
        }
        net_close(&n);
    }
    ncc_sim_free(sim);
    print_message("%d networks, %d outputs: %d within 1.5 codes, %d not explained by roundings\n", n_pure, t.outputs,
                  t.within, t.bad);
    assert_true(n_pure > count / 4);
    assert_int_equal(t.bad, 0);
}

/* ---- one thing at a time ---- */

/* At least `db` on the simulator, with every node on the KPU but those called "cpu". If `op` is not N_OPS the integer
 * graph must have that operator. */
static void expect_form(const char *text, double db, enum op op)
{
    struct net n;
    struct ncc_sim *sim = ncc_sim_new();
    net_open(&n);
    net_parse(&n, text);
    for (struct node *k = n.g->first; k; k = k->next) {
        k->barred = !strcmp(k->name, "cpu");
        k->reason = k->barred ? "barred by the test" : NULL;
    }
    const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4, .output_quantize_threshold = 1024};
    const struct compiled c = compile_net(&n, &options, true, 1, "network");
    const double got = sqnr(&n, net_evaluate(&n.arena, n.g, 1, false), &c, compiled_run(&n, &c, c.codes, 1, sim), 0);
    if (op != N_OPS && !net_count(c.codes, op))
        fail_msg("there is no %s\n%s", ncc_op_desc(op)->name, text);
    ncc_sim_free(sim);
    net_close(&n);
    if (got < db)
        fail_msg("%.1f dB, wanted %.1f\n%s", got, db, text);
}

static void expect_sqnr(const char *text, double db)
{
    expect_form(text, db, N_OPS);
}

/* Between KPU layers the CPU works on codes. */
static void cpu_integers(void **unused)
{
    (void)unused;
#define BEFORE                                                                                                         \
    "input %x f32 1x4x8x8 !q(0.015686274509803921, 128)\nconst %w f32 4x4x1x1 = random 3\n"                            \
    "const %v f32 4x4x1x1 = random 4\n%a = conv2d(%x, %w, _)\n%b = conv2d(%x, %v, _)\n"
#define AFTER "const %u f32 5x4x1x1 = random 5\n%z = conv2d(%y, %u, _)\noutput %z\n"
    expect_form(BEFORE "%y = add(%a, %b) @\"cpu\"\n" AFTER, 32, OP_q_binary);
    expect_form(BEFORE "%y = sub(%a, %b) @\"cpu\"\n" AFTER, 32, OP_q_binary);
    expect_form(BEFORE "%y = mul(%a, %b) @\"cpu\"\n" AFTER, 32, OP_q_binary);
    expect_form(BEFORE "%y = maximum(%a, %b) @\"cpu\"\n" AFTER, 32, OP_q_binary);
    expect_form(BEFORE "%y = minimum(%a, %b) @\"cpu\"\n" AFTER, 32, OP_q_binary);
    expect_form(BEFORE "%y = sigmoid(%a) @\"cpu\"\n" AFTER, 32, OP_lookup);
    expect_form(BEFORE "const %k f32 4x4x1x1 = random 6\nconst %l f32 4 = random 7\n"
                       "%y = conv2d(%a, %k, %l) @\"cpu\"\n" AFTER,
                30, OP_q_conv2d);
    expect_form(BEFORE "const %k f32 4x4x3x3 = random 6\n" /* the more there is to multiply, the better is float */
                       "%y = conv2d(%a, %k, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1 @\"cpu\"\n" AFTER,
                34, OP_conv2d);
    expect_form(BEFORE "const %k f32 4x1x1x2 = random 6\n"
                       "%y = conv2d(%a, %k, _) groups=4 @\"cpu\"\n" AFTER,
                30, OP_q_conv2d);
    expect_form(
        "input %x f32 1x8\nconst %w f32 8x6 = random 3\nconst %v f32 6x9 = random 4\nconst %u f32 9x5 = random 5\n"
        "const %l f32 9 = random 7\n%a = matmul(%x, %w, _)\n%y = matmul(%a, %v, %l) @\"cpu\"\n%z = matmul(%y, %u, _)\n"
        "output %z\n",
        28, OP_q_matmul);
    expect_form(BEFORE "%y = resize(%a) out_h=16 out_w=16 @\"cpu\"\n" AFTER, 32, N_OPS);
    expect_form(BEFORE "%t = transpose(%a) perm=[0,1,3,2] @\"cpu\"\n%y = softmax(%t) axis=1 @\"cpu\"\n" AFTER, 32,
                N_OPS);
}

/* What is pooled is wider than the mean. */
static void range_before_mean_pool(void **unused)
{
    (void)unused;
    expect_sqnr("input %x f32 1x4x16x16 !q(0.015686274509803921, 128)\n"
                "const %w f32 6x4x1x1 = random 3\nconst %b f32 6 = random 4\n"
                "%y = conv2d(%x, %w, %b)\n"
                "%z = avg_pool(%y) kernel_h=4 kernel_w=4 stride_h=4 stride_w=4\noutput %z\n",
                30);
}

/* A tensor beside the input, whose codes are given, may be wider than the input. */
static void range_beside_input(void **unused)
{
    (void)unused;
    expect_sqnr("input %x f32 1x4x12x12 !q(0.015686274509803921, 128)\n"
                "const %w f32 4x4x1x1 = random 3\nconst %k f32 1 = { 4 }\nconst %v f32 5x8x3x3 = random 4\n"
                "%m = mul(%x, %k)\n%y = conv2d(%m, %w, _)\n%r = relu(%y)\n%c = concat(%r, %x) axis=1\n"
                "%o = conv2d(%c, %v, _)\noutput %o\n",
                30);
    expect_sqnr("input %x f32 1x4x12x12 !q(0.015686274509803921, 128)\n"
                "const %w f32 4x4x1x1 = random 3\nconst %k f32 1 = { 4 }\nconst %v f32 5x8x3x3 = random 4\n"
                "%m = mul(%x, %k)\n%y = conv2d(%m, %w, _)\n%r = relu(%y)\n%c = concat(%r, %x) axis=1 @\"cpu\"\n"
                "%o = conv2d(%c, %v, _)\noutput %o\n",
                30);
}

/* A maximum is a map and what another is more, added; here they reach the sum in another order than their channels. */
static void maximum_of_few_rows(void **unused)
{
    (void)unused;
    expect_sqnr("input %x f32 1x11x17x4 !q(0.015686274509803921, 128)\n"
                "const %w f32 33x1x3x3 = random 3\nconst %v f32 40x33x1x1 = random 4\n"
                "%y = conv2d(%x, %w, _) stride_h=2 stride_w=2 pad_top=1 pad_bottom=1 pad_right=1 groups=11\n"
                "%p = max_pool(%y) kernel_h=2 stride_h=2 stride_w=2 pad_bottom=1\n"
                "%z = conv2d(%p, %v, _)\noutput %z\n",
                30);
}

/* A clip ends at the last code of all channels, also where a sum of few would rather have other scales. */
static void clip_before_sum(void **unused)
{
    (void)unused;
    expect_sqnr("input %x f32 1x5x9x17 !q(0.015686274509803921, 250)\n"
                "const %w f32 5x5x5x5 = random 3\nconst %v f32 1x5x1x1 = random 4\n"
                "%y = conv2d(%x, %w, _) pad_top=2 pad_left=2 pad_bottom=2 pad_right=2\n"
                "%s = sub(%y, %x)\n%c = clip(%s) min=0 max=1.5\n%z = conv2d(%c, %v, _)\noutput %z\n",
                34);
}

/* The greater of what the input shows, here by way of a pool, and of what reaches further. */
static void maximum_beside_input(void **unused)
{
    (void)unused;
    expect_sqnr("input %x f32 1x3x17x16 !q(0.015686274509803921, 195)\n"
                "const %w f32 3x3x1x1 = random 3\nconst %k f32 1 = { 3 }\n"
                "%p = max_pool(%x) kernel_h=2 kernel_w=3 pad_left=1 pad_bottom=1 pad_right=1\n"
                "%m = mul(%p, %k)\n%a = conv2d(%m, %w, _)\n%y = maximum(%a, %p)\noutput %y\n",
                30);
}

/* Two readers of the same parts side by side need one zero point, which is the given one of the input: the scale of
 * the other part is still its own. */
static void wider_beside_input(void **unused)
{
    (void)unused;
    expect_sqnr("input %x f32 1x8x20x20 !q(0.015686274509803921, 158)\n"
                "const %w f32 17x8x1x1 = random 3\nconst %v f32 5x25x2x4 = random 4\nconst %k f32 1 = { 3 }\n"
                "%r = resize(%x) out_h=80 out_w=80 half_pixel=true\n%a = conv2d(%r, %w, _)\n%m = mul(%a, %k)\n"
                "%l = leaky_relu(%m) alpha=0.35\n%c = concat(%r, %l) axis=1\n"
                "%y = conv2d(%c, %v, _) stride_h=2 stride_w=2 pad_left=1 pad_right=1\noutput %y\n",
                30);
}

/* A layer's result wanted in main memory by itself and as part of a concatenation is still copied out once. */
static void downloaded_twice(void **unused)
{
    (void)unused;
    expect_sqnr("input %x f32 1x4x8x8 !q(0.015686274509803921, 128)\n"
                "const %w f32 4x4x1x1 = random 3\nconst %v f32 4x4x1x1 = random 4\n"
                "%a = conv2d(%x, %w, _)\n%b = conv2d(%x, %v, _)\n%c = concat(%a, %b) axis=1\n"
                "output %a\noutput %c\n",
                30);
}

/* A concatenation that moves codes of its own accord, and what moves its result: an enlarged output. */
static void codes_moved_on(void **unused)
{
    (void)unused;
    expect_sqnr(
        "input %x f32 1x3x8x8 !q(0.015686274509803921, 128)\n"
        "const %w f32 5x3x1x1 = random 3\n%a = conv2d(%x, %w, _)\n"
        "%b = slice(%a) begin=[0,0,0,0] size=[1,5,2,2] stride=[1,1,3,3]\n%c = resize(%b) out_h=6 out_w=6\noutput %c\n",
        30);
}

/* Planes that the layer's DMA could not count still leave KPU RAM: firmware of version 4 copies by CPU. */
static void large_plane(void **unused)
{
    (void)unused;
    expect_sqnr("input %x f32 1x1x256x512 !q(0.015686274509803921, 128)\n"
                "const %w f32 2x1x3x3 = random 3\n"
                "%a = conv2d(%x, %w, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                "output %a\n",
                30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(run_networks),
                                       cmocka_unit_test(quantised_weights),
                                       cmocka_unit_test(range_before_mean_pool),
                                       cmocka_unit_test(range_beside_input),
                                       cmocka_unit_test(maximum_of_few_rows),
                                       cmocka_unit_test(clip_before_sum),
                                       cmocka_unit_test(wider_beside_input),
                                       cmocka_unit_test(maximum_beside_input),
                                       cmocka_unit_test(downloaded_twice),
                                       cmocka_unit_test(codes_moved_on),
                                       cmocka_unit_test(large_plane),
                                       cmocka_unit_test(cpu_integers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
