/* Fitting an activation table to what it sees. Inside of act_*.c.
 *
 * Of all tables whose pieces start where the function passes whole and half codes, the one with the least expected
 * squared error, found by dynamic programming over these places: the best way to any of them with n pieces is the best
 * way to some place before it with n - 1, and one piece.
 */
#ifndef NCC_K210_ACT_EXPECTED_H
#define NCC_K210_ACT_EXPECTED_H

#include "compiler/k210/act_curve.h"

/* Replaces `table` if there is one with less expected error and no sample of the curve further off than `error` codes
 * beyond perfect rounding. Expected: what was seen counts for 15/16, all of the curve alike for the rest. */
void ncc_act_expected_improve(const struct act_target *t, const struct act_curve *c, const struct act_seen *seen,
                              double error, struct arena *a, struct ncc_kpu_table *table);

#endif
