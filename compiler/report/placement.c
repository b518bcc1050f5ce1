/* What ncc check shows: every node of the canonical graph, and why it is where it is. */
#include "compiler/report/report.h"

#include "compiler/k210/cost.h"

#include <ncc/compiler.h>

#include <cjson/cJSON.h>

static double node_us(const struct placement *p, const struct node *n)
{
    return n->on_kpu ? n->kpu_us : ncc_cost_cpu_us(n, p->runtime);
}

static void print_table(const struct placement *p, FILE *out)
{
    double kpu = 0, cpu = 0;
    int n_kpu = 0, n_cpu = 0;
    fprintf(out, "%-4s %-18s %-40s %-18s %10s\n", "on", "operator", "node", "result", "us");
    for (const struct node *n = p->graph->first; n; n = n->next) {
        char text[80];
        const double us = node_us(p, n);
        *(n->on_kpu ? &kpu : &cpu) += us;
        *(n->on_kpu ? &n_kpu : &n_cpu) += 1;
        fprintf(out, "%-4s %-18s %-40.40s %-18s %10.1f\n", n->on_kpu ? "kpu" : "cpu", ncc_op_desc(n->op)->name, n->name,
                ncc_shape_text(n->out[0]->shape, text), us);
        if (!n->on_kpu)
            fprintf(out, "     because: %s\n", n->reason);
    }
    fprintf(out,
            "\n%d nodes on the KPU, about %.2f ms; %d on the CPU, about %.2f ms; copies between them not counted\n",
            n_kpu, kpu / 1e3, n_cpu, cpu / 1e3);
}

static void print_json(const struct placement *p, FILE *out)
{
    cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "nodes");
    cJSON_AddStringToObject(root, "version", ncc_version());
    cJSON_AddStringToObject(root, "model", p->model);
    for (const struct node *n = p->graph->first; n; n = n->next) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", n->name);
        cJSON_AddStringToObject(o, "op", ncc_op_desc(n->op)->name);
        cJSON_AddItemToObject(o, "shape", cJSON_CreateIntArray(n->out[0]->shape.dim, n->out[0]->shape.rank));
        cJSON_AddStringToObject(o, "on", n->on_kpu ? "kpu" : "cpu");
        cJSON_AddStringToObject(o, "reason", n->on_kpu ? "" : n->reason);
        cJSON_AddNumberToObject(o, "est_us", node_us(p, n));
        cJSON_AddItemToArray(list, o);
    }
    char *text = cJSON_Print(root);
    fprintf(out, "%s\n", text ? text : "{}");
    cJSON_free(text);
    cJSON_Delete(root);
}

void ncc_report_placement(const struct placement *p, bool json, FILE *out)
{
    if (json)
        print_json(p, out);
    else
        print_table(p, out);
}
