/* Emission, inside: the state of one pass over the graph. Two passes write the same: the first counts. */
#ifndef NCC_EMIT_WRITING_H
#define NCC_EMIT_WRITING_H

#include "compiler/emit/emit.h"
#include "compiler/ops/attrs.h"
#include "compiler/plan/plan.h"
#include "kmodel/kmodel.h"

struct writing {
    const struct graph *g;
    struct arena *arena;
    struct ncc_kmodel_writer w;
    bool counting;         /* first pass: collect constants, count nodes */
    uint32_t n_nodes;
    struct { uint8_t *v; int n, cap; } pool; /* constants */
    int64_t *const_off;    /* by value id: offset in the pool, -1: not there yet */
    bool failed;
};

/* The place of a value; constants are put into the pool when they are first asked for. */
struct ncc_km_range ncc_emit_range(struct writing *w, const struct value *v);

void ncc_emit_node(struct writing *w, uint32_t opcode, const void *body, size_t body_size, const void *payload1,
                   size_t size1, const void *payload2, size_t size2);

/* Reports that the format cannot express a node. */
void ncc_emit_refuse(struct writing *w, const struct node *n, const char *why);

/* Shape filled with 1 from the left. False (and reported for n): rank above 4. */
bool ncc_emit_shape(struct writing *w, const struct node *n, struct shape s, int32_t out[4]);

/* The CPU kernel of a node. */
void ncc_emit_cpu(struct writing *w, const struct node *n);
void ncc_emit_kpu_layer(struct writing *w, const struct node *n);
void ncc_emit_kpu_upload(struct writing *w, const struct node *n);

/* A unary node as byte code of nnil_unary_method; the number of bytes, 0: cannot be expressed. */
enum { NCC_EMIT_MAX_NNIL = 320 };
size_t ncc_emit_nnil(const struct node *n, uint8_t code[NCC_EMIT_MAX_NNIL]);

/* The clamp that the only reader of n's result, working in place, amounts to (relu, clip): kernels with a fused
 * activation do it on the way. NULL: there is none. */
const struct node *ncc_emit_fused_clamp(const struct graph *g, const struct node *n, struct ncc_km_clamp *out);

/* Why a download cannot be done; NULL: the layer before it writes both copies. */
const char *ncc_emit_download_fault(const struct node *n);

/* The twelve words of a kpu_layer. False: a field does not hold its value, which is reported. */
bool ncc_emit_words(const struct graph *g, const struct node *layer, uint64_t words[12]);

/* The copy of a layer's result to main memory, or NULL. */
const struct node *ncc_emit_download_of(const struct node *layer);

#endif
