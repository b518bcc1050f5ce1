/* Elements of constants in a graph's text. */
#include "compiler/ir/element.h"
#include "compiler/ir/parse.h"

#include <limits.h>
#include <string.h>

/* splitmix64 (Steele, Lea and Flood, 2014): the next of a sequence of 64-bit numbers. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Reals: -1 <= x < 1 in steps of 2^-23. Integers: all of an 8- or 16-bit type, else 16 bits, signed. */
static void set_random(enum dtype t, void *data, int64_t i, uint64_t bits)
{
    if (ncc_element_is_float(t))
        ncc_element_set_real(t, data, i, (double)(bits >> 40) / 8388608.0 - 1.0);
    else if (t == DT_BOOL)
        ncc_element_set_int(t, data, i, (int64_t)(bits & 1));
    else
        ncc_element_set_int(t, data, i, (int16_t)(bits >> 48));
}

static bool take_element(struct lexer *l, enum dtype t, void *data, int64_t i)
{
    double real;
    long long x;
    if (ncc_element_is_float(t)) {
        if (!ncc_lex_real(l, &real))
            return false;
        ncc_element_set_real(t, data, i, real);
        return true;
    }
    if (!ncc_lex_int(l, ncc_element_min(t), ncc_element_max(t), &x))
        return false;
    ncc_element_set_int(t, data, i, x);
    return true;
}

static bool take_list(struct lexer *l, enum dtype t, void *data, int64_t n)
{
    if (!ncc_lex_need(l, '{'))
        return false;
    for (int64_t i = 0; i < n; i++) {
        ncc_lex_lines(l);
        if (i > 0 && !ncc_lex_need(l, ','))
            return false;
        ncc_lex_lines(l);
        if (!take_element(l, t, data, i))
            return false;
    }
    ncc_lex_lines(l);
    return ncc_lex_take(l, '}') || ncc_lex_fail(l, "the list must have %lld elements", (long long)n);
}

bool ncc_parse_data(struct lexer *l, enum dtype t, void *data, int64_t n)
{
    long long seed;
    ncc_lex_blanks(l);
    if (*l->at == '{')
        return take_list(l, t, data, n);
    const char *word = ncc_lex_word(l, "data");
    if (!word)
        return false;
    if (strcmp(word, "zeros") == 0)
        return true;
    if (strcmp(word, "iota") == 0) {
        for (int64_t i = 0; i < n; i++)
            ncc_element_set_int(t, data, i, i);
        return true;
    }
    if (strcmp(word, "splat") == 0) {
        union { int64_t align; char bytes[8]; } one;
        if (!take_element(l, t, &one, 0))
            return false;
        for (int64_t i = 0; i < n; i++)
            memcpy((char *)data + (size_t)i * ncc_dtype_size(t), &one, ncc_dtype_size(t));
        return true;
    }
    if (strcmp(word, "random") != 0)
        return ncc_lex_fail(l, "'%.40s' must be zeros, splat, iota, random or a list in braces", word);
    if (!ncc_lex_int(l, LLONG_MIN, LLONG_MAX, &seed))
        return false;
    uint64_t state = (uint64_t)seed;
    for (int64_t i = 0; i < n; i++)
        set_random(t, data, i, next_random(&state));
    return true;
}
