/* Emission of kmodel v3, inside; like writing.h for version 4. */
#ifndef NCC_EMIT_WRITING_V3_H
#define NCC_EMIT_WRITING_V3_H

#include "compiler/emit/writing.h"
#include "kmodel/kmodel_v3.h"

struct writing_v3 {
    const struct graph *g;
    const struct plan *plan;
    struct arena *arena;
    struct ncc_kmodel_v3_writer w;
    bool counting; /* first pass: count layers, report what cannot be expressed */
    uint32_t n_layers;
    bool failed;
};

void ncc_emit_v3_layer(struct writing_v3 *w, uint32_t type, const void *body, size_t body_size, const void *payload1,
                       size_t size1, const void *payload2, size_t size2);
#define V3_EMIT(w, name, body, p1, s1, p2, s2)                                                                         \
    ncc_emit_v3_layer((w), NCC_KM3_##name, &(body), sizeof(body), p1, s1, p2, s2)

/* Reports that the format cannot express a node. */
void ncc_emit_v3_refuse(struct writing_v3 *w, const struct node *n, const char *why);

/* Byte offset of an operand of n in main memory; a constant one is refused. */
uint32_t ncc_emit_v3_place(struct writing_v3 *w, const struct node *n, const struct value *v);

/* The CPU kernel of a node. */
void ncc_emit_v3_cpu(struct writing_v3 *w, const struct node *n);

#endif
