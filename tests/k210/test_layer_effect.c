/* What layers do to the outputs: against a plain evaluation of the real graph with one layer's result put in, against
 * the simulator, and with layers damaged on purpose. */
#include "compiler/quant/layer_effect.h"
#include "compiler/quant/layer_error.h"
#include "compiler/quant/range.h"
#include "kpu/arith.h"
#include "tests/k210/compiled.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_SAMPLES = 3, MAX_IN = 8 };

static const struct effect_budget no_limit = {INFINITY, INFINITY};

static struct layer_effects effects_of(struct net *n, const struct compiled *c, uint64_t seed, int n_samples)
{
    struct net_feeding f = {c->real, seed};
    struct layer_effects e;
    const struct samples samples = net_samples(&f, n_samples);
    assert_true(ncc_quant_layer_effects(c->real, c->codes, &samples, no_limit, true, &n->arena, &e));
    return e;
}

static struct layer_errors errors_of(struct net *n, const struct compiled *c, uint64_t seed, int n_samples)
{
    struct net_feeding f = {c->real, seed};
    struct layer_errors e;
    const struct samples samples = net_samples(&f, n_samples);
    const struct layer_error_options quiet = {.quiet = true};
    assert_true(ncc_quant_layer_errors(c->real, c->codes, &samples, &quiet, &n->arena, &e));
    return e;
}

/* ---- plainly ---- */

static struct tensor tensor_of(struct net *n, const struct value *v)
{
    const size_t size = (size_t)ncc_shape_count(v->shape) * ncc_dtype_size(v->dtype);
    return (struct tensor){v->dtype, v->shape,
                           v->data ? (void *)(uintptr_t)v->data : ncc_arena_alloc(&n->arena, size + 1, 1, 64)};
}

static int channel_of(const struct value *v, int64_t i)
{
    return v->shape.rank == 4 ? (int)(i / v->shape.dim[3] / v->shape.dim[2]) : 0;
}

static bool in_window(const struct value *v, int64_t i)
{
    const struct window *w = &v->window;
    if (!w->h)
        return true;
    const int x = (int)(i % v->shape.dim[3]), y = (int)(i / v->shape.dim[3] % v->shape.dim[2]);
    return y >= w->top && y < w->top + w->h && x >= w->left && x < w->left + w->w;
}

/* A value of the real graph that is what a layer's codes stand for, inside the window. */
struct instead {
    int id;
    const struct value *code;
    const struct tensor *codes;
};

static void put_in(const struct instead *p, const struct value *v, struct tensor *t)
{
    for (int64_t i = 0; p && v->id == p->id && i < ncc_shape_count(v->shape); i++) {
        const int c = channel_of(v, i);
        if (!in_window(v, i))
            continue;
        ((float *)t->data)[i] =
            p->codes->dtype == DT_U8
                ? (float)((((const uint8_t *)p->codes->data)[i] - ncc_quant_zero(&p->code->quant, c)) *
                          ncc_quant_scale(&p->code->quant, c))
                : ((const float *)p->codes->data)[i];
    }
}

static struct tensor *run_real(struct net *n, const struct graph *g, uint64_t seed, const struct instead *p)
{
    struct tensor *t = NCC_NEW(&n->arena, struct tensor, g->next_id);
    for (int i = 0; i < g->inputs.n; i++) {
        struct tensor *x = &t[g->inputs.v[i]->id];
        *x = tensor_of(n, g->inputs.v[i]);
        net_feed(g->inputs.v[i], i, seed, x);
        put_in(p, g->inputs.v[i], x);
    }
    for (const struct node *node = g->first; node; node = node->next) {
        const struct tensor **in = NCC_NEW(&n->arena, const struct tensor *, node->n_in + 1);
        struct tensor **out = NCC_NEW(&n->arena, struct tensor *, node->n_out + 1);
        for (int i = 0; i < node->n_in; i++) {
            if (node->in[i] && node->in[i]->data)
                t[node->in[i]->id] = tensor_of(n, node->in[i]);
            in[i] = node->in[i] ? &t[node->in[i]->id] : NULL;
        }
        for (int i = 0; i < node->n_out; i++) {
            t[node->out[i]->id] = tensor_of(n, node->out[i]);
            out[i] = &t[node->out[i]->id];
        }
        ncc_eval_node(node, in, out, EVAL_FAST);
        for (int i = 0; i < node->n_out; i++)
            put_in(p, node->out[i], out[i]);
    }
    return t;
}

