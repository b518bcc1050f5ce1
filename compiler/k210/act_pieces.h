/* Pieces of an activation table while it is being fitted. Inside of act_*.c.
 *
 * A piece starts at a sample of the curve and grows sample by sample, keeping the cone of slopes that serve all samples
 * so far at a distance of at most some error; it ends when the cone is empty. Errors are counted beyond perfect
 * rounding, so that a constant piece is perfect while the function stays within half a code of it; a sloped one, which
 * is rounded like the function, while it stays on it.
 *
 *     code  .            / hi    A sloped piece starts at a sample (v, whole code); a constant one anywhere.
 *           .        * /  |
 *           .    / *  |  lo
 *      bias *----------
 *           v
 */
#ifndef NCC_K210_ACT_PIECES_H
#define NCC_K210_ACT_PIECES_H

#include "compiler/k210/act_curve.h"

enum act_kind { ACT_CONSTANT, ACT_RISING, ACT_FALLING };

struct act_piece {
    enum act_kind kind;
    int start;     /* the sample where it starts; it serves those behind. -1: segment 0, from -2^35 on */
    int bias;      /* the byte in the table; of constants the middle of what is allowed */
    double lo, hi; /* allowed: slopes, or of a constant the codes */
    int reach;     /* last sample that it serves */
};

/* Serves nothing yet but, if it is constant, the v behind its start. */
struct act_piece ncc_act_piece_begin(const struct act_curve *c, enum act_kind kind, int start, int bias, double error);

/* Makes it serve one sample more; false, and nothing changes, if it cannot or there is none. */
bool ncc_act_piece_extend(struct act_piece *p, const struct act_curve *c, double error);

/* Where its line starts in codes: falling ones lose a code on average, as negative products round up to one too low
 * (doc/kpu.md 5.1). */
static inline double ncc_act_piece_base(const struct act_piece *p)
{
    return p->kind == ACT_FALLING ? p->bias - 1 : p->bias;
}

/* Its entry in the table, with the possible slope that is nearest to `slope`; constants have none. */
struct ncc_kpu_segment ncc_act_piece_segment(const struct act_piece *p, const struct act_curve *c, double slope);

/* Unreachable entries from number `from` on, as released compilers write them. */
void ncc_act_pieces_fill(struct ncc_kpu_table *t, int from);

#endif
