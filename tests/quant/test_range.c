/* Histograms, observations, range methods, comparisons. */
#include "compiler/quant/by_channel.h"
#include "compiler/quant/compare.h"
#include "compiler/quant/range.h"
#include "compiler/quant/reach.h"
#include "tests/quant/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* ---- histograms ---- */

static bool same_histogram(const struct histogram *a, const struct histogram *b)
{
    return a->exponent == b->exponent && a->first == b->first && a->last == b->last && a->n_zero == b->n_zero &&
           memcmp(a->bin, b->bin, sizeof a->bin) == 0;
}

static void cover_and_add(struct histogram *h, const float *x, int n)
{
    float lo = x[0], hi = x[0];
    for (int i = 1; i < n; i++) {
        lo = fminf(lo, x[i]);
        hi = fmaxf(hi, x[i]);
    }
    ncc_histogram_cover(h, lo, hi);
    ncc_histogram_add(h, x, n, 1);
}

static void random_values(float *x, int n)
{
    const double size = exp2(random_int(-130, 100));
    const int kind = random_int(0, 3);
    for (int i = 0; i < n; i++) {
        const double spread = kind == 0 ? exp2(random_between(-40, 0)) : 1;
        x[i] = (float)(random_normal() * size * spread);
        if (kind == 1 && x[i] < 0)
            x[i] = 0;
        if (kind == 2)
            x[i] = -fabsf(x[i]);
    }
}

/* Counted in any number of parts, in any order: the same bits. */
static void test_histogram_merge(void **state)
{
    (void)state;
    random_start("histograms");
    enum { N = 3000 };
    static float x[N];
    static struct histogram whole, part[7], sum;
    for (int round = 0; round < 100; round++) {
        random_values(x, N);
        ncc_histogram_init(&whole);
        cover_and_add(&whole, x, N);
        const int n_parts = random_int(1, 7);
        for (int p = 0; p < n_parts; p++)
            ncc_histogram_init(&part[p]);
        for (int i = 0; i < N;) {
            const int n = random_int(1, N / 10) < N - i ? random_int(1, N - i) : N - i;
            cover_and_add(&part[random_int(0, n_parts - 1)], x + i, n);
            i += n;
        }
        ncc_histogram_init(&sum);
        const int first = random_int(0, n_parts - 1);
        for (int p = 0; p < n_parts; p++)
            ncc_histogram_merge(&sum, &part[(first + p) % n_parts]);
        assert_true(same_histogram(&sum, &whole));
        int64_t count = sum.n_zero;
        for (int i = 0; i < NCC_HISTOGRAM_BINS; i++)
            count += sum.bin[i];
        assert_int_equal(count, N);
    }
}

static void test_histogram_extremes(void **state)
{
    (void)state;
    static struct histogram h;
    const float x[] = {1e-45f, -1e-45f, 0, 3.4e38f, -3.4e38f, 1};
    ncc_histogram_init(&h);
    for (int i = 0; i < 6; i++)
        cover_and_add(&h, x + i, 1);
    assert_int_equal(h.n_zero, 1);
    assert_true(h.last - h.first < NCC_HISTOGRAM_BINS);
    assert_int_equal(h.bin[0 - h.first], 2);  /* 1e-45 and 1 */
    assert_int_equal(h.bin[-1 - h.first], 1); /* the negative one is below zero */
}

/* ---- observations ---- */

static void test_window(void **state)
{
    (void)state;
    float x[2 * 4 * 5];
    for (int i = 0; i < 40; i++)
        x[i] = 1000;
    for (int c = 0; c < 2; c++)
        for (int y = 1; y < 3; y++)
            for (int k = 2; k < 5; k++)
                x[(c * 4 + y) * 5 + k] = (float)(c * 10 + y * 3 + k);
    const struct tensor t = {DT_F32, ncc_shape_4(1, 2, 4, 5), x};
    struct observation o = {0};
    static struct histogram h;
    ncc_histogram_init(&h);
    ncc_observation_add(&o, &h, &t, (struct window){.top = 1, .left = 2, .h = 2, .w = 3}, NULL);
    assert_int_equal(o.n, 12);
    assert_true(o.min == 5 && o.max == 20);
    int64_t n = 0;
    for (int i = 0; i < NCC_HISTOGRAM_BINS; i++)
        n += h.bin[i];
    assert_int_equal(n, 12);
    ncc_observation_add(&o, &h, &t, (struct window){0}, NULL);
    assert_int_equal(o.n, 52);
    assert_true(o.max == 1000);
}

