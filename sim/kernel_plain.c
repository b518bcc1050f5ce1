#include "sim/kernel_plain.h"

enum { BLOCK = 4 };

static bool always(void)
{
    return true;
}

static void dot(const struct sim_dot *d)
{
    for (int c = 0; c < BLOCK; c++)
        for (int first = 0; first < d->n; first += SIM_STEP)
            plain_dot_step(d, BLOCK, c, first);
}

static void depthwise(const struct sim_taps *taps, const int32_t *x, int n, int32_t *acc)
{
    plain_depthwise(taps, x, n, acc);
}

static void post(const struct sim_post *p)
{
    for (int first = 0; first < p->n; first += SIM_STEP)
        plain_post_step(p, first);
}

const struct ncc_sim_kernel ncc_sim_kernel_plain = {
    .name = "plain",
    .available = always,
    .unit = 2,
    .block = BLOCK,
    .tile = SIM_MAX_TILE,
    .dot = dot,
    .depthwise = depthwise,
    .post = post,
};
