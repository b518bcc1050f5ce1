/* The compiler as a library: a trained model and sample inputs go in, a kmodel for the K210 comes out.
 *
 *     struct ncc_compile_options o;
 *     ncc_compile_defaults(&o);
 *     o.model = "digits.tflite";
 *     o.output = "digits.kmodel";
 *     o.dataset = "pictures/";
 *     enum ncc_exit e = ncc_compile(&o, stdout, stderr);
 *
 * No global state: two compilations may run in two threads. Each call spreads its own work over all cores (NCC_THREADS
 * in the environment sets how many); the result does not depend on their number. Files are written whole or not at
 * all. Strings in options are only read and must live until the call returns.
 */
#ifndef NCC_COMPILER_H
#define NCC_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a call ended; also the exit status of the program. */
enum ncc_exit {
    NCC_EXIT_DONE = 0,
    NCC_EXIT_INPUT = 1,    /* the model, the samples or a file is at fault; the messages say what, where, what to do */
    NCC_EXIT_USAGE = 2,    /* the options contradict each other */
    NCC_EXIT_NO_FIT = 3,   /* the model does not fit the chip */
    NCC_EXIT_INTERNAL = 4, /* a mistake of the compiler; out of memory */
};

enum ncc_format { NCC_FORMAT_AUTO, NCC_FORMAT_TFLITE, NCC_FORMAT_ONNX, NCC_FORMAT_CAFFE };
enum ncc_samples_format { NCC_SAMPLES_AUTO, NCC_SAMPLES_IMAGE, NCC_SAMPLES_RAW, NCC_SAMPLES_NPY };
enum ncc_element_choice { NCC_ELEMENT_DEFAULT, NCC_ELEMENT_U8, NCC_ELEMENT_FLOAT };

/* Whose program runs the kmodel on the chip. Estimates, and so placement, follow what it does between layers: the
 * vendor's v4 runtime copies results out with the CPU, its v3 runtime by DMA; ours (ncc/runtime.h) copies eight bytes
 * at a time and has faster kernels. */
enum ncc_firmware { NCC_FIRMWARE_AUTO /* by kmodel version */, NCC_FIRMWARE_V4, NCC_FIRMWARE_V3, NCC_FIRMWARE_NCC };

struct ncc_shape_override {
    const char *name; /* of a model input */
    int rank, dim[6]; /* in the source model's order */
};

/* Mean and std by channel, in the order of the model's channels: (x - mean[c]) / std[c]. */
struct ncc_channel_norm {
    int n; /* channels, 2..4; 0: one mean and std hold for all */
    float mean[4], std[4];
};

/* How weights are rounded. */
enum ncc_rounding {
    NCC_ROUNDING_QUICK,    /* by what the layers read at some hundred places of the samples, within some 10 ms */
    NCC_ROUNDING_NONE,     /* to the nearest code */
    NCC_ROUNDING_THOROUGH, /* by some thousand places, over and over: seconds */
};

/* Through what the scale of channels is shifted from the layers that make them to those that read them; a set. */
enum ncc_equalise {
    NCC_EQUALISE_RELU = 1 << 0,      /* nothing, a ReLU or a leaky ReLU between two layers */
    NCC_EQUALISE_DEPTHWISE = 1 << 1, /* depthwise layers, both what they read and what they make */
    NCC_EQUALISE_PRELU = 1 << 2,
    NCC_EQUALISE_POOL = 1 << 3, /* and resizing */
    NCC_EQUALISE_SUM = 1 << 4,  /* differences, maxima and minima of two maps as well */
    NCC_EQUALISE_CONCAT = 1 << 5,
    NCC_EQUALISE_READERS = 1 << 6, /* values with several readers */
    NCC_EQUALISE_ALL = (1 << 7) - 1,
};

/* What has scales that are chosen for several values together; a set. */
enum ncc_joint_scales {
    NCC_JOINT_CONCAT = 1 << 0, /* parts of a concatenation that need one zero point */
    NCC_JOINT_SUM = 1 << 1,    /* operands of sums, so that their weights are whole codes */
    NCC_JOINT_ALL = (1 << 2) - 1,
};

/* Steps of quantisation, to leave out or to choose (doc/quantisation.md says what each does and gains). */
struct ncc_quant_steps {
    unsigned equalise; /* set of enum ncc_equalise; 0: no equalising */
    unsigned joint_scales; /* set of enum ncc_joint_scales */
    bool no_slices, no_fine_outputs, no_channel_scales, no_bias_correction, no_truncation_correction, no_fitted_tables;
    enum ncc_rounding rounding;
    bool no_channel_reach;
};

struct ncc_compile_options {
    const char *model;  /* file */
    const char *output; /* NULL: everything is done but no file written */
    enum ncc_format format;
    const char *caffe_prototxt; /* the net to a .caffemodel; NULL: a .prototxt of the same stem, or what is inside */
    bool output_c;      /* write the kmodel as a C array instead */
    bool target_cpu;    /* CPU kernels only */