static void test_not_finite(void **state)
{
    (void)state;
    float x[100];
    for (int i = 0; i < 100; i++)
        x[i] = (float)i - 50;
    x[7] = NAN;
    x[8] = INFINITY;
    x[99] = -INFINITY;
    const struct tensor t = {DT_F32, ncc_shape_make(1, (int[]){100}), x};
    struct observation o = {0};
    static struct histogram h;
    ncc_histogram_init(&h);
    ncc_observation_add(&o, &h, &t, (struct window){0}, NULL);
    assert_int_equal(o.n, 97);
    assert_int_equal(o.n_bad, 3);
    assert_true(o.min == -50 && o.max == 48);
}

/* The speed that calibration needs: not asserted, since other programs run too. */
static void test_speed(void **state)
{
    (void)state;
    enum { N = 2000000 };
    float *x = malloc(N * sizeof *x);
    for (int i = 0; i < N; i++)
        x[i] = (float)random_unit();
    const struct tensor t = {DT_F32, ncc_shape_4(1, 50, 200, 200), x};
    static struct histogram h;
    ncc_histogram_init(&h);
    struct observation o = {0};
    const clock_t start = clock();
    ncc_observation_add(&o, NULL, &t, (struct window){0}, NULL);
    const clock_t middle = clock();
    for (int i = 0; i < 100; i++) {
        const struct tensor part = {DT_F32, ncc_shape_4(1, 1, 100, 200), x + i * 20000};
        ncc_observation_add(&o, &h, &part, (struct window){0}, NULL);
    }
    const double ms = 1000.0 / CLOCKS_PER_SEC;
    printf("  2 M elements: minima and maxima %.1f ms; as 100 values with histograms %.1f ms\n",
           (double)(middle - start) * ms, (double)(clock() - middle) * ms);
    assert_int_equal(o.n, 2 * N);
    free(x);
}

static void test_stride_counts_enough(void **state)
{
    (void)state;
    const int sizes[][3] = {{64, 60, 80}, {3, 240, 320}, {1, 1, 8192}, {1, 128, 256}, {10, 100, 7}};
    for (int k = 0; k < 5; k++) {
        const int *s = sizes[k];
        const int n = s[0] * s[1] * s[2];
        float *x = malloc((size_t)n * sizeof *x);
        for (int i = 0; i < n; i++)
            x[i] = 1;
        const struct tensor t = {DT_F32, ncc_shape_4(1, s[0], s[1], s[2]), x};
        static struct histogram h;
        for (int windowed = 0; windowed < 2; windowed++) {
            struct observation o = {0};
            struct window w = {.top = s[1] > 2, .left = s[2] > 2, .h = s[1] > 2 ? s[1] - 1 : 1, .w = s[2] - (s[2] > 2)};
            ncc_histogram_init(&h);
            ncc_observation_add(&o, &h, &t, windowed ? w : (struct window){0}, NULL);
            int64_t count = 0;
            for (int i = 0; i < NCC_HISTOGRAM_BINS; i++)
                count += h.bin[i];
            assert_true(count >= (o.n < 4096 ? o.n : 4096));
            assert_true(count <= 4 * 4096 || count <= o.n / 2);
        }
        free(x);
    }
}

/* ---- codes and methods ---- */

static void test_codes(void **state)
{
    (void)state;
    random_start("codes");
    for (int i = 0; i < 20000; i++) {
        const struct range r = {true, (float)(random_normal() * exp2(random_int(-20, 20))),
                                (float)(random_normal() * exp2(random_int(-20, 20)))};
        const double lo = fmin(fmin(r.lo, r.hi), 0), hi = fmax(fmax(r.lo, r.hi), 0);
        const struct codes c = ncc_quant_codes((struct range){true, fminf(r.lo, r.hi), fmaxf(r.lo, r.hi)});
        assert_in_range(c.zero_point, 0, 255);
        /* Both ends are within half a code of one, and hardly anything is wasted. */
        assert_true(-c.zero_point * c.scale <= lo + c.scale * 0.502);
        assert_true((255 - c.zero_point) * c.scale >= hi - c.scale * 0.502);
        assert_true(c.scale <= (hi - lo) / 254 && c.scale > 0);
        if (lo == 0)
            assert_true(c.zero_point == 0 && fabs(c.scale * 255 - hi) <= hi * 1e-12);
    }
    const struct codes endless = ncc_quant_codes((struct range){true, -INFINITY, INFINITY});
    assert_true(isfinite(endless.scale) && endless.scale > 0);
    assert_in_range(endless.zero_point, 127, 128);
    const struct codes zero = ncc_quant_codes((struct range){true, 0, 0});
    assert_true(zero.scale > 0 && zero.zero_point == 0);
}

