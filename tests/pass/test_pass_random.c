/* Random graphs through all passes: after each pass the graph verifies and means the same.
 *
 * A graph grows from its input by random steps, mostly at its end, sometimes at an earlier value
 * (diamonds, several users), in the spelling of importers: transposes around layers, batch norms
 * and activations as arithmetic. Some values in the middle are outputs too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler/ir/text.h"
#include "compiler/ops/attrs.h"
#include "compiler/pass/pass.h"
#include "tests/pass/same.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_GRAPHS  300
#define TOLERANCE 2e-5
#define MAX_COUNT 4000

struct maker {
    struct graph *g;
    uint64_t state;
    struct value *made[128];
    int n_made;
};

static int roll(struct maker *m, int n)
{
    return same_random(&m->state, n);
}

static float roll_float(struct maker *m)
{
    return (float)(roll(m, 2001) - 1000) / 1000.0f;
}

static struct value *make_const(struct maker *m, struct shape s, float lo, float hi)
{
    float *p = NCC_NEW(m->g->arena, float, ncc_shape_count(s));
    for (int64_t i = 0; i < ncc_shape_count(s); i++)
        p[i] = lo + (hi - lo) * (roll_float(m) + 1) / 2;
    return ncc_const(m->g, "c", DT_F32, s, p);
}

static struct value *scalar(struct maker *m, float x)
{
    return ncc_const_copy(m->g, "s", DT_F32, (struct shape){.rank = 0}, &x);
}

static struct value *unary(struct maker *m, enum op op, struct value *x)
{
    return NCC_OP(m->g, op, "f", NULL, x);
}

static struct value *binary(struct maker *m, enum op op, struct value *a, struct value *b)
{
    return NCC_OP(m->g, op, "b", NULL, a, b);
}

static struct value *transposed(struct maker *m, struct value *x, struct ints perm)
{
    const struct transpose_attrs a = {perm};
    return NCC_OP(m->g, OP_transpose, "t", &a, x);
}

/* ---- steps: each returns a new value, or its argument when it does not suit ---- */

static struct value *step_conv(struct maker *m, struct value *x)
{
    if (x->shape.rank != 4)
        return x;
    const int c = x->shape.dim[1], k = roll(m, 2) ? 3 : 1, p = roll(m, 3) ? k / 2 : 0;
    const bool depthwise = roll(m, 3) == 0;
    const int out_c = depthwise ? c * (1 + roll(m, 2)) : 1 + roll(m, 6);
    if (x->shape.dim[2] + 2 * p < k || x->shape.dim[3] + 2 * p < k || c > 16 || out_c > 16)
        return x;
    const struct conv2d_attrs a = {1 + roll(m, 2), 1, p, p, p, roll(m, 4) ? p : 0, 1, 1, depthwise ? c : 1};
    struct value *w = make_const(m, ncc_shape_4(out_c, depthwise ? 1 : c, k, k), -0.4f, 0.4f);
    struct value *b = roll(m, 2) ? make_const(m, ncc_shape_make(1, &out_c), -1, 1) : NULL;
    if (x->shape.dim[3] + a.pad_left + a.pad_right < k)
        return x;
    return NCC_OP(m->g, OP_conv2d, "conv", &a, x, w, b);
}

static struct value *step_deconv(struct maker *m, struct value *x)
{
    if (x->shape.rank != 4 || x->shape.dim[1] % 2 || x->shape.dim[1] > 8)
        return x;
    const struct conv2d_transpose_attrs a = {2, 2, 0, 0, 0, 0, 0, 0, 1, 1, 2};
    struct value *w = make_const(m, ncc_shape_4(x->shape.dim[1], 1 + roll(m, 2), 2, 2), -0.5f, 0.5f);
    return NCC_OP(m->g, OP_conv2d_transpose, "deconv", &a, x, w, NULL);
}

static struct value *step_dense(struct maker *m, struct value *x)
{
    const int n = (int)ncc_shape_count(x->shape), columns = 1 + roll(m, 5);
    const struct reshape_attrs flat = {{2, {1, n}}}, map = {{4, {1, columns, 1, 1}}};
    if (n > 300)
        return x;
    x = NCC_OP(m->g, OP_reshape, "flat", &flat, x);
    x = roll(m, 2) ? unary(m, OP_tanh, x) : x;
    x = NCC_OP(m->g, OP_matmul, "dense", NULL, x, make_const(m, ncc_shape_make(2, (int[]){n, columns}), -0.3f, 0.3f),
               roll(m, 2) ? make_const(m, ncc_shape_make(1, &columns), -1, 1) : NULL);
    return roll(m, 2) ? NCC_OP(m->g, OP_reshape, "map", &map, x) : x;
}

