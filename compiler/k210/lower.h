/* Lowering, inside: what the files lower_*.c share. The phase's interface is k210.h.
 *
 * A value of the canonical graph has up to two forms: a canvas in KPU RAM and a packed tensor in main memory. Each is
 * made from the other when it is first asked for, and only once. The walk over the nodes (lower.c) asks every
 * node that placement put on the KPU to build its canvas; all others take their inputs in main memory.
 */
#ifndef NCC_K210_LOWER_H
#define NCC_K210_LOWER_H

#include "compiler/k210/k210.h"
#include "compiler/ops/attrs.h"
#include "kpu/layer.h"

struct form {
    struct value *kpu, *main;
    struct value *spread; /* a canvas where channel c lies at slot[c]: spread.c */
    const int *slot;
};

enum { NCC_LOWER_N_FORMS = 4 }; /* settings of a value's forms at most: each, and a spread one that is packed */

/* The layers that stand for the first piece of a map: those for the other pieces are of their families. */
struct family {
    const struct node **v;
    int n, cap;
};

/* A choice that was made: decisions.c. */
struct decision {
    int way;         /* -1: there is none */
    const char *why; /* what stood against the others, or against all */
};

struct decisions {
    struct decision *v;
    int n;       /* that were written; those that found no room are counted as well */
    int at, end; /* what is read back next, and up to where */
    bool replaying;
};

struct lowering {
    struct graph *g;
    const struct k210_options *options;
    struct form *forms; /* by id of the canonical graph's values */
    int n_forms;
    int *set, n_set;      /* ids of the values whose forms were set, in this order */
    struct span {
        int first, end;   /* ids of the values that were made for this node, by id of its first output */
        double detour_us; /* of what passes through main memory on the way */
    } *spans, *span;      /* of the node that is being lowered */
    struct family *families; /* by number of the canonical graph's families */
    bool no_rides;        /* no pool goes into the layer before it */
    bool no_margins;      /* no map gets rows for them */
    bool made_margin;     /* one has got some */
    double replaced_us;   /* of layers that nobody will read any more */
    int trying;           /* what is built now will be taken back, or only its time is asked for */
    struct unread {
        float *v;
        size_t n;
    } unread;             /* the weights of all that is only tried */
    size_t most_unread;   /* that was ever asked for */
    struct decisions decisions; /* of the node that is being lowered */
    struct known_taps *taps; /* conv_layer.c */
};

/* Lowers every node with on_kpu set, all others on main memory; sweeps. Needs g and options, fills the rest. */
void ncc_lower_walk(struct lowering *l, struct arena *scratch);
/* The microseconds of what came of it on the KPU. */
double ncc_lower_walked_us(const struct lowering *l);
/* Rows beside one map make all maps behind it larger, and with these what is added to them: is the whole graph, as it is
 * placed, quicker with such margins? */
bool ncc_lower_margins_pay(const struct graph *g, const struct k210_options *options, struct arena *scratch);
/* What a node of the lowered graph costs on the KPU; 0 for all but kpu_conv. */
double ncc_lower_layer_us(const struct lowering *l, const struct node *n);

/* Channels of a value in KPU RAM: more than the 1024 of a layer lie there as several layers' outputs side by side. */
#define NCC_LOWER_MAX_C 8192

/* ---- attempt.c: several ways to do one thing ----
 *
 *     struct attempt a = ncc_lower_begin(l);
 *     struct value *y = ...;                       nothing older may have been changed
 *     if (ncc_lower_spent(l, &a, y) > best)
 *         ncc_lower_undo(l, &a);               frees all memory that the graph's arena gave since
 *
 * Where attempts are nested, an inner one is undone before an outer one, or not at all. One may be undone several times: each
 * time what was made since it began, or since the last time.
 */
struct attempt {
    struct node *last; /* before the first node of the attempt; NULL: none */
    int first_id, n_set;
    double detour_us, replaced_us;
    struct unread unread;
    struct arena_mark memory;
};
struct attempt ncc_lower_begin(struct lowering *l);
/* One attempt more that is only to be compared, or (-1) less. */
void ncc_lower_try(struct lowering *l, int more);
/* The forms of v, one of which is set now; undoing takes it back. */
struct form *ncc_lower_form_to_set(struct lowering *l, const struct value *v);
/* Microseconds of what was made since and leads to `result`, the bytes of its weights at a clock each, less what was replaced
 * since; the rest is removed. */
