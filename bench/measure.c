#include "bench/measure.h"

#include "compiler/base/gemm.h"
#include "compiler/base/parallel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- the machine ---- */

static void print_cpu_model(void)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (!strncmp(line, "model name", strlen("model name")) && colon) {
            printf("%s", colon + 1); /* with its end of line */
            fclose(f);
            return;
        }
    }
    if (f)
        fclose(f);
    printf(" unknown processor\n");
}

void bench_heading(const char *program)
{
    bench_use_threads(0);
    printf("%s: %d cores,", program, ncc_parallel_threads());
    print_cpu_model();
    setvbuf(stdout, NULL, _IOLBF, 0);
}

const char *bench_zoo(void)
{
    const char *folder = getenv("NCC_ZOO");
    folder = folder ? folder : NCC_SOURCE_DIR "/../shared/zoo";
    if (access(folder, R_OK) == 0)
        return folder;
    printf("\nno folder %s (set NCC_ZOO): its models are left out\n", folder);
    return NULL;
}

void bench_use_threads(int n)
{
    char text[16];
    snprintf(text, sizeof text, "%d", n);
    if (n)
        setenv("NCC_THREADS", text, 1);
    else
        unsetenv("NCC_THREADS");
}

/* ---- time ---- */

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double bench_cpu_seconds(void)
{
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

double bench_wall_seconds(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

static double time_of(struct bench_job job, int times, enum bench_clock clock)
{
    const clockid_t id = clock == BENCH_CPU ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    const double start = seconds_of(id);
    for (int i = 0; i < times; i++)
        job.run(job.ctx);
    return (seconds_of(id) - start) / times;
}

/* How often to run so that one measurement takes some milliseconds. The first run warms up. */
static int times_of(struct bench_job job, enum bench_clock clock)
{
    const double wanted = 8e-3;
    time_of(job, 1, clock);
    const double once = time_of(job, 1, clock);
    return once >= wanted ? 1 : (int)(wanted / (once + 1e-7)) + 1;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare_doubles);
    return v[n / 2];
}

struct bench_ratio bench_compare(struct bench_job job, struct bench_job reference, enum bench_clock clock)
{
    enum { TURNS = 11 };
    double seconds[TURNS], references[TURNS], ratios[TURNS];
    const int times = times_of(job, clock), reference_times = times_of(reference, clock);
    for (int i = 0; i < TURNS; i++) {
        seconds[i] = time_of(job, times, clock);
        references[i] = time_of(reference, reference_times, clock);
        ratios[i] = references[i] / seconds[i];
    }
    return (struct bench_ratio){median(seconds, TURNS), median(references, TURNS), median(ratios, TURNS)};
}

/* ---- data ---- */

static void *allocate(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return p;
}

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

float *bench_floats(size_t n)
{
    float *v = allocate(n * sizeof *v);
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++)
        v[i] = (float)next(&state) * 0x1p-23f - 1.0f;
    return v;
}

uint8_t *bench_bytes(size_t n)
{
    uint8_t *v = allocate(n);
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++)
        v[i] = (uint8_t)next(&state);
    return v;
}

/* ---- the reference ---- */

struct bench_gemm bench_gemm_make(int m, int n, int k)
{
    return (struct bench_gemm){m,
                               n,
                               k,
                               1,
                               bench_floats((size_t)m * (size_t)k),
                               bench_floats((size_t)k * (size_t)n),
                               bench_floats((size_t)m * (size_t)n)};
}

void bench_gemm_run(void *gemm)
{
    const struct bench_gemm *g = gemm;
    for (int i = 0; i < g->repeats; i++)
        ncc_gemm(g->m, g->n, g->k, g->a, g->k, g->b, g->n, g->c, g->n, 0);
}

void bench_gemm_free(struct bench_gemm *g)
{
    free(g->a);
    free(g->b);
    free(g->c);
}

/* ---- summary ---- */

void bench_keep_least(struct bench_least *rows, int n, const char *kind, double ratio)
{
    for (int i = 0; i < n; i++) {
        if (!rows[i].kind)
            rows[i] = (struct bench_least){kind, ratio};
        if (strcmp(rows[i].kind, kind) != 0)
            continue;
        rows[i].ratio = ratio < rows[i].ratio ? ratio : rows[i].ratio;
        return;
    }
}

void bench_print_least(const struct bench_least *rows, int n)
{
    printf("\nleast ratio:");
    for (int i = 0; i < n && rows[i].kind; i++)
        printf("%s %s %.2f", i ? "," : "", rows[i].kind, rows[i].ratio);
    printf("\n");
}
