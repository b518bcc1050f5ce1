/* Sample inputs for models that bring their ranges and need none: made up, from the ranges of the inputs.
 *
 * A quantised model says what range each of its values has, but lowering makes some that it does not know, such as
 * the parts of a sum. Those get what they reach on a few waves and noise that span the inputs' ranges. Nothing else is
 * taken from them: no means, no scales of channels, no rounding of weights. While it is only tried whether a model
 * fits (what_fits.h), samples from 0 to 1 stand for those of any other.
 */
#ifndef NCC_COMPILER_MADE_UP_H
#define NCC_COMPILER_MADE_UP_H

#include "compiler/compilation.h"

/* Whether the model is quantised already, and every input has a known range. */
bool ncc_made_up_possible(const struct compilation *c);
/* Fills c->data and c->samples; sets c->made_up. */
bool ncc_made_up_samples(struct compilation *c);

#endif
