/* What keeps an operator off the KPU: one row per rule, with the text that the report shows.
 *
 * These are rules about a node of the canonical graph alone. What depends on where its neighbours lie (windows,
 * picks) is found out by lowering, which then leaves the node to the CPU with its own reason.
 */
#ifndef NCC_K210_RULES_H
#define NCC_K210_RULES_H

#include "compiler/ir/op.h"

/* The text of the first rule that the node breaks, with what was found, or NULL: the KPU can do it. */
const char *ncc_k210_rule_broken(const struct node *n, char found[120]);

/* The rules of an operator, ending with a zero row; NULL: none, it never runs on the KPU. */
const struct rule *ncc_k210_rules(enum op op);

#endif
