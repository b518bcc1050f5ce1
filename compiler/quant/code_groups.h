/* Groups of values with equal codes, while assign.h finds them. assign.c unites groups and chooses what their codes are,
 * mixed_values.c has the values whose channels come from several groups.
 *
 * Two kinds of values:
 * - ordinary ones belong to a group (union-find over value ids), and the group has one quant;
 * - mixed ones are kpu_concat outputs, what moves these on, and differences of codes. They belong to no group: each
 *   channel has the quant of the ordinary value that it comes from, differences with zero point 0. Where a reader cannot
 *   use that, the groups of these are united.
 */
#ifndef NCC_QUANT_CODE_GROUPS_H
#define NCC_QUANT_CODE_GROUPS_H

#include "compiler/quant/by_channel.h"
#include "compiler/quant/range.h"

struct group {
    struct quant quant; /* n_channels 0: not known yet */
    struct range range;
    int n_members;
    bool kept; /* it has the codes of what a layer cuts it from: cuts.h */
    bool given, conflict, fixed; /* quants of members: some; different ones; one that the outside world relies on */
};

struct code_groups {
    struct graph *g;
    const struct observations *seen;
    enum range_method method;
    struct arena *scratch;
    int n;                /* ids */
    struct value **value; /* by id; NULL: of no interest */
    bool *mixed;
    bool *reaches_upload; /* by id */
    int *parent;          /* union-find by id */
    bool reach_seen;      /* channels' scales follow from the samples' extremes alone */
    bool joint_zeros;     /* groups may have one zero point and scales of their own: joint_scales.c */
    int *zeros;           /* union-find by id, of groups that have one zero point */
    struct reach *reach;  /* by id, of channels' scales; factor 0: not chosen yet */
    struct range *chosen; /* by id, filled when first needed */
    bool *is_chosen;
    struct group *group; /* by the id of the group's root */
};

/* The id that stands for the group of the value with this id. */
int ncc_group_root(const struct code_groups *s, int id);
/* False: they were one already. */
bool ncc_group_unite(const struct code_groups *s, const struct value *a, const struct value *b);
/* Of the group that v, which is ordinary, belongs to. */
struct quant ncc_group_quant(const struct code_groups *s, const struct value *v);
/* Was the group's quant decided by somebody else? */
static inline bool ncc_group_keeps(const struct group *group)
{
    return group->fixed || (group->given && !group->conflict);
}
/* What the channels showed of the only value with this id in its group; false: they have no scales of their own. */
bool ncc_group_channels(const struct code_groups *s, int id, struct channel_ranges *r);
/* Do n's results have the codes of what it reads? */
bool ncc_group_moves(const struct code_groups *s, const struct node *n);

/* What the codes of a quant reach. */
struct range ncc_codes_reach(struct quant q);

/* Follows channel *c of a value to the ordinary value that it comes from. */
struct value *ncc_mixed_origin(const struct code_groups *s, struct value *v, int *c);
/* Unites the groups behind mixed values whose readers cannot use channels of different quants. True: some were. */
bool ncc_mixed_unite(const struct code_groups *s);
/* Sets the quant of a mixed value from the groups. */
void ncc_mixed_write(const struct code_groups *s, struct value *v);

/* ---- joint_scales.c ---- */

/* From now on the groups of a and b have one zero point. False: they had before. */
bool ncc_joint_zero_unite(const struct code_groups *s, const struct value *a, const struct value *b);
/* Gives groups that have one zero point codes with it, each with scales of its own. */
void ncc_joint_zeros(const struct code_groups *s);
/* Enlarges scales of operands of sums so that their weights are whole codes, where that errs less. */
void ncc_joint_sums(const struct code_groups *s);

#endif
