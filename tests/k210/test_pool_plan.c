/* Plans of max pools against the plain definition, a dimension at a time: every step is carried out literally on a
 * canvas with the lowest number around the map. */
#include "tests/k210/net.h"

#include "compiler/k210/pool_plan.h"

#include <stdio.h>

enum { ROOM = 160, LOWEST = -1000 };

static int at(const int *x, int n, int i)
{
    return i >= 0 && i < n ? x[i] : LOWEST;
}

static int window_of(const struct pool_step *s, bool rows)
{
    if (s->along != ALONG_BOTH)
        return s->along == (rows ? ALONG_ROWS : ALONG_COLUMNS) ? 2 : 1;
    return ncc_kpu_pool_info(s->code)->kind == NCC_KPU_POOL_PICK ? 1 : ncc_kpu_pool_info(s->code)->window;
}

static int carry_out(const struct pool_step *s, bool rows, int *x, int n)
{
    const int shift = rows ? s->row : s->col, window = window_of(s, rows), n_out = n / s->stride;
    int y[ROOM];
    for (int i = 0; i < n_out; i++) {
        y[i] = LOWEST;
        for (int k = 0; k < window; k++) {
            const int v = at(x, n, i * s->stride + k + shift);
            y[i] = v > y[i] ? v : y[i];
        }
    }
    for (int i = 0; i < n_out; i++)
        x[i] = y[i];
    return n_out;
}

/* One direction of a pool. */
struct line {
    bool rows;
    int kernel, stride, pad, size, n_out;
};

/* The last step must make all that is wanted, each step what the next one sees. */
static void compare(const struct line *l, const struct pool_plan *p, uint64_t *state)
{
    int map[ROOM], x[ROOM], n = ROOM;
    for (int i = 0; i < ROOM; i++)
        map[i] = x[i] = i < l->size ? net_int(state, -99, 99) : LOWEST;
    for (int i = 0; i < p->n; i++) {
        const struct pool_step *s = &p->step[i];
        n = carry_out(s, l->rows, x, n);
        const int wanted = l->rows ? s->h : s->w;
        const int seen = i + 1 == p->n ? l->n_out
                                       : ncc_pool_step_reads(s + 1, l->rows, l->rows ? s[1].h : s[1].w) +
                                             (l->rows ? s[1].row : s[1].col);
        assert_true(wanted >= seen && wanted <= n);
    }
    for (int i = 0; i < l->n_out; i++) {
        int want = LOWEST;
        for (int j = 0; j < l->kernel; j++) {
            const int v = at(map, l->size, i * l->stride - l->pad + j);
            want = v > want ? v : want;
        }
        if (want != x[i])
            fail_msg("%s: kernel %d, stride %d, pad %d on %d: output %d is %d, not %d", l->rows ? "rows" : "columns",
                     l->kernel, l->stride, l->pad, l->size, i, x[i], want);
    }
}

static bool plan_of(const struct line *row, const struct line *col, struct pool_plan *p)
{
    const struct pool_attrs a = {.kernel_h = row->kernel,
                                 .kernel_w = col->kernel,
                                 .stride_h = row->stride,
                                 .stride_w = col->stride,
                                 .pad_top = row->pad,
                                 .pad_left = col->pad};
    const struct shape in = ncc_shape_4(1, 1, row->size, col->size), out = ncc_shape_4(1, 1, row->n_out, col->n_out);
    return ncc_pool_plan(&a, &in, &out, p);
}

static struct line random_line(uint64_t *state, bool rows, int stride, int kernel)
{
    struct line l = {.rows = rows, .stride = stride, .kernel = kernel, .pad = net_int(state, 0, kernel - 1)};
    l.size = net_int(state, 1, 40);
    l.n_out = net_int(state, 1, (l.size - 1) / stride + 1);
    return l;
}

static void random_pools(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("pool plan");
    static const int strides[] = {1, 2, 4, 8};
    int n_along = 0;
    for (int i = 0; i < 20000; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        const int k = net_int(&state, 1, 16), s = strides[net_int(&state, 0, 3)];
        const int k_w = net_int(&state, 0, 1) ? k : net_int(&state, 1, 16);
        const struct line row = random_line(&state, true, s, k), col = random_line(&state, false, s, k_w);
        struct pool_plan p;
        if (!plan_of(&row, &col, &p)) {
            assert_true(p.n == NCC_MAX_POOL_STEPS || (k == 1 && k_w == 1));
            continue;
        }
        for (int j = 0; j < p.n; j++)
            n_along += p.step[j].along != ALONG_BOTH;
        compare(&row, &p, &state);
        compare(&col, &p, &state);
    }
    assert_true(n_along > 0);
}

static void no_plan_for_other_strides(void **unused)
{
    (void)unused;
    struct pool_plan p;
    for (int s = 1; s <= 9; s++)
        for (int t = 1; t <= 9; t++) {
            const struct line row = {true, 3, s, 0, 30, 4}, col = {false, 3, t, 0, 30, 4};
            assert_int_equal(plan_of(&row, &col, &p), s == t && (s & (s - 1)) == 0);
        }
    /* The stride of a single output is free. */
    const struct line row = {true, 3, 2, 0, 30, 4}, col = {false, 3, 5, 0, 4, 1};
    assert_true(plan_of(&row, &col, &p));
}

/* The plans that the header names, by their codes; a minus marks a shift, r and c maxima along rows and columns. */
static void expect(struct line row, struct line col, const char *want)
{
    struct pool_plan p;
    char got[80] = "";
    assert_true(plan_of(&row, &col, &p));
    for (int i = 0, n = 0; i < p.n; i++) {
        const struct pool_step *s = &p.step[i];
        const char along[3] = {(char)('0' + s->code), 'r', 'c'};
        n += snprintf(got + n, sizeof got - (size_t)n, "%s%c ", s->row ? "-" : "", along[s->along]);
    }
    assert_string_equal(got, want);
}

static void expect_square(int kernel, int stride, int pad, const char *want)
{
    expect((struct line){true, kernel, stride, pad, 28, 4}, (struct line){false, kernel, stride, pad, 28, 4}, want);
}

static void named(void **unused)
{
    (void)unused;
    expect_square(3, 2, 0, "9 1 ");
    expect_square(3, 2, 1, "9 -1 ");
    expect_square(5, 1, 2, "9 -9 -9 9 ");
    expect_square(8, 2, 3, "9 -9 1 9 -9 ");
    expect_square(4, 4, 0, "3 ");
    expect_square(1, 4, 0, "7 ");
    expect((struct line){true, 3, 1, 0, 28, 4}, (struct line){false, 2, 1, 0, 28, 4}, "9 r ");
    expect((struct line){true, 3, 2, 0, 28, 4}, (struct line){false, 2, 2, 0, 28, 4}, "r 1 ");
    expect((struct line){true, 1, 1, 0, 28, 28}, (struct line){false, 3, 1, 1, 28, 28}, "c c ");
    expect((struct line){true, 25, 1, 0, 25, 1}, (struct line){false, 5, 3, 0, 5, 1}, "3 3 1 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_pools), cmocka_unit_test(no_plan_for_other_strides),
                                       cmocka_unit_test(named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