enum { N_PART = 10000, N_DATA = 20 * N_PART };

static struct observation observe_part(float *x, int n, struct histogram *h)
{
    struct observation o = {0};
    ncc_histogram_init(h);
    for (int i = 0; i < n; i += N_PART) { /* small enough for every element to count */
        const struct tensor t = {DT_F32, ncc_shape_make(1, (int[]){N_PART}), x + i};
        ncc_observation_add(&o, h, &t, (struct window){0}, NULL);
    }
    o.hist = h;
    return o;
}

static struct observation observe(float *x, struct histogram *h)
{
    return observe_part(x, N_DATA, h);
}

static double quantising_error(const float *x, struct range r)
{
    const struct codes c = ncc_quant_codes(r);
    double sum = 0;
    for (int i = 0; i < N_DATA; i++) {
        const double q = fmin(fmax(rint(x[i] / c.scale + c.zero_point), 0), 255);
        const double d = (q - c.zero_point) * c.scale - x[i];
        sum += d * d;
    }
    return sum;
}

static void fill_data(float *x, int kind)
{
    for (int i = 0; i < N_DATA; i++)
        switch (kind) {
        case 0: /* uniform */
            x[i] = (float)random_between(-1, 3);
            break;
        case 1: /* normal */
            x[i] = (float)random_normal();
            break;
        case 2: /* heavy tails on both sides */
            x[i] = (float)(pow(-log(1 - random_unit()), 1.5) * (random_int(0, 1) ? 1 : -1));
            break;
        case 3: /* behind a ReLU, with outliers */
            x[i] = (float)fmax(random_normal() * (random_int(0, 9999) == 0 ? 30 : 1), 0);
            break;
        case 5: /* an empty background, whose value comes again and again */
            x[i] = (float)(random_int(0, 2) ? 0.37 : fabs(random_normal()));
            break;
        default: /* ReLU6 that saturates often */
            x[i] = (float)fmin(fmax(random_normal() * 6, 0), 6);
        }
}

static void test_l2(void **state)
{
    (void)state;
    random_start("l2");
    static const char *const names[] = {"uniform", "normal", "heavy tails", "relu with outliers", "relu6"};
    float *x = malloc(N_DATA * sizeof *x);
    static struct histogram h;
    for (int kind = 0; kind < 5; kind++) {
        fill_data(x, kind);
        const struct observation o = observe(x, &h);
        const clock_t start = clock();
        const struct range l2 = ncc_quant_choose(&o, RANGE_L2);
        const double ms = 1000.0 * (double)(clock() - start) / CLOCKS_PER_SEC;
        const struct range all = ncc_quant_choose(&o, RANGE_MINMAX);
        const double gain = 10 * log10(quantising_error(x, all) / quantising_error(x, l2));
        /* What a plain search over the data finds. */
        double best = quantising_error(x, all);
        for (int lo = 0; lo < 20; lo++)
            for (int hi = 0; hi < 20 && (lo == 0 || all.lo < 0); hi++) {
                const struct range r = {true, all.lo * exp2f(-(float)lo / 4), all.hi * exp2f(-(float)hi / 4)};
                best = kind < 2 && lo + hi > 8 ? best : fmin(best, quantising_error(x, r));
            }
        printf("  %-18s %6.2f .. %6.2f -> %6.2f .. %6.2f, gain %.2f dB (coarse search %.2f), %.2f ms\n", names[kind],
               all.lo, all.hi, l2.lo, l2.hi, gain, 10 * log10(quantising_error(x, all) / best), ms);
        assert_true(gain >= 0);
        assert_true(quantising_error(x, l2) <= best * 1.03);
        if (kind == 0 || kind == 4)
            assert_true(l2.lo == all.lo && l2.hi == all.hi);
        if (kind == 2 || kind == 3)
            assert_true(gain > 0.2);
    }
    free(x);
}