static struct value *step_affine(struct maker *m, struct value *x)
{
    static const enum op ops[] = {OP_add, OP_sub, OP_mul, OP_div};
    const enum op op = ops[roll(m, 4)];
    struct shape s = {.rank = 0};
    if (roll(m, 4) && x->shape.rank > 0) { /* along one axis, of full or smaller rank */
        const int axis = roll(m, x->shape.rank), first = roll(m, 2) ? 0 : axis;
        for (int i = first; i < x->shape.rank; i++)
            s.dim[s.rank++] = i == axis ? x->shape.dim[i] : 1;
    }
    struct value *c = make_const(m, s, op == OP_mul && roll(m, 3) == 0 ? -1 : 0.5f, 1.5f);
    return op != OP_div && roll(m, 3) == 0 ? binary(m, op, c, x) : binary(m, op, x, c);
}

static struct value *step_unary(struct maker *m, struct value *x)
{
    static const enum op ops[] = {OP_relu, OP_sigmoid, OP_tanh, OP_abs, OP_neg, OP_hard_swish, OP_relu, OP_sin};
    const struct clip_attrs clip = {(float)-roll(m, 2), 0.5f + (float)roll(m, 6)};
    const struct leaky_relu_attrs leaky = {(float)roll(m, 3) / 4 - 0.1f};
    const int which = roll(m, 10);
    if (which == 8)
        return NCC_OP(m->g, OP_clip, "clip", &clip, x);
    return which == 9 ? NCC_OP(m->g, OP_leaky_relu, "leaky", &leaky, x) : unary(m, ops[which], x);
}

static struct value *step_spelled(struct maker *m, struct value *x)
{
    struct value *y;
    const struct clip_attrs six = {0, 6};
    struct ints last = {.n = 1, .v = {x->shape.rank - 1}};
    const struct reduce_attrs sum = {REDUCE_SUM, last, true};
    switch (roll(m, 9)) {
    case 0:
        return binary(m, OP_maximum, scalar(m, 0), x);
    case 1:
        return binary(m, OP_minimum, binary(m, OP_maximum, x, scalar(m, 0)), scalar(m, 6));
    case 2:
        return binary(m, OP_maximum, x, binary(m, OP_mul, scalar(m, 0.25f), x));
    case 3:
        y = NCC_OP(m->g, OP_clip, "six", &six, binary(m, OP_add, x, scalar(m, 3)));
        return binary(m, OP_div, binary(m, OP_mul, y, x), scalar(m, 6));
    case 4:
        y = unary(m, OP_exp, unary(m, OP_neg, x));
        return binary(m, OP_div, scalar(m, 1), binary(m, OP_add, scalar(m, 1), y));
    case 5:
        y = binary(m, OP_mul, make_const(m, x->shape, -0.5f, 0.5f), unary(m, OP_relu, unary(m, OP_neg, x)));
        return binary(m, OP_add, unary(m, OP_relu, x), y);
    case 6:
        y = unary(m, OP_exp, binary(m, OP_minimum, x, scalar(m, 8)));
        return x->shape.rank ? binary(m, OP_div, y, NCC_OP(m->g, OP_reduce, "sum", &sum, y)) : x;
    case 7:
        return binary(m, OP_mul, unary(m, OP_tanh, x), unary(m, OP_tanh, x));
    default:
        return NCC_OP(m->g, OP_prelu, "prelu", NULL, x, make_const(m, (struct shape){.rank = 0}, -0.3f, 0.5f));
    }
}

static struct value *step_pool(struct maker *m, struct value *x)
{
    if (x->shape.rank != 4 || x->shape.dim[2] < 2 || x->shape.dim[3] < 2)
        return x;
    const bool whole = roll(m, 4) == 0;
    const int h = whole ? x->shape.dim[2] : 2, w = whole ? x->shape.dim[3] : 2, stride = 1 + roll(m, 2);
    const int pad = !whole && roll(m, 3) == 0;
    const struct pool_attrs a = {h, w, stride, stride, pad, 0, 0, pad, roll(m, 2)};
    return NCC_OP(m->g, roll(m, 2) ? OP_max_pool : OP_avg_pool, "pool", &a, x);
}

