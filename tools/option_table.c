#include "tools/option_table.h"

static const struct word formats[] = {
    {"tflite", NCC_FORMAT_TFLITE, NULL},
    {"onnx", NCC_FORMAT_ONNX, NULL},
    {"caffe", NCC_FORMAT_CAFFE, NULL},
    {"paddle", 0, "PaddlePaddle models are not read; export the model to ONNX with paddle2onnx"},
    {0}};
static const struct word outputs[] = {{"kmodel", false, NULL}, {"c", true, NULL}, {0}};
static const struct word targets[] = {{"k210", false, NULL}, {"cpu", true, NULL}, {0}};
static const struct word sample_formats[] = {{"auto", NCC_SAMPLES_AUTO, NULL},
                                             {"image", NCC_SAMPLES_IMAGE, NULL},
                                             {"raw", NCC_SAMPLES_RAW, NULL},
                                             {"npy", NCC_SAMPLES_NPY, NULL},
                                             {0}};
static const struct word elements[] = {{"uint8", NCC_ELEMENT_U8, NULL}, {"float", NCC_ELEMENT_FLOAT, NULL}, {0}};
static const struct word elements_or_default[] = {
    {"default", NCC_ELEMENT_DEFAULT, NULL}, {"uint8", NCC_ELEMENT_U8, NULL}, {"float", NCC_ELEMENT_FLOAT, NULL}, {0}};
static const struct word orders[] = {{"rgb", false, NULL}, {"bgr", true, NULL}, {0}};
static const struct word roundings[] = {{"quick", NCC_ROUNDING_QUICK, NULL},
                                        {"none", NCC_ROUNDING_NONE, NULL},
                                        {"thorough", NCC_ROUNDING_THOROUGH, NULL},
                                        {0}};
static const struct word equalised[] = {{"relu", NCC_EQUALISE_RELU, NULL},
                                        {"depthwise", NCC_EQUALISE_DEPTHWISE, NULL},
                                        {"prelu", NCC_EQUALISE_PRELU, NULL},
                                        {"pool", NCC_EQUALISE_POOL, NULL},
                                        {"sum", NCC_EQUALISE_SUM, NULL},
                                        {"concat", NCC_EQUALISE_CONCAT, NULL},
                                        {"readers", NCC_EQUALISE_READERS, NULL},
                                        {"all", NCC_EQUALISE_ALL, NULL},
                                        {"none", 0, NULL},
                                        {0}};
static const struct word joint[] = {{"concat", NCC_JOINT_CONCAT, NULL},
                                    {"sum", NCC_JOINT_SUM, NULL},
                                    {"all", NCC_JOINT_ALL, NULL},
                                    {"none", 0, NULL},
                                    {0}};
static const struct word layouts[] = {{"nchw", false, NULL}, {"native", true, NULL}, {0}};
static const struct word versions[] = {
    {"4", 4, NULL},
    {"3", 3, NULL},
    {"5", 5, "kmodels of version 5 are not written; the field's firmware runs version 4"},
    {0}};

static const struct word weight_bits[] = {{"8", 8, NULL}, {"16", 16, NULL}, {0}};

static const struct word runtimes[] = {{"auto", NCC_FIRMWARE_AUTO, NULL},
                                       {"v4", NCC_FIRMWARE_V4, NULL},
                                       {"v3", NCC_FIRMWARE_V3, NULL},
                                       {"ncc", NCC_FIRMWARE_NCC, NULL},
                                       {0}};

#define AT(member) offsetof(struct settings, member)
#define SOURCE     (CMD_COMPILE | CMD_CHECK | CMD_INFER | CMD_EVAL)
#define SAMPLES    (CMD_COMPILE | CMD_INFER | CMD_EVAL)
#define RESULT     (CMD_COMPILE | CMD_EVAL) /* what the kmodel becomes: eval compiles once more */
#define ALL        (CMD_COMPILE | CMD_INFER | CMD_EVAL | CMD_INSPECT | CMD_CHECK | CMD_OPS)