double ncc_lower_spent(struct lowering *l, const struct attempt *a, const struct value *result);
/* The layers that made x, or the parts that lie beside each other in it, are not needed any more. */
void ncc_lower_replace(struct lowering *l, const struct value *x);
/* Microseconds of the copies between the memories, and of what the CPU does to them, since. */
double ncc_lower_copied(const struct lowering *l, const struct attempt *a);
void ncc_lower_undo(struct lowering *l, const struct attempt *a);

/* ---- decisions.c ----
 *
 *     struct decision d;
 *     if (!ncc_lower_recalled(l, &d)) {
 *         struct search_log log = ncc_lower_search(l);
 *         for each way:
 *             ncc_lower_search_next(l, &log);
 *             ...                                  it is tried and undone
 *             ncc_lower_search_keep(l, &log);      if it is the best so far
 *         ncc_lower_search_end(l, &log, d);
 *         ncc_lower_replay(l, &log);               only if what was kept is built now
 *         ...
 *         ncc_lower_replayed(l);
 *     }
 */
struct search_log {
    int start, kept; /* of the list; kept -1: too many */
};
void ncc_lower_decisions_new(struct lowering *l, struct arena *a);
/* True: this choice was made before, and the answer is in *d. */
bool ncc_lower_recalled(struct lowering *l, struct decision *d);
struct search_log ncc_lower_search(struct lowering *l);
void ncc_lower_search_next(struct lowering *l, const struct search_log *log);
void ncc_lower_search_keep(struct lowering *l, struct search_log *log);
void ncc_lower_search_end(struct lowering *l, const struct search_log *log, struct decision d);
void ncc_lower_replay(struct lowering *l, const struct search_log *log);
void ncc_lower_replayed(struct lowering *l);

/* Zeroed room for n weights. While something is only tried, nobody will read them: they all lie in the same place, and hold
 * anything; who fills many need not. */
float *ncc_lower_weights(struct lowering *l, size_t n);

/* ---- forms.c ---- */

/* The canvas of a value: made by its KPU node, a KPU graph input, or uploaded. NULL: too large. */
struct value *ncc_lower_canvas(struct lowering *l, struct value *v);
/* The value packed in main memory, in its canonical shape. */
struct value *ncc_lower_main(struct lowering *l, struct value *v);
/* By way of main memory, for when nothing else helps: a canvas of at least that size, with the window in its upper left
 * corner and zero around it. */
struct value *ncc_lower_clean(struct lowering *l, struct value *v, int least_h, int least_w);

/* ---- upload.c ---- */

/* Does KPU RAM hold such a map at all? */
bool ncc_lower_fits(int c, int h, int w);
/* A value of main memory as a canvas of at least that size; around its window stands zero. NULL: too large. */
struct value *ncc_lower_upload(struct lowering *l, struct value *v, int least_h, int least_w);
/* Is it uploaded in whole lines, with rows that were made longer before? */
bool ncc_lower_uploads_lines(const struct lowering *l, const struct value *v);
/* Does the canvas show what was uploaded? */
bool ncc_lower_was_uploaded(const struct value *canvas);

/* ---- forms.c, again ---- */

/* A copy moved by (a, b): out(r, c) = x(r + a, c + b), |a|, |b| <= 1; (0, 0) is a plain copy. */
struct value *ncc_lower_shift(struct lowering *l, struct value *x, int a, int b);
/* The same, read instead of x: its window moves along. What the shift brings in is `pad`, OUT_ZERO or OUT_LOWEST;
 * `all`: of that is then everything around the window. */
struct value *ncc_lower_move(struct lowering *l, struct value *x, int a, int b, enum outside pad, bool all);
/* x itself, or a copy that can lie beside something. */
struct value *ncc_lower_placeable(struct lowering *l, struct value *x);
/* Channels side by side. Members that cannot be placed there (they already lie beside others, or are only a view
 * of something) are copied first. */
