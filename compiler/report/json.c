#include "compiler/report/json.h"

#include <math.h>

static cJSON *shape_json(struct shape s)
{
    return cJSON_CreateIntArray(s.dim, s.rank);
}

static void add_tensors(cJSON *root, const char *name, const struct report_tensor *v, int n)
{
    cJSON *list = cJSON_AddArrayToObject(root, name);
    for (int i = 0; i < n; i++) {
        cJSON *t = cJSON_CreateObject();
        cJSON_AddStringToObject(t, "name", v[i].name);
        cJSON_AddItemToObject(t, "shape", shape_json(v[i].shape));
        cJSON_AddStringToObject(t, "dtype", v[i].dtype);
        if (v[i].scale > 0) {
            cJSON_AddNumberToObject(t, "scale", v[i].scale);
            cJSON_AddNumberToObject(t, "zero_point", v[i].zero_point);
        }
        cJSON_AddItemToArray(list, t);
    }
}

void ncc_report_json_layers(cJSON *root, const struct report *r)
{
    cJSON *list = cJSON_AddArrayToObject(root, "layers");
    for (int i = 0; i < r->layers.n; i++) {
        const struct report_layer *l = &r->layers.v[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", l->name);
        if (l->origin)
            cJSON_AddStringToObject(o, "origin", l->origin);
        cJSON_AddStringToObject(o, "op", l->op);
        cJSON_AddStringToObject(o, "on", l->on);
        cJSON_AddStringToObject(o, "in_shape", l->in_shape);
        cJSON_AddStringToObject(o, "out_shape", l->out_shape);
        cJSON_AddNumberToObject(o, "est_us", l->est_us);
        cJSON_AddStringToObject(o, "reason", l->reason ? l->reason : "");
        if (l->n_scales == 1) {
            cJSON_AddNumberToObject(o, "scale", l->scale);
            cJSON_AddNumberToObject(o, "zero_point", l->zero_point);
        }
        cJSON_AddItemToArray(list, o);
    }
}

static void add_sources(cJSON *root, const struct report *r)
{
    cJSON *list = cJSON_AddArrayToObject(root, "source_nodes");
    for (int i = 0; i < r->sources.n; i++) {
        const struct report_source *s = &r->sources.v[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", s->name);
        cJSON_AddStringToObject(o, "op", s->op);
        cJSON_AddStringToObject(o, "on", s->on);
        cJSON_AddStringToObject(o, "as", s->as);
        cJSON_AddStringToObject(o, "with", s->with);
        cJSON_AddStringToObject(o, "reason", s->reason ? s->reason : "");
        cJSON_AddNumberToObject(o, "est_us", s->est_us);
        cJSON_AddItemToObject(o, "layers",
                              s->n_layers ? cJSON_CreateIntArray(s->layers, s->n_layers) : cJSON_CreateArray());
        cJSON_AddItemToArray(list, o);
    }
}

static void add_summary(cJSON *root, const struct report *r)
{
    cJSON *s = cJSON_AddObjectToObject(root, "summary");
    cJSON_AddNumberToObject(s, "kpu_layers", r->kpu_layers);
    cJSON_AddNumberToObject(s, "cpu_kernels", r->cpu_kernels);
    cJSON_AddNumberToObject(s, "crossings", r->crossings);
    cJSON_AddStringToObject(s, "runtime", ncc_kpu_costs(r->runtime)->name);
    cJSON *ms = cJSON_AddObjectToObject(s, "est_ms");
    cJSON_AddNumberToObject(ms, "total", (r->kpu_us + r->copy_us + r->cpu_us) / 1e3);
    cJSON_AddNumberToObject(ms, "kpu", r->kpu_us / 1e3);
    cJSON_AddNumberToObject(ms, "copy", r->copy_us / 1e3);
    cJSON_AddNumberToObject(ms, "cpu", r->cpu_us / 1e3);
}

static void add_precision(cJSON *root, const struct report_precision *p)
{
    if (!p->n_samples)
        return;
    cJSON *o = cJSON_AddObjectToObject(root, "precision");
    if (isfinite(p->db))
        cJSON_AddNumberToObject(o, "worst_sqnr_db", p->db);
    else
        cJSON_AddNullToObject(o, "worst_sqnr_db");
    cJSON_AddBoolToObject(o, "before_softmax", p->before_softmax);
    cJSON_AddNumberToObject(o, "samples", p->n_samples);
    cJSON_AddNumberToObject(o, "float_nodes", p->n_float);
    if (p->reason) {
        cJSON_AddStringToObject(o, "least_precise", p->layer);
        cJSON_AddNumberToObject(o, "least_precise_db", p->layer_db);
        cJSON_AddStringToObject(o, "reason", p->reason);
    }
}

char *ncc_report_json(const struct report *r, struct arena *a)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "version", ncc_version());
    cJSON_AddStringToObject(root, "model", r->model);
    if (r->output)
        cJSON_AddStringToObject(root, "output", r->output);
    cJSON_AddNumberToObject(root, "kmodel_version", r->kmodel_version);
    add_tensors(root, "inputs", r->inputs.v, r->inputs.n);
    add_tensors(root, "outputs", r->outputs.v, r->outputs.n);
    if (r->input_text)
        cJSON_AddStringToObject(root, "firmware", r->input_text);
    cJSON_AddNumberToObject(root, "file_bytes", (double)r->file_bytes);
    cJSON_AddNumberToObject(root, "main_memory_bytes", (double)r->main_memory_bytes);
    cJSON_AddNumberToObject(root, "main_memory_bound_bytes", (double)r->main.bound);
    cJSON_AddNumberToObject(root, "kpu_ram_peak_bytes", (double)r->kpu.peak);
    cJSON_AddNumberToObject(root, "kpu_ram_bound_bytes", (double)r->kpu.bound);
    cJSON_AddBoolToObject(root, "kpu_ram_optimal", r->kpu.optimal);
    cJSON_AddNumberToObject(root, "input_bytes", (double)r->input_bytes);
    cJSON_AddNumberToObject(root, "stream_bytes", (double)r->stream_bytes);
    cJSON *board = cJSON_AddObjectToObject(root, "board");
    cJSON_AddStringToObject(board, "name", r->board.name);
    cJSON_AddNumberToObject(board, "bytes", (double)r->board.bytes);
    cJSON *bands = cJSON_AddArrayToObject(root, "bands");
    for (int i = 0; i < r->bands.n; i++) {
        cJSON *b = cJSON_CreateObject();
        cJSON_AddStringToObject(b, "first", r->bands.v[i].first);
        cJSON_AddStringToObject(b, "last", r->bands.v[i].last);
        cJSON_AddNumberToObject(b, "rows", r->bands.v[i].rows);
        cJSON_AddNumberToObject(b, "columns", r->bands.v[i].cols);
        cJSON_AddNumberToObject(b, "ranges_of_channels", r->bands.v[i].ranges);
        cJSON_AddItemToArray(bands, b);
    }
    cJSON_AddNumberToObject(root, "bands_extra_macs", r->bands_extra);
    cJSON *spills = cJSON_AddArrayToObject(root, "spills");
    for (int i = 0; i < r->spills.n; i++) {
        cJSON *s = cJSON_CreateObject();
        cJSON_AddStringToObject(s, "name", r->spills.v[i].name);
        cJSON_AddNumberToObject(s, "bytes", (double)r->spills.v[i].bytes);
        cJSON_AddItemToArray(spills, s);
    }
    ncc_report_json_layers(root, r);
    if (r->sources.n)
        add_sources(root, r);
    add_precision(root, &r->precision);
    add_summary(root, r);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    char *copy = ncc_arena_printf(a, "%s\n", text ? text : "{}");
    cJSON_free(text);
    return copy;
}
