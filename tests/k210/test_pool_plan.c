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

static int carry_out(const struct pool_step *s, int shift, int *x, int n)
{
    const bool is_pick = ncc_kpu_pool_info(s->code)->kind == NCC_KPU_POOL_PICK;
    const int window = is_pick ? 1 : ncc_kpu_pool_info(s->code)->window, n_out = n / s->stride;
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

/* `rows`: as rows, else as columns. The last step must make all that is wanted, each step what the next one sees. */
static void compare(const struct pool_attrs *a, const struct pool_plan *p, bool rows, int size, int n_out,
                    uint64_t *state)
{
    int map[ROOM], x[ROOM], n = ROOM;
    const int pad = rows ? a->pad_top : a->pad_left, k = a->kernel_h, stride = a->stride_h;
    for (int i = 0; i < ROOM; i++)
        map[i] = x[i] = i < size ? net_int(state, -99, 99) : LOWEST;
    for (int i = 0; i < p->n; i++) {
        const struct pool_step *s = &p->step[i];
        n = carry_out(s, rows ? s->row : s->col, x, n);
        const int wanted = rows ? s->h : s->w;
        const int seen = i + 1 == p->n ? n_out
                                       : ncc_pool_step_reads(s + 1, rows ? s[1].h : s[1].w) +
                                             (rows ? s[1].row : s[1].col);
        assert_true(wanted >= seen && wanted <= n);
    }
    for (int i = 0; i < n_out; i++) {
        int want = LOWEST;
        for (int j = 0; j < k; j++) {
            const int v = at(map, size, i * stride - pad + j);
            want = v > want ? v : want;
        }
        if (want != x[i])
            fail_msg("%s: kernel %d, stride %d, pad %d on %d: output %d is %d, not %d", rows ? "rows" : "columns", k,
                     stride, pad, size, i, x[i], want);
    }
}

static void random_pools(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("pool plan");
    static const int strides[] = {1, 2, 4, 8};
    for (int i = 0; i < 20000; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        const int k = net_int(&state, 1, 20), s = strides[net_int(&state, 0, 3)], h = net_int(&state, 1, 40),
                  w = net_int(&state, 1, 40), out_h = net_int(&state, 1, (h - 1) / s + 1),
                  out_w = net_int(&state, 1, (w - 1) / s + 1);
        const struct pool_attrs a = {.kernel_h = k,
                                     .kernel_w = k,
                                     .stride_h = s,
                                     .stride_w = s,
                                     .pad_top = net_int(&state, 0, k - 1),
                                     .pad_left = net_int(&state, 0, k - 1)};
        struct pool_plan p;
        const bool found = ncc_pool_plan(&a, out_h, out_w, &p);
        assert_int_equal(found, k > 1 || s > 1);
        if (!found)
            continue;
        compare(&a, &p, true, h, out_h, &state);
        compare(&a, &p, false, w, out_w, &state);
    }
}

/* The plans that the header names, by their codes; a minus marks a shift. */
static void expect(struct pool_attrs a, const char *want)
{
    struct pool_plan p;
    char got[80] = "";
    assert_true(ncc_pool_plan(&a, 4, 4, &p));
    for (int i = 0, n = 0; i < p.n; i++)
        n += snprintf(got + n, sizeof got - (size_t)n, "%s%d ", p.step[i].row ? "-" : "", p.step[i].code);
    assert_string_equal(got, want);
}

static void named(void **unused)
{
    (void)unused;
    expect((struct pool_attrs){3, 3, 2, 2, 0, 0, 0, 0, false}, "9 1 ");
    expect((struct pool_attrs){3, 3, 2, 2, 1, 1, 0, 0, false}, "9 -1 ");
    expect((struct pool_attrs){5, 5, 1, 1, 2, 2, 2, 2, false}, "9 -9 -9 9 ");
    expect((struct pool_attrs){8, 8, 2, 2, 3, 3, 3, 3, false}, "9 -9 1 9 -9 ");
    expect((struct pool_attrs){4, 4, 4, 4, 0, 0, 0, 0, false}, "3 ");
    expect((struct pool_attrs){1, 1, 4, 4, 0, 0, 0, 0, false}, "7 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_pools), cmocka_unit_test(named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