struct value *ncc_lower_beside(struct lowering *l, struct value *const *parts, int n, const char *name);
/* ---- grow.c ---- */

/* x with h rows and w columns, where these are more; the new ones are junk. NULL: not possible. */
struct value *ncc_lower_grow(struct lowering *l, struct value *x, int h, int w);
/* The same for who takes the channels in any order: channel c lies at slot[c], or (NULL) where it is counted. */
struct value *ncc_lower_grow_spread(struct lowering *l, struct value *x, int h, int w, const int **slot);

/* What 1x1 layers made of one canvas, made by them again of that canvas grown to h x w: for when x has more channels than
 * it and nobody else reads x. NULL: it was made otherwise, or not possible. */
struct value *ncc_lower_made_again(struct lowering *l, struct value *x, int h, int w);

/* x declared with another size where that moves no address: any width of the layout's class; any height while all
 * channels share their lines. What is new is junk. */
struct value *ncc_lower_recanvas(struct lowering *l, struct value *x, int h, int w);

/* ---- align.c ---- */

/* The canvases of values with equal windows: where they differ they grow and are moved, or take a detour through main
 * memory, whatever is quickest. False: they do not fit. */
bool ncc_lower_equal_canvases(struct lowering *l, struct value *const *v, int n, struct value **x);

/* The same where channels may be spread: channel c of v[i] lies at slot[i][c]; NULL: where it is counted. */
bool ncc_lower_equal_spreads(struct lowering *l, struct value *const *v, int n, struct value **x, const int **slot);

/* ---- lower_stack.c ---- */

/* h rows (4 at least) of x's window from `row` on, on a canvas of their own: a copy of each channel group. */
struct value *ncc_lower_rows_apart(struct lowering *l, struct value *x, int row, int h, const char *name);

/* ---- spread.c ---- */

/* Notes that channel c of v lies at slot[c] of a canvas. */
void ncc_lower_set_spread(struct lowering *l, const struct value *v, struct value *canvas, const int *slot);
/* A canvas with v's channels: at *slot, or (NULL) where they are counted. NULL: does not fit. */
struct value *ncc_lower_spread(struct lowering *l, struct value *v, const int **slot);
/* Weights [out_c][in_c][taps] for such a canvas of n_slots channels; of channels that share a slot they add up. */
const float *ncc_lower_slotted(struct lowering *l, const float *w, int out_c, int taps, int in_c, const int *slot,
                               int n_slots);
/* The channels of a value that is spread, moved together. */
struct value *ncc_lower_packed(struct lowering *l, const struct value *v);
/* Is a value that is spread a concatenation, and its channels are those of the parts one after another? */
bool ncc_lower_as_counted(const struct lowering *l, const struct value *v);

/* A canvas to work on channel by channel, leaving all where they are: at *slot, each at one of its own, or (NULL) where
 * they are counted. NULL: does not fit. */
struct value *ncc_lower_by_channel(struct lowering *l, struct value *v, const int **slot);
/* What such work needs for each of c channels, `per` numbers, where the channels are; others get 0. */
const float *ncc_lower_slotted_channels(struct lowering *l, const float *w, int c, int per, const int *slot, int n_slots);

/* Canvases that, side by side with others, hold v from channel `at` on, which starts a line: in place, copied line by
 * line or moved together, whatever is quickest. slot[c]: where channel c will be. Returns how many, at most
 * NCC_LOWER_MAX_PARTS; 0: v does not fit. */
enum { NCC_LOWER_MAX_PARTS = 8 };
int ncc_lower_parts(struct lowering *l, struct value *v, int at, struct value **part, int *slot);

/* ---- surround.c ---- */

/* Where the window is to be in the end. */
enum surround_end { END_ANYWHERE, END_SAME_PLACE, END_CORNER };

/* x with zero (or the lowest code) all around its window, on a canvas that is as large as x's or at least least_h x
 * least_w. NULL: too far. */
struct value *ncc_lower_surround(struct lowering *l, struct value *x, int least_h, int least_w, enum outside outside,
                                 enum surround_end end);

