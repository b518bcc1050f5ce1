/* Whole graphs: samples, threads, reuse of memory, hooks. */
#include "compiler/ir/eval.h"
#include "compiler/base/parallel.h"
#include "tests/ir/fixture.h"

#include <math.h>
#include <stdatomic.h>

/* Branches, an alias in the middle whose source lives on, a long chain, several outputs. */
static const char network[] = "input %x f32 1x4x8x6\n"
                              "input %k f32 1x4x1x1\n"
                              "const %w f32 8x4x3x3 = random 3\n"
                              "%c = conv2d(%x, %w) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                              "%r = relu(%c)\n"
                              "%m = mul(%x, %k)\n"
                              "%p = max_pool(%r) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2\n"
                              "%f = reshape(%p) shape=[1,96]\n"
                              "%s = softmax(%f) axis=1\n"
                              "%t = add(%f, %s)\n"
                              "%g = reshape(%t) shape=[1,8,4,3]\n"
                              "%h = sub(%g, %p)\n"
                              "%u, %v = split(%h) axis=1 sizes=[3,5]\n"
                              "%z = concat(%u, %v, %p) axis=1\n"
                              "%i = reshape(%x) shape=[192]\n"
                              "output %z\noutput %f\noutput %m\noutput %i\noutput %w\noutput %k\n";

#define N_SAMPLES 23
#define N_OUTPUTS 6

struct probe {
    const struct graph *g;
    double sums[N_SAMPLES][N_OUTPUTS]; /* of the outputs */
    double seen[N_SAMPLES][64];        /* of the values, by id, when they were shown */
    int order[N_SAMPLES];              /* id of the value shown last */
    atomic_int n_steps;
    int stop_at;
    int max_thread;
};

static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    const struct probe *p = ctx;
    for (int64_t i = 0; i < ncc_shape_count(to->shape); i++)
        ((float *)to->data)[i] = sinf((float)(i * (sample + 1) + input));
    return sample != p->stop_at;
}

static double sum_of(const struct tensor *t)
{
    double sum = 0;
    for (int64_t i = 0; i < ncc_shape_count(t->shape); i++)
        sum += (double)((const float *)t->data)[i] * (double)(1 + i % 7);
    return sum;
}

static void see(void *ctx, int sample, int thread, const struct value *v, const struct tensor *t)
{
    struct probe *p = ctx;
    assert_true(thread < ncc_parallel_threads());
    assert_true(v->id > p->order[sample]);
    p->order[sample] = v->id;
    p->seen[sample][v->id] = sum_of(t);
}

static void done(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    struct probe *p = ctx;
    (void)thread;
    for (int i = 0; i < N_OUTPUTS; i++)
        p->sums[sample][i] = sum_of(outputs[i]);
}

static void step(void *ctx)
{
    atomic_fetch_add(&((struct probe *)ctx)->n_steps, 1);
}

static bool run(struct probe *p, const struct graph *g, enum eval_mode mode, size_t limit, int n)
{
    struct evaluator *e = ncc_eval_open(g, mode, limit);
    assert_non_null(e);
    p->g = g;
    memset(p->order, -1, sizeof p->order);
    const bool good =
        ncc_eval_run(e, &(struct samples){.feed = feed, .ctx = p, .n = n}, &(struct eval_hooks){p, see, done, step});
    ncc_eval_close(e);
    return good;
}

/* Without any reuse of memory: each value gets its own. */
static void plain(const struct graph *g, int sample, struct probe *p)
{
    struct tensor t[64];
    memset(t, 0, sizeof t);
    const struct probe never = {.stop_at = -1};
    for (int i = 0; i < g->inputs.n; i++) {
        const struct value *v = g->inputs.v[i];
        t[v->id] = (struct tensor){v->dtype, v->shape, calloc((size_t)ncc_shape_count(v->shape), 4)};
        feed((void *)(uintptr_t)&never, sample, i, &t[v->id]);
    }
    for (const struct node *n = g->first; n; n = n->next) {
        const struct tensor *in[8] = {0};
        struct tensor *out[8] = {0};
        for (int i = 0; i < n->n_in; i++) {
            if (n->in[i]->data && !t[n->in[i]->id].data) {
                const size_t size = (size_t)ncc_shape_count(n->in[i]->shape) * 4;
                t[n->in[i]->id] = (struct tensor){n->in[i]->dtype, n->in[i]->shape, malloc(size)};
                memcpy(t[n->in[i]->id].data, n->in[i]->data, size);
            }
            in[i] = &t[n->in[i]->id];
        }
        for (int i = 0; i < n->n_out; i++) {
            const struct value *v = n->out[i];
            t[v->id] = (struct tensor){v->dtype, v->shape, calloc((size_t)ncc_shape_count(v->shape), 4)};
            out[i] = &t[v->id];
        }
        ncc_eval_node(n, in, out, EVAL_REFERENCE);
    }
    for (int i = 0; i < g->outputs.n; i++)
        p->sums[sample][i] = sum_of(&t[g->outputs.v[i].value->id]);
    for (int id = 0; id < 64; id++) {
        p->seen[sample][id] = t[id].data ? sum_of(&t[id]) : 0;
        free(t[id].data);
    }
}

