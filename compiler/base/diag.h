/* What the user is told. Every message says where (file, node, operator), which rule, what
 * was found, and what to do about it:
 *
 *     m.tflite: node 'conv_3' (conv2d): error: the weights must be constant
 *         found: weights come from node 'reshape_1'
 *         try: freeze the graph before exporting it
 *
 * Phases add diagnostics and go on as far as they can, so that all problems are shown at
 * once. Asserts are for our own mistakes, diagnostics for the user's.
 */
#ifndef NCC_BASE_DIAG_H
#define NCC_BASE_DIAG_H

#include "compiler/base/arena.h"

#include <stdio.h>

enum severity { SEV_NOTE, SEV_WARNING, SEV_ERROR };

/* The kind of the first error decides the exit status. */
enum fault {
    FAULT_INPUT,    /* the model, the samples or another file: exit status 1 */
    FAULT_USAGE,    /* the command line: 2 */
    FAULT_NO_FIT,   /* does not fit the chip: 3 */
    FAULT_INTERNAL, /* our mistake, for example a pass that leaves a broken graph: 4 */
};

struct place {
    const char *file; /* NULL where there is none */
    const char *node; /* name in the source model, NULL when the whole file is meant */
    const char *op;   /* operator in the source format's own terms, or NULL */
};

struct diag {
    enum severity severity;
    enum fault fault;
    struct place place;
    const char *rule;   /* what must hold, or what happened */
    const char *found;  /* NULL or the value that broke it */
    const char *remedy; /* NULL or what to do */
    struct diag *next;
};

struct diags {
    struct arena *arena; /* all text is copied into it */
    struct diag *first, **tail;
    int n_errors, n_warnings;
    int n_kept[SEV_ERROR + 1]; /* by severity: the first 500 of each are kept, */
    int n_left_out;            /* the others only counted */
};

void ncc_diag_init(struct diags *d, struct arena *a);

/* Adds an error, warning or note. `rule` and `remedy` are copied; `found` is a printf format, or NULL. */
void ncc_diag_error(struct diags *d, enum fault fault, struct place where, const char *rule, const char *remedy,
                    const char *found, ...) __attribute__((format(printf, 6, 7)));
void ncc_diag_warn(struct diags *d, struct place where, const char *rule, const char *remedy, const char *found, ...)
    __attribute__((format(printf, 5, 6)));
void ncc_diag_note(struct diags *d, struct place where, const char *rule, const char *remedy, const char *found, ...)
    __attribute__((format(printf, 5, 6)));

/* The fault of the first error; only valid when n_errors > 0. */
enum fault ncc_diag_first_fault(const struct diags *d);

/* Prints all that are kept in order in the form shown above. Equal messages are printed once, with a count. */
void ncc_diag_print(const struct diags *d, FILE *to);

#endif
