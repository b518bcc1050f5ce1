/* Between nnil.c and nnil_rare.c: byte code of the runtime's little stack machine. */
#ifndef NCC_EMIT_NNIL_CODE_H
#define NCC_EMIT_NNIL_CODE_H

#include "compiler/emit/writing.h"

#include <string.h>

/* A program that grows: what each line below appends works on the top of the stack. */
struct code {
    uint8_t *v;
    size_t n;
};

static inline void op(struct code *c, int byte)
{
    c->v[c->n++] = (uint8_t)byte;
}

static inline void number(struct code *c, float x)
{
    op(c, NCC_KM_NNIL_LDC_R4);
    memcpy(c->v + c->n, &x, 4);
    c->n += 4;
}

static inline void element(struct code *c)
{
    op(c, NCC_KM_NNIL_LDA_0);
}

static inline void unary(struct code *c, int which)
{
    op(c, NCC_KM_NNIL_UNARY + which);
}

static inline void binary(struct code *c, int which)
{
    op(c, NCC_KM_NNIL_BINARY + which);
}

static inline void clamp(struct code *c, float low, float high)
{
    number(c, low);
    number(c, high);
    op(c, NCC_KM_NNIL_CLAMP);
}

/* Functions that one activation in many models is: nnil_rare.c. False: n is not one of them. */
bool ncc_emit_nnil_rare(struct code *c, const struct node *n);

#endif
