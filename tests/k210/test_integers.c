/* From real numbers to what runs: random networks are calibrated, quantised, planned, written and run on the simulator.
 *
 *     runtime + simulator == evaluation of the integer graph        byte for byte; floats to 1e-5
 *     the same            ~= the float graph                        by SQNR
 *     the same            ~= the float graph with the weights that the codes stand for: what roundings alone explain
 */
#include "tests/k210/compiled.h"

#include "compiler/ir/text.h"
#include "compiler/k210/kpu_integer.h"
#include "compiler/ops/attrs.h"
#include "compiler/quant/compare.h"
#include "compiler/quant/range.h"
#include "kpu/arith.h"
#include "kpu/layer.h"

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

/* The worst output's signal to noise; INFINITY when nothing differs or the output is always 0. */
static double sqnr(const struct net *n, const struct tensor *real, const struct compiled *c, const void *const *got)
{
    double worst = INFINITY;
    for (int i = 0; i < n->g->outputs.n; i++) {
        const struct tensor *t = &real[n->g->outputs.v[i].value->id];
        if (c->codes->outputs.v[i].value->dtype == DT_F32)
            worst = fmin(worst, ncc_sqnr_db(t->data, got[i], (size_t)ncc_shape_count(t->shape)));
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

enum { N_NETS = 360 };

static void run_networks(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("integers");
    struct ncc_sim *sim = ncc_sim_new();
    static double db[N_NETS];
    int n_db = 0, n_bad = 0;
    for (int i = 0; i < N_NETS; i++) {
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
        const double d = sqnr(&n, net_evaluate(&n.arena, n.g, state, false), &c, got);
        if (isfinite(d))
            db[n_db++] = d;
        if (d < 12)
            bad(&n, &n_bad, name, ncc_arena_printf(&n.arena, "only %.1f dB", d));
        net_close(&n);
    }
    ncc_sim_free(sim);
    qsort(db, (size_t)n_db, sizeof *db, by_value);
    print_message("%d networks, SQNR: worst %.1f dB, 5%% below %.1f, median %.1f dB\n", N_NETS, db[0], db[n_db / 20],
                  db[n_db / 2]);
    assert_int_equal(n_bad, 0);
    assert_true(n_db > N_NETS / 2 && db[n_db / 2] > 36 && db[n_db / 20] > 26);
}

/* ---- with the quantised weights ---- */

/* The largest scale of a value's channels: what v_scale is for. A channel with a smaller one has its sum multiplied by
 * as much. */
static double coarsest(const struct quant *q)
{
    double scale = 0;
    for (int c = 0; c < q->n_channels; c++)
        scale = fmax(scale, q->scale[c]);
    return scale;
}

/* The real weights and bias that an integer layer stands for, put into the float layer. From doc/kpu.md section 5:
 *
 *     v = m * sum((x - x_zero) * (w - w_zero)) + add, and the sum's real value is v * v_scale * (own / coarsest scale)
 *
 * where the real input is (x - its own zero) * its own scale, both perhaps different for each channel. */
static void adopt(struct graph *g, struct node *real, const struct node *layer, double v_scale)
{
    const struct kpu_layer_attrs *a = layer->attrs;
    const struct shape *s = &layer->in[1]->shape;
    const struct quant *x = &layer->in[0]->quant, *y = &layer->out[0]->quant;
    const uint8_t *q = layer->in[1]->data;
    const int taps = s->dim[2] * s->dim[3], in_c = s->dim[1];
    float *w = NCC_NEW(g->arena, float, ncc_shape_count(*s)), *bias = NCC_NEW(g->arena, float, s->dim[0]);
    for (int o = 0; o < s->dim[0]; o++) {
        const struct ncc_kpu_bn bn = ncc_kpu_bn_unpack(((const uint64_t *)layer->in[2]->data)[o]);
        const double m = ldexp(bn.mul, -bn.shift), unit = v_scale * ncc_quant_scale(y, o) / coarsest(y);
        double add = bn.add;
        for (int i = 0; i < in_c * taps; i++) {
            const int c = a->depthwise ? o : i / taps;
            const double weight = m * (q[o * in_c * taps + i] - a->w_zero);
            w[o * in_c * taps + i] = (float)(weight * unit / ncc_quant_scale(x, c));
            add += weight * (ncc_quant_zero(x, c) - a->x_zero);
        }
        bias[o] = (float)(add * unit);
    }
    ncc_node_set_input(real, 1, ncc_const(g, "w", DT_F32, *s, w), g->arena);
    ncc_node_set_input(real, 2, ncc_const(g, "b", DT_F32, ncc_shape_make(1, &s->dim[0]), bias), g->arena);
}

/* Only moves and KPU layers. */
static bool is_pure(const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next)
        if (!(ncc_op_desc(n->op)->flags & (OP_KPU | OP_SAME_QUANT | OP_ALIAS)) || mixes_codes(n))
            return false;
    return true;
}

/* ---- how far roundings can carry ---- */

/* Error of a value in real units: in the worst case, and as a root of mean squares if roundings are independent. */
struct spread {
    double most, rms;
};

/* By channel of the layer with the largest weights. The table's own error is what its maker says of it; a mean pool
 * truncates once more. */
static struct spread through_layer(const struct node *real, struct spread in, const struct layer_quality *q)
{
    const struct kpu_conv_attrs *a = real->attrs;
    const struct shape *s = &real->in[1]->shape;
    const float *w = real->in[1]->data;
    const int n = (int)(ncc_shape_count(*s) / s->dim[0]);
    const bool mean = ncc_kpu_pool_info(a->pool)->kind == NCC_KPU_POOL_MEAN;
    double sum = 0, squares = 0, slope = 1;
    for (int o = 0; o < s->dim[0]; o++) {
        double x = 0, y = 0;
        for (int i = 0; i < n; i++) {
            x += fabs((double)w[o * n + i]);
            y += (double)w[o * n + i] * (double)w[o * n + i];
        }
        sum = fmax(sum, x);
        squares = fmax(squares, y);
    }
    for (int i = 0; i < a->act.n; i++)
        slope *= a->act.step[i].op == OP_hard_swish ? 1.5 : 1;
    const double code = coarsest(&real->out[0]->quant);
    const double most = q->act_max_error + 0.1 + mean, rms = fmax(q->act_mean_error * 1.2, 0.29) + 0.35 * mean;
    return (struct spread){slope * sum * in.most + most * code,
                           sqrt(slope * slope * squares * in.rms * in.rms + rms * rms * code * code)};
}

/* Every float layer of g gets the weights of its integer layer, which is made in a copy. The spreads by value id. */
static struct spread *adopt_all(struct net *n, struct graph *g)
{
    struct graph *copy = ncc_graph_copy(g, &n->arena, &n->diags);
    struct spread *e = ncc_arena_alloc(&n->arena, (size_t)g->next_id, sizeof *e, 8);
    for (int i = 0; i < copy->inputs.n; i++)
        copy->inputs.v[i]->dtype = DT_U8;
    struct node *real = g->first;
    for (struct node *k = copy->first, *next; k; k = next, real = real->next) {
        next = k->next;
        copy->cursor = k;
        struct spread *out = &e[real->out[0]->id];
        for (int i = 0; i < real->n_in; i++)
            if (real->in[i] && e[real->in[i]->id].most > out->most)
                *out = e[real->in[i]->id];
        if (k->op != OP_kpu_conv) {
            k->out[0]->dtype = DT_U8;
            continue;
        }
        const bool moves = ((const struct kpu_conv_attrs *)k->attrs)->copy;
        struct layer_quality quality;
        const struct node *layer = ncc_k210_integer_layer(copy, k, NULL, &quality);
        assert_non_null(layer);
        assert_int_equal(real->op, OP_kpu_conv);
        if (moves)
            continue;
        adopt(g, real, layer, quality.v_scale);
        *out = through_layer(real, *out, &quality);
    }
    return e;
}

/* ---- comparing ---- */

struct errors {
    double most, mean; /* in real units */
};

static struct errors compare(const struct value *v, const struct tensor *want, const float *got)
{
    struct errors e = {0};
    const float *data = want->data;
    const int64_t n = ncc_shape_count(v->shape), per = v->shape.rank > 1 ? n / v->shape.dim[1] : n;
    for (int64_t i = 0; i < n; i++) {
        const double s = ncc_quant_scale(&v->quant, (int)(i / per)), z = ncc_quant_zero(&v->quant, (int)(i / per));
        const double x =
            fmin((255 - z) * s, fmax(-z * s, (double)data[i])); /* beyond the samples' range it saturates */
        const double off = fabs((double)got[i] - x);
        e.most = fmax(e.most, off);
        e.mean += off / (double)n;
    }
    return e;
}

/* Few elements may all be unlucky. */
static bool explained(const struct errors *e, const struct spread *s, int64_t n)
{
    return e->most <= s->most * 1.001 + 1e-5 && e->mean <= s->rms * 1.25 * (1 + 3 / sqrt((double)n)) + 1e-5;
}

struct tally {
    int outputs, within; /* of those within, worst case at most half a code and one for each rounding */
    int bad;
};

static void check_output(const struct net *n, const struct graph_output *o, struct tensor *const want, const float *got,
                         const struct spread *spread, const char *name, struct tally *t)
{
    const struct value *v = o->value;
    const struct errors e = compare(v, &want[v->id], got);
    const double code = v->quant.scale[0];
    const bool good = explained(&e, &spread[v->id], ncc_shape_count(v->shape));
    t->outputs++;
    t->within += e.most <= 1.5 * code;
    t->bad += !good;
    if (good && !getenv("NCC_SHOW"))
        return;
    printf("%s%s, output %s of", good ? "" : "BAD: ", name, o->name);
    list_ops(n->g);
    printf(": worst %.2f codes, explained %.2f; mean %.3f, explained %.3f\n", e.most / code, spread[v->id].most / code,
           e.mean / code, spread[v->id].rms / code);
}

static void quantised_weights(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("integers, quantised weights");
    struct ncc_sim *sim = ncc_sim_new();
    const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4, .output_quantize_threshold = 1024};
    int n_pure = 0;
    struct tally t = {0};
    for (int i = 0; i < N_NETS; i++) {
        uint64_t state = seed * 2000003 + (uint64_t)i;
        struct net n;
        net_open(&n);
        net_random(&n, &state, i);
        char name[40];
        snprintf(name, sizeof name, "network %d", i);
        const struct compiled c = compile_net(&n, &options, true, state, name);
        if (is_pure(c.real)) {
            n_pure++;
            const struct spread *spread = adopt_all(&n, c.real);
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
    assert_true(n_pure > N_NETS / 4);
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
    const double got = sqnr(&n, net_evaluate(&n.arena, n.g, 1, false), &c, compiled_run(&n, &c, c.codes, 1, sim));
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
                                       cmocka_unit_test(downloaded_twice),
                                       cmocka_unit_test(large_plane),
                                       cmocka_unit_test(cpu_integers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
