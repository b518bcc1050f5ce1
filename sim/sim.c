/* The device: 2 MiB, three functions, and the checks that a chip cannot make. */
#include <ncc/sim.h>

#include "kpu/layout.h"
#include "kpu/timing.h"
#include "runtime/device.h"
#include "sim/job.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ncc_sim {
    uint8_t *ram;
    struct ncc_device device;
    const struct ncc_sim_kernel *kernel;
    bool allow_untested;
    char error[256];
    void (*trace)(void *ctx, const struct ncc_sim_layer *layer);
    void *trace_ctx;
    struct ncc_sim_counters counters;
    struct workspace ws;
    struct buffer packed; /* the output for the trace */
};

static enum ncc_status out_of_memory(struct ncc_sim *sim)
{
    snprintf(sim->error, sizeof sim->error, "out of memory");
    return NCC_DEVICE_FAILED;
}

/* "word 3, o_row_wid: is not the width after the pool (found 9, the shape gives 10)" */
static enum ncc_status refuse(struct ncc_sim *sim, const struct ncc_kpu_regs *regs, int weight_bits, const char *text)
{
    char name[32] = "";
    const size_t length = strcspn(text, ":");
    if (length < sizeof name)
        memcpy(name, text, length);
    const struct ncc_kpu_field *f = ncc_kpu_field_find(name);
    if (!f) {
        snprintf(sim->error, sizeof sim->error, "%s", text);
        return NCC_DEVICE_FAILED;
    }
    const int64_t found = ncc_kpu_field_get(regs, f);
    int used = snprintf(sim->error, sizeof sim->error, "word %d, %s (found %" PRId64, f->word, text, found);
    struct ncc_kpu_shape shape;
    if (!ncc_kpu_shape_of(regs, &shape) && !ncc_kpu_shape_check(&shape, true)) {
        struct ncc_kpu_regs derived;
        (weight_bits == 16 ? ncc_kpu_derive_16 : ncc_kpu_derive)(
            &shape, (int)regs->image_src_addr, (int)regs->image_dst_addr, (int)regs->pad_value, 0, &derived);
        if (ncc_kpu_field_get(&derived, f) != found && !f->is_signed)
            used += snprintf(sim->error + used, sizeof sim->error - (size_t)used, ", the shape gives %" PRId64,
                             ncc_kpu_field_get(&derived, f));
    }
    snprintf(sim->error + used, sizeof sim->error - (size_t)used, ")");
    return NCC_DEVICE_FAILED;
}

static enum ncc_status check_words(struct ncc_sim *sim, const uint64_t words[NCC_KPU_WORDS], int weight_bits,
                                   struct ncc_kpu_regs *regs)
{
    ncc_kpu_unpack(words, regs);
    const int reserved = ncc_kpu_reserved_word(words);
    if (reserved >= 0) {
        snprintf(sim->error, sizeof sim->error, "word %d, %s: reserved bits must be 0 (found %016" PRIx64 ")", reserved,
                 ncc_kpu_word_name(reserved), words[reserved]);
        return NCC_DEVICE_FAILED;
    }
    const bool wide = weight_bits == 16;
    const char *text = (wide ? ncc_kpu_regs_check_16 : ncc_kpu_regs_check)(regs);
    if (!text && !sim->allow_untested)
        text = (wide ? ncc_kpu_regs_untested_16 : ncc_kpu_regs_untested)(regs);
    return text ? refuse(sim, regs, weight_bits, text) : NCC_OK;
}

static enum ncc_status check_parameters(struct ncc_sim *sim, const struct job *job, size_t weights_size, size_t n_bn)
{
    const size_t n_weights = (size_t)ncc_kpu_n_weights(&job->shape), channels = (size_t)job->shape.out_c;
    const char *text = ncc_kpu_table_check(&job->table);
    if (weights_size < n_weights * (size_t)job->weight_size)
        snprintf(sim->error, sizeof sim->error, "the layer has %zu weights of %d bits (found %zu bytes)", n_weights,
                 8 * job->weight_size, weights_size);
    else if (n_bn != channels)
        snprintf(sim->error, sizeof sim->error, "the layer has %zu batch-norm words (found %zu)", channels, n_bn);
    else if (text)
        snprintf(sim->error, sizeof sim->error, "%s", text);
    else
        return NCC_OK;
    return NCC_DEVICE_FAILED;
}

static enum ncc_status report_overflow(struct ncc_sim *sim, const struct job *job, const struct overflow *o)
{
    snprintf(sim->error, sizeof sim->error, "output channel %d, row %d, column %d: the %s does not fit 36 bits",
             o->channel, o->position / job->grid.pitch * job->grid.stride,
             o->position % job->grid.pitch * job->grid.stride, o->after_bn ? "batch-norm output" : "accumulator");
    return NCC_DEVICE_FAILED;
}

