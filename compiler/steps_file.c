/* Addresses, and the kmodel. */
#include "compiler/steps.h"

#include "compiler/emit/emit.h"
#include "compiler/what_fits.h"
#include "kmodel/kmodel_v3.h"
#include "kpu/limits.h"

bool ncc_step_plan(struct compilation *c)
{
    const struct plan_options o = {.solve_seconds = c->options->solve_seconds, .kpu_limit = NCC_KPU_RAM_SIZE};
    if (!ncc_plan_make(c->graph, &o, &c->arena, &c->plan) || !ncc_plan_check(c->graph, &c->plan, &c->scratch))
        return false;
    if (c->plan.kpu.peak > o.kpu_limit) {
        const char *smaller = ncc_smaller_that_fits(c, &c->arena), *cut = ncc_cut_that_fits(c, &c->arena);
        ncc_diag_error(&c->diags, FAULT_NO_FIT, ncc_whole_model(c), "the model does not fit the 2 MiB of KPU RAM",
                       ncc_arena_printf(&c->arena, "%s%s%s, or fewer channels in the layers named",
                                        smaller ? smaller : "a smaller input", cut ? ", or " : "", cut ? cut : ""),
                       "%s", ncc_plan_explain(c->graph, &c->plan, MEM_KPU, o.kpu_limit, &c->arena));
    }
    return c->diags.n_errors == 0;
}

/* What we write, we also accept: a kmodel that fails the runtime's own check never reaches a board. */
static bool check_file(struct compilation *c)
{
    struct ncc_kmodel km;
    struct ncc_kmodel_v3 v3;
    struct ncc_km_fault fault = {.text = "it cannot be opened"};
    if (c->options->kmodel_version == 3
            ? ncc_kmodel_v3_open(c->file.data, c->file.size, &v3) == NCC_OK &&
                  ncc_kmodel_v3_check(&v3, &fault) == NCC_OK
            : ncc_kmodel_open(c->file.data, c->file.size, &km) == NCC_OK && ncc_kmodel_check(&km, &fault) == NCC_OK)
        return true;
    ncc_diag_error(&c->diags, FAULT_INTERNAL, ncc_whole_model(c), "the kmodel would be refused by the runtime",
                   "report this with the model", "node %u: %s", (unsigned)fault.node, fault.text);
    return false;
}

static bool is_identifier_char(char ch, bool first)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_' || (!first && ch >= '0' && ch <= '9');
}

static const char *identifier(const char *path, struct arena *a)
{
    char *name = ncc_arena_printf(a, "%s", ncc_file_stem(path, a));
    for (char *p = name; *p; p++)
        if (!is_identifier_char(*p, p == name))
            *p = '_';
    return *name ? name : "model";
}

bool ncc_step_emit(struct compilation *c)
{
    return (c->options->kmodel_version == 3 ? ncc_emit_v3 : ncc_emit_v4)(c->graph, &c->plan, &c->arena, &c->file) &&
           check_file(c);
}

bool ncc_step_write(struct compilation *c)
{
    const struct ncc_compile_options *o = c->options;
    if (!o->output)
        return true;
    struct bytes file = c->file;
    if (o->output_c)
        file = ncc_emit_c_array(c->file, identifier(o->output, &c->arena), &c->arena);
    return ncc_file_write(o->output, file.data, file.size, &c->diags);
}