/* Every method, on data whose halves are alike: within what was seen, and none much worse than clipping nothing. */
static void test_all_methods(void **state)
{
    (void)state;
    random_start("methods");
    const struct {
        const char *name;
        enum range_method method;
        double allowed; /* dB worse than minmax */
    } methods[] = {{"percentile", RANGE_PERCENTILE, 15},
                   {"kl", RANGE_KL, 13},
                   {"auto", RANGE_AUTO, 20 * log10(ncc_quant_headroom(N_DATA)) + 0.3}, /* its room */
                   {"l2", RANGE_L2, 0}};
    float *x = malloc(N_DATA * sizeof *x);
    static struct histogram h, half_hist[2];
    for (int kind = 0; kind < 6; kind++) {
        fill_data(x, kind);
        struct observation o = observe(x, &h);
        struct observation half[2] = {observe_part(x, N_DATA / 2, &half_hist[0]),
                                      observe_part(x + N_DATA / 2, N_DATA / 2, &half_hist[1])};
        o.half = half;
        const double all = quantising_error(x, ncc_quant_choose(&o, RANGE_MINMAX));
        printf("  data %d:", kind);
        for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
            const struct range r = ncc_quant_choose(&o, methods[m].method);
            const double gain = 10 * log10(all / quantising_error(x, r));
            printf("  %s %.2f .. %.2f, %.2f dB", methods[m].name, (double)r.lo, (double)r.hi, gain);
            assert_true(r.known && r.lo <= 0 && r.hi >= 0);
            if (kind != 5) /* there all hangs on how near a code lies to the one value */
                assert_true(gain >= -methods[m].allowed - 1e-9);
            if (kind == 5 && methods[m].method == RANGE_KL) /* that the background shares a code is no reason to clip */
                assert_true(r.hi > 0.7f * o.max);
        }
        printf("\n");
    }
    free(x);
}

/* A pixel of a picture that is as strong in this channel as its like. */
static double random_pixel(double strength)
{
    return -strength * log(1 - random_unit());
}

/* Scales by channel, from pictures with few pixels each, judged by other pictures: better than scales that reach just
 * as far as what was seen (but for the square root). */
static void test_channels_leave_room(void **state)
{
    (void)state;
    random_start("channels");
    enum { CHANNELS = 16, ROUNDS = 40, PICTURES = 30, JUDGING = 200 };
    static const struct {
        int pixels;
        double share; /* of the other's squared error, at most */
    } rows[] = {{1, 0.4}, {9, 0.7}, {36, 0.9}, {5000, 1.01}};
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        double error[2] = {0};
        for (int round = 0; round < ROUNDS; round++) {
            float min[CHANNELS] = {0}, max[CHANNELS] = {0}, most = 0;
            double size[CHANNELS];
            for (int c = 0; c < CHANNELS; c++) {
                size[c] = exp2(-random_between(0, 4));
                for (int p = 0; p < PICTURES; p++) {
                    const double strength = size[c] * exp2(random_normal());
                    for (int i = 0; i < rows[row].pixels; i++)
                        max[c] = fmaxf(max[c], (float)random_pixel(strength));
                }
                most = fmaxf(most, max[c]);
            }
            const int64_t seen = (int64_t)rows[row].pixels * PICTURES * CHANNELS;
            const struct range whole = {true, 0, (float)(ncc_quant_headroom(seen) * (double)most)};
            struct exit out = {0};
            struct arena a = ncc_arena_make(&out);
            const struct channel_ranges ranges = {.n = CHANNELS,
                                                  .min = min,
                                                  .max = max,
                                                  .whole = whole,
                                                  .margin = ncc_channels_margin((double)seen / CHANNELS),
                                                  .limit = INFINITY,
                                                  .reach = NCC_REACH_SEEN};
            const struct quant q = ncc_quant_channels(&ranges, ncc_channels_best_zero(&ranges), &a);
            for (int c = 0; c < CHANNELS; c++) {
                const double plain = sqrt((double)max[c] * (double)whole.hi) / 255;
                for (int p = 0; p < JUDGING; p++) {
                    const double x = random_pixel(size[c] * exp2(random_normal()));
                    error[0] += pow((x - q.scale[c] * fmin(rint(x / q.scale[c]), 255)) / size[c], 2);
                    error[1] += pow((x - plain * fmin(rint(x / plain), 255)) / size[c], 2);
                }
            }
            ncc_arena_release(&a);
        }
        printf("%5d values per channel: %.2f of the error without a margin\n", rows[row].pixels * PICTURES, error[0] / error[1]);
        assert_true(error[0] <= rows[row].share * error[1]);
    }
}

