/* What a layer's errors come from, in words. */
#include "compiler/quant/layer_error.h"

#include <math.h>

double ncc_layer_db(double signal, double noise)
{
    return noise == 0 ? INFINITY : 10 * log10(signal / noise);
}

static const char *output_reason(const struct layer_error *e, struct arena *a)
{
    if (e->sum.clipped > e->sum.output / 2)
        return ncc_arena_printf(a, "%.3g %% of the results saturate",
                                100.0 * (double)e->sum.n_clipped / (double)e->sum.n);
    if (e->used < 0.25)
        return ncc_arena_printf(a, "outliers take up the range: 99.9 %% of the results lie in %.0f %% of it",
                                100 * e->used);
    return "the codes are coarse for most of the results";
}

const char *ncc_layer_reason(const struct layer_error *e, struct arena *a)
{
    const struct layer_sums *s = &e->sum;
    if (!(s->own > 0 && s->signal > 0))
        return NULL;
    const double rest = fmax(s->own - s->input - s->output, 0);
    const char *text = s->output >= s->input && s->output >= rest ? output_reason(e, a)
                       : s->input >= rest ? "the codes of the input are coarse for what the weights make of it"
                                          : "rounding of the weights and of the activation table";
    if (e->n_silent)
        text = ncc_arena_printf(a, "%s; %d of %d channels never reach half a code", text, e->n_silent, e->n_channels);
    return text;
}
