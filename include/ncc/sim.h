/* The KPU in software: a device that ncc/runtime.h accepts, exact to the byte.
 *
 * It decodes the twelve layer words and addresses 2 MiB exactly as they say. Words that do not describe a layer the
 * chip can do are refused with a text that names the field; so is a layer whose accumulators leave the 36 bits that
 * the chip is known to handle. A refused layer changes nothing in KPU RAM.
 *
 *     struct ncc_sim *sim = ncc_sim_new();
 *     ... open and run a model with ncc_sim_device(sim) ...
 *     if (it failed)
 *         puts(ncc_sim_error(sim));
 *     ncc_sim_free(sim);
 *
 * A simulator may be used by one thread at a time; it spreads the work of a layer over all cores itself. Results do
 * not depend on the number of threads. */
#ifndef NCC_SIM_H
#define NCC_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ncc_sim;
struct ncc_device;

/* A new simulator, or NULL when out of memory. KPU RAM holds pseudo-random bytes (seed 1), so that a program
 * that relies on bytes it never wrote does not work by accident. */
struct ncc_sim *ncc_sim_new(void);
void ncc_sim_free(struct ncc_sim *sim); /* NULL is allowed */

/* Fills KPU RAM with one byte, or with pseudo-random bytes made from a seed. */
void ncc_sim_fill(struct ncc_sim *sim, uint8_t byte);
void ncc_sim_scramble(struct ncc_sim *sim, uint64_t seed);

/* The port to give to the runtime; belongs to the simulator and lives as long. */
const struct ncc_device *ncc_sim_device(struct ncc_sim *sim);

/* Layers that the registers can express but that are unproven on silicon (maps below 4x4, bands of larger maps, pools
 * after depthwise layers ...) are refused unless this is set; it is not set in a new simulator. */
void ncc_sim_allow_untested(struct ncc_sim *sim, bool allow);

/* Why the last call through the device failed, as "word 3, o_row_wid: is not the width after the pool (found 9)"; ""
 * when it succeeded. Valid until the next call. */
const char *ncc_sim_error(const struct ncc_sim *sim);

/* KPU RAM itself, 2 MiB, for tests and debuggers. */
uint8_t *ncc_sim_ram(struct ncc_sim *sim);

/* What a layer did; passed to the trace. Pointers are valid during the call only. */
struct ncc_sim_layer {
    int index; /* counts the layers since ncc_sim_new or ncc_sim_reset_counters, from 0 */
    const uint64_t *words;
    int in_c, in_h, in_w, out_c, out_h, out_w;
    int kernel, pool;
    bool depthwise;
    uint32_t src, dst;     /* bytes from the start of KPU RAM */
    double clocks;         /* estimated, of the KPU alone */
    const uint8_t *output; /* out_c x out_h x out_w bytes, packed */
};

/* Calls trace after every layer; NULL turns it off. */
void ncc_sim_set_trace(struct ncc_sim *sim, void (*trace)(void *ctx, const struct ncc_sim_layer *layer), void *ctx);

struct ncc_sim_counters {
    uint64_t layers, macs; /* layers run, multiply-adds of all positions before the pool, as the chip computes them */
    uint64_t uploaded, downloaded; /* bytes of packed tensors */
    double clocks;                 /* estimated, of the KPU alone */
};
struct ncc_sim_counters ncc_sim_counters(const struct ncc_sim *sim);
void ncc_sim_reset_counters(struct ncc_sim *sim);

#ifdef __cplusplus
}
#endif
#endif
