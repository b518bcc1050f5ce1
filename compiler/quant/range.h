/* Which range of real numbers the 256 codes shall stand for. */
#ifndef NCC_QUANT_RANGE_H
#define NCC_QUANT_RANGE_H

#include "compiler/quant/observe.h"

enum range_method {
    RANGE_AUTO,       /* per value that of the others (but KL) which errs least on samples that it did not see */
    RANGE_MINMAX,     /* everything that was seen; nothing is clipped */
    RANGE_PERCENTILE, /* all but 1 of 20000 elements at each end */
    RANGE_L2,         /* least mean squared error of quantising, the error of what is clipped included */
    RANGE_KL,         /* least Kullback-Leibler divergence of the distribution of the codes from that of the values */
    N_RANGE_METHODS
};

/* Names for --calibrate-method: "auto", "minmax", "no_clip" (the same), "percentile", "l2", "mse" (the same), "kl".
 * False: not one of them. */
bool ncc_range_method_by_name(const char *name, enum range_method *out);
/* All names, comma separated, for messages. */
const char *ncc_range_method_names(void);
bool ncc_range_needs_histogram(enum range_method method);

/* The range of one observation; includes zero. Not known when nothing was seen. Without a histogram every
 * method is RANGE_MINMAX. */
struct range ncc_quant_choose(const struct observation *o, enum range_method method);

/* How much further than n seen values a range should reach for those that come: a factor, 2 for a few values, 1.2 for
 * hundreds of thousands. */
double ncc_quant_headroom(int64_t n_seen);

/* real = (q - zero_point) * scale */
struct codes {
    double scale;
    int zero_point; /* 0..255 */
};

/* Codes that cover the range and zero, with zero at a whole code; an end that lies less than half a code beyond zero
 * may be rounded to zero. A value that is always 0 (width below 1e-30) gets scale 1/255. */
struct codes ncc_quant_codes(struct range r);

/* The finest scale at which codes around this zero point, 0..255, reach lo and hi; infinite: they cannot. */
double ncc_codes_needed(double lo, double hi, int zero_point);

/* Codes as a struct quant of one channel, in the arena. */
struct quant ncc_quant_make(struct codes c, struct arena *a);

/* Scale and zero point of channel c, whether there is one pair or one per channel. */
static inline double ncc_quant_scale(const struct quant *q, int c)
{
    return q->scale[q->n_channels == 1 ? 0 : c];
}
static inline double ncc_quant_zero(const struct quant *q, int c)
{
    return q->zero_point[q->n_channels == 1 ? 0 : c];
}

#endif
