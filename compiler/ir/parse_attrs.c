/* Attributes in a graph's text: stride_h=2 mode=bilinear axes=[1,2] act=[relu(),clip(min=0,max=6)]. */
#include "compiler/ir/parse.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

static bool take_attributes(struct lexer *l, const struct op_desc *desc, void *attrs, bool in_chain);

static bool take_enum(struct lexer *l, const struct attr_desc *d, int *out)
{
    const char *word = ncc_lex_word(l, "a word");
    for (int i = 0; word && d->names[i]; i++) {
        if (strcmp(word, d->names[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return word && ncc_lex_fail(l, "'%.40s' must be one of the words of %s", word, d->name);
}

static bool take_ints(struct lexer *l, struct ints *out)
{
    out->n = 0;
    if (!ncc_lex_need(l, '['))
        return false;
    while (!ncc_lex_take(l, ']')) {
        long long x;
        if (out->n == NCC_MAX_INTS)
            return ncc_lex_fail(l, "a list must have at most %d numbers", NCC_MAX_INTS);
        if ((out->n > 0 && !ncc_lex_need(l, ',')) || !ncc_lex_int(l, INT_MIN, INT_MAX, &x))
            return false;
        out->v[out->n++] = (int)x;
    }
    return true;
}

static bool take_chain(struct lexer *l, struct act_chain *out)
{
    out->n = 0;
    if (!ncc_lex_need(l, '['))
        return false;
    while (!ncc_lex_take(l, ']')) {
        enum op op;
        if (out->n == NCC_MAX_ACT)
            return ncc_lex_fail(l, "a chain must have at most %d steps", NCC_MAX_ACT);
        if (out->n > 0 && !ncc_lex_need(l, ','))
            return false;
        const char *word = ncc_lex_word(l, "an operator");
        if (!word)
            return false;
        if (!ncc_op_by_name(word, &op) || !ncc_op_desc(op)->scalar)
            return ncc_lex_fail(l, "'%.40s' must be an operator of one element", word);
        void *attrs = ncc_attrs_default(op, l->arena);
        if (!ncc_lex_need(l, '(') || !take_attributes(l, ncc_op_desc(op), attrs, true) || !ncc_lex_need(l, ')'))
            return false;
        out->step[out->n++] = (struct act_step){op, attrs};
    }
    return true;
}

static bool take_bool(struct lexer *l, bool *out)
{
    const char *word = ncc_lex_word(l, "true or false");
    if (!word)
        return false;
    *out = strcmp(word, "true") == 0;
    return *out || strcmp(word, "false") == 0 || ncc_lex_fail(l, "'%.40s' must be true or false", word);
}

static bool take_field(struct lexer *l, const struct attr_desc *d, void *field)
{
    long long x = 0;
    double real = 0;
    switch (d->kind) {
    case ATTR_INT:
        if (!ncc_lex_int(l, INT_MIN, INT_MAX, &x))
            return false;
        *(int *)field = (int)x;
        return true;
    case ATTR_FLOAT:
        if (!ncc_lex_real(l, &real))
            return false;
        *(float *)field = (float)real;
        return true;
    case ATTR_BOOL: return take_bool(l, field);
    case ATTR_ENUM: return take_enum(l, d, field);
    case ATTR_INTS: return take_ints(l, field);
    case ATTR_ACT: return take_chain(l, field);
    }
    return false;
}

/* name=value, with commas between them inside of a chain. */
static bool take_attributes(struct lexer *l, const struct op_desc *desc, void *attrs, bool in_chain)
{
    for (bool first = true;; first = false) {
        ncc_lex_blanks(l);
        if (!isalpha((unsigned char)*l->at) && (first || !in_chain))
            return true;
        if (!first && in_chain && !ncc_lex_take(l, ','))
            return true;
        const char *word = ncc_lex_word(l, "an attribute");
        const struct attr_desc *d = desc->attrs;
        while (word && d && d->name && strcmp(d->name, word) != 0)
            d++;
        if (!word)
            return false;
        if (!d || !d->name)
            return ncc_lex_fail(l, "'%.40s' must be an attribute of %s", word, desc->name);
        if (!ncc_lex_need(l, '=') || !take_field(l, d, (char *)attrs + d->offset))
            return false;
    }
}

bool ncc_parse_attrs(struct lexer *l, const struct op_desc *desc, void *attrs)
{
    return take_attributes(l, desc, attrs, false);
}