/* The integer layer's result from the real values x, rounded to codes. */
static struct tensor run_layer(struct net *n, const struct node *layer, const struct tensor *x)
{
    struct tensor given[MAX_IN];
    const struct tensor *in[MAX_IN];
    for (int i = 0; i < layer->n_in; i++) {
        const struct value *v = layer->in[i];
        in[i] = v ? &given[i] : NULL;
        if (!v)
            continue;
        given[i] = tensor_of(n, v);
        for (int64_t k = 0; !v->data && k < ncc_shape_count(v->shape); k++) {
            const double real = (double)((const float *)x[v->real_id].data)[k];
            const int c = v->quant.n_channels > 1 ? channel_of(v, k) : 0;
            if (v->dtype == DT_U8)
                ((uint8_t *)given[i].data)[k] = (uint8_t)fmin(
                    fmax(rint(real / ncc_quant_scale(&v->quant, c) + ncc_quant_zero(&v->quant, c)), 0), 255);
            else
                ((float *)given[i].data)[k] = (float)real;
        }
    }
    struct tensor out = tensor_of(n, layer->out[0]);
    ncc_eval_node(layer, in, (struct tensor *[]){&out}, EVAL_FAST);
    return out;
}

static double relative_error(const struct value *v, const struct tensor *want, const struct tensor *got)
{
    double signal = 0, error = 0;
    for (int64_t i = 0; i < ncc_shape_count(v->shape); i++) {
        const double x = (double)((const float *)want[v->id].data)[i],
                     d = (double)((const float *)got[v->id].data)[i] - x;
        signal += x * x;
        error += d * d;
    }
    return signal > 0 ? error / signal : NAN;
}

static double plain_noise(struct net *n, const struct compiled *c, const struct node *layer, int output, uint64_t seed)
{
    double sum = 0;
    int told = 0;
    for (int s = 0; s < N_SAMPLES; s++) {
        const struct tensor *x = run_real(n, c->real, seed + (uint64_t)s, NULL);
        const struct tensor codes = run_layer(n, layer, x);
        const struct instead p = {layer->out[0]->real_id, layer->out[0], &codes};
        const struct tensor *y = run_real(n, c->real, seed + (uint64_t)s, &p);
        const double e = relative_error(c->real->outputs.v[output].value, x, y);
        sum += isnan(e) ? 0 : e;
        told += !isnan(e);
    }
    return told ? sum / told : (double)NAN;
}

/* What a view alone reads is compared as the view shows it: the plain way does not know how. */
static bool is_viewed(const struct compiled *c, const struct node *layer)
{
    const struct node *use = ncc_value_only_use(c->codes, layer->out[0]);
    return use && use->op == OP_kpu_view;
}

static void test_plain(void **state)
{
    (void)state;
    const uint64_t seed = net_seed("layer effects");
    int n_compared = 0, n_changed = 0;
    for (int i = 0; i < 2 * N_NET_KINDS; i++) {
        struct net n;
        uint64_t random = seed * 1000003 + (uint64_t)i;
        net_open(&n);
        net_random(&n, &random, i);
        const struct k210_options o = {.output_quantize_threshold = 1 << 20};
        const struct compiled c = compile_net(&n, &o, true, random, "layer effects");
        const struct layer_errors e = errors_of(&n, &c, random + 100, 1);
        const struct layer_effects f = effects_of(&n, &c, random + 100, N_SAMPLES);
        assert_int_equal(f.n_samples, N_SAMPLES);
        assert_int_equal(f.n_layers, e.n);
        for (int l = 0; l < e.n; l++)
            for (int k = 0; k < f.n_outputs && !is_viewed(&c, e.v[l].node); k++) {
                const double noise = f.noise[l * f.n_outputs + k];
                if (isnan(noise))
                    continue;
                const double plain = plain_noise(&n, &c, e.v[l].node, k, random + 100);
                if (!(fabs(noise - plain) <= 1e-9 * plain))
                    fail_msg("case %d, %s: noise %g, plainly %g", i, e.v[l].node->name, noise, plain);
                n_compared++;
                n_changed += noise > 0;
            }
        net_close(&n);
    }
    assert_true(n_compared > 2 * N_NET_KINDS);
    assert_true(n_changed > N_NET_KINDS);
}

/* ---- what is known ---- */

static void parse_and_scale(struct net *n, const char *text, const char *name, double factor)
{
    net_parse(n, text);
    for (const struct node *node = n->g->first; node; node = node->next)
        for (int i = 0; i < node->n_in; i++) {
            struct value *v = node->in[i];
            if (!v || !v->data || strcmp(v->name, name) != 0)
                continue;
            float *x = NCC_NEW(&n->arena, float, ncc_shape_count(v->shape));
            for (int64_t k = 0; k < ncc_shape_count(v->shape); k++)
                x[k] = (float)(factor * (double)((const float *)v->data)[k]);
            v->data = x;
        }
}

