/* The taps of one dimension against the plain definition of a convolution: the copies are built literally, with what
 * they lose at the edges, and every output is computed from them. All in whole numbers, so equality is exact. */
#include "tests/k210/net.h"

#include "compiler/k210/taps.h"

#include <string.h>

enum { MAX_CANVAS = 64, JUNK = 1000003 };

/* The canvas: random in the window, around it zero or junk. */
static void fill_canvas(const struct axis *a, uint64_t *state, long *x)
{
    for (int r = 0; r < a->canvas; r++) {
        const bool inside = r >= a->start && r < a->start + a->size;
        x[r] = inside ? net_int(state, -99, 99) : a->zero_out ? 0 : JUNK + r;
    }
}

/* Copy `shift` in steps of one: what leaves the canvas is lost, zero comes in. */
static void build_copy(const struct axis *a, const long *x, int shift, long *to)
{
    memcpy(to, x, (size_t)a->canvas * sizeof *x);
    for (; shift > 0; shift--) {
        memmove(to, to + 1, (size_t)(a->canvas - 1) * sizeof *to);
        to[a->canvas - 1] = 0;
    }
    for (; shift < 0; shift++) {
        memmove(to + 1, to, (size_t)(a->canvas - 1) * sizeof *to);
        to[0] = 0;
    }
}

static long by_definition(const struct axis *a, const long *x, const long *kernel, int i)
{
    long sum = 0;
    for (int j = 0; j < a->kernel; j++) {
        const int r = i * a->stride - a->pad + j * a->dilation;
        sum += r >= 0 && r < a->size ? kernel[j] * x[a->start + r] : 0;
    }
    return sum;
}

static long by_taps(const struct axis *a, const struct taps *t, long copy[][MAX_CANVAS], const long *kernel, int i)
{
    long sum = 0;
    for (int j = 0; j < a->kernel; j++) {
        const int r = t->first + i * a->stride + t->of[j].tap;
        sum += r >= 0 && r < a->canvas ? kernel[j] * copy[t->of[j].copy][r] : 0;
    }
    return sum;
}

static bool sound(const struct axis *a, const struct taps *t)
{
    bool centre = true, ascending = true;
    for (int j = 0; j < a->kernel; j++) {
        centre = centre && t->of[j].tap == 0;
        if (t->of[j].copy < 0 || t->of[j].copy >= t->n_copies || t->of[j].tap < -1 || t->of[j].tap > 1)
            return false;
    }
    for (int i = 1; i < t->n_copies; i++)
        ascending = ascending && t->copy[i - 1] < t->copy[i];
    return centre == t->only_centre && ascending && t->n_copies >= 1 && t->n_copies <= NCC_MAX_COPIES &&
           t->first >= 0 && t->first + (a->n_out - 1) * a->stride < a->canvas && (a->phase >> t->first % a->pool & 1) &&
           t->first / a->pool + a->n_pooled <= a->canvas / a->pool;
}

static void check(const struct axis *a, const struct taps *t, uint64_t *state)
{
    long x[MAX_CANVAS], copy[NCC_MAX_COPIES][MAX_CANVAS], kernel[NCC_MAX_TAPS];
    fill_canvas(a, state, x);
    for (int j = 0; j < a->kernel; j++)
        kernel[j] = net_int(state, 1, 9);
    for (int i = 0; i < t->n_copies; i++)
        build_copy(a, x, t->copy[i], copy[i]);
    for (int i = 0; i < a->n_out; i++)
        if (by_definition(a, x, kernel, i) != by_taps(a, t, copy, kernel, i))
            fail_msg("output %d of canvas %d window %d+%d%s kernel %d dilation %d stride %d pad %d n_out %d pool %d "
                     "phase %d",
                     i, a->canvas, a->start, a->size, a->zero_out ? " zero" : " junk", a->kernel, a->dilation,
                     a->stride, a->pad, a->n_out, a->pool, a->phase);
}

static struct axis random_axis(uint64_t *state)
{
    struct axis a = {.canvas = net_int(state, 1, 40),
                     .zero_out = net_int(state, 0, 1),
                     .kernel = net_int(state, 1, 7),
                     .dilation = net_int(state, 0, 2) ? 1 : net_int(state, 2, 4),
                     .pool = 1 << net_int(state, 0, 2)};
    a.start = net_int(state, 0, 2) ? 0 : net_int(state, 0, a.canvas - 1);
    a.size = net_int(state, 0, 2) ? a.canvas - a.start : net_int(state, 1, a.canvas - a.start);
    a.stride = net_int(state, 0, 1) ? a.pool : 1;
    a.phase = a.pool == 1 ? 1 : net_int(state, 1, (1 << a.pool) - 1);
    const int extent = (a.kernel - 1) * a.dilation + 1;
    a.pad = net_int(state, 0, 2) ? (extent - 1) / 2 : net_int(state, 0, extent);
    const int behind = net_int(state, 0, 1) ? (extent - 1) / 2 : net_int(state, 0, extent);
    const int room = a.size + a.pad + behind - extent;
    a.n_out = room < 0 ? 1 : room / a.stride + 1;
    if (a.stride == 1 && a.n_out > 1 && net_int(state, 0, 3) == 0)
        a.n_out -= 1; /* fewer than could be */
    a.n_pooled = a.stride == 1 && a.pool > 1 ? a.n_out / a.pool : a.n_out;
    return a;
}

