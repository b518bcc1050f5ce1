/* Compiling what nobody vouches for. A target takes the bytes of a model; each fuzz_<format>.c has one:
 *
 *     int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
 *
 * With libFuzzer (clang, -DNCC_LIBFUZZER=ON) that is all. Else mutate.c makes a program of it that damages seeds in a
 * way that is the same on every machine.
 *
 * A model must compile, or be refused with a message and exit status 1 (3 when it does not fit the chip). Anything else
 * ends the process: a broken graph or another internal error, a refusal without a message or with a file left behind, a
 * kmodel that the runtime does not open. Faults of memory and arithmetic are for sanitizers to find.
 */
#ifndef NCC_FUZZ_FUZZ_H
#define NCC_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* A file in the program's own folder, which is made: <temporary folder>/ncc-fuzz-<process>/<name>. */
struct fuzz_path {
    char text[300];
};
struct fuzz_path fuzz_path(const char *name);
void fuzz_write(const char *path, const void *data, size_t size);
void fuzz_remove_folder(void);

/* Compiles the model for the CPU, and for the K210 if it is small enough to evaluate. */
void fuzz_compile(const char *model);

/* What became of the models so far. */
struct fuzz_tally {
    int n_compiled, n_refused; /* for the CPU, without samples */
    int n_k210;                /* compiled for the K210 */
};
extern struct fuzz_tally fuzz_tally;

/* What a target says of itself. */
struct fuzz_format {
    const char *extension; /* of its models, without the dot */
    const char *companion; /* of a file that belongs to a model and lies beside it: its bytes come first, then a zero.
                              Or NULL */
};
extern const struct fuzz_format fuzz_format;

#endif
