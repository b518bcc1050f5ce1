/* From a planned integer graph to the bytes of a kmodel.
 *
 * Expects every value to have its address (plan) and every node to have a kernel in the format: kpu_layer,
 * kpu_upload, kpu_download right behind its layer (it becomes the layer's main memory output), and CPU kernels.
 * kpu_concat, kpu_slice, kpu_recanvas, kpu_view, reshape and concats that the plan made free become nothing.
 */
#ifndef NCC_EMIT_EMIT_H
#define NCC_EMIT_EMIT_H

#include "compiler/base/file.h"
#include "compiler/plan/plan.h"

/* kmodel v4 (doc/kmodel.md part B), in the arena. A node that the format cannot express is reported by name; false. */
bool ncc_emit_v4(const struct graph *g, const struct plan *plan, struct arena *a, struct bytes *out);

/* kmodel v3 (part A). Its input is one picture that the first layer reads whole, or floats for a matrix product; its outputs
 * are floats. */
bool ncc_emit_v3(const struct graph *g, const struct plan *plan, struct arena *a, struct bytes *out);

/* Of a planned graph, a node that has nothing to do: another way to look at bytes, a concat whose inputs already lie at
 * their parts of the output, or a slice that is a view of its input. */
bool ncc_emit_is_free(const struct node *n);

/* The kmodel as a C source file: `const unsigned char NAME[] __attribute__((aligned(256))) = {...};` and its size.
 * `name` must be a C identifier. */
struct bytes ncc_emit_c_array(struct bytes kmodel, const char *name, struct arena *a);

#endif
