/* Writes the result of every node of a run as DIR/<sample>.<node>.<operation>.npy. */
#ifndef NCC_TOOLS_TRACE_H
#define NCC_TOOLS_TRACE_H

#include <ncc/runtime.h>
#include <ncc/sim.h>

/* One per simulator. Set folder and sample before a run. */
struct trace {
    const char *folder, *sample;
    uint8_t *map; /* of the layer that has just run, all its batches */
    size_t map_size;
    bool failed;
};

/* Watches a model and the simulator that it runs on; `t` must live as long as both. What an upload writes to KPU RAM is
 * not written: it is the result of the node before it, in another layout. */
void ncc_trace_attach(struct trace *t, struct ncc_model *model, struct ncc_sim *sim);
void ncc_trace_release(struct trace *t);

#endif
