/* Inside of the Caffe importer: what its files share.
 *
 *     caffe.proto        the part of the format that is read; protoc-c makes structs and descriptors of it
 *     caffe.c            the walk: which layers, what is needed, layers in order, outputs
 *     caffe_inputs.c     the inputs and their shapes
 *     caffe_read.c       two files to one net with its weights: text or binary, layers of the first version, phases
 *     caffe_build.c      what builders call: operands, weights, nodes, results, refusals
 *     caffe_ops.def      one row per type of layer: its builder and what the builder needs to know
 *     caffe_ops_*.c      the builders
 *
 * Caffe is n, c, h, w as the graph is, so that no dimension changes its place.
 *
 * A blob's name stands for one value after another when layers work in place (their top is their bottom). Here each of
 * these is a blob of its own; the name means the last one.
 */
#ifndef NCC_IMPORT_CAFFE_H
#define NCC_IMPORT_CAFFE_H

#include "compiler/base/file.h"
#include "compiler/import/import.h"
#include "compiler/ir/op.h"

#include <caffe.pb-c.h>

struct cf_blob {
    const char *name;
    int number;      /* in the list of all */
    struct value *v; /* NULL: not made, or not yet */
    int maker;       /* index of the layer; -1: none */
    int place;       /* which of its tops; without a maker which of the net's listed inputs, or -1: nothing makes it */
    bool needed;     /* by an output, through layers */
    bool is_input;   /* becomes one of the graph's */
    bool is_used;    /* by another layer */
    bool is_last;    /* what its name means */
    bool is_failed;  /* its layer could not be read: not worth another message */
    int n_uses;
};

struct cf_build;

/* Makes the layer's nodes and gives its results with ncc_caffe_give. False: it has told why not. */
typedef bool cf_builder(struct cf_build *b);

enum cf_kind {
    CF_UNKNOWN,
    CF_NAMED,   /* known by name only */
    CF_LAYER,   /* has a builder */
    CF_SOURCE,  /* Input and the layers that read data */
    CF_DROPPED, /* only for training and measuring: a net without it computes the same */
};

struct cf_row {
    const char *type;
    enum cf_kind kind;
    cf_builder *builder;
    const char *remedy; /* CF_NAMED: what to do about it */
    int min_in, max_in;
    int detail; /* for the builder: mostly the enum op. CF_NAMED: whether it reads no more than shapes */
};

struct cf_layer {
    const char *name;
    const Caffe__Layer *p;
    const struct cf_row *row;
    struct cf_blob **in, **out;
    int n_in, n_out;
    Caffe__Blob *const *weights;
    int n_weights;
    bool needed, is_refused;
};

/* What the files say. */
struct cf_files {
    const char *net_file;      /* the net's, for messages */
    const char *weights_file;  /* NULL: there is none */
    const char *missing;       /* where weights were looked for, when there are none */
    const Caffe__Net *net;
    const Caffe__Weights *weights; /* or NULL */
    bool is_text;
};

struct caffe {
    struct arena *arena;
    struct diags *diags;
    struct graph *graph;
    const struct import_options *options;
    struct cf_files files;
    struct cf_layer *layers; /* those of the phase TEST, in order */
    int n_layers;
    struct cf_list { struct cf_blob **v; int n, cap; } blobs, inputs, outputs;
    int old_batch;   /* of the inputs, where it was not 1; else 1 */
    int64_t budget;  /* steps that the size of the files allows */
    bool is_told_of_weights;
};

/* One layer on its way into the graph. */
struct cf_build {
    struct caffe *m;
    const struct cf_layer *layer;
    const Caffe__Layer *p;
    const struct cf_row *row;
    const char *name;
};

/* ---- caffe.c ---- */

bool ncc_caffe_is_text(struct bytes file);
/* Whether a binary file can be a net: its outermost fields are a net's, and fill it. */
bool ncc_caffe_probe(struct bytes file);

/* ncc_import for this format. `path` is where the bytes are from; its other half is looked for beside it. */
struct graph *ncc_caffe_import(struct bytes bytes, const char *path, const struct import_options *options,
                               struct arena *arena, struct diags *d);

