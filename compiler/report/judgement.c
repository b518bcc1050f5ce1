#include "compiler/report/judgement.h"

#include <ncc/compiler.h>

#include <cjson/cJSON.h>

#include <math.h>

double ncc_judged_outputs_db(const struct judged_layer *l)
{
    return l->outputs_db && l->worst_output >= 0 ? l->outputs_db[l->worst_output] : (double)NAN;
}

/* What layers are ranked by: less is worse. */
static double rank_of(const struct judgement *j, int layer)
{
    const struct judged_layer *l = &j->layers.v[layer];
    if (!j->n_effect_samples)
        return l->own_db;
    const double db = ncc_judged_outputs_db(l);
    return isnan(db) ? INFINITY : db;
}

int ncc_judgement_worst(const struct judgement *j, int *index, int n)
{
    int found = 0;
    for (int i = 0; i < j->layers.n; i++) {
        const double rank = rank_of(j, i);
        if (!j->layers.v[i].reason || !(rank < INFINITY))
            continue;
        int at = found < n ? found++ : n;
        for (; at > 0 && rank_of(j, index[at - 1]) > rank; at--)
            if (at < n)
                index[at] = index[at - 1];
        if (at < n)
            index[at] = i;
    }
    return found;
}

/* ---- text ---- */

static const char *db_text(double db, char text[16])
{
    if (!isfinite(db))
        snprintf(text, 16, "%s", db > 0 ? "exact" : "-");
    else
        snprintf(text, 16, "%.1f", db);
    return text;
}

static void print_outputs(const struct judgement *j, FILE *out)
{
    char db[16], shape[80];
    fprintf(out, "%-28s %-16s %8s %8s %8s %5s %10s %6s\n", "output", "shape", "cosine", "worst", "SQNR dB", "+-",
            "max error", "top-1");
    for (int i = 0; i < j->outputs.n; i++) {
        const struct judged_output *o = &j->outputs.v[i];
        fprintf(out, "%-28.28s %-16s %8.5f %8.5f %8s %5.2f %10.4g", o->name, ncc_shape_text(o->shape, shape),
                o->mean_cosine, o->worst_cosine, db_text(o->sqnr_db, db), o->sqnr_error_db, o->max_error);
        if (o->agreement >= 0)
            fprintf(out, " %5.1f%%", o->agreement);
        fputc('\n', out);
    }
}

static void print_layers(const struct judgement *j, FILE *out)
{
    char own[16], total[16], outputs[16], input[16], output[16];
    fprintf(out, "\nlayers, in dB on %d sample%s", j->n_layer_samples, j->n_layer_samples == 1 ? "" : "s");
    if (j->n_effect_samples)
        fprintf(out, "; outputs: what the layer alone costs the worst output, on %d", j->n_effect_samples);
    fprintf(out, "\n%-38s %-22s %7s %7s %7s %7s %7s %8s %6s\n", "layer", "operation", "own", "total", "outputs",
            "input", "result", "clipped", "range");
    for (int i = 0; i < j->layers.n; i++) {
        const struct judged_layer *l = &j->layers.v[i];
        fprintf(out, "%-38.38s %-22.22s %7s %7s %7s %7s %7s %7.3f%% %5.0f%%\n", l->name, l->op, db_text(l->own_db, own),
                db_text(l->total_db, total), db_text(ncc_judged_outputs_db(l), outputs), db_text(l->input_db, input),
                db_text(l->output_db, output), l->clipped, 100 * l->used);
    }
    if (j->no_effects)
        fprintf(out, "outputs          not shown: %s\n", j->no_effects);
}

/* Without effects: by themselves. */
static void print_worst_alone(const struct judgement *j, const int *worst, int n, FILE *out)
{
    char own[16];
    for (int i = 0; i < n; i++) {
        const struct judged_layer *l = &j->layers.v[worst[i]];
        fprintf(out, "%s%-40.40s %8s dB alone: %s\n", i ? "" : "\nleast precise layers\n", l->name,
                db_text(l->own_db, own), l->reason);
    }
}

static void print_worst(const struct judgement *j, FILE *out)
{
    enum { N_WORST = 5 };
    int worst[N_WORST];
    const int n = ncc_judgement_worst(j, worst, N_WORST);
    char outputs[16], own[16];
    if (!j->n_effect_samples)
        print_worst_alone(j, worst, n, out);
    for (int i = 0; i < n && j->n_effect_samples; i++) {
        const struct judged_layer *l = &j->layers.v[worst[i]];
        if (!i)
            fprintf(out, "\n%-38s %7s %7s  %-28s %10s\n", "what costs the outputs most", "dB", "share", "of the error of",
                    "own, dB");
        fprintf(out, "%-38.38s %7s %6.1f%%  %-28.28s %10s\n    %s\n", l->name,
                db_text(ncc_judged_outputs_db(l), outputs), l->share, j->outputs.v[l->worst_output].name,
                db_text(l->own_db, own), l->reason);
    }
}

static void print_gains(const struct judgement *j, FILE *out)
{
    fprintf(out, "\n%-32s %8s %8s   (mean SQNR of the outputs, dB)\n", "steps of quantisation", "result", "change");
    for (int i = 0; i < j->gains.n; i++) {
        const struct judged_gain *g = &j->gains.v[i];
        if (isnan(g->db))
            fprintf(out, "%-32s does not compile\n", g->option);
        else
            fprintf(out, "%-32s %8.2f %+8.2f\n", g->option, g->db, g->db - j->gains.v[0].db);
    }
}