const struct option ncc_options[] = {
    {'i', "input-format", "FORMAT", SOURCE, KIND_WORD, AT(compile.format), formats,
     "format of MODEL; recognised by its content when absent"},
    {'o', "output-format", "FORMAT", CMD_COMPILE, KIND_EITHER, AT(compile.output_c), outputs,
     "what to write: kmodel, or c for the same bytes as a C array"},
    {'t', "target", "TARGET", RESULT, KIND_EITHER, AT(compile.target_cpu), targets,
     "k210, or cpu for CPU kernels only"},

    {0, "dataset", "PATH", SAMPLES, KIND_TEXT, AT(compile.dataset), NULL, "samples: a folder or a file"},
    {0, "dataset-format", "FORMAT", SAMPLES, KIND_WORD, AT(compile.dataset_format), sample_formats,
     "image, raw, npy, or auto: by extension"},
    {0, "input-mean", "M", SAMPLES, KIND_MEAN, AT(compile.mean), NULL,
     "the model takes (x - M) / S, with pictures scaled to 0..1; M,M,M: by channel"},
    {0, "input-std", "S", SAMPLES, KIND_STD, AT(compile.std), NULL, "see --input-mean"},
    {0, "input-order", "ORDER", SAMPLES, KIND_EITHER, AT(compile.bgr), orders,
     "channel order that the model takes: rgb or bgr"},

    {0, "inference-type", "TYPE", RESULT, KIND_WORD, AT(compile.inference), elements,
     "uint8: quantised; float: CPU kernels in floating point (default: uint8)"},
    {0, "input-type", "TYPE", RESULT, KIND_WORD, AT(compile.input), elements_or_default,
     "what the firmware feeds: uint8, float, or default: as --inference-type"},
    {0, "output-type", "TYPE", RESULT, KIND_WORD, AT(compile.output_type), elements,
     "what the firmware gets: float or uint8 (default: float)"},
    {0, "output-layout", "LAYOUT", RESULT, KIND_EITHER, AT(compile.output_native), layouts,
     "nchw, or native for the source model's order"},
    {0, "calibrate-method", "METHOD", RESULT, KIND_TEXT, AT(compile.calibrate_method), NULL,
     "how ranges follow from the samples: auto, minmax (no_clip), percentile, l2 (mse), kl (default: auto)"},
    {0, "min-sqnr", "DB", RESULT, KIND_DECIBEL, AT(compile.min_sqnr), NULL,
     "signal to noise of every output on the samples, in front of a softmax that makes it; part of the model stays in "
     "floating point for it"},
    {0, "equalise", "KINDS", RESULT, KIND_SET, AT(compile.steps.equalise), equalised,
     "through what scale is shifted between layers: relu, depthwise, prelu, pool, sum, concat, readers (default: "
     "relu,depthwise); no-KIND, +KIND: the default without or with it; all; none"},
    {0, "no-equalise", NULL, RESULT, KIND_NO_SET, AT(compile.steps.equalise), NULL, "the same as --equalise none"},
    {0, "no-slices", NULL, RESULT, KIND_FLAG, AT(compile.steps.no_slices), NULL,
     "leave out: what costs the outputs most in slices with finer codes"},
    {0, "no-fine-outputs", NULL, RESULT, KIND_FLAG, AT(compile.steps.no_fine_outputs), NULL,
     "leave out: small outputs computed several times, for codes that are as much finer"},
    {0, "no-channel-scales", NULL, RESULT, KIND_FLAG, AT(compile.steps.no_channel_scales), NULL,
     "leave out: scales of their own for the channels of a tensor"},
    {0, "no-channel-reach", NULL, RESULT, KIND_FLAG, AT(compile.steps.no_channel_reach), NULL,
     "leave out: how far these reach beyond the samples, by what parts of the samples show that others do not"},
    {0, "joint-scales", "KINDS", RESULT, KIND_SET, AT(compile.steps.joint_scales), joint,
     "whose scales are chosen together: parts of a concat, operands of a sum; no-KIND, +KIND, all or none as above"},
    {0, "no-bias-correction", NULL, RESULT, KIND_FLAG, AT(compile.steps.no_bias_correction), NULL,
     "leave out: what rounding does to means, of sums and of outputs, is given back"},
    {0, "no-truncation-correction", NULL, RESULT, KIND_FLAG, AT(compile.steps.no_truncation_correction), NULL,
     "leave out: what mean pools and resizes of codes cut off is given back"},
    {0, "no-fitted-tables", NULL, RESULT, KIND_FLAG, AT(compile.steps.no_fitted_tables), NULL,
     "leave out: activation tables that err least where most values are"},
    {0, "adaptive-rounding", "EFFORT", RESULT, KIND_WORD, AT(compile.steps.rounding), roundings,
     "weights by what the layers read: none, quick, or thorough, which takes seconds"},
    {0, "weights-quantize-threshold", "X", RESULT, KIND_IGNORED, AT(ignored_weights_threshold), NULL,
     "accepted for nncase's scripts, without effect"},
    {0, "output-quantize-threshold", "N", RESULT, KIND_INT, AT(compile.output_quantize_threshold), NULL,
     "CPU kernels with fewer elements of output stay in floating point"},
    {0, "no-quantized-binary", NULL, RESULT, KIND_FLAG, AT(compile.float_binary), NULL,
     "binary operations on the CPU stay in floating point"},

    {0, "input-shape", "NAME=D,D,..", SOURCE, KIND_SHAPE, 0, NULL,
     "shape of an input, where the model leaves it open; may be repeated"},
    {0, "input-tensor", "NAME", SOURCE, KIND_INPUT, 0, NULL, "cut the model here; may be repeated"},
    {0, "output-tensor", "NAME", SOURCE, KIND_OUTPUT, 0, NULL, "cut the model here; may be repeated"},

    {0, "caffe-prototxt", "FILE", SOURCE, KIND_TEXT, AT(compile.caffe_prototxt), NULL,
     "the net to a .caffemodel; default: the .prototxt of the same stem"},
    {0, "board", "NAME", CMD_COMPILE, KIND_TEXT, AT(compile.board), NULL,
     "firmware whose RAM the model must fit: bare-metal, freertos, maixpy, maixpy-minimum, maixduino, or NAME=BYTES "
     "(default: bare-metal)"},
    {0, "stream", NULL, RESULT | CMD_INFER, KIND_FLAG, AT(compile.stream), NULL,
     "the model stays in flash, and ncc's runtime reads it layer by layer"},
    {0, "kmodel-version", "N", RESULT, KIND_WORD, AT(compile.kmodel_version), versions, "format to write"},
    {0, "weights-bits", "N", RESULT, KIND_WORD, AT(compile.weight_bits), weight_bits,
     "of KPU layers: 8, or 16 with --kmodel-version 3"},
    {0, "runtime", "RUNTIME", RESULT | CMD_CHECK | CMD_INSPECT | CMD_INFER, KIND_WORD, AT(compile.firmware), runtimes,
     "whose costs count: the firmware of kmodel v4 or v3, ncc's own runtime, or auto: by kmodel version"},
    {0, "max-allocator-solve-secs", "N", RESULT, KIND_SECONDS, AT(compile.solve_seconds), NULL,
     "effort of the search for addresses, counted in steps"},
    {0, "allow-untested", NULL, RESULT | CMD_INFER, KIND_FLAG, AT(compile.allow_untested), NULL,
     "allow layers that no released compiler has emitted"},

    {0, "dump-ir", NULL, CMD_COMPILE, KIND_FLAG, AT(compile.dump_ir), NULL,
     "write the graph after every step as OUTPUT.<step>.txt"},
    {0, "dump-weights-range", NULL, CMD_COMPILE, KIND_FLAG, AT(compile.dump_weights_range), NULL,
     "print the range of every weight tensor"},
    {0, "print-after", "STEP", CMD_COMPILE, KIND_TEXT, AT(compile.print_after), NULL,
     "print the graph after a step, or 'all'"},
    {0, "verify-passes", NULL, CMD_COMPILE, KIND_FLAG, AT(compile.verify_passes), NULL,
     "compare the graph with the source model after every step"},
    {0, "report", "FILE", RESULT, KIND_TEXT, AT(compile.report), NULL,
     "write a page (FILE.html) or what --json prints (any other name) to a file"},

    {0, "npy", NULL, CMD_INFER, KIND_FLAG, AT(npy), NULL, "write OUTDIR/<sample>.<k>.npy for every output k"},
    {0, "trace", "DIR", CMD_INFER, KIND_TEXT, AT(trace), NULL, "write the result of every node of the kmodel as .npy"},
    {0, "labels", "FILE", CMD_EVAL, KIND_TEXT, AT(labels), NULL,
     "right classes of the samples: lines 'sample,class' or 'class', or an .npy array"},
    {0, "gains", NULL, CMD_EVAL, KIND_FLAG, AT(gains), NULL,
     "compile again without each step of quantisation, and show what it gains"},
    {0, "calibration", "PATH", CMD_EVAL, KIND_TEXT, AT(calibration), NULL,
     "the samples that KMODEL was compiled with (without: those of --dataset)"},
    {0, "disasm", NULL, CMD_INSPECT, KIND_FLAG, AT(disasm), NULL, "the twelve words of every KPU layer by field"},
    {0, "markdown", NULL, CMD_OPS, KIND_FLAG, AT(markdown), NULL, "as a Markdown table"},

    {0, "json", NULL, RESULT | CMD_INSPECT | CMD_CHECK, KIND_FLAG, AT(compile.json), NULL, "print one JSON object"},
    {0, "quiet", NULL, RESULT | CMD_INFER, KIND_FLAG, AT(compile.quiet), NULL, "print only what is wrong"},
    {0, "verbose", NULL, RESULT | CMD_CHECK, KIND_FLAG, AT(compile.verbose), NULL,
     "print every layer, and the time of every step"},
    {'v', "version", NULL, ALL, KIND_VERSION, 0, NULL, "print the version"},
    {'h', "help", NULL, ALL, KIND_HELP, 0, NULL, "print this text"},
};
const int ncc_n_options = sizeof ncc_options / sizeof ncc_options[0];
