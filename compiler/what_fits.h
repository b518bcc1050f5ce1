/* What would fit, when a model does not: a smaller input, or the model cut short. Both are found by compiling such
 * models to the end, quietly and with made-up samples; so what is suggested is known to work, in bytes. Each search ends
 * after some seconds' work (counted, so that the same is suggested everywhere) with the try that was begun by then, which
 * takes about as long as the model itself did.
 */
#ifndef NCC_COMPILER_WHAT_FITS_H
#define NCC_COMPILER_WHAT_FITS_H

#include "compiler/compilation.h"

/* The largest picture, width and height in multiples of 32 (of 8 below 128 pixels), that fits KPU RAM and the board.
 * NULL: the model has not one input of rank 4, cannot have another size, or no size fits.
 * Else "an input of 96x64 (width x height)". */
const char *ncc_smaller_that_fits(const struct compilation *c, struct arena *a);

/* A late tensor of the source model through which everything goes, and up to which the model fits.
 * NULL: none was found. Else "a cut with --output-tensor 'NAME'". */
const char *ncc_cut_that_fits(const struct compilation *c, struct arena *a);

#endif
