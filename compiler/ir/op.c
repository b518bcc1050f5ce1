/* The table of descriptors, and everything that attribute tables drive. */
#include "compiler/ir/op.h"

#include <string.h>

#define OP(name) extern const struct op_desc ncc_op_##name;
#include "compiler/ir/ops.def"
#undef OP

static const struct op_desc *const descriptors[N_OPS] = {
#define OP(name) &ncc_op_##name,
#include "compiler/ir/ops.def"
#undef OP
};

const struct op_desc *ncc_op_desc(enum op op)
{
    return descriptors[op];
}

bool ncc_op_by_name(const char *name, enum op *out)
{
    for (int i = 0; i < N_OPS; i++) {
        if (strcmp(descriptors[i]->name, name) == 0) {
            *out = (enum op)i;
            return true;
        }
    }
    return false;
}

/* Lists and chains are empty by default, which zeroed memory already says. */
static void fill_default(const struct op_desc *desc, void *attrs)
{
    for (const struct attr_desc *d = desc->attrs; d && d->name; d++) {
        char *field = (char *)attrs + d->offset;
        if (d->kind == ATTR_INT || d->kind == ATTR_ENUM)
            *(int *)(void *)field = (int)d->def;
        else if (d->kind == ATTR_FLOAT)
            *(float *)(void *)field = (float)d->def;
        else if (d->kind == ATTR_BOOL)
            *(bool *)(void *)field = d->def != 0;
    }
}

static void *new_attrs(const struct op_desc *desc, struct arena *a)
{
    return desc->attrs_size ? ncc_arena_alloc(a, 1, desc->attrs_size, alignof(max_align_t)) : NULL;
}

void *ncc_attrs_default(enum op op, struct arena *a)
{
    const struct op_desc *desc = ncc_op_desc(op);
    void *attrs = new_attrs(desc, a);
    if (attrs)
        fill_default(desc, attrs);
    return attrs;
}

void *ncc_attrs_copy(enum op op, const void *attrs, struct arena *a)
{
    const struct op_desc *desc = ncc_op_desc(op);
    if (!attrs)
        return ncc_attrs_default(op, a);
    void *copy = new_attrs(desc, a);
    if (!copy)
        return NULL;
    memcpy(copy, attrs, desc->attrs_size);
    for (const struct attr_desc *d = desc->attrs; d && d->name; d++) {
        if (d->kind != ATTR_ACT)
            continue;
        struct act_chain *chain = (void *)((char *)copy + d->offset);
        for (int i = 0; i < chain->n; i++)
            chain->step[i].attrs = ncc_attrs_copy(chain->step[i].op, chain->step[i].attrs, a);
    }
    return copy;
}

static bool chains_equal(const struct act_chain *x, const struct act_chain *y)
{
    if (x->n != y->n)
        return false;
    for (int i = 0; i < x->n; i++) {
        if (x->step[i].op != y->step[i].op)
            return false;
        if (!ncc_attrs_equal(x->step[i].op, x->step[i].attrs, y->step[i].attrs))
            return false;
    }
    return true;
}

static bool fields_equal(const struct attr_desc *d, const char *x, const char *y)
{
    switch (d->kind) {
    case ATTR_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case ATTR_INT:
    case ATTR_ENUM:
    case ATTR_FLOAT: /* by bits: a NaN equals itself, and -0 is not 0 */
        return memcmp(x, y, sizeof(int)) == 0;
    case ATTR_INTS: {
        const struct ints *a = (const void *)x, *b = (const void *)y;
        return a->n == b->n && memcmp(a->v, b->v, (size_t)a->n * sizeof a->v[0]) == 0;
    }
    case ATTR_ACT:
        return chains_equal((const void *)x, (const void *)y);
    }
    return false;
}

/* Room for the attributes of any operator that may stand in a chain, which are small. */
union small_attrs {
    max_align_t align;
    char bytes[32];
};

static const void *or_default(const struct op_desc *desc, const void *attrs, union small_attrs *room)
{
    if (attrs || desc->attrs_size == 0 || desc->attrs_size > sizeof *room)
        return attrs;
    memset(room, 0, sizeof *room);
    fill_default(desc, room);
    return room;
}

bool ncc_attrs_equal(enum op op, const void *x, const void *y)
{
    const struct op_desc *desc = ncc_op_desc(op);
    union small_attrs room_x, room_y;
    if (x == y || desc->attrs_size == 0)
        return true;
    x = or_default(desc, x, &room_x);
    y = or_default(desc, y, &room_y);
    if (!x || !y)
        return false;
    for (const struct attr_desc *d = desc->attrs; d && d->name; d++)
        if (!fields_equal(d, (const char *)x + d->offset, (const char *)y + d->offset))
            return false;
    return true;
}

float ncc_act_apply(const struct act_chain *c, float x)
{
    for (int i = 0; i < c->n; i++) {
        const struct op_desc *desc = ncc_op_desc(c->step[i].op);
        union small_attrs room;
        x = desc->scalar(or_default(desc, c->step[i].attrs, &room), x);
    }
    return x;
}

bool ncc_act_push(struct act_chain *c, const struct node *unary)
{
    if (c->n == NCC_MAX_ACT)
        return false;
    c->step[c->n++] = (struct act_step){unary->op, unary->attrs};
    return true;
}