static void prepare_act(struct job *job, const uint8_t *act)
{
    struct sim_act *a = &job->act;
    int n_narrow = 0;
    ncc_kpu_table_unpack(act, &job->table);
    a->narrow = true;
    for (int i = 0; i < NCC_KPU_SEGMENTS; i++) {
        const struct ncc_kpu_segment *s = &job->table.seg[i];
        const int64_t start = s->x_start < -SIM_NARROW  ? -SIM_NARROW
                              : s->x_start > SIM_NARROW ? SIM_NARROW
                                                        : s->x_start;
        a->x_start[i] = s->x_start;
        a->param[i] = a->narrow_param[i] = s->y_mul * 0x10000 + s->shift * 0x100 + s->bias;
        a->narrow_start[i] = (int32_t)start;
        a->narrow = a->narrow && (s->y_mul == 0 || s->x_start >= -SIM_NARROW);
        a->guess_slope[i] = s->y_mul < 0 ? NAN : ldexpf((float)s->y_mul, -s->shift);
        a->guess_bias[i] = s->bias;
        n_narrow += start < SIM_NARROW;
    }
    a->narrow_top = n_narrow > 8 ? 8 : n_narrow > 4 ? 4 : n_narrow > 2 ? 2 : n_narrow > 1 ? 1 : 0;
}

/* Counts the layer and shows it to the trace. */
static enum ncc_status account(struct ncc_sim *sim, const uint64_t *words, const struct job *job)
{
    const struct ncc_kpu_shape *s = &job->shape;
    struct ncc_sim_layer layer = {
        .index = (int)sim->counters.layers,
        .words = words,
        .in_c = s->in_c,
        .in_h = s->in_h,
        .in_w = s->in_w,
        .out_c = s->out_c,
        .out_h = ncc_kpu_out_h(s),
        .out_w = ncc_kpu_out_w(s),
        .kernel = s->kernel,
        .pool = s->pool,
        .depthwise = s->depthwise,
        .src = (uint32_t)job->regs->image_src_addr * NCC_KPU_LINE_SIZE,
        .dst = (uint32_t)job->regs->image_dst_addr * NCC_KPU_LINE_SIZE,
        .clocks = ncc_kpu_layer_clocks(s, job->weight_size),
    };
    sim->counters.layers++;
    sim->counters.macs += (uint64_t)ncc_kpu_macs(s);
    sim->counters.clocks += layer.clocks;
    if (!sim->trace)
        return NCC_OK;
    const size_t plane = (size_t)layer.out_h * (size_t)layer.out_w;
    uint8_t *packed = ncc_sim_reserve(&sim->packed, (size_t)layer.out_c * plane, 1);
    if (!packed)
        return out_of_memory(sim);
    for (int c = 0; c < layer.out_c; c++)
        for (int y = 0; y < layer.out_h; y++)
            memcpy(packed + (size_t)c * plane + (size_t)(y * layer.out_w), ncc_sim_output_row(job, c, y),
                   (size_t)layer.out_w);
    layer.output = packed;
    sim->trace(sim->trace_ctx, &layer);
    return NCC_OK;
}

static enum ncc_status run_layer(void *ctx, const uint64_t words[NCC_KPU_WORDS], const uint8_t *weights,
                                 size_t weights_size, int weight_bits, const uint64_t *bn, size_t n_bn,
                                 const uint8_t *act)
{
    struct ncc_sim *sim = ctx;
    struct ncc_kpu_regs regs;
    struct job job = {.ram = sim->ram, .kernel = sim->kernel, .regs = &regs, .weights = weights, .bn = bn};
    sim->error[0] = '\0';
    if (weight_bits != 8 && weight_bits != 16) {
        snprintf(sim->error, sizeof sim->error, "weights have 8 or 16 bits (found %d)", weight_bits);
        return NCC_BAD_ARGUMENT;
    }
    job.weight_size = weight_bits / 8;
    enum ncc_status status = check_words(sim, words, weight_bits, &regs);
    if (status)
        return status;
    ncc_kpu_shape_of(&regs, &job.shape);
    prepare_act(&job, act);
    status = check_parameters(sim, &job, weights_size, n_bn);
    if (status)
        return status;
    struct overflow overflow;
    if (!ncc_sim_job_run(&job, &sim->ws, &overflow))
        return out_of_memory(sim);
    if (overflow.channel != INT_MAX)
        return report_overflow(sim, &job, &overflow);
    return account(sim, words, &job);
}

