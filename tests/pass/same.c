#include "tests/pass/same.h"

#include "compiler/ir/eval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t same_seed(uint64_t otherwise)
{
    const char *text = getenv("NCC_SEED");
    return text ? strtoull(text, NULL, 0) : otherwise;
}

int same_random(uint64_t *state, int n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (int)((*state >> 33) % (uint64_t)n);
}

struct run {
    const struct graph *g;
    uint64_t seed;
    void **result; /* [sample][output] */
};

static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    const struct run *r = ctx;
    uint64_t state = r->seed + (uint64_t)sample * 1000003 + (uint64_t)input * 7919;
    const int64_t n = ncc_shape_count(to->shape);
    same_random(&state, 2);
    for (int64_t i = 0; i < n; i++) {
        if (to->dtype == DT_F32)
            ((float *)to->data)[i] = (float)(same_random(&state, 20001) - 10000) / 5000.0f;
        else
            memset((char *)to->data + (size_t)i * ncc_dtype_size(to->dtype), same_random(&state, 100), 1);
    }
    return true;
}

static size_t bytes_of(const struct value *v)
{
    return (size_t)ncc_shape_count(v->shape) * ncc_dtype_size(v->dtype);
}

static void keep(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    const struct run *r = ctx;
    (void)thread;
    for (int i = 0; i < r->g->outputs.n; i++)
        memcpy(r->result[sample * r->g->outputs.n + i], outputs[i]->data, bytes_of(r->g->outputs.v[i].value));
}

static bool run(struct run *r, const struct graph *g, int n_samples, uint64_t seed)
{
    struct evaluator *e = ncc_eval_open(g, EVAL_REFERENCE, 0);
    r->g = g;
    r->seed = seed;
    r->result = calloc((size_t)(n_samples * g->outputs.n), sizeof *r->result);
    for (int i = 0; i < n_samples * g->outputs.n; i++)
        r->result[i] = malloc(bytes_of(g->outputs.v[i % g->outputs.n].value) + 1);
    const struct eval_hooks hooks = {.ctx = r, .done = keep};
    const bool good = e && ncc_eval_run(e, &(struct samples){.feed = feed, .ctx = r, .n = n_samples}, &hooks);
    if (e)
        ncc_eval_close(e);
    return good;
}

static void release(struct run *r, int n_samples)
{
    for (int i = 0; i < n_samples * r->g->outputs.n; i++)
        free(r->result[i]);
    free(r->result);
}

static bool same_floats(const float *a, const float *b, int64_t n, double tolerance, char *why)
{
    double largest = 1e-6, worst = 0;
    int64_t where = 0;
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(a[i]))
            largest = fmax(largest, fabs((double)a[i]));
    }
    for (int64_t i = 0; i < n; i++) {
        const bool both_nan = isnan(a[i]) && isnan(b[i]);
        const double d = a[i] == b[i] || both_nan ? 0 : fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst)) {
            worst = d;
            where = i;
        }
    }
    if (worst <= tolerance * largest)
        return true;
    snprintf(why, 200, "element %lld: %.9g and %.9g, largest %.9g", (long long)where, (double)a[where],
             (double)b[where], largest);
    return false;
}

static bool same_output(const struct run *a, const struct run *b, int sample, int output, double tolerance, char *why)
{
    const struct graph_output *x = &a->g->outputs.v[output], *y = &b->g->outputs.v[output];
    const int n = a->g->outputs.n;
    const void *p = a->result[sample * n + output], *q = b->result[sample * n + output];
    char text[200] = "name, type or shape";
    bool same = strcmp(x->name, y->name) == 0 && x->value->dtype == y->value->dtype &&
                ncc_shape_equal(x->value->shape, y->value->shape);
    if (same && x->value->dtype == DT_F32)
        same = same_floats(p, q, ncc_shape_count(x->value->shape), tolerance, text);
    else if (same)
        same = memcmp(p, q, bytes_of(x->value)) == 0;
    if (!same)
        snprintf(why, 300, "output %s, sample %d: %s", x->name, sample, text);
    return same;
}

bool same_meaning(const struct graph *a, const struct graph *b, int n_samples, uint64_t seed, double tolerance,
                  char *why)
{
    struct run x, y;
    if (a->outputs.n != b->outputs.n || a->inputs.n != b->inputs.n) {
        snprintf(why, 300, "numbers of inputs or outputs");
        return false;
    }
    snprintf(why, 300, "evaluation failed");
    bool same = run(&x, a, n_samples, seed);
    same = run(&y, b, n_samples, seed) && same;
    for (int i = 0; same && i < n_samples * a->outputs.n; i++)
        same = same_output(&x, &y, i / a->outputs.n, i % a->outputs.n, tolerance, why);
    release(&x, n_samples);
    release(&y, n_samples);
    return same;
}
