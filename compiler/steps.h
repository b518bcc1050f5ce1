/* The steps of compile, check and evaluate: each calls one phase. */
#ifndef NCC_COMPILER_STEPS_H
#define NCC_COMPILER_STEPS_H

#include "compiler/compilation.h"

bool ncc_step_import(struct compilation *c); /* steps_model.c */
bool ncc_step_ranges(struct compilation *c);
bool ncc_step_canonical(struct compilation *c);
bool ncc_step_weights(struct compilation *c); /* budget.c */
bool ncc_step_samples(struct compilation *c); /* steps_quant.c */
bool ncc_step_legalise(struct compilation *c);
bool ncc_step_lower(struct compilation *c);    /* lower_to_fit.c */
bool ncc_step_equalise(struct compilation *c); /* steps_quant.c */
bool ncc_step_observe(struct compilation *c);
bool ncc_step_quantise(struct compilation *c);
bool ncc_step_integers(struct compilation *c);
bool ncc_step_precision(struct compilation *c); /* precision.c */
bool ncc_step_plan(struct compilation *c);      /* steps_file.c */
bool ncc_step_emit(struct compilation *c);
bool ncc_step_budget(struct compilation *c);    /* budget.c */
bool ncc_step_write(struct compilation *c);     /* steps_file.c */
bool ncc_step_summarise(struct compilation *c); /* steps_report.c */
bool ncc_step_report(struct compilation *c);

/* What the samples of each input are, as the options and the model say. */
const struct input_spec *ncc_input_specs(struct compilation *c);

/* Whether the model may grow a little: its weights take less than half of what the board leaves (budget.c). */
bool ncc_has_room(const struct compilation *c);
/* Will a lowered graph with this plan take more RAM than the board has, as far as can be told before there are codes? */
bool ncc_is_short_of_ram(const struct compilation *c, const struct graph *lowered, const struct plan *plan);

/* The steps of ncc_compile, in order. */
extern const struct step ncc_compile_steps[];
extern const int ncc_compile_n_steps;

/* Whether all that a canonical graph computes are real numbers. Each input and node that integers come from gets an
 * error, and a note says where to cut them off. */
bool ncc_has_only_real_numbers(const struct graph *g);

#endif
