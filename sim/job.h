/* One layer on its way through the simulator, and the memory it works in. */
#ifndef NCC_SIM_JOB_H
#define NCC_SIM_JOB_H

#include "kpu/layer.h"
#include "sim/grid.h"
#include "sim/kernel.h"

#include <stddef.h>
#include <stdint.h>

/* Memory that grows and is kept from layer to layer. */
struct buffer {
    void *data;
    size_t size;
};

struct workspace {
    struct buffer cells;    /* uint32_t: the input, unit after unit; for depthwise layers one plane set per thread */
    struct buffer sums;     /* int32_t: sum over channels of each cell */
    struct buffer x_term;   /* int64_t: what the sums of inputs add at each position */
    struct buffer x_low;    /* int32_t: the lower halves */
    struct buffer weights;  /* uint32_t: cells, block after block */
    struct buffer channels; /* struct channel */
    struct buffer items;    /* struct overflow, one per piece of parallel work */
    struct buffer planes;   /* uint8_t: n_positions for each output channel, before the pool */
};

/* What the pixels of an output channel share. */
struct channel {
    int64_t constant; /* (arg_w * S_w >> shr_w) + arg_add * channels */
    struct ncc_kpu_bn bn;
    bool narrow; /* as sim_post wants it */
    bool safe;   /* neither the accumulator nor the batch-norm output can leave 36 bits, whatever the input */
};

/* The first value that left 36 bits, by channel and position; channel INT_MAX when there is none. */
struct overflow {
    int channel, position;
    bool after_bn;
};

struct job {
    uint8_t *ram; /* and SIM_STEP bytes that may be read */
    const struct ncc_sim_kernel *kernel;
    const struct ncc_kpu_regs *regs;
    struct ncc_kpu_shape shape;
    struct grid grid;
    const uint8_t *weights;
    int weight_size; /* bytes of each: 1 or 2 */
    const uint64_t *bn;
    struct ncc_kpu_table table;
    struct sim_act act;

    /* Carved from the workspace; which are used depends on the kind of layer. */
    uint32_t *cells, *packed_weights;
    int32_t *sums;
    int64_t *x_term;
    int32_t *x_low;
    struct channel *channels;
    struct overflow *items;
    uint8_t *planes;
    int n_units, n_blocks;
};

/* Computes the layer into RAM. False when memory ran out. Sets *overflow; when that names a channel, the
 * destination was not written. Registers must have passed ncc_kpu_regs_check, parameters must be complete; `job` is
 * filled up to `act`. */
bool ncc_sim_job_run(struct job *job, struct workspace *ws, struct overflow *overflow);

/* The steps of ncc_sim_job_run: all output channels into `planes`. */
bool ncc_sim_conv_run(struct job *job, struct workspace *ws, struct overflow *overflow);
bool ncc_sim_depthwise_run(struct job *job, struct workspace *ws, struct overflow *overflow);
bool ncc_sim_wide_run(struct job *job, struct workspace *ws, struct overflow *overflow); /* 16-bit weights */

/* The first element of a row of the output in RAM. */
uint8_t *ncc_sim_output_row(const struct job *job, int c, int y);

/* Pools one channel of `planes` and writes it to RAM. */
void ncc_sim_store(const struct job *job, int channel);

/* Stores the channels first .. first + n - 1 of the input, n <= 4, into cells of the grid: one channel per `bits` bits.
 * Channels that do not exist are 0. */
void ncc_sim_pack_input(const struct job *job, int first, int n, int bits, uint32_t *cells);

/* Constants, batch norm and range of an output channel whose weights are n bytes at w. */
struct channel ncc_sim_channel(const struct job *job, int channel, const uint8_t *w, int n);

/* Batch norm and table for n positions of a channel from `position` on, the slow way for channels that are not safe. */
void ncc_sim_finish(const struct job *job, int channel, int position, int n, const int32_t *dot, const int64_t *x_term,
                    const int32_t *x_low, struct overflow *overflow);

/* The same for one position and its whole accumulator. */
void ncc_sim_finish_one(const struct job *job, int channel, int position, int64_t acc, struct overflow *overflow);

/* Makes `b` hold n elements of `size` bytes; NULL when out of memory. What it held is lost. */
void *ncc_sim_reserve(struct buffer *b, size_t n, size_t size);

/* ncc_parallel_for, but alone when the work (about one per nanosecond) is not worth the threads. */
void ncc_sim_spread(int n, int64_t work, void (*body)(void *ctx, int i, int thread), void *ctx);

/* Keeps the earlier of two in *a. */
void ncc_sim_overflow_merge(struct overflow *a, const struct overflow *b);

#endif
