#include "compiler/ir/lex.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ncc_lex_fail(struct lexer *l, const char *format, ...)
{
    char rule[200];
    va_list args;
    va_start(args, format);
    vsnprintf(rule, sizeof rule, format, args);
    va_end(args);
    int n = 0;
    while (l->at[n] && l->at[n] != '\n' && n < 30)
        n++;
    ncc_diag_error(l->diags, FAULT_INPUT, (struct place){.file = l->file}, rule, NULL, "line %d, at '%.*s'", l->line, n,
                   l->at);
    return false;
}

void ncc_lex_blanks(struct lexer *l)
{
    while (*l->at == ' ' || *l->at == '\t' || *l->at == '\r')
        l->at++;
    if (*l->at == '#')
        while (*l->at && *l->at != '\n')
            l->at++;
}

void ncc_lex_lines(struct lexer *l)
{
    for (ncc_lex_blanks(l); *l->at == '\n'; ncc_lex_blanks(l)) {
        l->at++;
        l->line++;
    }
}

bool ncc_lex_take(struct lexer *l, char c)
{
    ncc_lex_blanks(l);
    if (*l->at != c)
        return false;
    l->at++;
    return true;
}

bool ncc_lex_need(struct lexer *l, char c)
{
    return ncc_lex_take(l, c) || ncc_lex_fail(l, "'%c' must stand here", c);
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("_.:/~-", c));
}

/* A run of letters, digits and signs, or NULL with a diagnostic. */
const char *ncc_lex_word(struct lexer *l, const char *what)
{
    ncc_lex_blanks(l);
    const char *from = l->at;
    while (is_word(*l->at))
        l->at++;
    if (l->at != from)
        return ncc_arena_copy(l->arena, from, (size_t)(l->at - from));
    ncc_lex_fail(l, "%s must stand here", what);
    return NULL;
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

const char *ncc_lex_quoted(struct lexer *l)
{
    struct { char *v; int n, cap; } text = {0};
    if (!ncc_lex_need(l, '"'))
        return NULL;
    for (; *l->at != '"'; l->at++) {
        char c = *l->at;
        if (c == '\0' || c == '\n') {
            ncc_lex_fail(l, "a quotation must end on its line");
            return NULL;
        }
        if (c == '\\' && l->at[1] == 'x' && isxdigit((unsigned char)l->at[2]) && isxdigit((unsigned char)l->at[3])) {
            c = (char)(hex_digit(l->at[2]) * 16 + hex_digit(l->at[3]));
            l->at += 3;
        } else if (c == '\\' && l->at[1] && l->at[1] != '\n') {
            c = *++l->at;
        }
        NCC_PUSH(l->arena, &text, c);
    }
    l->at++;
    NCC_PUSH(l->arena, &text, '\0');
    return text.v;
}

bool ncc_lex_int(struct lexer *l, long long low, long long high, long long *out)
{
    const char *word = ncc_lex_word(l, "a whole number");
    char *end;
    if (!word)
        return false;
    *out = strtoll(word, &end, 10);
    if (*end || *out < low || *out > high)
        return ncc_lex_fail(l, "'%.40s' must be a whole number between %lld and %lld", word, low, high);
    return true;
}

bool ncc_lex_real(struct lexer *l, double *out)
{
    ncc_lex_blanks(l);
    const char *from = l->at; /* also "1e+06", whose sign is no part of a word */
    char *end;
    *out = strtod(from, &end);
    if (end == from)
        return ncc_lex_fail(l, "a number must stand here");
    l->at = end;
    return true;
}
