/* One node, and the ends of a model: what running from memory (runtime.c) and from a source (stream.c) share. Private to
 * runtime/. All of it relies on a checked model. */
#ifndef NCC_RUNTIME_RUN_NODE_H
#define NCC_RUNTIME_RUN_NODE_H

#include <ncc/runtime.h>

#include "kmodel/kmodel.h"
#include "runtime/kernels/kernel.h"

enum ncc_status ncc_run_node(const struct ncc_device *device, const struct ncc_kmodel_node *node,
                             const struct ncc_kernel_memory *memory);

/* Does a node need the device? */
bool ncc_run_needs_device(uint32_t opcode);

/* Puts the caller's inputs where the model wants them. */
enum ncc_status ncc_run_inputs(const struct ncc_device *device, const struct ncc_kmodel *km, void *main,
                               const void *const *inputs);

struct ncc_model_tensor ncc_run_describe_input(const struct ncc_kmodel *km, uint32_t i);
struct ncc_model_tensor ncc_run_describe_output(const struct ncc_kmodel *km, uint32_t i);

/* Calls an observer with what the node has just done. */
void ncc_run_tell(ncc_node_observer *observer, void *ctx, const struct ncc_kmodel_node *node, const void *main);

/* A fault in the words of the public API. */
struct ncc_fault ncc_run_fault(const struct ncc_km_fault *where);

#endif
