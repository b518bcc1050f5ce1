/* The command line: one table of options, from which parsing, help and suggestions are made. */
#ifndef NCC_TOOLS_ARGUMENTS_H
#define NCC_TOOLS_ARGUMENTS_H

#include <ncc/compiler.h>

/* Which commands an option belongs to. */
enum command_bit { CMD_COMPILE = 1, CMD_INFER = 2, CMD_INSPECT = 4, CMD_CHECK = 8, CMD_OPS = 16, CMD_EVAL = 32 };

enum { MAX_SHAPES = 16, MAX_TENSORS = 64 };

/* Everything that the options of any command set. */
struct settings {
    struct ncc_compile_options compile; /* also the model and samples of `infer` */
    struct ncc_shape_override shapes[MAX_SHAPES];
    const char *input_tensors[MAX_TENSORS], *output_tensors[MAX_TENSORS];
    bool ignored_weights_threshold;
    bool npy;
    const char *trace;
    const char *labels, *calibration;
    bool gains;
    int n_means, n_stds; /* given to --input-mean and --input-std */
    bool disasm, markdown;
    const char *operand[2]; /* MODEL, OUTPUT */
    int n_operands;
};

/* What became of a command line. */
enum parsed { PARSED_RUN, PARSED_SHOWN, PARSED_WRONG };

/* Fills `s` from the arguments behind the command's name; `operands` names what must be given besides options,
 * as "MODEL OUTPUT" ("" for nothing). SHOWN: help or the version was asked for and printed. WRONG: told on stderr. */
enum parsed ncc_arguments_parse(enum command_bit command, const char *name, const char *operands, int argc, char **argv,
                                struct settings *s);

/* The candidate that looks most like the word, or NULL when none does. */
const char *ncc_arguments_nearest(const char *word, const char *const *candidates, int n);

#endif