static inline struct window ncc_lower_full(const struct value *canvas)
{
    return (struct window){.h = canvas->shape.dim[2], .w = canvas->shape.dim[3], .outside = OUT_JUNK};
}
static inline bool ncc_lower_is_full(const struct value *canvas)
{
    return canvas->window.h == canvas->shape.dim[2] && canvas->window.w == canvas->shape.dim[3];
}

/* ---- conv_layer.c, conv_ways.c: one convolution on a canvas, in whatever number of layers it takes ---- */

struct conv_job {
    const char *name, *origin;
    struct value *x;          /* canvas */
    int out_c;
    int groups;               /* 0 or 1: none. Others: w has zeros where they do not meet */
    bool depthwise;
    const float *w;           /* [out_c][in_c or 1][kh][kw] */
    const float *bias;        /* [out_c] or NULL */
    int kh, kw, dil_h, dil_w, stride, pad_top, pad_left;
    int out_h, out_w;         /* of the convolution */
    struct act_chain act;
    bool one_scale;           /* the result's codes are the same for all channels, whatever makes it */
    bool tied;                /* an identity whose output is quantised as its input */
    bool diagonal;            /* channel by channel, but in regular layers: w is [out_c][1][kh][kw] */
    bool copy;                /* works on codes as they are (kpu_conv_attrs.copy); its pads are of the lowest code */
    int pool;                 /* pool code; with a stride above 1: NONE, the pick is chosen here */
    int pooled_h, pooled_w;   /* behind the pool: out_h, out_w without one */
    int seen_h, seen_w;       /* outputs of the convolution that the pool sees; those from out_h on must not count. 0: out_h */
};

/* 1x1 over the window of x, without weights yet. */
struct conv_job ncc_lower_pointwise_job(const char *name, const char *origin, struct value *x, int out_c);

/* The canvas of the result, or NULL (`why` says what stood against it) with the graph unchanged but for unused nodes.
 * The cheapest of: as it is; groups by themselves; blocks of pixels first. */
struct value *ncc_lower_conv(struct lowering *l, const struct conv_job *job, const char **why);
/* Without a choice: one layer with its copies, picks and pools, or as many as the limits ask for. */
struct value *ncc_lower_conv_as_is(struct lowering *l, const struct conv_job *job, const char **why);

/* ---- channel_ranges.c: more channels than a layer has ---- */

/* Channels of a canvas in place; `begin` is a multiple of those that share a line. */
struct value *ncc_lower_channels(struct lowering *l, struct value *x, int begin, int count);
/* A depthwise job over more than 1024 channels. */
struct value *ncc_lower_depthwise_ranges(struct lowering *l, const struct conv_job *job, const char **why);
/* A job whose `n_copies` copies of the input have more than 1024 channels: a sum of layers over channel ranges. */
struct value *ncc_lower_in_parts(struct lowering *l, const struct conv_job *job, int n_copies, const char **why);

/* A job with groups as n jobs on equal ranges of inputs and outputs, which begin on lines of their own. */
struct value *ncc_lower_group_ranges(struct lowering *l, const struct conv_job *job, int n, const char **why);

/* act(sum of the parts, each times its factor (NULL: 1), + bias), with the job's pool, or its stride where the parts are not
 * picked yet: the layer that adds equal canvases, each of all its outputs from channel `begin` on. */
struct value *ncc_lower_total(struct lowering *l, const struct conv_job *job, struct value **part, const float *factor,
                              int n, int begin, const char **why);

/* ---- sum_lines.c ---- */

/* act(sum of the parts, equal canvases each times its factor (NULL: 1)); name, origin and act are the job's. */
struct value *ncc_lower_line_sums(struct lowering *l, const struct conv_job *job, struct value *const *part,
                                  const float *factor, int n, const char **why);
/* The same at once, of as many channels of canvases of h x w as this (of c, from the first on; whole lines, or all), and the
 * results of several side by side. */
int ncc_lower_line_channels(int c, int h, int w);
struct value *ncc_lower_line_sum(struct lowering *l, const struct conv_job *job, struct value *const *part,
                                 const float *factor, int n, const char **why);
struct value *ncc_lower_maps_beside(struct lowering *l, struct value **map, int n, const char *name);

/* ---- depthwise_pieces.c ---- */

