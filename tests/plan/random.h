/* Reproducible random numbers; NCC_SEED in the environment replaces the seed. */
#ifndef NCC_TESTS_PLAN_RANDOM_H
#define NCC_TESTS_PLAN_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_seed(uint64_t usual)
{
    const char *text = getenv("NCC_SEED");
    return text ? strtoull(text, NULL, 0) : usual;
}

static inline struct random random_make(uint64_t seed)
{
    return (struct random){seed * 0x9e3779b97f4a7c15u + 0x123456789u};
}

/* 0 .. below - 1 */
static inline int random_int(struct random *r, int below)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return (int)((r->state * 0x2545f4914f6cdd1du >> 33) % (uint64_t)below);
}

static inline bool random_chance(struct random *r, int percent)
{
    return random_int(r, 100) < percent;
}

#endif