static struct value *step_transpose(struct maker *m, struct value *x)
{
    struct ints p = {.n = x->shape.rank};
    if (p.n == 4 && roll(m, 3))
        return transposed(m, x, roll(m, 2) ? (struct ints){4, {0, 2, 3, 1}} : (struct ints){4, {0, 3, 1, 2}});
    for (int i = 0; i < p.n; i++) {
        const int at = roll(m, i + 1);
        p.v[i] = p.v[at];
        p.v[at] = i;
    }
    return transposed(m, x, p);
}

/* Cuts a dimension in two, joins two, adds or drops a dimension of 1, or makes a map of anything. */
static struct value *step_reshape(struct maker *m, struct value *x)
{
    struct reshape_attrs a = {.shape = {.n = 0}};
    const int rank = x->shape.rank, at = rank ? roll(m, rank) : 0, how = roll(m, 4);
    for (int i = 0; i < rank; i++) {
        const int d = x->shape.dim[i];
        if (i != at || (how == 3 && d != 1)) {
            a.shape.v[a.shape.n++] = d;
        } else if (how == 0 && d % 2 == 0 && rank < 5) {
            a.shape.v[a.shape.n++] = 2;
            a.shape.v[a.shape.n++] = d / 2;
        } else if (how == 1 && i + 1 < rank) {
            a.shape.v[a.shape.n++] = d * x->shape.dim[++i];
        } else if (how == 2 && rank < 5) {
            a.shape.v[a.shape.n++] = 1;
            a.shape.v[a.shape.n++] = d;
        } else if (how != 3) {
            a.shape.v[a.shape.n++] = d;
        }
    }
    if (a.shape.n != 4 && roll(m, 2))
        a.shape = (struct ints){4, {1, (int)ncc_shape_count(x->shape), 1, 1}};
    return NCC_OP(m->g, OP_reshape, "reshape", &a, x);
}

static struct value *step_pad(struct maker *m, struct value *x)
{
    struct pad_attrs a = {.before = {.n = x->shape.rank}, .after = {.n = x->shape.rank}};
    for (int i = x->shape.rank > 3 ? 2 - roll(m, 2) : 0; i < x->shape.rank; i++) {
        a.before.v[i] = roll(m, 5) == 0 && x->shape.dim[i] > 2 ? -1 : roll(m, 2);
        a.after.v[i] = roll(m, 2);
    }
    a.value = roll(m, 3) ? 0 : 0.5f;
    return NCC_OP(m->g, OP_pad, "pad", &a, x);
}

static struct value *step_slice(struct maker *m, struct value *x)
{
    const int n = x->shape.rank;
    struct slice_attrs a = {{.n = n}, {.n = n}, {.n = n}};
    for (int i = 0; i < n; i++) {
        const int d = x->shape.dim[i];
        a.begin.v[i] = d > 2 ? roll(m, 2) : 0;
        a.stride.v[i] = d > 3 && roll(m, 4) == 0 ? 2 : 1;
        a.size.v[i] = (d - a.begin.v[i] + a.stride.v[i] - 1) / a.stride.v[i];
    }
    return NCC_OP(m->g, OP_slice, "slice", &a, x);
}

static struct value *step_along_axis(struct maker *m, struct value *x)
{
    const int rank = x->shape.rank, axis = rank ? roll(m, rank) : 0, which = roll(m, 4);
    if (rank == 0)
        return x;
    const struct softmax_attrs softmax = {axis, 1};
    const struct l2_normalize_attrs l2 = {axis, 1e-3f};
    struct reduce_attrs reduce = {roll(m, 4), {.n = 1, .v = {axis}}, roll(m, 2)};
    if (axis + 1 < rank && roll(m, 2))
        reduce.axes.v[reduce.axes.n++] = axis + 1;
    const struct split_attrs split = {axis, {2, {1, x->shape.dim[axis] - 1}}};
    if (which == 0)
        return NCC_OP(m->g, OP_softmax, "softmax", &softmax, x);
    if (which == 1)
        return NCC_OP(m->g, OP_l2_normalize, "l2", &l2, x);
    if (which == 2 || x->shape.dim[axis] < 2)
        return NCC_OP(m->g, OP_reduce, "reduce", &reduce, x);
    struct node *n = ncc_node_new(m->g, OP_split, "split", &split, &x, 1);
    m->made[m->n_made++] = n->out[0];
    return n->out[1];
}