static void samples_give_what_single_nodes_give(void **state)
{
    struct fixture *f = *state;
    struct graph *g = parse(f, network);
    static struct probe expected, got;
    for (int s = 0; s < N_SAMPLES; s++)
        plain(g, s, &expected);
    for (int mode = EVAL_REFERENCE; mode <= EVAL_FAST; mode++) {
        memset(&got, 0, sizeof got);
        got.stop_at = -1;
        assert_true(run(&got, g, (enum eval_mode)mode, 0, N_SAMPLES));
        assert_int_equal(atomic_load(&got.n_steps), N_SAMPLES);
        const double tolerance = mode == EVAL_FAST ? 1e-3 : 0;
        for (int s = 0; s < N_SAMPLES; s++) {
            for (int i = 0; i < N_OUTPUTS; i++)
                assert_true(fabs(got.sums[s][i] - expected.sums[s][i]) <= tolerance);
            for (int id = 0; id < g->next_id; id++)
                if (id != 2) /* the constant is not shown */
                    assert_true(fabs(got.seen[s][id] - expected.seen[s][id]) <= tolerance);
        }
    }
}

static void threads_do_not_matter(void **state)
{
    struct fixture *f = *state;
    struct graph *g = parse(f, network);
    static struct probe one, many;
    one.stop_at = many.stop_at = -1;
    setenv("NCC_THREADS", "1", 1);
    assert_true(run(&one, g, EVAL_FAST, 0, N_SAMPLES));
    setenv("NCC_THREADS", "4", 1);
    assert_true(run(&many, g, EVAL_FAST, 0, N_SAMPLES));
    unsetenv("NCC_THREADS");
    assert_memory_equal(one.sums, many.sums, sizeof one.sums);
    assert_memory_equal(one.seen, many.seen, sizeof one.seen);
}

static void limits_are_kept(void **state)
{
    struct fixture *f = *state;
    struct graph *g = parse(f, network);
    static struct probe p;
    p.stop_at = -1;
    assert_null(ncc_eval_open(g, EVAL_FAST, 100));
    assert_true(run(&p, g, EVAL_REFERENCE, 20000, 3)); /* one thread fits, in less than all values together */
    assert_int_equal(atomic_load(&p.n_steps), 3);
}

static void a_feed_can_stop(void **state)
{
    struct fixture *f = *state;
    struct graph *g = parse(f, network);
    static struct probe p;
    p.stop_at = 4;
    assert_false(run(&p, g, EVAL_FAST, 0, N_SAMPLES));
    assert_true(atomic_load(&p.n_steps) < N_SAMPLES);
}

static bool note(void *ctx, int sample, int input, struct tensor *to)
{
    (void)input, (void)to;
    *(int *)ctx = sample;
    return true;
}

/* 8 of 20, with the first among them; all 5 of 5; and then those that stand behind 100 others. */
static void samples_are_spread_evenly(void **state)
{
    (void)state;
    static const int want[8] = {0, 2, 5, 7, 10, 12, 15, 17};
    int got = -1;
    struct samples all = {.feed = note, .ctx = &got, .n = 20};
    const struct samples some = ncc_samples_spread(&all, 8);
    assert_int_equal(some.n, 8);
    for (int i = 0; i < 8; i++) {
        assert_true(ncc_samples_feed(&some, i, 0, NULL));
        assert_int_equal(got, want[i]);
    }
    all.n = 5;
    all.first = 100;
    const struct samples few = ncc_samples_spread(&all, 8);
    assert_int_equal(few.n, 5);
    for (int i = 0; i < 5; i++) {
        assert_true(ncc_samples_feed(&few, i, 0, NULL));
        assert_int_equal(got, 100 + i);
    }
}

static void macs_are_counted(void **state)
{
    struct fixture *f = *state;
    assert_float_equal(ncc_graph_macs(parse(f, network)), 8 * 8 * 6 * 4 * 9, 0);
}

static void only_constants_fold(void **state)
{
    struct fixture *f = *state;
    struct graph *g = parse(f, "input %x f32 4\n"
                               "const %c f32 4 = iota\n"
                               "%a = neg(%c)\n"
                               "%b = mul(%x, %a) \n"
                               "const %h f32 16777217 = zeros\n"
                               "%big = neg(%h)\n"
                               "output %b\noutput %big\n");
    assert_false(ncc_eval_fold(g, node_named(g, "b")));
    assert_false(ncc_eval_fold(g, node_named(g, "big"))); /* 64 MiB and 4 bytes */
    assert_true(ncc_eval_fold(g, node_named(g, "a")));
    const struct value *a = node_named(g, "b")->in[1];
    assert_string_equal(a->name, "a");
    assert_float_equal(((const float *)a->data)[3], -3, 0);
    assert_true(ncc_graph_verify(g, "folding"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(samples_give_what_single_nodes_give),
        TEST(threads_do_not_matter),
        TEST(limits_are_kept),
        TEST(a_feed_can_stop),
        TEST(samples_are_spread_evenly),
        TEST(macs_are_counted),
        TEST(only_constants_fold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
