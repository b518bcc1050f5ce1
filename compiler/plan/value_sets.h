/* Values that share bytes, as sets: each value knows its parent in the set and its offset from it (union-find with
 * offsets). A set remembers which of its values are written by a node; no two of these may overlap, while views of
 * them (reshape, slice, concat ...) may.
 *
 *     set of a kpu_concat:   | a . . . . | b . . | c . . . . . |     written
 *                            | concat . . . . . . . . . . . . .|     view
 *                            | recanvas |        | slice |           views
 */
#ifndef NCC_PLAN_VALUE_SETS_H
#define NCC_PLAN_VALUE_SETS_H

#include "compiler/plan/alias.h"

struct member {
    const struct value *value; /* NULL: no such id */
    int parent;                /* itself: the root */
    int64_t from_parent;       /* offset */
    int next_written;          /* list of the set's written values, -1 at the end */
};

struct set { /* valid at the root's id */
    int64_t lo, hi;                 /* extent, relative to the root's first byte */
    int first_written, last_written;
    int birth, death;               /* steps of the present order */
    int n_reads;                    /* inputs of nodes that are not views */
    bool input, output, constant;
};

struct sets {
    struct member *member;
    struct set *set;
    int n_ids;
    bool *concat_is_view; /* by the id of a concat's output */
};

/* The root of the set that the value `id` is in, and the value's offset from the root's first byte. */
int ncc_sets_find(const struct sets *s, int id, int64_t *offset);

/* A set of its own for a value that is in none yet; `written`: by a node, or given. */
void ncc_sets_add(struct sets *s, const struct value *v, bool written);

/* Lays y at `offset` bytes from the start of x. False when they lie otherwise already, or cannot. */
bool ncc_sets_join(struct sets *s, const struct value *x, const struct value *y, int64_t offset);

/* The same of whole sets, by their roots: y's root at offset `shift` from x's, whatever is written there. */
void ncc_sets_unite(struct sets *s, int x, int y, int64_t shift);

/* alias.c: does the node's output lie where its inputs lie? */
bool ncc_sets_is_view(const struct sets *s, const struct node *n);

/* in_place.c: lets nodes write over what nobody reads afterwards. */
void ncc_sets_write_in_place(struct sets *s, const struct graph *g, enum in_place mode);

#endif
