/* Characters and words of the text form. Functions that can fail return false (NULL) and leave a
 * diagnostic with the line; all skip blanks and comments first. */
#ifndef NCC_IR_LEX_H
#define NCC_IR_LEX_H

#include "compiler/base/diag.h"

struct lexer {
    const char *file, *at;
    int line;
    struct arena *arena;
    struct diags *diags;
};

/* A diagnostic at this place; returns false. */
bool ncc_lex_fail(struct lexer *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

void ncc_lex_blanks(struct lexer *l); /* skips blanks and a comment, */
void ncc_lex_lines(struct lexer *l);  /* and ends of lines, too */

bool ncc_lex_take(struct lexer *l, char c); /* whether c stood here; no diagnostic */
bool ncc_lex_need(struct lexer *l, char c);

/* A run of letters, digits and _.:/~-; `what` names it in the message. */
const char *ncc_lex_word(struct lexer *l, const char *what);
/* "..." with \" \\ and \x1f. */
const char *ncc_lex_quoted(struct lexer *l);
bool ncc_lex_int(struct lexer *l, long long low, long long high, long long *out);
bool ncc_lex_real(struct lexer *l, double *out);

#endif
