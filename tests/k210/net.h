/* Random networks for the tests of lowering: small canonical graphs of what the KPU can do, and their evaluation with
 * everything outside of windows made unpleasant. */
#ifndef NCC_TESTS_K210_NET_H
#define NCC_TESTS_K210_NET_H

#include "compiler/ir/eval.h"
#include "compiler/k210/k210.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A graph with its memory. Running out of memory, which these sizes do not, crashes the test. */
struct net {
    struct exit out;
    struct arena arena, scratch;
    struct diags diags;
    struct graph *g;
};

void net_open(struct net *n);
void net_close(struct net *n);
/* The graph of a text in the form of compiler/ir/text.h. */
void net_parse(struct net *n, const char *text);

/* The seed of NCC_SEED, else 1; printed. */
uint64_t net_seed(const char *test);
/* A small generator: integers lo..hi, numbers lo..hi, about normal. The state of case `i` of a seed is seed * 1000003 +
 * i. */
int net_int(uint64_t *state, int lo, int hi);
double net_real(uint64_t *state, double lo, double hi);
double net_normal(uint64_t *state);

/* What a random network is made of. */
enum net_kind {
    NET_CONV,
    NET_DEPTHWISE,
    NET_GROUPS,
    NET_POOL,
    NET_UNARY,
    NET_AFFINE,
    NET_PRELU,
    NET_CHANNEL_PAD,
    NET_SUM,
    NET_CONCAT,
    NET_BLOCK, /* depthwise, unary, 1x1 */
    NET_TRANSPOSED,
    NET_BLOCKS, /* depth to space, space to depth */
    NET_WIDE,   /* more than 1024 channels */
    NET_RESIZE,
    NET_GATE, /* a map times a vector, or times another map */
    NET_SHUFFLE, /* channels that are split, put together and into another order */
    NET_ROWS, /* a matrix product with several rows */
    NET_VECTOR,
    N_NET_KINDS
};

/* Appends one random piece to the map (or vector) x. */
struct value *net_append(struct graph *g, uint64_t *state, struct value *x, enum net_kind kind);

/* One piece of each kind in turn, then chains and diamonds. The input's codes are those of a quant of its own. */
void net_random(struct net *n, uint64_t *state, int index);

/* Puts every node on the KPU that breaks no rule and is not barred. */
void net_force_on_kpu(struct graph *g);
int net_count(const struct graph *g, enum op op);
/* Uploads of anything but an input of the graph, moved or not. */
int net_count_crossings(const struct graph *g);

/* All values' tensors by id, evaluated in plain loops. Inputs are random: floats on the codes of the input's quant; u8
 * the codes themselves. With `poison`, what may be anything in float KPU canvases is large numbers. */
struct tensor *net_evaluate(struct arena *a, const struct graph *g, uint64_t seed, bool poison);

/* The same in general: `see` may change what each node made. */
typedef void net_hook(void *ctx, const struct value *v, struct tensor *made);
struct tensor *net_evaluate_with(struct arena *a, const struct graph *g, uint64_t seed, net_hook *see, void *ctx);

/* Fills an input tensor as net_evaluate does; `input` is its number. */
void net_feed(const struct value *v, int input, uint64_t seed, struct tensor *t);
/* The same as many samples, that of `seed` first. */
struct net_feeding {
    const struct graph *g;
    uint64_t seed;
};
struct samples net_samples(struct net_feeding *f, int n);

/* Outside of a window that promises zeros there must be some: the name of a value that breaks it, or NULL. */
const char *net_broken_promise(const struct graph *g, const struct tensor *t);

/* Outputs of two graphs: equal names, shapes, and elements to `tolerance` of each output's largest, and the last bits
 * of the largest value on the way. False: why (200 bytes). */
bool net_same(const struct graph *a, const struct tensor *x, const struct graph *b, const struct tensor *y,
              double tolerance, char *why);

/* A copy of n's graph with every node on the KPU that may be there, lowered; `legalise`: in the forms that suit the
 * KPU. */
struct graph *net_lowered(struct net *n, const struct k210_options *options, bool legalise);

/* Fails the test, with the name and the graphs, unless g, lowered from n's, verifies, has legal layers only, writes
 * each to main memory at most once, keeps what its windows promise, and means the same in real numbers, on the inputs
 * of `seed`. */
void net_expect_same(struct net *n, const struct graph *g, uint64_t seed, const char *name);

/* The kpu_conv layers that the chip is not proven to do: text of the first, or NULL. */
const char *net_illegal_layer(const struct graph *g);

#endif