/* Whether a c x h x w tensor at kpu_off lies inside KPU RAM. */
static bool check_tensor(struct ncc_sim *sim, uint32_t kpu_off, int c, int h, int w)
{
    sim->error[0] = '\0';
    /* No product can overflow when each factor is at most the RAM's size. */
    const bool sane = c >= 1 && h >= 1 && w >= 1 && c <= NCC_KPU_RAM_SIZE && h <= NCC_KPU_RAM_SIZE &&
                      w <= NCC_KPU_RAM_SIZE && kpu_off % NCC_KPU_LINE_SIZE == 0 && (int64_t)c * h <= NCC_KPU_RAM_SIZE;
    if (sane && kpu_off + ncc_kpu_bytes(c, h, w) <= NCC_KPU_RAM_SIZE)
        return true;
    snprintf(sim->error, sizeof sim->error, "a tensor of %dx%dx%d at byte %" PRIu32 " is not inside KPU RAM", c, h, w,
             kpu_off);
    return false;
}

static enum ncc_status upload(void *ctx, uint32_t kpu_off, const uint8_t *nchw, int c, int h, int w)
{
    struct ncc_sim *sim = ctx;
    if (!check_tensor(sim, kpu_off, c, h, w))
        return NCC_BAD_ARGUMENT;
    for (int k = 0; k < c; k++)
        for (int y = 0; y < h; y++, nchw += w)
            memcpy(sim->ram + kpu_off + ncc_kpu_address(k, y, 0, h, w), nchw, (size_t)w);
    sim->counters.uploaded += (uint64_t)c * (uint64_t)h * (uint64_t)w;
    return NCC_OK;
}

static enum ncc_status download(void *ctx, uint8_t *nchw, uint32_t kpu_off, int c, int h, int w)
{
    struct ncc_sim *sim = ctx;
    if (!check_tensor(sim, kpu_off, c, h, w))
        return NCC_BAD_ARGUMENT;
    for (int k = 0; k < c; k++)
        for (int y = 0; y < h; y++, nchw += w)
            memcpy(nchw, sim->ram + kpu_off + ncc_kpu_address(k, y, 0, h, w), (size_t)w);
    sim->counters.downloaded += (uint64_t)c * (uint64_t)h * (uint64_t)w;
    return NCC_OK;
}

struct ncc_sim *ncc_sim_new(void)
{
    struct ncc_sim *sim = calloc(1, sizeof *sim);
    if (!sim)
        return NULL;
    sim->ram = calloc(1, NCC_KPU_RAM_SIZE + SIM_STEP);
    if (!sim->ram) {
        free(sim);
        return NULL;
    }
    sim->device = (struct ncc_device){sim, upload, run_layer, download};
    sim->kernel = ncc_sim_kernel_best();
    ncc_sim_scramble(sim, 1);
    return sim;
}

void ncc_sim_free(struct ncc_sim *sim)
{
    if (!sim)
        return;
    struct buffer *const buffers[] = {&sim->ws.cells, &sim->ws.sums,    &sim->ws.x_term,
                                      &sim->ws.x_low, &sim->ws.weights, &sim->ws.channels,
                                      &sim->ws.items, &sim->ws.planes,  &sim->packed};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        free(buffers[i]->data);
    free(sim->ram);
    free(sim);
}

void ncc_sim_fill(struct ncc_sim *sim, uint8_t byte)
{
    memset(sim->ram, byte, NCC_KPU_RAM_SIZE);
}

/* splitmix64, one step per eight bytes. */
void ncc_sim_scramble(struct ncc_sim *sim, uint64_t seed)
{
    for (size_t i = 0; i < NCC_KPU_RAM_SIZE; i += 8) {
        uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        z ^= z >> 31;
        for (int b = 0; b < 8; b++)
            sim->ram[i + (size_t)b] = (uint8_t)(z >> 8 * b);
    }
}

const struct ncc_device *ncc_sim_device(struct ncc_sim *sim)
{
    return &sim->device;
}

void ncc_sim_allow_untested(struct ncc_sim *sim, bool allow)
{
    sim->allow_untested = allow;
}

const char *ncc_sim_error(const struct ncc_sim *sim)
{
    return sim->error;
}

uint8_t *ncc_sim_ram(struct ncc_sim *sim)
{
    return sim->ram;
}

void ncc_sim_set_trace(struct ncc_sim *sim, void (*trace)(void *ctx, const struct ncc_sim_layer *layer), void *ctx)
{
    sim->trace = trace;
    sim->trace_ctx = ctx;
}

struct ncc_sim_counters ncc_sim_counters(const struct ncc_sim *sim)
{
    return sim->counters;
}

void ncc_sim_reset_counters(struct ncc_sim *sim)
{
    sim->counters = (struct ncc_sim_counters){0};
}

void ncc_sim_use_kernel(struct ncc_sim *sim, const struct ncc_sim_kernel *kernel)
{
    sim->kernel = kernel;
}
