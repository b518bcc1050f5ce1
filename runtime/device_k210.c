/* doc/kpu.md sections 1 (addresses, registers), 3 (layout) and 10 (recipes 1 and 3). */
#if defined(__riscv)

#include <ncc/k210.h>

#include "kpu/layout.h"
#include "kpu/regs.h"
#include "runtime/device.h"

#include <stdbool.h>
#include <string.h>

/* Cached addresses minus this are the same memory past the cache. */
#define UNCACHED_OFFSET 0x40000000u
#define MEMORY_BEGIN    0x80000000u /* general RAM, cached */
#define MEMORY_END      0x80600000u
#define KPU_RAM         0x40600000u /* uncached */

/* The register file at 0x4080_0000: nine words of 64 bits. */
struct kpu_registers {
    uint64_t layer_argument_fifo;
    uint64_t interrupt_status;
    uint64_t interrupt_raw;
    uint64_t interrupt_mask; /* 1 = masked */
    uint64_t interrupt_clear;
    uint64_t fifo_threshold; /* bits 0..3 full, 4..7 empty */
    uint64_t fifo_data_out;
    uint64_t fifo_ctrl;
    uint64_t eight_bit_mode;
};

enum { CALC_DONE = 1, ALL_INTERRUPTS = 7, FIFO_FULL = 10, FIFO_EMPTY = 1 };

/* A layer takes at most some 100 ms. This is the number of polls, each of which is an uncached read, so seconds. */
#define MAX_POLLS 100000000u

static volatile struct kpu_registers *registers(void)
{
    return (volatile struct kpu_registers *)(uintptr_t)0x40800000u;
}

static volatile uint8_t *kpu_ram(uint32_t off)
{
    return (volatile uint8_t *)(uintptr_t)(KPU_RAM + off);
}

/* All stores before it reach memory before any that follow. */
static void fence(void)
{
    __asm__ volatile("fence" ::: "memory");
}

/* The address as the KPU must see it: uncached. 0 for data that do not lie in general RAM. */
static uint32_t kpu_address(const void *p)
{
    const uintptr_t address = (uintptr_t)p;
    if (address >= MEMORY_BEGIN && address < MEMORY_END)
        return (uint32_t)address - UNCACHED_OFFSET;
    if (address >= MEMORY_BEGIN - UNCACHED_OFFSET && address < MEMORY_END - UNCACHED_OFFSET)
        return (uint32_t)address;
    return 0;
}

void ncc_k210_publish(const void *data, size_t size)
{
    const uint32_t address = kpu_address(data);
    if (address == 0 || address == (uintptr_t)data)
        return;
    const uint8_t *const from = data;
    volatile uint8_t *const to = (volatile uint8_t *)(uintptr_t)address;
    for (size_t i = 0; i < size; i++)
        to[i] = from[i];
    fence();
}

/* A row of w bytes to `to`, which is 8-byte aligned; whole words first, as every uncached store costs the same. */
static void write_row(volatile uint8_t *to, const uint8_t *from, int w)
{
    int x = 0;
    for (; x + 8 <= w; x += 8) {
        uint64_t word;
        memcpy(&word, from + x, sizeof word);
        *(volatile uint64_t *)(volatile void *)(to + x) = word;
    }
    for (; x < w; x++)
        to[x] = from[x];
}

/* The opposite. Reads the whole last word: a row's pitch is a multiple of 8 bytes. */
static void read_row(uint8_t *to, const volatile uint8_t *from, int w)
{
    for (int x = 0; x < w; x += 8) {
        const uint64_t word = *(const volatile uint64_t *)(const volatile void *)(from + x);
        memcpy(to + x, &word, (size_t)(w - x < 8 ? w - x : 8));
    }
}

static enum ncc_status upload(void *ctx, uint32_t kpu_off, const uint8_t *nchw, int c, int h, int w)
{
    (void)ctx;
    for (int channel = 0; channel < c; channel++)
        for (int y = 0; y < h; y++, nchw += w)
            write_row(kpu_ram(kpu_off + (uint32_t)ncc_kpu_address(channel, y, 0, h, w)), nchw, w);
    fence();
    return NCC_OK;
}

static enum ncc_status download(void *ctx, uint8_t *nchw, uint32_t kpu_off, int c, int h, int w)
{
    (void)ctx;
    for (int channel = 0; channel < c; channel++)
        for (int y = 0; y < h; y++, nchw += w)
            read_row(nchw, kpu_ram(kpu_off + (uint32_t)ncc_kpu_address(channel, y, 0, h, w)), w);
    return NCC_OK;
}

/* Hands over the words and waits for the flag. The interrupt stays masked: interrupt_raw shows the flag anyway. */
static bool run_words(const uint64_t words[NCC_KPU_WORDS])
{
    volatile struct kpu_registers *const kpu = registers();
    kpu->interrupt_clear = ALL_INTERRUPTS;
    kpu->interrupt_mask = ALL_INTERRUPTS;
    fence();
    for (int i = 0; i < NCC_KPU_WORDS; i++)
        kpu->layer_argument_fifo = words[i];
    uint32_t polls = 0;
    while ((kpu->interrupt_raw & CALC_DONE) == 0)
        if (++polls == MAX_POLLS)
            return false;
    kpu->interrupt_clear = ALL_INTERRUPTS;
    fence();
    return true;
}

/* Recipe 1. */
static enum ncc_status run_layer(void *ctx, const uint64_t words[12], const uint8_t *weights, size_t weights_size,
                                 int weight_bits, const uint64_t *bn, size_t n_bn, const uint8_t *act)
{
    (void)ctx, (void)weights_size, (void)n_bn;
    struct ncc_kpu_regs regs;
    uint64_t ready[NCC_KPU_WORDS];
    ncc_kpu_unpack(words, &regs);
    regs.int_en = 1;
    regs.send_data_out = 0;
    regs.para_start_addr = kpu_address(weights);
    regs.bwsx_base_addr = kpu_address(bn);
    regs.active_addr = kpu_address(act);
    if (regs.para_start_addr == 0 || regs.bwsx_base_addr == 0 || regs.active_addr == 0)
        return NCC_BAD_ARGUMENT;
    if (regs.active_addr % NCC_KPU_ACT_ALIGN != 0)
        return NCC_MISALIGNED;
    if (ncc_kpu_pack(&regs, ready) != NULL)
        return NCC_BAD_ARGUMENT;
    registers()->eight_bit_mode = weight_bits == 8;
    return run_words(ready) ? NCC_OK : NCC_DEVICE_FAILED;
}

const struct ncc_device *ncc_k210_device(void)
{
    static const struct ncc_device device = {.upload = upload, .run_layer = run_layer, .download = download};
    volatile struct kpu_registers *const kpu = registers();
    kpu->interrupt_clear = ALL_INTERRUPTS;
    kpu->interrupt_mask = ALL_INTERRUPTS;
    kpu->fifo_threshold = FIFO_FULL | FIFO_EMPTY << 4;
    return &device;
}

#else
typedef int ncc_k210_only_on_the_chip; /* a C file must declare something */
#endif
