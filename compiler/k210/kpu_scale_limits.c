/* What a layer's numbers cannot hold, told to the user. */
#include "compiler/k210/kpu_numbers.h"

#include <math.h>

/* Channels of a quantised model whose codes do not fit around the layer's zero point. */
static const char *channels_off_grid(const struct kpu_numbers *l, struct arena *a)
{
    int n = 0;
    for (int o = 0; o < l->n_out; o++)
        n += l->c[o].grid > 0 && !ncc_weights_keep_grid(l, &l->c[o], l->w_zero);
    return n ? ncc_arena_printf(a, "%d of %d channels, zero point %d", n, l->n_out, l->w_zero) : NULL;
}

/* v has 2^8 steps for a code of the result, or more, unless it would leave its bits. */
static const char *coarse_sums(const struct kpu_numbers *l, struct arena *a)
{
    const double step = l->v_scale / l->table_scale;
    return step > 0.5 ? ncc_arena_printf(a, "steps of %.3g codes; sums from %.3g to %.3g, codes %.3g apart", step,
                                         l->z_lo, l->z_hi, l->table_scale)
                      : NULL;
}

static const struct limit {
    const char *rule, *instead;
    const char *(*breaks)(const struct kpu_numbers *l, struct arena *a);
} limits[] = {
    {"the weights' codes of all channels must fit 256 around one zero point, which a KPU layer has",
     "nothing: these channels are rounded again; symmetric weights, with zero points of 0, keep their scales",
     channels_off_grid},
    {"sums of a layer have 35 bits, which must be finer than the codes of its result",
     "look at the range of the result and at the layer's biases: one of them does not suit the other", coarse_sums},
};

void ncc_kpu_tell_limits(const struct kpu_numbers *l, const struct graph *g, const struct node *n)
{
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const char *found = limits[i].breaks(l, g->arena);
        if (found)
            ncc_diag_warn(g->diags, ncc_node_place(g, n), limits[i].rule, limits[i].instead, "%s", found);
    }
}