/* m->layers and m->blobs from the files. */
bool ncc_caffe_connect(struct caffe *m);
/* Inputs, layers and outputs, once files, layers and m->outputs are there. */
bool ncc_caffe_build(struct caffe *m);
/* Made by a layer that gives the net its inputs. */
bool ncc_caffe_is_source(const struct caffe *m, const struct cf_blob *b);
/* Adds an error about the net and returns false. `found` may be NULL. */
bool ncc_caffe_complain(struct caffe *m, const char *node, const char *rule, const char *remedy, const char *found);

/* ---- caffe_inputs.c ---- */

/* Fills m->inputs with those of the net's own that are needed: what is listed, then what layers give, and what no layer
 * makes if the user gave it a shape. */
void ncc_caffe_find_inputs(struct caffe *m);
/* Gives each of m->inputs its value in the graph. All problems are told. */
bool ncc_caffe_make_inputs(struct caffe *m);

/* ---- caffe_read.c ---- */

/* Finds and reads the other file, and both. */
bool ncc_caffe_read(struct caffe *m, struct bytes bytes, const char *path);
/* The layers that take part in inference, in one form, whatever the net's version. */
bool ncc_caffe_layers(struct caffe *m, const Caffe__Layer ***layers, int *n);
/* Gives every layer of m->layers its weights, by name. */
void ncc_caffe_match_weights(struct caffe *m);
/* The row of a type; never NULL. */
const struct cf_row *ncc_caffe_row(const char *type);

/* ---- caffe_build.c: for builders. k counts the layer's bottoms or tops ---- */

/* Adds an error about this layer and returns false. */
bool ncc_caffe_refuse(struct cf_build *b, const char *rule, const char *remedy, const char *found, ...)
    __attribute__((format(printf, 4, 5)));

/* A bottom. Its row says how many there are at least; NULL beyond the last. */
struct value *ncc_caffe_in(struct cf_build *b, int k);
/* A bottom of rank 4; NULL with a refusal. */
struct value *ncc_caffe_map(struct cf_build *b, int k);
/* -rank .. rank - 1 brought into 0 .. rank - 1. */
bool ncc_caffe_axis(struct cf_build *b, int axis, int rank, int *out);
/* low <= value <= high; `name` is the field's. */
bool ncc_caffe_within(struct cf_build *b, const char *name, int value, int low, int high);

/* The parameters in `field` of the layer, or their defaults. */
#define CF_PARAM(b, field, type) ((b)->p->field ? (const void *)(b)->p->field : ncc_caffe_default((b), &caffe__##type##__descriptor))
const void *ncc_caffe_default(struct cf_build *b, const ProtobufCMessageDescriptor *type);

/* The numbers of weight blob k, which must be as many as the shape has; NULL with a refusal. */
const float *ncc_caffe_numbers(struct cf_build *b, int k, struct shape shape);
/* The same as a constant of this shape. */
struct value *ncc_caffe_weights(struct cf_build *b, int k, struct shape shape, const char *suffix);
/* A constant with the numbers given, of which there are one, or one per index of the axes axis .. axis + n - 1 of a
 * tensor of this rank: its shape lets it be broadcast along the others. */
struct value *ncc_caffe_along(struct cf_build *b, struct value *x, int axis, int n_axes, const float *v,
                              const char *suffix);
struct value *ncc_caffe_scalar(struct cf_build *b, float v, const char *suffix);

/* A node of the layer; suffix NULL: it has the layer's name. NULL operands give NULL. */
struct value *ncc_caffe_op(struct cf_build *b, enum op op, const char *suffix, const void *attrs,
                           struct value *const *in, int n_in);
struct value *ncc_caffe_unary(struct cf_build *b, enum op op, const char *suffix, struct value *x);
struct value *ncc_caffe_binary(struct cf_build *b, enum op op, const char *suffix, struct value *x, struct value *y);
struct value *ncc_caffe_reshape(struct cf_build *b, const char *suffix, struct value *x, struct shape to);

/* Result k; v NULL: it was refused. */
bool ncc_caffe_give(struct cf_build *b, int k, struct value *v);

#define CF_NAME(type, shapes, remedy)
#define CF_SOURCE(type)
#define CF_DROP(type)
#define CF_OP(type, builder, detail, min_in, max_in) cf_builder ncc_caffe_build_##builder;
#include "compiler/import/caffe_ops.def"
#undef CF_OP
#undef CF_NAME
#undef CF_SOURCE
#undef CF_DROP

#endif
