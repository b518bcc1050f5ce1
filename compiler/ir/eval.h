/* Evaluating a graph: each operator's reference meaning, or its fast form.
 *
 * Nodes between codes of a model that computes in fixed point are evaluated in that, bit for bit, where their operators
 * have such a form (op.h, eval_codes.c); their tensors hold the real numbers of the codes. This is so for graphs as
 * they were imported: passes make real numbers of them.
 *
 * Samples run in parallel, one per thread; buffers are reused within a sample by lifetime.
 * Results do not depend on the number of threads. No more threads run than there are samples.
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
/* The same of fast forms; NULL is reported. */
struct evaluator *ncc_eval_need(const struct graph *g, size_t limit);
void ncc_eval_close(struct evaluator *e);

/* What a graph is run on: n samples, of which the i-th is number first + i of what feed knows, or, if `of` is not 0,
 * number first + i * of / n. */
struct samples {
    /* Fills the tensor of graph input `input`. False stops everything (feed leaves its own diagnostic). Called in
     * parallel. */
    bool (*feed)(void *ctx, int sample, int input, struct tensor *to);
    void *ctx; /* feed's */
    int n;
    int first, of;
};

/* No more than n of them, spread evenly over all. */
struct samples ncc_samples_spread(const struct samples *all, int n);
bool ncc_samples_feed(const struct samples *s, int i, int input, struct tensor *to);

/* What happens while it runs. Samples are counted from 0 on, whatever their numbers are. */
struct eval_hooks {
    void *ctx;
    /* Called in parallel for every value when it is computed (graph inputs too), NULL: not wanted. What it changes of
     * the tensor's elements is what is read of them afterwards. Per sample the order is that of the nodes; samples run
     * in any order. */
    void (*see)(void *ctx, int sample, int thread, const struct value *v, const struct tensor *t);
    /* The graph's outputs of a finished sample, in graph order; NULL: not wanted. */
    void (*done)(void *ctx, int sample, int thread, const struct tensor *const *outputs);
    void (*step)(void *ctx); /* once per finished sample, for a progress bar; may be NULL */
};

/* False when a feed said so. */
bool ncc_eval_run(struct evaluator *e, const struct samples *samples, const struct eval_hooks *hooks);

/* All at once: opens an evaluator of fast forms, runs and closes it. False: feed said so, or no memory (reported). */
bool ncc_eval_samples(const struct graph *g, size_t limit, const struct samples *samples,
                      const struct eval_hooks *hooks);

/* Multiply-adds of one inference. */
double ncc_graph_macs(const struct graph *g);

#endif
