#include "tests/k210/compiled.h"

#include "compiler/emit/emit.h"
#include "compiler/ir/text.h"
#include "compiler/quant/assign.h"
#include "compiler/quant/factors.h"
#include "kmodel/kmodel.h"
#include "kpu/limits.h"

#include <ncc/runtime.h>
#include <ncc/sim.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void must(struct net *n, const struct graph *g, bool good, const char *name, const char *what)
{
    if (good && n->diags.n_errors == 0)
        return;
    ncc_diag_print(&n->diags, stderr);
    fprintf(stderr, "%s", ncc_text_print(g, false, &n->arena));
    fail_msg("%s: %s failed", name, what);
}

bool compile_planned(struct net *n, struct graph *g, struct compiled *out)
{
    const struct plan_options o = {.solve_seconds = 0.01, .kpu_limit = NCC_KPU_RAM_SIZE};
    struct ncc_kmodel km;
    struct ncc_km_fault fault = {0};
    out->codes = g;
    if (!ncc_plan_make(g, &o, &n->arena, &out->plan) || !ncc_plan_check(g, &out->plan, &n->scratch) ||
        !ncc_emit_v4(g, &out->plan, &n->arena, &out->file))
        return false;
    if (ncc_kmodel_open(out->file.data, out->file.size, &km) == NCC_OK && ncc_kmodel_check(&km, &fault) == NCC_OK)
        return true;
    ncc_diag_error(&n->diags, FAULT_INTERNAL, (struct place){0}, "the kmodel is refused", NULL, "node %u: %s",
                   (unsigned)fault.node, fault.text ? fault.text : "");
    return false;
}

struct compiled compile_net(struct net *n, const struct k210_options *options, bool force, uint64_t seed,
                            const char *name)
{
    struct compiled c = {0};
    struct graph *g = ncc_graph_copy(n->g, &n->arena, &n->diags);
    struct net_feeding f = {g, seed};
    const struct samples samples = net_samples(&f, 8);
    must(n, n->g, ncc_quant_see_factors(g, &samples, &n->scratch), name, "see factors");
    must(n, n->g, ncc_k210_legalise(g, options, &n->scratch), name, "legalise");
    if (force)
        net_force_on_kpu(g);
    else
        must(n, n->g, ncc_k210_place(g, options, &n->scratch), name, "place");
    must(n, n->g, ncc_k210_lower(g, options, &n->scratch) && ncc_graph_verify(g, "lower"), name, "lower");
    must(n, n->g, ncc_k210_cpu_forms(g) && ncc_graph_verify(g, "cpu forms"), name, "cpu forms");
    struct observations seen;
    const struct observe_options o = {.quiet = true};
    must(n, g, ncc_quant_observe(g, &samples, &o, &n->arena, &seen), name, "observe");
    must(n, g, ncc_quant_assign(g, &seen, &(struct assign_options){.method = RANGE_MINMAX, .joint = JOINT_CONCAT | JOINT_SUM}, &n->scratch), name, "assign");
    c.real = ncc_graph_copy(g, &n->arena, &n->diags);
    must(n, c.real, ncc_k210_integers(g, options, NULL, &n->scratch) && ncc_graph_verify(g, "integers"), name,
         "integers");
    must(n, g, compile_planned(n, g, &c), name, "plan, emit or check");
    return c;
}

const void **compiled_run(struct net *n, const struct compiled *c, const struct graph *g, uint64_t seed,
                          struct ncc_sim *sim)
{
    struct ncc_model m;
    const size_t work_size = ncc_model_work_size(c->file.data, c->file.size);
    void *work = ncc_arena_alloc(&n->arena, work_size, 1, 64);
    const struct ncc_device *device = sim ? ncc_sim_device(sim) : NULL;
    const enum ncc_status s = ncc_model_open(&m, c->file.data, c->file.size, work, work_size, device);
    if (s)
        fail_msg("open: %s; node %d: %s", ncc_status_text(s), (int)ncc_model_fault(&m)->node,
                 ncc_model_fault(&m)->text);
    assert_int_equal(ncc_model_n_inputs(&m), g->inputs.n);
    assert_int_equal(ncc_model_n_outputs(&m), g->outputs.n);
    const void **in = ncc_arena_alloc(&n->arena, (size_t)g->inputs.n, sizeof *in, 8);
    for (int i = 0; i < g->inputs.n; i++) {
        const struct value *v = g->inputs.v[i];
        struct tensor t = {v->dtype, v->shape, ncc_arena_alloc(&n->arena, ncc_model_input(&m, (uint32_t)i).size, 1, 8)};
        assert_int_equal(ncc_model_input(&m, (uint32_t)i).size,
                         (size_t)ncc_shape_count(v->shape) * ncc_dtype_size(v->dtype));
        net_feed(v, i, seed, &t);
        in[i] = t.data;
    }
    if (ncc_model_run(&m, in))
        fail_msg("run: %s", sim ? ncc_sim_error(sim) : "");
    const void **out = ncc_arena_alloc(&n->arena, (size_t)g->outputs.n, sizeof *out, 8);
    for (int i = 0; i < g->outputs.n; i++)
        out[i] = ncc_model_output_data(&m, (uint32_t)i);
    return out;
}

/* Off by more than `allowed` of its scale: the first such element, or -1. */
static int64_t differing(const struct tensor *want, const void *got, double tolerance, int codes)
{
    const int64_t n = ncc_shape_count(want->shape);
    double largest = 1e-3;
    for (int64_t i = 0; i < n && want->dtype == DT_F32; i++)
        if (isfinite(((const float *)want->data)[i]))
            largest = fmax(largest, fabs((double)((const float *)want->data)[i]));
    for (int64_t i = 0; i < n; i++) {
        if (want->dtype == DT_U8) {
            if (abs(((const uint8_t *)want->data)[i] - ((const uint8_t *)got)[i]) > codes)
                return i;
        } else {
            const float a = ((const float *)want->data)[i], b = ((const float *)got)[i];
            if (a != b && !(isnan(a) && isnan(b)) && !(fabs((double)a - (double)b) <= tolerance * largest))
                return i;
        }
    }
    return -1;
}

bool compiled_same(const struct graph *g, const struct tensor *want, const void *const *got, double tolerance,
                   int codes, char *why)
{
    for (int k = 0; k < g->outputs.n; k++) {
        const struct tensor *t = &want[g->outputs.v[k].value->id];
        const int64_t i = differing(t, got[k], tolerance, codes);
        if (i < 0)
            continue;
        const bool u8 = t->dtype == DT_U8;
        snprintf(why, 200, "output %.40s, element %lld: %.8g, not %.8g", g->outputs.v[k].name, (long long)i,
                 u8 ? ((const uint8_t *)got[k])[i] : (double)((const float *)got[k])[i],
                 u8 ? ((const uint8_t *)t->data)[i] : (double)((const float *)t->data)[i]);
        return false;
    }
    return true;
}