/* A result is off by so many codes, and more. */
static void damage(struct net *n, const struct layer_error *e, int codes)
{
    struct node *node = (struct node *)(uintptr_t)e->node;
    assert_int_equal(node->op, OP_kpu_layer);
    const int64_t *words = node->in[2]->data;
    int64_t *changed = NCC_NEW(&n->arena, int64_t, node->in[2]->shape.dim[0]);
    for (int i = 0; i < node->in[2]->shape.dim[0]; i++) {
        struct ncc_kpu_bn bn = ncc_kpu_bn_unpack((uint64_t)words[i]);
        bn.add += codes << 12;
        changed[i] = (int64_t)ncc_kpu_bn_pack(bn);
    }
    node->in[2]->data = changed;
}

static int layer_of(const struct layer_errors *e, const char *name)
{
    int found = -1;
    for (int i = 0; i < e->n; i++)
        if (strstr(e->v[i].node->name, name)) {
            assert_int_equal(found, -1);
            found = i;
        }
    assert_true(found >= 0);
    return found;
}

/* A net of one layer: what it does to the output is all that is done. */
static void test_single(void **state)
{
    (void)state;
    struct net n;
    net_open(&n);
    net_parse(&n, "input %x f32 1x8x16x16 !q(0.003921568627, 0)\nconst %w f32 8x8x3x3 = random 5\n"
                  "%a = conv2d(%x, %w, _)\n%b = relu(%a)\noutput %b\n");
    const struct k210_options o = {.output_quantize_threshold = 1 << 20};
    const struct compiled c = compile_net(&n, &o, true, 1, "single");
    const struct layer_errors e = errors_of(&n, &c, 50, 1);
    const struct layer_effects f = effects_of(&n, &c, 50, 1);
    assert_int_equal(f.n_layers, 1);
    assert_true(f.noise[0] > 0);
    assert_true(fabs(f.noise[0] - e.outputs[0].total / e.outputs[0].signal) < 1e-6 * f.noise[0]);
    assert_true(fabs(ncc_layer_effect_db(&f, 0, 0) - ncc_layer_db(e.outputs[0].signal, e.outputs[0].total)) < 1e-5);
    assert_true(ncc_layer_effect_share(&f, 0, 0) == 1);
    assert_int_equal(ncc_layer_effect_worst(&f, 0), 0);
    net_close(&n);
}

static const char *const two_ways =
    "input %x f32 1x8x16x16 !q(0.003921568627, 0)\n"
    "const %u f32 8x8x3x3 = random 5\nconst %v f32 8x8x3x3 = random 9\n"
    "const %s f32 8x8x1x1 = random 13\nconst %w f32 8x8x1x1 = random 17\n"
    "%a = conv2d(%x, %u, _) @\"large\"\n%b = relu(%a)\n%c = conv2d(%x, %v, _) @\"small\"\n%d = relu(%c)\n"
    "%e = conv2d(%b, %s, _) @\"narrow\"\n%f = conv2d(%d, %w, _) @\"wide\"\n";

/* A layer that errs much, whose readers give it little weight, and one that errs less and decides. */
static void test_ranking(void **state)
{
    (void)state;
    struct net n;
    net_open(&n);
    char text[1000];
    snprintf(text, sizeof text, "%s%%y = concat(%%e, %%f) axis=1\noutput %%y\n", two_ways);
    parse_and_scale(&n, text, "s", 1e-3);
    const struct k210_options o = {.output_quantize_threshold = 1 << 20};
    const struct compiled c = compile_net(&n, &o, true, 1, "ranking");
    const struct layer_errors before = errors_of(&n, &c, 50, 1);
    const int large = layer_of(&before, "large"), small = layer_of(&before, "small");
    damage(&n, &before.v[large], 24);
    damage(&n, &before.v[small], 4);
    const struct layer_errors e = errors_of(&n, &c, 50, 2);
    const struct layer_effects f = effects_of(&n, &c, 50, 2);
    const struct layer_sums *l = &e.v[large].sum, *s = &e.v[small].sum;
    assert_true(ncc_layer_db(l->signal, l->own) + 6 < ncc_layer_db(s->signal, s->own));
    assert_true(ncc_layer_effect_db(&f, large, 0) > ncc_layer_effect_db(&f, small, 0) + 20);
    assert_true(ncc_layer_effect_share(&f, small, 0) > 0.5);
    double all = 0;
    for (int i = 0; i < f.n_layers; i++)
        all += ncc_layer_effect_share(&f, i, 0);
    assert_true(fabs(all - 1) < 1e-9);
    net_close(&n);
}

