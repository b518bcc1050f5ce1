/* From a range to codes. How ranges are chosen: range_methods.c. */
#include "compiler/quant/range.h"

#include <float.h>
#include <math.h>

/* The smallest scale at which zero_point codes below zero and the rest above reach lo and hi. */
static double covering_scale(double lo, double hi, int zero_point)
{
    const double below = zero_point > 0 ? -lo / zero_point : 0;
    const double above = zero_point < 255 ? hi / (255 - zero_point) : 0;
    return fmax(below, above);
}

struct codes ncc_quant_codes(struct range r)
{
    /* Ends that were calculated may be infinite. */
    const double lo = fmax(fmin(r.lo, 0), -FLT_MAX), hi = fmin(fmax(r.hi, 0), FLT_MAX);
    if (hi - lo < 1e-30)
        return (struct codes){1.0 / 255, 0};
    const double exact = -lo * 255 / (hi - lo);
    struct codes best = {0};
    for (int z = (int)floor(exact); z <= (int)ceil(exact); z++) {
        /* Rounded to an end, the other side of zero is lost: only if it is less than half a code. */
        const bool lost = (z == 0 && exact >= 0.5) || (z == 255 && exact < 254.5);
        const double scale = covering_scale(lo, hi, z);
        if (!lost && (best.scale == 0 || scale < best.scale))
            best = (struct codes){scale, z};
    }
    return best;
}

double ncc_codes_needed(double lo, double hi, int zero_point)
{
    const double below = lo < 0 ? -lo / zero_point : 0, above = hi > 0 ? hi / (255 - zero_point) : 0;
    return fmax(below, above);
}

struct quant ncc_quant_make(struct codes c, struct arena *a)
{
    double *pair = NCC_NEW(a, double, 2);
    pair[0] = c.scale;
    pair[1] = c.zero_point;
    return (struct quant){.n_channels = 1, .scale = &pair[0], .zero_point = &pair[1]};
}
