/* The weights' zero point, one for the layer, and the scale of each channel. */
#include "compiler/k210/kpu_numbers.h"

#include <math.h>

/* ---- weights that were codes before ---- */

/* How far from a whole code still counts as one: what f32 loses on the way. */
#define GRID_SLACK 1e-3

static bool lies_on_grid(const struct kpu_numbers *l, int o, double grid)
{
    for (int i = 0; i < l->n_in; i++) {
        const float *w = ncc_kpu_weights_of(l, o, i);
        const double codes = ncc_kpu_fold_of(l, o, i) / grid;
        for (int t = 0; t < l->taps; t++)
            if (fabs(w[t] * codes - rint(w[t] * codes)) > GRID_SLACK)
                return false;
    }
    return true;
}

/* The coarsest step of which all weights are multiples and that 256 codes can reach. Most steps fail at the first
 * weights. */
static double find_grid(const struct kpu_numbers *l, int o)
{
    const struct kpu_channel *c = &l->c[o];
    const double largest = fmax(-c->lo, c->hi);
    for (int n = 1; n <= 255 && largest > 0; n++) {
        const double grid = largest / n;
        if (rint((c->hi - c->lo) / grid) > 255)
            return 0;
        if (lies_on_grid(l, o, grid))
            return grid;
    }
    return 0;
}

bool ncc_weights_keep_grid(const struct kpu_numbers *l, const struct kpu_channel *c, int w_zero)
{
    return c->grid > 0 && rint(-c->lo / c->grid) <= w_zero && rint(c->hi / c->grid) <= l->w_max - w_zero;
}

static int middle_code(const struct kpu_numbers *l)
{
    return (l->w_max + 1) / 2;
}

/* A zero point at which all channels that have a grid keep it, the nearest to the middle; -1: there is none. */
static int grid_zero(const struct kpu_numbers *l)
{
    double least = 0, most = l->w_max;
    for (int o = 0; o < l->n_out; o++) {
        const struct kpu_channel *c = &l->c[o];
        if (c->grid == 0)
            continue;
        least = fmax(least, rint(-c->lo / c->grid));
        most = fmin(most, l->w_max - rint(c->hi / c->grid));
    }
    return least > most ? -1 : (int)fmin(fmax(middle_code(l), least), most);
}
/* All channels or none: a few that have a grid by chance are not worth other decisions. */
void ncc_weights_find_grids(struct kpu_numbers *l)
{
    bool all = true;
    for (int o = 0; o < l->n_out && all; o++) {
        l->c[o].grid = find_grid(l, o);
        all = l->c[o].grid > 0 || (l->c[o].lo == 0 && l->c[o].hi == 0);
    }
    for (int o = 0; o < l->n_out && !all; o++)
        l->c[o].grid = 0;
}
/* ---- the weights' zero point ---- */

/* The finest scale at which codes 0..255 reach both ends, or that at which they are exact. */
double ncc_weights_finest_scale(const struct kpu_numbers *l, const struct kpu_channel *c, int w_zero)
{
    if (ncc_weights_keep_grid(l, c, w_zero))
        return c->grid;
    const double below = c->lo < 0 ? -c->lo / w_zero : 0;
    const double above = c->hi > 0 ? c->hi / (l->w_max - w_zero) : 0;
    return fmax(below, above);
}

/* Number i of 256 codes that are evenly spread. */
static int spread_code(const struct kpu_numbers *l, int i)
{
    return (int)((int64_t)i * l->w_max / 255);
}

static int nearest_spread(const struct kpu_numbers *l, int code)
{
    return (int)(((int64_t)code * 255 + l->w_max / 2) / l->w_max);
}

/* As if the rounding error were spread evenly over a code. */
static double expected_error(const struct kpu_numbers *l, int w_zero)
{
    double sum = 0;
    for (int o = 0; o < l->n_out; o++) {
        const double scale =
            ncc_weights_keep_grid(l, &l->c[o], w_zero) ? 0 : ncc_weights_finest_scale(l, &l->c[o], w_zero);
        sum += scale * scale;
    }
    return sum;
}

static double squared_error(const struct kpu_numbers *l, int w_zero)
{
    double sum = 0;
    for (int o = 0; o < l->n_out; o++) {
        const double scale = ncc_weights_finest_scale(l, &l->c[o], w_zero);
        if (scale == 0)
            continue;
        if (isinf(scale))
            return INFINITY;
        for (int i = 0; i < l->n_in; i++) {
            const float *w = ncc_kpu_weights_of(l, o, i);
            const double fold = ncc_kpu_fold_of(l, o, i);
            for (int t = 0; t < l->taps; t++) {
                const double d =
                    w[t] * fold - (ncc_weight_code(w[t] * fold, 1 / scale, w_zero, l->w_max) - w_zero) * scale;
                sum += d * d;
            }
        }
    }
    return sum;
}

/* Zero points that released compilers would take: the middle, and that of the whole layer's range. */
static int whole_range_zero(const struct kpu_numbers *l)
{
    double lo = 0, hi = 0;
    for (int o = 0; o < l->n_out; o++) {
        lo = fmin(lo, l->c[o].lo);
        hi = fmax(hi, l->c[o].hi);
    }
    return hi > lo ? (int)rint(-lo * l->w_max / (hi - lo)) : 0;
}

/* The true error is computed for the zero points that look best of 256 evenly spread ones, for the two usual ones, and
 * for that of a grid. */
int ncc_weights_best_zero(const struct kpu_numbers *l)
{
    enum { N_TRIED = 6, N_USUAL = 3, N_SPREAD = 256 };
    double expected[N_SPREAD];
    for (int i = 0; i < N_SPREAD; i++)
        expected[i] = expected_error(l, spread_code(l, i));
    const int grid = grid_zero(l), middle = middle_code(l);
    const int usual[N_USUAL] = {grid < 0 ? middle : grid, middle, whole_range_zero(l)};
    int best = middle;
    double best_error = INFINITY;
    for (int n = 0; n < N_TRIED; n++) {
        int i = 0;
        for (int other = 1; other < N_SPREAD; other++)
            i = expected[other] < expected[i] ? other : i;
        const int z = n < N_USUAL ? usual[n] : spread_code(l, i);
        const double error = squared_error(l, z);
        expected[nearest_spread(l, z)] = INFINITY; /* seen */
        if (error < best_error) {
            best_error = error;
            best = z;
        }
    }
    return best;
}