/* Two branches with an output each: a layer changes its own only, and the worst output is named. */
static void test_branches(void **state)
{
    (void)state;
    struct net n;
    net_open(&n);
    char text[1000];
    snprintf(text, sizeof text, "%soutput %%e \"first\"\noutput %%f \"second\"\n", two_ways);
    net_parse(&n, text);
    const struct k210_options o = {.output_quantize_threshold = 1 << 20};
    const struct compiled c = compile_net(&n, &o, true, 1, "branches");
    const struct layer_errors e = errors_of(&n, &c, 50, 1);
    const struct layer_effects f = effects_of(&n, &c, 50, 2);
    static const struct {
        const char *layer;
        int output;
    } rows[] = {{"large", 0}, {"narrow", 0}, {"small", 1}, {"wide", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int l = layer_of(&e, rows[i].layer), k = rows[i].output;
        assert_int_equal(ncc_layer_effect_worst(&f, l), k);
        assert_true(f.noise[l * 2 + k] > 0);
        assert_true(f.noise[l * 2 + 1 - k] == 0);
        assert_true(isinf(ncc_layer_effect_db(&f, l, 1 - k)));
    }
    net_close(&n);
}

/* An output that is always 0 has no decibels. */
static void test_no_signal(void **state)
{
    (void)state;
    struct net n;
    net_open(&n);
    char text[1000];
    snprintf(text, sizeof text, "%soutput %%e \"first\"\noutput %%f \"second\"\n", two_ways);
    parse_and_scale(&n, text, "s", 0);
    const struct k210_options o = {.output_quantize_threshold = 1 << 20};
    const struct compiled c = compile_net(&n, &o, true, 1, "no signal");
    const struct layer_errors e = errors_of(&n, &c, 50, 1);
    const struct layer_effects f = effects_of(&n, &c, 50, 2);
    const int silent = layer_of(&e, "wide");
    assert_true(isnan(f.noise[silent * 2]));
    assert_true(isnan(ncc_layer_effect_db(&f, silent, 0)) && isnan(ncc_layer_effect_share(&f, silent, 0)));
    assert_int_equal(ncc_layer_effect_worst(&f, silent), 1);
    net_close(&n);
}

/* As many samples as the budget allows, and none where one is too much. */
static void test_budget(void **state)
{
    (void)state;
    struct net n;
    net_open(&n);
    char text[1000];
    snprintf(text, sizeof text, "%soutput %%e\noutput %%f\n", two_ways);
    net_parse(&n, text);
    const struct k210_options o = {.output_quantize_threshold = 1 << 20};
    const struct compiled c = compile_net(&n, &o, true, 1, "budget");
    struct net_feeding feeding = {c.real, 50};
    const double work = effects_of(&n, &c, 50, 1).work;
    const struct {
        struct effect_budget budget;
        int n;
    } rows[] = {{{3.5 * work, work}, 3}, {{100 * work, work}, 8}, {{0, work}, 1}, {{1e20, 0.9 * work}, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct layer_effects f;
        const struct samples samples = net_samples(&feeding, 8);
        assert_true(ncc_quant_layer_effects(c.real, c.codes, &samples, rows[i].budget, true, &n.arena, &f));
        assert_int_equal(f.n_samples, rows[i].n);
        assert_true((f.noise != NULL) == (rows[i].n > 0));
        assert_int_equal(ncc_layer_effect_worst(&f, 0), rows[i].n > 0 ? 0 : -1);
    }
    net_close(&n);
}

/* The same to the last bit, whoever computes what. */
static void test_threads(void **state)
{
    (void)state;
    struct net n;
    net_open(&n);
    char text[1000];
    snprintf(text, sizeof text, "%s%%y = add(%%e, %%f)\noutput %%y\n", two_ways);
    net_parse(&n, text);
    const struct k210_options o = {.output_quantize_threshold = 1 << 20};
    const struct compiled c = compile_net(&n, &o, true, 1, "threads");
    const char *was = getenv("NCC_THREADS");
    struct layer_effects f[2];
    for (int i = 0; i < 2; i++) {
        setenv("NCC_THREADS", i ? "5" : "1", 1);
        f[i] = effects_of(&n, &c, 50, N_SAMPLES);
    }
    if (was)
        setenv("NCC_THREADS", was, 1);
    else
        unsetenv("NCC_THREADS");
    assert_memory_equal(f[0].noise, f[1].noise, (size_t)(f[0].n_layers * f[0].n_outputs) * sizeof *f[0].noise);
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),    cmocka_unit_test(test_single),    cmocka_unit_test(test_ranking),
        cmocka_unit_test(test_branches), cmocka_unit_test(test_no_signal), cmocka_unit_test(test_budget),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