void ncc_judgement_text(const struct judgement *j, FILE *out)
{
    fprintf(out, "%-16s %s\n", "samples", j->data_text);
    print_outputs(j, out);
    if (j->n_labelled)
        fprintf(out, "%-16s float %.2f %%, kmodel %.2f %% of %d labelled samples are right\n", "top-1", j->float_top1,
                j->top1, j->n_labelled);
    if (j->no_layers) {
        fprintf(out, "%-16s not shown: %s\n", "layers", j->no_layers);
    } else {
        print_layers(j, out);
        print_worst(j, out);
    }
    if (j->gains.n)
        print_gains(j, out);
}

/* ---- JSON ---- */

/* JSON has no infinity: null. */
static void add_db(cJSON *o, const char *name, double db)
{
    if (isfinite(db))
        cJSON_AddNumberToObject(o, name, db);
    else
        cJSON_AddNullToObject(o, name);
}

static void add_outputs(cJSON *root, const struct judgement *j)
{
    cJSON *list = cJSON_AddArrayToObject(root, "outputs");
    for (int i = 0; i < j->outputs.n; i++) {
        const struct judged_output *v = &j->outputs.v[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", v->name);
        cJSON_AddItemToObject(o, "shape", cJSON_CreateIntArray(v->shape.dim, v->shape.rank));
        cJSON_AddNumberToObject(o, "mean_cosine", v->mean_cosine);
        cJSON_AddNumberToObject(o, "worst_cosine", v->worst_cosine);
        cJSON_AddStringToObject(o, "worst_sample", v->worst_sample);
        add_db(o, "sqnr_db", v->sqnr_db);
        cJSON_AddNumberToObject(o, "sqnr_error_db", v->sqnr_error_db);
        cJSON_AddNumberToObject(o, "max_error", v->max_error);
        cJSON_AddNumberToObject(o, "largest", v->scale);
        if (v->agreement >= 0)
            cJSON_AddNumberToObject(o, "top1_agreement", v->agreement);
        cJSON_AddItemToArray(list, o);
    }
}

/* What a layer does to the outputs: to the worst, and to each in their order. */
static void add_effect(cJSON *o, const struct judgement *j, const struct judged_layer *l)
{
    add_db(o, "outputs_db", ncc_judged_outputs_db(l));
    cJSON_AddStringToObject(o, "worst_output", l->worst_output < 0 ? "" : j->outputs.v[l->worst_output].name);
    cJSON_AddNumberToObject(o, "share_percent", l->share);
    cJSON *each = cJSON_AddArrayToObject(o, "each_output_db");
    for (int k = 0; k < j->outputs.n; k++)
        cJSON_AddItemToArray(each,
                             isfinite(l->outputs_db[k]) ? cJSON_CreateNumber(l->outputs_db[k]) : cJSON_CreateNull());
}

static void add_layers(cJSON *root, const struct judgement *j)
{
    cJSON *list = cJSON_AddArrayToObject(root, "layers");
    for (int i = 0; i < j->layers.n; i++) {
        const struct judged_layer *l = &j->layers.v[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", l->name);
        cJSON_AddStringToObject(o, "origin", l->origin ? l->origin : "");
        cJSON_AddStringToObject(o, "op", l->op);
        add_db(o, "own_db", l->own_db);
        add_db(o, "total_db", l->total_db);
        if (l->outputs_db)
            add_effect(o, j, l);
        add_db(o, "input_db", l->input_db);
        add_db(o, "result_db", l->output_db);
        cJSON_AddNumberToObject(o, "clipped_percent", l->clipped);
        cJSON_AddNumberToObject(o, "range_used", l->used);
        cJSON_AddNumberToObject(o, "channels", l->n_channels);
        cJSON_AddNumberToObject(o, "silent_channels", l->n_silent);
        cJSON_AddStringToObject(o, "reason", l->reason ? l->reason : "");
        cJSON_AddItemToArray(list, o);
    }
}

char *ncc_judgement_json(const struct judgement *j, struct arena *a)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "version", ncc_version());
    cJSON_AddStringToObject(root, "model", j->model);
    cJSON_AddStringToObject(root, "kmodel", j->kmodel);
    cJSON_AddNumberToObject(root, "samples", j->n_samples);
    add_outputs(root, j);
    if (j->n_labelled) {
        cJSON *o = cJSON_AddObjectToObject(root, "labels");
        cJSON_AddNumberToObject(o, "samples", j->n_labelled);
        cJSON_AddNumberToObject(o, "float_top1", j->float_top1);
        cJSON_AddNumberToObject(o, "kmodel_top1", j->top1);
    }
    if (j->no_layers)
        cJSON_AddStringToObject(root, "no_layers", j->no_layers);
    cJSON_AddNumberToObject(root, "layer_samples", j->n_layer_samples);
    cJSON_AddNumberToObject(root, "effect_samples", j->n_effect_samples);
    if (j->no_effects)
        cJSON_AddStringToObject(root, "no_effects", j->no_effects);
    add_layers(root, j);
    cJSON *gains = cJSON_AddArrayToObject(root, "steps");
    for (int i = 0; i < j->gains.n; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "option", j->gains.v[i].option);
        add_db(o, "sqnr_db", j->gains.v[i].db);
        cJSON_AddItemToArray(gains, o);
    }
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    char *copy = ncc_arena_printf(a, "%s\n", text ? text : "{}");
    cJSON_free(text);
    return copy;
}