/* With an earlier value of the same shape, or one that broadcasts. */
static struct value *step_join(struct maker *m, struct value *x)
{
    static const enum op ops[] = {OP_add, OP_mul, OP_sub, OP_maximum, OP_minimum};
    const struct concat_attrs concat = {x->shape.rank ? roll(m, x->shape.rank) : 0};
    for (int i = roll(m, m->n_made), k = 0; k < m->n_made; k++, i = (i + 1) % m->n_made) {
        struct value *y = m->made[i];
        struct shape s;
        if (x->shape.rank > 0 && ncc_shape_equal(x->shape, y->shape) && roll(m, 3) == 0)
            return NCC_OP(m->g, OP_concat, "concat", &concat, x, y, x);
        if (ncc_shape_broadcast(x->shape, y->shape, &s) && s.rank <= 5 && ncc_shape_count(s) <= MAX_COUNT)
            return binary(m, ops[roll(m, 5)], x, y);
    }
    return x;
}

static struct value *step(struct maker *m, struct value *x)
{
    static struct value *(*const steps[])(struct maker *, struct value *) = {
        step_conv,    step_conv,       step_affine,    step_affine,    step_unary,   step_unary,
        step_spelled, step_pool,       step_transpose, step_transpose, step_reshape, step_pad,
        step_slice,   step_along_axis, step_join,      step_join,      step_dense,   step_deconv,
    };
    struct value *y = steps[roll(m, (int)(sizeof steps / sizeof *steps))](m, x);
    assert_non_null(y);
    return ncc_shape_count(y->shape) <= MAX_COUNT ? y : x;
}

static void make_graph(struct maker *m)
{
    static const int dims[][4] = {{1, 4, 6, 6}, {1, 3, 8, 5}, {1, 8, 4, 4}, {1, 6, 1, 1}, {1, 7, 5, 2}};
    const int *d = dims[roll(m, 5)];
    struct value *v = ncc_graph_input(m->g, "x", DT_F32, ncc_shape_make(4, d));
    const int n_steps = 2 + roll(m, 40);
    m->made[m->n_made++] = v;
    for (int i = 0; i < n_steps; i++) {
        v = step(m, roll(m, 5) ? v : m->made[roll(m, m->n_made)]);
        m->made[m->n_made++] = v;
        if (roll(m, 12) == 0 && v->def)
            ncc_graph_output(m->g, v, "middle");
    }
    ncc_graph_output(m->g, v, "y");
}

/* ---- the test ---- */

static void check_graph(uint64_t seed)
{
    char why[300];
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out), scratch = ncc_arena_make(&out);
    struct diags d;
    ncc_diag_init(&d, &a);
    assert_int_equal(setjmp(out.env), 0);
    struct maker m = {.g = ncc_graph_new(&a, &d, "random"), .state = seed * 0x9E3779B97F4A7C15u};
    make_graph(&m);
    ncc_graph_sweep(m.g);
    assert_true(ncc_graph_verify(m.g, "making"));
    const struct graph *original = ncc_graph_copy(m.g, &a, &d);
    for (int i = 0; i < ncc_pass_n_canonical; i++) {
        const struct pass *p = &ncc_pass_canonical[i];
        const struct graph *before = ncc_graph_copy(m.g, &a, &d);
        const bool good = p->run(m.g, &scratch) && ncc_graph_verify(m.g, p->name);
        if (!good)
            snprintf(why, sizeof why, "it fails");
        if (good && same_meaning(original, m.g, 1, seed, TOLERANCE, why))
            continue;
        ncc_diag_print(&d, stderr);
        fprintf(stderr, "before %s:\n%safter:\n%s", p->name, ncc_text_print(before, false, &a),
                ncc_text_print(m.g, false, &a));
        fail_msg("NCC_SEED=%llu: pass %s: %s", (unsigned long long)seed, p->name, why);
    }
    assert_int_equal(d.n_errors, 0);
    ncc_arena_release(&scratch);
    ncc_arena_release(&a);
}

static void test_random_graphs(void **state)
{
    (void)state;
    const uint64_t seed = same_seed(20240501);
    for (uint64_t i = 0; i < N_GRAPHS; i++)
        check_graph(seed + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_graphs)};
    setenv("NCC_THREADS", "1", 0); /* the graphs are smaller than the work of starting threads */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
