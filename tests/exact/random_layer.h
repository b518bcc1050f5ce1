/* Random legal layers for tests of KPU implementations. */
#ifndef NCC_TESTS_RANDOM_LAYER_H
#define NCC_TESTS_RANDOM_LAYER_H

#include "kpu/layer.h"

#include <stddef.h>
#include <stdint.h>

/* A small generator (xorshift64*): the same numbers everywhere. */
struct rng {
    uint64_t state;
};

uint64_t rng_next(struct rng *g);
int64_t rng_range(struct rng *g, int64_t low, int64_t high); /* both included */
bool rng_chance(struct rng *g, int percent);

/* NCC_SEED of the environment, or the time; never 0. */
uint64_t rng_seed(void);

struct random_layer {
    struct ncc_kpu_shape shape;
    struct ncc_kpu_regs regs;
    uint64_t words[NCC_KPU_WORDS];
    int weight_bits;
    uint8_t *weights; /* exactly as long as they must be */
    size_t weights_size;
    uint64_t *bn;
    uint8_t act[144];
};

/* Makes a layer of at most about max_macs multiply-adds with weights of 8 or 16 bits that passes ncc_kpu_regs_check (or
 * ncc_kpu_regs_check_16); one in a hundred leaves 36 bits. Free with random_layer_free. */
void random_layer_make(struct random_layer *l, struct rng *g, int weight_bits, int64_t max_macs);
void random_layer_free(struct random_layer *l);

#endif