/* ---- how far channels reach ---- */

enum { REACH_CHANNELS = 16, REACH_FOLDS = 8, REACH_PIXELS = 625 };

/* Pictures of channels as seen by an observation, one a fold. */
struct pictures {
    float x[REACH_FOLDS][REACH_CHANNELS][REACH_PIXELS];
    float min[REACH_FOLDS + 1][REACH_CHANNELS], max[REACH_FOLDS + 1][REACH_CHANNELS];
    struct histogram hist;
    struct observation seen;
    struct channel_ranges ranges;
};

/* Values of channel c end at size[c], in one picture at `strange` times that. */
static void fill_pictures(struct pictures *p, const double *size, double strange)
{
    memset(p->min, 0, sizeof p->min);
    memset(p->max, 0, sizeof p->max);
    for (int f = 0; f < REACH_FOLDS; f++)
        for (int c = 0; c < REACH_CHANNELS; c++)
            for (int i = 0; i < REACH_PIXELS; i++) {
                const float x = (float)(random_between(0.001, 1) * size[c] * (f == 3 ? strange : 1));
                p->x[f][c][i] = x;
                p->max[f][c] = fmaxf(p->max[f][c], x);
                p->max[REACH_FOLDS][c] = fmaxf(p->max[REACH_FOLDS][c], x);
            }
    p->seen = observe_part(&p->x[0][0][0], REACH_FOLDS * REACH_CHANNELS * REACH_PIXELS, &p->hist);
    p->seen.fold = (struct fold_extremes){REACH_FOLDS, p->min[0], p->max[0]};
    p->ranges = (struct channel_ranges){.n = REACH_CHANNELS,
                                        .min = p->min[REACH_FOLDS],
                                        .max = p->max[REACH_FOLDS],
                                        .whole = {true, 0, p->seen.max},
                                        .margin = 1,
                                        .limit = INFINITY,
                                        .reach = NCC_REACH_SEEN};
}

static struct reach reach_of(const struct pictures *p)
{
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    const struct reach reach = ncc_channels_reach(&p->ranges, &p->seen, &a);
    ncc_arena_release(&a);
    return reach;
}

/* Where one picture goes beyond all others, another may; where none does, little room will do. */
static void test_reach_follows_folds(void **state)
{
    (void)state;
    random_start("reach");
    static struct pictures p;
    double size[REACH_CHANNELS];
    for (int c = 0; c < REACH_CHANNELS; c++)
        size[c] = 1;
    fill_pictures(&p, size, 1);
    const double calm = reach_of(&p).factor;
    fill_pictures(&p, size, 3);
    const double wild = reach_of(&p).factor;
    printf("factor %.2f where pictures are alike, %.2f where one is three times as strong\n", calm, wild);
    assert_true(calm < 2 && wild > 1.4 * calm);
    /* What clips values clips them in pictures that are strange as well. */
    p.ranges.limit = (double)p.seen.max;
    p.ranges.reach = reach_of(&p);
    for (int c = 0; c < REACH_CHANNELS; c++)
        assert_true(ncc_channels_scale(&p.ranges, c, 0) * 255 <= (double)p.seen.max * (1 + 1e-9));
    p.seen.fold.n = 1; /* nothing to judge by */
    assert_true(reach_of(&p).factor == 1 && reach_of(&p).most == 1);
}

/* A range that leaves out what only one channel has holds for the others; that one gets what it needs. */
static void test_reach_of_one_channel(void **state)
{
    (void)state;
    random_start("reach of one");
    static struct pictures p;
    double size[REACH_CHANNELS];
    for (int c = 0; c < REACH_CHANNELS; c++)
        size[c] = c ? 1 : 6;
    fill_pictures(&p, size, 1);
    p.ranges.whole.hi = 1.2f;
    p.ranges.reach = reach_of(&p);
    const double first = ncc_channels_scale(&p.ranges, 0, 0) * 255, other = ncc_channels_scale(&p.ranges, 1, 0) * 255;
    printf("reaches %.2f where values end at 6, %.2f at 1\n", first, other);
    assert_true(p.ranges.reach.most > 1);
    assert_true(first > 4 && other < first / 1.7);
}

