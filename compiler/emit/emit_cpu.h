/* Inside of emit_cpu*.c: each function writes the node of one operator, with the body that doc/kmodel.md B.2 draws. */
#ifndef NCC_EMIT_EMIT_CPU_H
#define NCC_EMIT_EMIT_CPU_H

#include "compiler/emit/writing.h"

/* A node of opcode NCC_KM_OP_<name>; two payloads may follow its body. */
#define EMIT(w, name, body, p1, s1, p2, s2) ncc_emit_node((w), NCC_KM_OP_##name, &(body), sizeof(body), p1, s1, p2, s2)

void ncc_emit_transpose(struct writing *w, const struct node *n);
void ncc_emit_slice(struct writing *w, const struct node *n);
void ncc_emit_pad(struct writing *w, const struct node *n);
void ncc_emit_concat(struct writing *w, const struct node *n);
void ncc_emit_resize(struct writing *w, const struct node *n);

#endif