    const char *dataset; /* folder or file; NULL: none (a float model then cannot be quantised) */
    enum ncc_samples_format dataset_format;
    bool has_norm;      /* mean and std were given: (x - mean) / std, after scaling pictures to [0, 1] */
    float mean, std;
    struct ncc_channel_norm by_channel; /* has_norm: in place of mean and std, where n > 0; the input must have n channels */
    bool bgr;           /* channel order of three-channel inputs; default RGB */
    const char *calibrate_method; /* "auto" (NULL), "minmax" or "no_clip", "percentile", "l2" or "mse", "kl" */

    struct ncc_quant_steps steps;
    double min_sqnr; /* dB that every output must reach on the samples, in front of a softmax that makes it; 0: none.
                        Where codes do not, the tail or the head of the network stays in floating point on the CPU */

    enum ncc_element_choice inference; /* U8 (default): quantised; FLOAT: CPU kernels in float only */
    enum ncc_element_choice input;     /* what the firmware feeds; default: as inference */
    enum ncc_element_choice output_type; /* FLOAT by default */
    bool output_native; /* 4-D outputs keep the source model's order instead of NCHW */
    bool float_binary;  /* --no-quantized-binary */
    int output_quantize_threshold; /* elements below which CPU kernels stay float; default 1024 */

    const struct ncc_shape_override *shapes;
    int n_shapes;
    const char *const *input_tensors, *const *output_tensors; /* cut the graph here */
    int n_input_tensors, n_output_tensors;

    bool stream;          /* the model stays in flash and is streamed (ncc/stream.h): only that must fit the board */
    const char *board;    /* whose general RAM the model must fit: a name of doc/boards.md, NAME=BYTES, or NULL: bare-metal */
    int kmodel_version;   /* 4, or 3: fewer CPU kernels, one input, outputs are floats; results leave KPU RAM by DMA */
    int weight_bits;      /* of KPU layers: 8, or 16 with kmodel_version 3: twice the bytes for weights that lose next to nothing */
    enum ncc_firmware firmware;
    double solve_seconds; /* limit of the search for addresses; counted in steps, so that results repeat */
    bool allow_untested;  /* emit layers that no released compiler emits */
    bool verify_passes;   /* evaluate after every pass and compare with the source model on the samples */
    const char *print_after; /* name of a pass, or "all": the graph is printed to err */
    bool dump_ir;            /* the graph after every phase, as OUT.<phase>.txt beside the output */
    bool dump_weights_range;
    const char *report;      /* NULL, or a file: FILE.html a page, any other name JSON */
    bool json;               /* one JSON object instead of the text summary */
    bool quiet, verbose;
};

void ncc_compile_defaults(struct ncc_compile_options *o);

/* Compiles. The summary (or the JSON object) goes to `out`, messages and progress to `err`. */
enum ncc_exit ncc_compile(const struct ncc_compile_options *o, FILE *out, FILE *err);

/* Imports and places the model without compiling, and prints what will run where and what is not supported, all at
 * once. Uses model, format, shapes, tensors and json of the options. */
enum ncc_exit ncc_check(const struct ncc_compile_options *o, FILE *out, FILE *err);

/* Evaluates a source model in floating point on every sample of o->dataset. Writes, per sample, out_dir/<stem>.bin with
 * all outputs one after another as float32 (4-D ones NCHW), or with `npy` out_dir/<stem>.<k>.npy per output. */
enum ncc_exit ncc_evaluate(const struct ncc_compile_options *o, const char *out_dir, bool npy, FILE *out, FILE *err);

struct ncc_judge_options {
    const char *kmodel;      /* file, from any compiler */
    const char *labels;      /* NULL, or a file: lines "sample,class" or "class", or an .npy array (ncc(1)) */
    bool gains;              /* compile again without each step of quantisation, and show what it gains */
    const char *calibration; /* the samples that the kmodel was compiled with; NULL: o->dataset */
};

/* Holds a kmodel, run in the simulator, against its source model in floating point on the samples of o->dataset: for
 * every output cosine, signal to noise, largest error, and how often the largest element is the same; with labels, how
 * often each is right. If compiling with `o` and the calibration samples gives the same kmodel, also for every layer
 * what it alone does to the signal and what all up to it do, and the likely reasons of the worst. Prints text, or with
 * o->json one object; o->report: a page (FILE.html) or that object as a file. */
enum ncc_exit ncc_judge(const struct ncc_compile_options *o, const struct ncc_judge_options *j, FILE *out, FILE *err);

/* The operators that are supported: a table for people, or Markdown as in doc/ops.md. */
void ncc_print_ops(FILE *out, bool markdown);

const char *ncc_version(void);

#ifdef __cplusplus
}
#endif
#endif