/* A depthwise job with any kernel as depthwise layers and a sum, in blocks of channels: `least` (a multiple of 4) or more. */
struct value *ncc_lower_depthwise_pieces(struct lowering *l, const struct conv_job *job, int least, const char **why);

/* ---- sum_in_place.c ---- */

/* `factor` times the sum of each channel's map, up to 8x8, at one of its pixels. NULL: not possible. */
struct value *ncc_lower_sum_in_place(struct lowering *l, const struct node *n, struct value *x, double factor,
                                     const struct act_chain *act);

/* ---- depthwise_lines.c ---- */

/* The same, added line by line, for jobs of stride 1 without a pool; pieces and result have one scale for all channels. */
struct value *ncc_lower_depthwise_lines(struct lowering *l, const struct conv_job *job, const char **why);

/* ---- max_along.c ---- */

/* A job (1x1, no weights yet; its pool or pick) on max(x, its neighbour), of which there are h x w: down, right: -1, 0, 1,
 * one of them 0. In blocks of channels, a multiple of 4. */
struct value *ncc_lower_max_neighbour(struct lowering *l, const struct conv_job *job, int h, int w, int down, int right,
                                      int block, const char **why);

/* ---- space_first.c ---- */

/* A regular convolution with one output, without a pool: a flattened map times a matrix, for instance. */
bool ncc_lower_is_single(const struct conv_job *job);
/* A strided job as space to depth and a convolution of stride 1. */
struct value *ncc_lower_space_first(struct lowering *l, const struct conv_job *job, const char **why);

/* ---- choice.c ---- */

/* One of several ways to the same canvas; NULL, and why, where it is none. */
struct lower_way {
    struct value *(*build)(struct lowering *l, const void *job, int arg, const char **why);
    int arg;
};

/* The result of the cheapest way, by the time of its layers and the bytes of its weights. NULL: there is none, and
 * `why` is what the first said. All canvases that the ways read must exist before. */
struct value *ncc_lower_cheapest(struct lowering *l, const struct lower_way *ways, int n, const void *job,
                                 const char **why);

/* Of a job that can be done in parts which are alike: `count` channels from `begin` on. NULL: not possible. */
typedef struct value *lower_part(struct lowering *l, const void *job, int begin, int count, const char **why);

/* The quickest size of blocks for `total` channels: `least`, or that doubled any number of times; the last may be larger
 * than total. Of each size one block is built, and the one that is left over. 0: none is possible. */
int ncc_lower_best_block(struct lowering *l, lower_part *build, const void *job, int total, int least, const char **why);

/* ---- settle.c ---- */

/* The same by the quickest way, depthwise ones in regular layers too; the input may be moved to another canvas first. `v`:
 * the canonical value in job->x, whose detour through main memory is one of the ways; or NULL. */
struct value *ncc_lower_settled(struct lowering *l, const struct conv_job *job, struct value *v, const char **why);

/* ---- conv_layer.c, again ---- */

/* How the taps of a job are covered by shifted copies of its input, as if it were regular. */
struct taps;
bool ncc_lower_taps(const struct lowering *l, const struct conv_job *job, struct taps *row, struct taps *col,
                    const char **why);
void ncc_lower_taps_new(struct lowering *l, struct arena *a);
/* x shifted by any distance, in steps of one. */
struct value *ncc_lower_shift_far(struct lowering *l, struct value *x, int a, int b);

/* Can a pool that follows move into the layer that makes x? Regular, without a pool, read by nobody else so far. */
bool ncc_lower_can_join(const struct value *x);
/* Whether y is the mean of x by an identity layer that will ride there. */
bool ncc_lower_joins(const struct value *y, const struct value *x);

/* A convolution of each channel by itself (w: [c][1][kh][kw]) in regular layers whose weights are zero off the diagonal,
 * for what a depthwise layer cannot do: large kernels, picks and pools. In channel blocks where that is cheaper. */
struct value *ncc_lower_diagonal(struct lowering *l, const struct conv_job *job, const char **why);

/* The same with the identity: layers over all channels with a pick (stride 2 or 4) or a pool. */
struct value *ncc_lower_identity(struct lowering *l, const struct conv_job *job, const char **why);

