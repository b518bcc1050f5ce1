/* Orders of dimensions: whatever ncc_layout_reshape accepts must hold element for element, and what it must not miss
 * is listed. */
#include "support.h"

#include "compiler/import/layout.h"

/* Index in the model's order of each element of the value. */
static void number_elements(struct shape model, struct ints perm, int *out)
{
    const struct shape shape = ncc_layout_apply(model, perm);
    const int n = (int)ncc_shape_count(model);
    for (int i = 0; i < n; i++) {
        int index[NCC_MAX_RANK] = {0};
        for (int k = perm.n - 1, rest = i; k >= 0; k--) {
            index[perm.v[k]] = rest % shape.dim[k];
            rest /= shape.dim[k];
        }
        out[i] = 0;
        for (int k = 0; k < model.rank; k++)
            out[i] = out[i] * model.dim[k] + index[k];
    }
}

static bool same_elements(struct shape a, struct ints p, struct shape b, struct ints q)
{
    int x[4096], y[4096];
    const int n = (int)ncc_shape_count(a);
    assert_true(n <= 4096 && n == ncc_shape_count(b));
    number_elements(a, p, x);
    number_elements(b, q, y);
    return memcmp(x, y, (size_t)n * sizeof *x) == 0;
}

static unsigned next(unsigned *state)
{
    return (*state = *state * 1664525u + 1013904223u) >> 8;
}

/* Cuts a product of small primes into dimensions, 1 among them. */
static struct shape random_shape(unsigned *state, const int *primes, int n)
{
    struct shape s = {.rank = 1 + (int)(next(state) % NCC_MAX_RANK)};
    for (int i = 0; i < s.rank; i++)
        s.dim[i] = 1;
    for (int i = 0, at = 0; i < n; i++) {
        s.dim[at] *= primes[i];
        if (at < s.rank - 1)
            at += (int)(next(state) % 2);
    }
    return s;
}

static struct ints random_perm(unsigned *state, int rank)
{
    struct ints p = ncc_layout_identity(rank);
    for (int i = rank - 1; i > 0; i--) {
        const int k = (int)(next(state) % (unsigned)(i + 1)), v = p.v[i];
        p.v[i] = p.v[k];
        p.v[k] = v;
    }
    return p;
}

static bool is_perm(struct ints p)
{
    unsigned seen = 0;
    for (int i = 0; i < p.n; i++)
        seen |= 1u << p.v[i];
    return seen == (1u << p.n) - 1;
}

static void reshapes_hold(void **state)
{
    static const int primes[] = {2, 3, 2, 5, 2, 3};
    const char *text = getenv("NCC_SEED");
    const unsigned start = text ? (unsigned)strtoul(text, NULL, 0) : 7;
    unsigned seed = start;
    int n_accepted = 0;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        const int n = 1 + (int)(next(&seed) % 6);
        const struct shape a = random_shape(&seed, primes, n), b = random_shape(&seed, primes, n);
        const struct ints p = random_perm(&seed, a.rank);
        struct ints q;
        if (!ncc_layout_reshape(a, p, b, &q))
            continue;
        n_accepted++;
        if (!is_perm(q) || q.n != b.rank || !same_elements(a, p, b, q))
            fail_msg("case %d of seed %u", i, start);
    }
    assert_true(n_accepted > 2000);
}

static struct ints perm_of(int n, const int *v)
{
    struct ints p = {.n = n};
    memcpy(p.v, v, (size_t)n * sizeof *v);
    return p;
}

static void known_reshapes(void **state)
{
    static const struct {
        struct shape from, to;
        bool possible;
        int perm[6]; /* of the result, when the value is channels first */
    } cases[] = {
        {{4, {1, 1, 5, 3}}, {3, {1, 5, 3}}, true, {0, 2, 1}},          /* squeeze */
        {{3, {1, 5, 3}}, {4, {1, 1, 5, 3}}, true, {0, 3, 1, 2}},       /* and back */
        {{4, {1, 4, 6, 3}}, {3, {1, 24, 3}}, true, {0, 2, 1}},         /* pixels in a row */
        {{4, {1, 4, 6, 8}}, {5, {1, 4, 6, 2, 4}}, true, {0, 3, 4, 1, 2}}, /* groups of channels */
        {{4, {1, 4, 6, 3}}, {2, {1, 72}}, false, {0}},                 /* flatten */
        {{4, {1, 1, 1, 9}}, {2, {1, 9}}, true, {0, 1}},                /* flatten a vector */
        {{4, {1, 4, 6, 3}}, {3, {1, 4, 18}}, false, {0}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ints q;
        const struct ints p = ncc_layout_channels_first(cases[i].from.rank);
        assert_int_equal(ncc_layout_reshape(cases[i].from, p, cases[i].to, &q), cases[i].possible);
        if (cases[i].possible)
            assert_true(ncc_layout_equal(q, perm_of(cases[i].to.rank, cases[i].perm)));
    }
}

static void orders(void **state)
{
    (void)state;
    const struct ints nchw = ncc_layout_channels_first(4), t = perm_of(4, (const int[]){0, 3, 1, 2});
    assert_true(ncc_layout_equal(nchw, t));
    /* A map that is channels first, transposed by the model to N, C, H, W: the value is in the model's order. */
    assert_true(ncc_layout_equal(ncc_layout_transpose(nchw, t), ncc_layout_identity(4)));
    const struct shape map = {4, {1, 4, 6, 3}}, flat = {4, {1, 1, 1, 3}};
    assert_false(ncc_layout_same_order(map, nchw, ncc_layout_identity(4)));
    assert_true(ncc_layout_same_order(flat, nchw, ncc_layout_identity(4)));
    assert_int_equal(ncc_layout_axis(nchw, 3), 1);
    const bool gone[4] = {false, true, true, false};
    assert_true(ncc_layout_equal(ncc_layout_drop(nchw, gone), ncc_layout_identity(2)));
    const struct ints padded = ncc_layout_left_pad(ncc_layout_identity(1), 4);
    assert_true(ncc_layout_same_order(flat, padded, nchw));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reshapes_hold),
        cmocka_unit_test(known_reshapes),
        cmocka_unit_test(orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
