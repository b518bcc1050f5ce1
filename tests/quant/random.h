/* Random numbers for the tests of this folder: NCC_SEED or 1. */
#ifndef NCC_TESTS_QUANT_RANDOM_H
#define NCC_TESTS_QUANT_RANDOM_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t random_state;

static void random_start(const char *test)
{
    const char *text = getenv("NCC_SEED");
    const uint64_t seed = text ? strtoull(text, NULL, 10) : 1;
    random_state = seed * 0x9e3779b97f4a7c15u + 1;
    printf("%s: NCC_SEED=%llu\n", test, (unsigned long long)seed);
}

static inline uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* 0 <= x < 1 */
static inline double random_unit(void)
{
    return (double)(random_bits() >> 11) * 0x1p-53;
}

static inline double random_between(double lo, double hi)
{
    return lo + (hi - lo) * random_unit();
}

static inline int random_int(int lo, int hi) /* both included */
{
    return lo + (int)(random_bits() % (uint64_t)(hi - lo + 1));
}

static inline double random_normal(void)
{
    return sqrt(-2 * log(1 - random_unit())) * cos(6.283185307179586 * random_unit());
}

#endif