/* ---- lower_*.c: one function per operator; false: leave the node to the CPU (why is set) ---- */

struct fused {
    struct act_chain act;
    struct node *pool; /* NULL: none */
    struct value *end; /* the canonical value that the layer produces */
    const int *slot;   /* where its channels will be; NULL: where they are counted */
    const char *origin;
};

/* The chain of unary nodes on the KPU behind v (each the only user), and a pool that the layer can take. */
struct fused ncc_lower_fuse(struct lowering *l, struct node *n, bool allow_pool);
/* Will the result's codes be the same for all channels, whatever layer makes it? (lower_conv2d.c) */
bool ncc_lower_has_one_scale(const struct fused *f);
/* Notes `canvas` as the form of f->end and of all values between n and it. */
void ncc_lower_fused(struct lowering *l, const struct node *n, const struct fused *f, struct value *canvas);

/* ---- lower_pool.c ---- */

/* Is this a pool that the layer before can take, or take the first step of? And is that all of it? */
bool ncc_lower_pool_rides(const struct node *n);
bool ncc_lower_pool_is_one(const struct node *n);
/* Puts it into a job whose out_h, out_w are set; and what remains of it behind the layer y (pool may be NULL, y too). */
void ncc_lower_ride(const struct node *pool, struct conv_job *j);
struct value *ncc_lower_max_pool(struct lowering *l, const struct node *pool, struct value *x, const char **why); /* all steps */
struct value *ncc_lower_after_ride(struct lowering *l, const struct node *pool, struct value *y, const char **why);
/* The chip's mean of an average pool's size, or NCC_KPU_POOL_NONE. */
int ncc_lower_mean_code(const struct node *pool);
/* No window is cut off by the map's edge. */
bool ncc_lower_pool_inside(const struct node *pool);

/* A 1x1 job on the window of x, as many outputs as channels; weights are for the caller to set. */
struct conv_job ncc_lower_identity_job(const struct node *n, struct value *x, const struct fused *f);
/* What comes from outside has given codes, which others beside it cannot share: a layer gives it codes of its own. */
struct value *ncc_lower_own_codes(struct lowering *l, const struct node *n, struct value *x, const char **why);
float *ncc_lower_filled(struct lowering *l, int n, float value);
/* Element c of a constant that is a scalar or has one element per channel. */
float ncc_lower_per_channel(const struct value *v, int c);

bool ncc_lower_op_conv2d(struct lowering *l, struct node *n, const char **why);
bool ncc_lower_op_matmul(struct lowering *l, struct node *n, const char **why);
bool ncc_lower_op_vector(struct lowering *l, struct node *n, const char **why); /* reshape: the same pixel */
bool ncc_lower_op_reduce(struct lowering *l, struct node *n, const char **why); /* mean and sum of a map */
bool ncc_lower_op_pool(struct lowering *l, struct node *n, const char **why);
bool ncc_lower_op_unary(struct lowering *l, struct node *n, const char **why);
bool ncc_lower_op_sum(struct lowering *l, struct node *n, const char **why);    /* add, sub of two maps */
bool ncc_lower_op_extremum(struct lowering *l, struct node *n, const char **why); /* max, min of two maps */
bool ncc_lower_op_product(struct lowering *l, struct node *n, const char **why); /* mul of two maps */
bool ncc_lower_op_affine(struct lowering *l, struct node *n, const char **why); /* add, sub, mul, div by constants */
bool ncc_lower_op_pad(struct lowering *l, struct node *n, const char **why);    /* zero channels */
bool ncc_lower_op_prelu(struct lowering *l, struct node *n, const char **why);
bool ncc_lower_op_enlarge(struct lowering *l, struct node *n, const char **why); /* resize, conv2d_transpose, depth_to_space: see enlarge.h */
bool ncc_lower_op_slice(struct lowering *l, struct node *n, const char **why);  /* rows, columns, channels */
bool ncc_lower_op_gather(struct lowering *l, struct node *n, const char **why); /* channels in another order */
bool ncc_lower_op_stack(struct lowering *l, struct node *n, const char **why);  /* concat of rows */
bool ncc_lower_op_concat(struct lowering *l, struct node *n, const char **why);

#endif