static void random_axes(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("taps");
    int n_found = 0;
    for (int i = 0; i < 60000; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        const struct axis a = random_axis(&state);
        struct taps t;
        const char *why = NULL;
        if (!ncc_taps_choose(&a, &t, &why)) {
            assert_non_null(why);
            continue;
        }
        n_found++;
        if (!sound(&a, &t))
            fail_msg("case %d: broken taps", i);
        check(&a, &t, &state);
    }
    print_message("%d of 60000 axes have taps\n", n_found);
    assert_true(n_found > 15000);
}

/* ---- the ways that must be found, with their copies ---- */

static struct axis whole(int size, int kernel, int dilation, int stride, int pad, int n_out)
{
    return (struct axis){.canvas = size,
                         .size = size,
                         .kernel = kernel,
                         .dilation = dilation,
                         .stride = stride,
                         .pad = pad,
                         .n_out = n_out,
                         .pool = stride,
                         .phase = 1,
                         .n_pooled = n_out};
}

static void expect_copies(struct axis a, int first, int n, const int *copies)
{
    struct taps t;
    const char *why = "";
    uint64_t state = 5;
    if (!ncc_taps_choose(&a, &t, &why))
        fail_msg("kernel %d stride %d pad %d: %s", a.kernel, a.stride, a.pad, why);
    assert_int_equal(t.first, first);
    assert_int_equal(t.n_copies, n);
    for (int i = 0; i < n; i++)
        assert_int_equal(t.copy[i], copies[i]);
    assert_true(sound(&a, &t));
    check(&a, &t, &state);
}
#define COPIES(axis, first, ...)                                                                                       \
    expect_copies(axis, first, (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), (int[]){__VA_ARGS__})

static void stride_1(void **unused)
{
    (void)unused;
    COPIES(whole(12, 1, 1, 1, 0, 12), 0, 0);
    COPIES(whole(12, 3, 1, 1, 1, 12), 0, 0);
    COPIES(whole(12, 3, 1, 1, 0, 10), 1, 0); /* valid: the window shrinks */
    COPIES(whole(12, 2, 1, 1, 0, 11), 0, 0);
    COPIES(whole(12, 5, 1, 1, 2, 12), 0, -1, 0, 1);
    COPIES(whole(12, 7, 1, 1, 3, 12), 0, -2, 0, 2);
    COPIES(whole(12, 3, 2, 1, 2, 12), 0, -1, 0, 1);
    COPIES(whole(12, 3, 5, 1, 5, 12), 0, -4, 0, 4);
    struct axis valid_5 = whole(12, 5, 1, 1, 0, 8);
    struct taps t;
    assert_true(ncc_taps_choose(&valid_5, &t, NULL));
    assert_int_equal(t.n_copies, 2);
}

static void stride_2(void **unused)
{
    (void)unused;
    COPIES(whole(12, 3, 1, 2, 1, 6), 0, 0);    /* symmetric padding: a corner pick and nothing else */
    COPIES(whole(12, 3, 1, 2, 0, 6), 0, 0, 1); /* TensorFlow SAME, rows: the window would start at an odd row */
    COPIES(whole(12, 5, 1, 2, 1, 6), 0, 0, 2); /* the same for 5: offsets -1..3 */
    struct axis columns = whole(12, 3, 1, 2, 0, 6);
    columns.phase = 3; /* columns have a code for odd windows */
    COPIES(columns, 1, 0);
    COPIES(whole(13, 3, 1, 4, 1, 3), 0, 0);
}

static void windows(void **unused)
{
    (void)unused;
    struct axis a = whole(12, 1, 1, 2, 0, 5);
    a.start = 1;
    a.size = 9;
    COPIES(a, 0, 0); /* the tap moves the window to an even pixel */
    a = whole(12, 3, 1, 1, 1, 9);
    a.start = 2;
    a.size = 9;
    a.zero_out = true;
    COPIES(a, 2, 0);
}

static void expect_none(struct axis a, const char *part)
{
    struct taps t;
    const char *why = NULL;
    assert_false(ncc_taps_choose(&a, &t, &why));
    assert_non_null(why);
    if (!strstr(why, part))
        fail_msg("refused for another reason: %s", why);
}

static void refused(void **unused)
{
    (void)unused;
    struct axis junk = whole(12, 3, 1, 1, 1, 9);
    junk.start = 2;
    junk.size = 9;
    expect_none(junk, "padding before");
    junk.pad = 0;
    junk.start = 0;
    junk.n_out = junk.n_pooled = 8;
    expect_none(junk, "padding behind");
    expect_none(whole(12, 3, 1, 1, 2, 14), "do not fit");  /* more outputs than pixels */
    expect_none(whole(40, 9, 3, 1, 12, 40), "do not fit"); /* nine copies */
    expect_none(whole(64, NCC_MAX_TAPS + 1, 1, 1, 0, 32), "larger");
    expect_none(whole(13, 3, 1, 2, 1, 7), "do not fit"); /* seven picks from thirteen rows */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_axes), cmocka_unit_test(stride_1),
                                       cmocka_unit_test(stride_2), cmocka_unit_test(windows),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
