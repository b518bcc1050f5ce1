/* Evaluating a graph: each operator's reference meaning, or its fast form.
 *
 * Nodes between codes of a model that computes in fixed point are evaluated in that, bit for bit, where their operators
 * have such a form (op.h, eval_codes.c); their tensors hold the real numbers of the codes. This is so for graphs as they
 * were imported: passes make real numbers of them.
 *
 * Samples run in parallel, one per thread; buffers are reused within a sample by lifetime.
 * Results do not depend on the number of threads.
 */
#ifndef NCC_IR_EVAL_H
#define NCC_IR_EVAL_H

#include "compiler/ir/op.h"

enum eval_mode { EVAL_REFERENCE, EVAL_FAST };

/* Runs one node on given tensors; scratch is made and freed inside. For tests and folding. */
void ncc_eval_node(const struct node *n, const struct tensor *const *in, struct tensor *const *out, enum eval_mode mode);

/* If every input of n is constant and its result has at most 64 Mi bytes: evaluates it, makes the
 * results constants that replace n's outputs, and removes n. Returns whether it did. */
bool ncc_eval_fold(struct graph *g, struct node *n);

/* Whether values of g are codes of a model that computes in fixed point. */
bool ncc_eval_has_codes(const struct graph *g);

struct evaluator;

/* Prepares buffers for all threads, from malloc (released by ncc_eval_close), at most `limit` bytes
 * (0: no limit; then fewer threads are used). The graph must not change while the evaluator is open.
 * NULL: no memory. */
struct evaluator *ncc_eval_open(const struct graph *g, enum eval_mode mode, size_t limit);
void ncc_eval_close(struct evaluator *e);

struct eval_hooks {
    void *ctx;
    /* Fills the tensor of graph input `input` for `sample`. False stops everything. Called in parallel. */
    bool (*feed)(void *ctx, int sample, int input, struct tensor *to);
    /* Called in parallel for every value when it is computed (graph inputs too), NULL: not wanted.
     * Per sample the order is that of the nodes; samples run in any order. */
    void (*see)(void *ctx, int sample, int thread, const struct value *v, const struct tensor *t);
    /* The graph's outputs of a finished sample, in graph order; NULL: not wanted. */
    void (*done)(void *ctx, int sample, int thread, const struct tensor *const *outputs);
    void (*step)(void *ctx); /* once per finished sample, for a progress bar; may be NULL */
};

/* Runs samples 0..n-1. False when a feed said so. */
bool ncc_eval_run(struct evaluator *e, int n_samples, const struct eval_hooks *hooks);

/* Multiply-adds of one inference. */
double ncc_graph_macs(const struct graph *g);

#endif
