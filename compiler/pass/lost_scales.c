#include "compiler/pass/lost_scales.h"

#include "compiler/ops/attrs.h"
#include "compiler/pass/match.h"

#include <math.h>

struct scales {
    float finest, coarsest;
    int64_t n_codes;
};

static struct scales scales_of(const struct node *fq)
{
    const struct fake_quant_attrs *a = fq->attrs;
    const float *s = ncc_match_floats(fq->in[1]);
    struct scales r = {s[0], s[0], (int64_t)a->qmax - a->qmin + 1};
    for (int64_t i = 1; i < ncc_shape_count(fq->in[1]->shape); i++) {
        r.finest = fminf(r.finest, s[i]);
        r.coarsest = fmaxf(r.coarsest, s[i]);
    }
    return r;
}

/* ---- the limits ---- */

/* Below, a range counts as that of a value that is always 0 (quant/range.h). */
#define LEAST_REACH 1e-30

static const char *vanishes(struct scales s, struct arena *a)
{
    const double reach = (double)s.coarsest * (double)(s.n_codes - 1);
    return reach < LEAST_REACH ? ncc_arena_printf(a, "its codes are %.3g apart", (double)s.coarsest) : NULL;
}

static const char *has_more_codes(struct scales s, struct arena *a)
{
    return s.n_codes > 256 ? ncc_arena_printf(a, "%lld codes, %.4g apart", (long long)s.n_codes, (double)s.coarsest)
                           : NULL;
}

static const char *differs_by_channel(struct scales s, struct arena *a)
{
    return s.coarsest > s.finest ? ncc_arena_printf(a, "scales from %.4g to %.4g", (double)s.finest, (double)s.coarsest)
                                 : NULL;
}

static const struct limit {
    const char *rule, *instead;
    bool loses_all;
    const char *(*breaks)(struct scales s, struct arena *a);
} limits[N_LOST_SCALES] = {
    {"a value must reach beyond 1e-30, or it counts as zero", "check the scale that the model has for it", true,
     vanishes},
    {"the chip's values have 8 bits, and this one of the model more",
     "nothing: it keeps its range, with 256 codes; calibrating the float model may serve better", false,
     has_more_codes},
    {"the channels of a quantised value share one scale on the chip",
     "nothing: all take the coarsest; with the float model each can have its own", false, differs_by_channel},
};

void ncc_lost_scales_look(struct lost_scales *l, const struct graph *g, const struct node *fake_quant)
{
    const struct scales s = scales_of(fake_quant);
    for (int i = 0; i < N_LOST_SCALES; i++) {
        const char *found = limits[i].breaks(s, g->arena);
        if (found && l->row[i].n++ == 0) {
            l->row[i].place = ncc_node_place(g, fake_quant);
            l->row[i].found = found;
        }
    }
}

void ncc_lost_scales_tell(const struct lost_scales *l, const struct graph *g)
{
    for (int i = 0; i < N_LOST_SCALES; i++) {
        const int others = l->row[i].n - 1;
        if (others < 0)
            continue;
        const char *found = l->row[i].found;
        if (others)
            found = ncc_arena_printf(g->arena, "%s; and %d more like it", found, others);
        (limits[i].loses_all ? ncc_diag_warn : ncc_diag_note)(g->diags, l->row[i].place, limits[i].rule,
                                                              limits[i].instead, "%s", found);
    }
}
