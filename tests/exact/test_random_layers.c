/* The simulator against the plain reference, on thousands of random legal layers and all of KPU RAM. */
#include "kpu/limits.h"
#include "runtime/device.h"
#include "sim/kernel.h"
#include "tests/exact/random_layer.h"
#include "tests/exact/reference.h"

#include <ncc/sim.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct tally {
    int layers, overflows, several_loads;
    int64_t outputs, saturated;
};

struct bench {
    struct ncc_sim *sim;
    uint8_t *ram; /* the reference's */
    struct tally tally;
};

static int bench_open(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    b->sim = ncc_sim_new();
    b->ram = malloc(NCC_KPU_RAM_SIZE);
    ncc_sim_allow_untested(b->sim, true);
    *state = b;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *b = *state;
    ncc_sim_free(b->sim);
    free(b->ram);
    free(b);
    return 0;
}

static void say(const struct random_layer *l, uint64_t seed, int number)
{
    const struct ncc_kpu_shape *s = &l->shape;
    print_error("NCC_SEED=%llu layer %d: %dx%dx%d -> %d, kernel %d, depthwise %d, pool %d, lines %d -> %d\n",
                (unsigned long long)seed, number, s->in_c, s->in_h, s->in_w, s->out_c, s->kernel, s->depthwise, s->pool,
                (int)l->regs.image_src_addr, (int)l->regs.image_dst_addr);
}

/* Puts the same fresh bytes under the input in both memories, now and then only extreme ones. */
static void new_input(struct bench *b, const struct random_layer *l, struct rng *g)
{
    const int64_t first = l->regs.image_src_addr * NCC_KPU_LINE_SIZE;
    const int64_t groups = (l->shape.in_c + l->regs.coef_group - 1) / l->regs.coef_group;
    int64_t size = groups * l->regs.channel_switch_addr * NCC_KPU_LINE_SIZE;
    if (size > NCC_KPU_RAM_SIZE - first)
        size = NCC_KPU_RAM_SIZE - first;
    const int kind = (int)rng_range(g, 0, 9);
    for (int64_t i = first; i < first + size; i++) {
        const uint8_t byte = (uint8_t)(rng_next(g) >> 32);
        b->ram[i] = kind == 0 ? 0 : kind == 1 ? 255 : kind == 2 ? (byte & 1 ? 255 : 0) : byte;
    }
    memcpy(ncc_sim_ram(b->sim) + first, b->ram + first, (size_t)size);
}

static void count(struct tally *t, const struct bench *b, const struct random_layer *l)
{
    t->several_loads += l->regs.load_time > 0;
    const int64_t line = l->regs.image_dst_addr;
    for (int x = 0; x <= l->regs.o_row_wid; x++) {
        const uint8_t code = b->ram[64 * line + x];
        t->outputs++;
        t->saturated += code == 0 || code == 255;
    }
}

/* True when both agree. */
static bool run_one(struct bench *b, const struct random_layer *l)
{
    const struct ncc_device *device = ncc_sim_device(b->sim);
    const bool expected = reference_run(b->ram, l->words, l->weights, l->weight_bits, l->bn, l->act);
    const enum ncc_status status = device->run_layer(device->ctx, l->words, l->weights, l->weights_size, l->weight_bits,
                                                     l->bn, (size_t)l->shape.out_c, l->act);
    b->tally.layers++;
    b->tally.overflows += !expected;
    if ((status == NCC_OK) != expected) {
        print_error("status %d, %s\n", status, ncc_sim_error(b->sim));
        return false;
    }
    if (expected)
        count(&b->tally, b, l);
    else if (!strstr(ncc_sim_error(b->sim), "36 bits"))
        return false;
    const size_t first = (size_t)l->regs.image_dst_addr * NCC_KPU_LINE_SIZE;
    const size_t near = NCC_KPU_RAM_SIZE - first < 65536 ? NCC_KPU_RAM_SIZE - first : 65536;
    return memcmp(b->ram + first, ncc_sim_ram(b->sim) + first, near) == 0;
}

static void run_many(struct bench *b, int n, int weight_bits, int64_t max_macs, uint64_t seed)
{
    enum { WHOLE_RAM_EVERY = 16 };
    int n_kernels;
    const struct ncc_sim_kernel *const *kernels = ncc_sim_kernels(&n_kernels);
    struct rng g = {seed};
    ncc_sim_scramble(b->sim, seed);
    memcpy(b->ram, ncc_sim_ram(b->sim), NCC_KPU_RAM_SIZE);
    for (int i = 0; i < n; i++) {
        struct random_layer l;
        random_layer_make(&l, &g, weight_bits, max_macs);
        const struct ncc_sim_kernel *kernel = kernels[i % n_kernels];
        ncc_sim_use_kernel(b->sim, kernel->available() ? kernel : ncc_sim_kernel_best());
        new_input(b, &l, &g);
        bool same = run_one(b, &l);
        if (i % WHOLE_RAM_EVERY == 0 || i + 1 == n)
            same = same && memcmp(b->ram, ncc_sim_ram(b->sim), NCC_KPU_RAM_SIZE) == 0;
        if (!same)
            say(&l, seed, i);
        random_layer_free(&l);
        assert_true(same);
    }
}

static void small_layers(void **state)
{
    run_many(*state, 10000, 8, 40000, rng_seed());
}

static void larger_layers(void **state)
{
    run_many(*state, 150, 8, 4000000, rng_seed() + 1);
}

static void wide_weights(void **state)
{
    run_many(*state, 2000, 16, 40000, rng_seed() + 2);
    run_many(*state, 30, 16, 4000000, rng_seed() + 3);
}

/* The layers above are worth nothing when all of them saturate or none has several loads. */
static void layers_were_varied(void **state)
{
    const struct tally *t = &((struct bench *)*state)->tally;
    print_message("%d layers, %d left 36 bits, %d with several loads, %.0f %% of the outputs at 0 or 255\n", t->layers,
                  t->overflows, t->several_loads, 100.0 * (double)t->saturated / (double)t->outputs);
    assert_true(t->saturated * 2 < t->outputs);
    assert_in_range(t->overflows, t->layers / 1000, t->layers / 10);
    assert_true(t->several_loads >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_layers),
        cmocka_unit_test(larger_layers),
        cmocka_unit_test(wide_weights),
        cmocka_unit_test(layers_were_varied),
    };
    return cmocka_run_group_tests(tests, bench_open, bench_close);
}