static void test_methods(void **state)
{
    (void)state;
    enum range_method m;
    assert_true(ncc_range_method_by_name("no_clip", &m) && m == RANGE_MINMAX);
    assert_true(ncc_range_method_by_name("minmax", &m) && m == RANGE_MINMAX);
    assert_true(ncc_range_method_by_name("l2", &m) && m == RANGE_L2);
    assert_true(ncc_range_method_by_name("mse", &m) && m == RANGE_L2);
    assert_true(ncc_range_method_by_name("auto", &m) && m == RANGE_AUTO);
    assert_true(ncc_range_method_by_name("percentile", &m) && m == RANGE_PERCENTILE);
    assert_true(ncc_range_method_by_name("kl", &m) && m == RANGE_KL);
    assert_false(ncc_range_method_by_name("l3", &m));
    assert_true(ncc_range_needs_histogram(RANGE_L2) && !ncc_range_needs_histogram(RANGE_MINMAX));
    const struct observation none = {0}, some = {.min = 2, .max = 3, .n = 10};
    assert_false(ncc_quant_choose(&none, RANGE_L2).known);
    const struct range r = ncc_quant_choose(&some, RANGE_L2); /* no histogram: all of it */
    assert_true(r.known && r.lo == 0 && r.hi == 3);
}

static void test_compare(void **state)
{
    (void)state;
    const float a[] = {1, 2, 3, 4}, b[] = {1, 2, 3, 5}, zero[4] = {0}, minus[] = {-1, -2, -3, -4};
    assert_true(isinf(ncc_sqnr_db(a, a, 4)) && ncc_sqnr_db(a, a, 4) > 0);
    assert_true(fabs(ncc_sqnr_db(a, b, 4) - 10 * log10(30)) < 1e-9);
    assert_true(isinf(ncc_sqnr_db(zero, a, 4)) && ncc_sqnr_db(zero, a, 4) < 0);
    assert_true(fabs(ncc_cosine(a, a, 4) - 1) < 1e-12 && fabs(ncc_cosine(a, minus, 4) + 1) < 1e-12);
    assert_true(ncc_cosine(zero, zero, 4) == 1 && ncc_cosine(zero, a, 4) == 0);
    assert_true(ncc_max_difference(a, b, 4) == 1);
}

/* Behind a softmax, what stood in front of it is found again but for what all of a group have in common. */
static void test_before_softmax(void **state)
{
    (void)state;
    enum { OUTER = 2, N = 3, INNER = 2 };
    const float x[OUTER * N * INNER] = {1, 200, -2, 100, 4, 0, 0, 0, 0, 7, 0, -9};
    float p[OUTER * N * INNER], back[OUTER * N * INNER];
    for (int g = 0; g < OUTER * INNER; g++) {
        const int at = g / INNER * N * INNER + g % INNER;
        double sum = 0;
        for (int i = 0; i < N; i++)
            sum += exp((double)x[at + i * INNER]);
        for (int i = 0; i < N; i++)
            p[at + i * INNER] = (float)(exp((double)x[at + i * INNER]) / sum);
    }
    ncc_before_softmax(p, (struct along){OUTER, N, INNER}, back);
    for (int g = 0; g < OUTER * INNER; g++) {
        const int at = g / INNER * N * INNER + g % INNER;
        float want[N], mean = 0;
        for (int i = 0; i < N; i++)
            want[i] = fmaxf(x[at + i * INNER] - fmaxf(x[at], fmaxf(x[at + INNER], x[at + 2 * INNER])), -69.0776f);
        for (int i = 0; i < N; i++)
            mean += want[i] / N;
        for (int i = 0; i < N; i++)
            assert_true(fabsf(back[at + i * INNER] - (want[i] - mean)) < 1e-3f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram_merge), cmocka_unit_test(test_histogram_extremes),
        cmocka_unit_test(test_window),          cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_speed),           cmocka_unit_test(test_stride_counts_enough),
        cmocka_unit_test(test_codes),           cmocka_unit_test(test_l2),
        cmocka_unit_test(test_all_methods),     cmocka_unit_test(test_methods),
        cmocka_unit_test(test_channels_leave_room),
        cmocka_unit_test(test_reach_follows_folds),
        cmocka_unit_test(test_reach_of_one_channel),
        cmocka_unit_test(test_compare),         cmocka_unit_test(test_before_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
