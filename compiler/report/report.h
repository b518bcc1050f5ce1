/* What the user gets to read after a compilation: a summary, one JSON object, and why each node is where it is. */
#ifndef NCC_REPORT_REPORT_H
#define NCC_REPORT_REPORT_H

#include "compiler/base/file.h"
#include "compiler/board.h"
#include "compiler/plan/plan.h"
#include "kpu/timing.h"

#include <ncc/compiler.h>

#include <stdio.h>

/* One line per node of the integer graph that does something on the chip. */
struct report_layer {
    const char *name, *origin, *op; /* op: "kpu_conv2d 3x3 pick", "softmax", "download" */
    const char *on;                 /* "kpu", "cpu", "copy" */
    const char *in_shape, *out_shape;
    double est_us;
    const char *reason;       /* why it is on the CPU, else NULL */
    int n_scales;             /* of the result's codes: 0 (it is not codes), 1, or one per channel */
    double scale, zero_point; /* of the first */
};

/* What became of a node of the source model. */
struct report_source {
    const char *name, *op; /* in the words of its format */
    const char *on;        /* "kpu", "cpu", "kpu, cpu"; "free": a way to look at bytes; "folded": nothing is left to do;
                                 "left out": no output depends on it */
    const char *as;        /* the operations that it became, or what folded it */
    const char *with;      /* the source nodes that share those layers, or "" */
    const char *reason;    /* why it is on the CPU, or NULL */
    double est_us;         /* of its layers, copies on its behalf included; a shared layer counts for its first node */
    int *layers;           /* indices of report.layers */
    int n_layers;
};

/* A run of bytes during some steps of a run of the model. */
struct report_buffer {
    const char *name;
    enum memory mem;
    int64_t addr, size;
    int birth, death; /* steps, both inclusive */
};

struct report_tensor {
    const char *name, *dtype;
    struct shape shape;
    double scale; /* 0: not quantised */
    double zero_point;
};

/* A part of the model that is computed piece by piece, as its maps are too large. */
struct report_bands {
    const char *first, *last; /* nodes */
    int rows, cols;           /* pieces */
    int ranges;               /* of channels; 0: all at a time */
};

/* A map that leaves KPU RAM for a while. */
struct report_spill {
    const char *name;
    int64_t bytes; /* of KPU RAM */
};

/* Against the lowered graph in real numbers, on the first samples. */
struct report_precision {
    double db;                  /* of the worst output, in front of a softmax that makes it; INFINITY: equal */
    bool before_softmax;        /* one does */
    int n_samples;              /* 0: not measured */
    const char *layer, *reason; /* the least precise layer, if it is worth a look, else NULL */
    double layer_db;
    int n_float, n_nodes; /* nodes that stay in floating point for --min-sqnr, of so many */
    bool head;            /* the first ones, else the last */
};

struct report {
    struct report_precision precision;
    const char *model, *output;
    int kmodel_version;
    const char *input_text; /* "feed planar uint8 RGB, 0..255, 3x96x96" */
    const char *data_text;
    struct {
        struct report_tensor *v;
        int n, cap;
    } inputs, outputs;
    struct {
        struct report_layer *v;
        int n, cap;
    } layers;
    struct {
        struct report_source *v;
        int n, cap;
    } sources; /* in the order of the source model; none when a kmodel is inspected */
    struct {
        struct report_buffer *v;
        int n, cap;
    } buffers;
    int n_steps;
    struct { struct report_bands *v; int n, cap; } bands;
    struct { struct report_spill *v; int n, cap; } spills;
    double bands_extra; /* multiply-adds that bands compute twice, as a share of the model's */
    struct board board;
    int64_t file_bytes, main_memory_bytes, input_bytes;
    bool streamed;          /* the file stays in flash */
    int64_t resident_bytes; /* of the file in RAM: all of it, unless streamed */
    int64_t stream_bytes;   /* work memory when streamed, working memory included; 0: cannot be */
    struct plan_memory kpu, main;
    int kpu_layers, cpu_kernels, crossings;
    double kpu_us, copy_us, cpu_us;
    enum ncc_kpu_runtime runtime; /* that the times are for */
    double compile_seconds;
};

/* The costs that count for a choice of the user and a kmodel version. */
enum ncc_kpu_runtime ncc_report_runtime(enum ncc_firmware firmware, int kmodel_version);

/* What the board must have room for. */
static inline int64_t ncc_report_ram(const struct report *r)
{
    return r->resident_bytes + r->main_memory_bytes + r->input_bytes;
}

/* Fills layers, counts and times from the integer graph. */
void ncc_report_layers(struct report *r, const struct graph *g, const struct plan *plan, enum ncc_kpu_runtime runtime,
                       struct arena *a);

/* Fills in what became of the source model's nodes. After ncc_report_layers. */
void ncc_report_sources(struct report *r, const struct source_node *sources, int n_sources, const struct graph *g,
                        struct arena *a);

/* What a node of the integer graph does, in a few words: "conv 3x3, pick", "softmax". */
const char *ncc_report_op(const struct node *n, struct arena *a);

void ncc_report_text(const struct report *r, bool verbose, FILE *out);
/* Its table of layers alone. */
void ncc_report_text_layers(const struct report *r, FILE *out);
/* One JSON object (ncc(1) lists its members). The text is in the arena. */
char *ncc_report_json(const struct report *r, struct arena *a);

/* One HTML page that needs nothing else. The text is in the arena. */
char *ncc_report_html(const struct report *r, struct arena *a);

/* A canonical graph after placement. */
struct placement {
    const struct graph *graph;
    const char *model; /* file */
    enum ncc_kpu_runtime runtime;
};

/* A table, or one JSON object, of all nodes: operator, side, reason, estimated time. */
void ncc_report_placement(const struct placement *p, bool json, FILE *out);

#endif
