/* Bands: a group of nodes whose maps are too large for KPU RAM is computed piece by piece, several layers deep.
 *
 *     map --conv--conv--pool-- map        map --slice-- conv--conv--pool --+
 *                                  ->         --slice-- conv--conv--pool --+-- concat -- map
 *                                             --slice-- conv--conv--pool --+
 *
 * A piece reads a few rows (and columns) more than its share, since every 3x3 kernel needs one on each side: these are
 * computed twice. Only at the map's true edge is there padding; elsewhere a piece is a 'valid' convolution, which on a
 * canvas is a smaller window and costs nothing (doc/lowering.md). So the rewritten graph is an ordinary one, means the
 * same, and placement and lowering know nothing of bands.
 *
 * Pieces of one value form a family (value->family): quantisation gives them the same codes, and their layers the same
 * weights, so that the result is that of the whole map bit by bit.
 */
#ifndef NCC_K210_BANDS_H
#define NCC_K210_BANDS_H

#include "compiler/k210/k210.h"

/* A way to cut: nodes by their place in the graph, ascending. No node between them may depend on one of them and be
 * needed by another. */
struct band_choice {
    int *node;
    int n;
    int rows, cols;     /* pieces per dimension */
    bool join_in_main;  /* the pieces are put together in main memory; else wherever placement likes it */
    bool enter_in_kpu;  /* what pieces read is copied within KPU RAM, where placement likes it; else through main memory */
    double us;          /* estimate for the whole graph */
    int64_t kpu_bytes;  /* estimate of the largest piece's need of KPU RAM */
};

/* Can bands of this node's result be computed from bands of its inputs? */
bool ncc_bands_possible(const struct node *n);

/* Rewrites a canonical graph. The group's nodes must be possible. */
void ncc_bands_apply(struct graph *g, const struct band_choice *c);

/* Ways to cut such that the node at place `node` of the canonical graph is computed in bands that fit, the fastest
 * first. At most `max` are kept. */
int ncc_bands_choices(const struct graph *g, int node, const struct k210_options *options, struct arena *scratch,
                     struct band_choice *out, int max);

/* ---- inside: bands_estimate.c ---- */

/* The time of the graph with each of n cuts, placed: way[i].us. In parallel, and always the same. */
void ncc_bands_time(const struct graph *g, const struct k210_options *options, struct arena *scratch,
                    struct band_choice *way, int n);

/* The same of the part of the graph around all that they cut: good for comparing them. n is 1 at least. */
void ncc_bands_time_near(const struct graph *g, const struct k210_options *options, struct arena *scratch,
                         struct band_choice *way, int n);

/* ---- bands_channels.c ----
 *
 * What works channel by channel between a convolution and whoever reads all its channels can be done for a few channels
 * at a time, so that the wide map in front of it is never there as a whole:
 *
 *     x --1x1-- 96 --depthwise-- 96 --1x1-- y  ->  x --1x1-- 24 --depthwise-- 24 --+
 *                                                    --1x1-- 24 --depthwise-- 24 --+-- concat, 96 --1x1-- y
 *                                                    ...
 *
 * Exact, with the same work: results lie side by side for nothing, and no row is computed twice or copied.
 */
struct channel_run {
    const struct node *first, *last; /* the convolution, and the last node in the chain behind it */
};

/* The run that n is in. False: none. */
bool ncc_bands_channel_run(const struct graph *g, const struct node *n, struct channel_run *out);
/* The least number of ranges with which the run itself fits KPU RAM; 0: none. */
int ncc_bands_channel_ranges(const struct graph *g, const struct channel_run *r);
/* Rewrites a canonical graph. */
void ncc_bands_cut_channels(struct graph *g, const struct channel_run *r, int n);

/* Microseconds that the weights of layers on the KPU are worth: a kmodel holds those of every piece. */
double ncc_bands_weights_us(const struct graph *g);

/* ---- inside: bands_region.c ---- */

struct stretch {
    int begin, end; /* end is exclusive */
};

enum { AXIS_ROWS, AXIS_COLS, N_AXES };

/* Which part of every value one piece computes. */
struct band_part {
    bool known;
    struct stretch of[N_AXES];
    int lead[N_AXES];   /* of what enters: rows and columns read in front of it, so that picks meet even places */
    int trail[N_AXES];  /* ... and behind it, so that rows fill whole lines, which are uploaded by DMA */
    int at[N_AXES];     /* where it begins on its canvas */
    int canvas[N_AXES]; /* size of the canvas */
};

struct banding {
    const struct graph *g;
    int n_ids;          /* of the graph when it was opened */
    struct arena *arena;
    struct node **node; /* of the group, in order */
    int n;
    bool *inside;       /* by value id: made in the group */
    struct band_part *part; /* by value id; those of the present piece */
    struct { struct value **v; int n, cap; } enter, leave; /* values from outside; results needed outside */
    int rows, cols;
};

/* `node` is kept. */
void ncc_bands_open(struct banding *t, const struct graph *g, struct node **node, int n, struct arena *a);

/* The parts for piece (row, col), leads included. False: a piece of some result would be empty. */
bool ncc_bands_regions(struct banding *t, int row, int col);

/* What piece (row, col) hands on of a result that leaves the group: it may compute more for itself. */
struct stretch ncc_bands_share(const struct banding *t, const struct value *v, int axis, int row, int col);

/* What node n reads of input i for `out`: within the map, and with what sticks out of it. */
struct stretch ncc_bands_needed(const struct node *n, int i, int axis, struct stretch out);
struct stretch ncc_bands_reached(const struct node *n, int axis, struct stretch out);

/* Does a piece of this input of n depend on the piece at all? False for constants, and for what is broadcast over the
 * map. */
bool ncc_bands_is_map(const struct node *n, int i);

/* KPU RAM that the present piece needs, roughly. */
int64_t ncc_bands_bytes(const struct banding *t);

#endif
