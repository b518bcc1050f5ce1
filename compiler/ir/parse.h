/* Inside of the reader of graphs in text form: parse.c has statements, values and annotations, the rest is here. Each
 * function takes what stands at the lexer's place; false: a diagnostic with the line is there. */
#ifndef NCC_IR_PARSE_H
#define NCC_IR_PARSE_H

#include "compiler/ir/lex.h"
#include "compiler/ir/op.h"

/* parse_attrs.c: name=value for any attributes of `desc`, behind an operator's operands; the others stay as they are. */
bool ncc_parse_attrs(struct lexer *l, const struct op_desc *desc, void *attrs);

/* parse_data.c: zeros, iota, splat X, random SEED or a list in braces, as n elements of type t. `data` is zero. */
bool ncc_parse_data(struct lexer *l, enum dtype t, void *data, int64_t n);

#endif
