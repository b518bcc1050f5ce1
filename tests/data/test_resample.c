/* Properties of resample.h, and the definition in plain loops over whole pictures. */
#include "compiler/data/resample.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 40 * 40 * 3 };

static unsigned seed(void)
{
    const char *text = getenv("NCC_SEED");
    return text ? (unsigned)strtoul(text, NULL, 0) : 1;
}

static void resample(const uint8_t *from, int c, int h, int w, uint8_t *to, int to_h, int to_w)
{
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    assert_int_equal(setjmp(out.env), 0);
    ncc_resample(from, c, h, w, to, to_h, to_w, &a);
    ncc_arena_release(&a);
}

static void fill(uint8_t *to)
{
    for (int i = 0; i < MOST; i++)
        to[i] = (uint8_t)(rand() & 255);
}

static void equal_sizes_give_equal_pictures(void **state)
{
    (void)state;
    static uint8_t from[MOST], to[MOST];
    srand(seed());
    fill(from);
    for (int c = 1; c <= 3; c += 2) {
        resample(from, c, 17, 23, to, 17, 23);
        for (int k = 0; k < c; k++)
            for (int i = 0; i < 17 * 23; i++)
                assert_int_equal(to[k * 17 * 23 + i], from[i * c + k]);
    }
}

static void one_colour_stays(void **state)
{
    (void)state;
    static uint8_t from[MOST], to[MOST];
    for (int value = 0; value < 256; value += 15) {
        memset(from, value, sizeof from);
        for (int size = 1; size <= 40; size++) {
            resample(from, 3, 1 + size * 7 % 40, size, to, 1 + size * 11 % 40, 1 + size * 13 % 40);
            for (int i = 0; i < 3 * (1 + size * 11 % 40) * (1 + size * 13 % 40); i++)
                assert_int_equal(to[i], value);
        }
    }
}

static void known_values(void **state)
{
    (void)state;
    uint8_t to[16];
    resample((const uint8_t[]){0, 100}, 1, 1, 2, to, 1, 4); /* centres at -0.25, 0.25, 0.75, 1.25 */
    assert_memory_equal(to, ((const uint8_t[]){0, 25, 75, 100}), 4);
    resample((const uint8_t[]){0, 10, 20, 31}, 1, 1, 4, to, 1, 2); /* exactly 2: pairs */
    assert_memory_equal(to, ((const uint8_t[]){5, 26}), 2);
    resample((const uint8_t[]){10, 20, 60, 0, 0, 3}, 1, 6, 1, to, 2, 1); /* means of three */
    assert_memory_equal(to, ((const uint8_t[]){30, 1}), 2);
    resample((const uint8_t[]){10, 20, 60, 0, 3}, 1, 1, 5, to, 1, 2); /* 2.5 each: (10+20+30)/2.5, (30+0+3)/2.5 */
    assert_memory_equal(to, ((const uint8_t[]){24, 13}), 2);
    resample((const uint8_t[]){255, 255, 255}, 1, 1, 3, to, 1, 1);
    assert_int_equal(to[0], 255);
}

/* Weight of source pixel `i` in output `o`, straight from the definition. */
static double weight(int i, int o, int size, int to_size)
{
    const double scale = (double)size / to_size;
    if (scale > 2)
        return fmax(0, fmin(i + 1, (o + 1) * scale) - fmax(i, o * scale)) / scale;
    const double at = fmin(fmax((o + 0.5) * scale - 0.5, 0), size - 1);
    return fmax(0, 1 - fabs(at - i));
}

static double plain(const uint8_t *from, int c, int h, int w, int k, int y, int x, int to_h, int to_w)
{
    double sum = 0;
    for (int i = 0; i < h; i++)
        for (int j = 0; j < w; j++)
            sum += weight(i, y, h, to_h) * weight(j, x, w, to_w) * from[(i * w + j) * c + k];
    return sum;
}

static void agrees_with_the_definition(void **state)
{
    (void)state;
    static uint8_t from[MOST], to[MOST];
    srand(seed());
    for (int round = 0; round < 150; round++) {
        const int c = 1 + 2 * (rand() % 2), h = 1 + rand() % 20, w = 1 + rand() % 20;
        const int to_h = 1 + rand() % 12, to_w = 1 + rand() % 12;
        fill(from);
        resample(from, c, h, w, to, to_h, to_w);
        for (int i = 0; i < c * to_h * to_w; i++) {
            const double wanted = plain(from, c, h, w, i / (to_h * to_w), i / to_w % to_h, i % to_w, to_h, to_w);
            if (fabs(to[i] - wanted) > 0.501)
                fail_msg("%dx%dx%d to %dx%d, element %d: %d, not %g, NCC_SEED=%u", c, h, w, to_h, to_w, i, to[i],
                         wanted, seed());
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_sizes_give_equal_pictures),
        cmocka_unit_test(one_colour_stays),
        cmocka_unit_test(known_values),
        cmocka_unit_test(agrees_with_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
