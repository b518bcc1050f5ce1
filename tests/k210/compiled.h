/* A graph through the second half of the compiler: legal forms, KPU layers, codes, addresses, a kmodel; and the kmodel
 * run on the simulator. */
#ifndef NCC_TESTS_K210_COMPILED_H
#define NCC_TESTS_K210_COMPILED_H

#include "compiler/base/file.h"
#include "compiler/plan/plan.h"
#include "tests/k210/net.h"

struct ncc_sim;

struct compiled {
    struct graph *real;  /* lowered, with ranges and codes assigned, still in real numbers */
    struct graph *codes; /* in integers, planned */
    struct plan plan;
    struct bytes file;
};

/* Compiles n->g, calibrated on the inputs of seeds seed .. seed + 7. `force`: every node on the KPU that may be there,
 * else by estimated time. What goes wrong fails the test, with `name` and the graph. */
struct compiled compile_net(struct net *n, const struct k210_options *options, bool force, uint64_t seed,
                            const char *name);

/* Plans and writes a graph whose nodes all have kernels. False: n->diags has the reason. */
bool compile_planned(struct net *n, struct graph *g, struct compiled *out);

/* Runs the file on the inputs of `seed` (as net_feed makes them for g); sim may be NULL. The outputs, one after
 * another. */
const void **compiled_run(struct net *n, const struct compiled *c, const struct graph *g, uint64_t seed,
                          struct ncc_sim *sim);

/* The runtime's outputs against the evaluation of the graph: equal bytes; floats to `tolerance` of the largest; codes
 * may differ by `codes`. False: why (200 bytes). */
bool compiled_same(const struct graph *g, const struct tensor *want, const void *const *got, double tolerance,
                   int codes, char *why);

#endif
