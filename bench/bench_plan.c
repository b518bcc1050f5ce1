/* How near memory plans come to what must be kept at the same time, and how long planning takes: every model of the
 * zoo, compiled up to its plan with made-up samples. Random graphs are planned by tests/plan/test_plan.c.
 */
#include "bench/measure.h"

#include "compiler/base/file.h"
#include "compiler/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 32 };

struct planned {
    bool good;
    struct plan_memory kpu, main;
    double seconds;
    int n_nodes;
    char *log;
};

static double plan_seconds;

/* In place of the step "plan": the same, with time taken. */
static bool plan_in_time(struct compilation *c)
{
    const double start = bench_wall_seconds();
    const bool good = ncc_step_plan(c);
    plan_seconds = bench_wall_seconds() - start;
    return good;
}

/* The compiler's steps up to and with the plan. */
static int steps_to_plan(struct step *steps)
{
    int n = 0;
    do {
        steps[n] = ncc_compile_steps[n];
    } while (strcmp(steps[n++].name, "plan") && n < MAX_STEPS && n < ncc_compile_n_steps);
    steps[n - 1].run = plan_in_time;
    return n;
}

static struct planned plan_model(const char *model)
{
    struct planned p = {0};
    size_t log_size;
    struct ncc_compile_options o;
    ncc_compile_defaults(&o);
    o.model = model;
    o.quiet = true;
    FILE *log = open_memstream(&p.log, &log_size);
    if (!log)
        exit(1);
    struct step steps[MAX_STEPS];
    struct compilation c;
    ncc_compilation_open(&c, &o, log, log);
    c.trying = true; /* no samples are needed */
    p.good = ncc_compilation_run(&c, steps, steps_to_plan(steps)) == NCC_EXIT_DONE;
    if (p.good) {
        p.kpu = c.plan.kpu;
        p.main = c.plan.main;
        p.n_nodes = c.plan.n_steps;
        p.seconds = plan_seconds;
    }
    ncc_compilation_close(&c);
    fclose(log);
    return p;
}

/* ---- what is printed ---- */

/* Of one memory, over all models. */
struct summary {
    int n, at_bound, best;
    double worst;
};

struct totals {
    struct summary kpu, main;
    double longest;
};

static void add(struct summary *s, const struct plan_memory *m)
{
    if (m->bound == 0)
        return;
    s->n++;
    s->at_bound += m->peak == m->bound;
    s->best += m->optimal;
    if ((double)m->peak / (double)m->bound > s->worst)
        s->worst = (double)m->peak / (double)m->bound;
}

static void print_memory(const struct plan_memory *m)
{
    const char *how = m->peak == m->bound ? "bound" : m->optimal ? "proven" : "open";
    printf(" %9lld %9lld %-6s", (long long)m->peak, (long long)m->bound, m->bound ? how : "-");
}

static void print_summary(const char *name, const struct summary *s)
{
    if (s->n)
        printf("%-12s %d plans: %d at the bound, %.1f %% there or proven the least; worst peak / bound %.4f\n", name,
               s->n, s->at_bound, 100.0 * s->best / s->n, s->worst);
}

static void bench_model(const char *model, struct totals *t)
{
    struct planned p = plan_model(model);
    printf("%-34s", ncc_file_base(model));
    fflush(stdout);
    if (p.good) {
        printf(" %5d ", p.n_nodes);
        print_memory(&p.kpu);
        print_memory(&p.main);
        printf(" %9.1f\n", p.seconds * 1e3);
        add(&t->kpu, &p.kpu);
        add(&t->main, &p.main);
        t->longest = p.seconds > t->longest ? p.seconds : t->longest;
    } else {
        printf(" is not compiled: %.*s\n", (int)strcspn(p.log, "\n"), p.log);
    }
    free(p.log);
}

static bool is_model(const char *path)
{
    static const char *const extensions[] = {"tflite", "onnx", "caffemodel"};
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
        if (!strcmp(ncc_file_extension(path), extensions[i]))
            return true;
    return false;
}

static void bench_folders(const char *zoo, struct arena *a, struct totals *t)
{
    static const char *const folders[] = {"tflite", "onnx", "caffe"};
    struct diags d;
    ncc_diag_init(&d, a);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        struct paths files = {0};
        if (!ncc_file_list(ncc_arena_printf(a, "%s/%s", zoo, folders[i]), a, &d, &files))
            continue;
        for (int k = 0; k < files.n; k++)
            if (is_model(files.v[k]))
                bench_model(files.v[k], t);
    }
    ncc_diag_print(&d, stdout);
}

/* The zoo, or the models that are named. */
int main(int n_args, char **args)
{
    bench_heading("bench_plan");
    const char *zoo = n_args > 1 ? NULL : bench_zoo();
    struct totals t = {0};
    struct exit e = {0};
    struct arena a = ncc_arena_make(&e);
    if (setjmp(e.env)) {
        fputs("out of memory\n", stderr);
        return 1;
    }
    printf("\n%-34s %5s %20s %26s %18s\n", "bytes", "nodes", "KPU RAM: peak, bound", "main memory: peak, bound",
           "planning, ms");
    if (zoo)
        bench_folders(zoo, &a, &t);
    for (int i = 1; i < n_args; i++)
        bench_model(args[i], &t);
    ncc_arena_release(&a);
    printf("\n");
    print_summary("KPU RAM", &t.kpu);
    print_summary("main memory", &t.main);
    printf("longest planning, the plan's proof included: %.1f ms\n", t.longest * 1e3);
    return 0;
}
