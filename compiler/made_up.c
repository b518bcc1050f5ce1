#include "compiler/made_up.h"

#include "compiler/steps.h"

#include <math.h>

enum { N_SAMPLES = 8 };

/* 0 .. 1, from a counter: the same numbers on every machine. */
static float noise(uint32_t x)
{
    x = (x ^ 61) ^ (x >> 16);
    x *= 9;
    x ^= x >> 4;
    x *= 0x27d4eb2du;
    x ^= x >> 15;
    return (float)(x >> 8) / (float)(1 << 24);
}

bool ncc_made_up_possible(const struct compilation *c)
{
    bool all = c->has_ranges && c->graph->inputs.n > 0;
    for (int i = 0; i < c->graph->inputs.n; i++)
        all = all && c->graph->inputs.v[i]->range.known;
    return all;
}

/* A wave over the last two dimensions, of another length and direction in every sample, and from nothing
 * to much noise. */
static float at(int sample, const struct shape *s, int64_t i)
{
    const int w = s->rank > 0 ? s->dim[s->rank - 1] : 1, h = s->rank > 1 ? s->dim[s->rank - 2] : 1;
    const double x = (double)(i % w) / w, y = (double)(i / w % h) / h, plane = (double)(i / w / h);
    const double turns = 0.5 + sample, angle = sample * 0.9;
    const double wave = 0.5 + 0.5 * sin(6.2831853 * turns * (x * cos(angle) + y * sin(angle)) + plane);
    const double share = (double)sample / (N_SAMPLES - 1);
    return (float)(wave * (1 - share) + (double)noise((uint32_t)(i * N_SAMPLES + sample)) * share);
}

static float *make(struct compilation *c, int sample, const struct value *v)
{
    const int64_t n = ncc_shape_count(v->shape);
    float *x = NCC_NEW(&c->arena, float, n);
    const float lo = v->range.known ? v->range.lo : 0, hi = v->range.known ? v->range.hi : 1;
    for (int64_t i = 0; i < n; i++)
        x[i] = lo + (hi - lo) * at(sample, &v->shape, i);
    return x;
}

bool ncc_made_up_samples(struct compilation *c)
{
    const int n = c->graph->inputs.n;
    c->data = (struct dataset){.n = N_SAMPLES, .n_inputs = n, .inputs = ncc_input_specs(c)};
    c->samples = NCC_NEW(&c->arena, float *, N_SAMPLES * n);
    for (int i = 0; i < N_SAMPLES * n; i++)
        c->samples[i] = make(c, i / n, c->graph->inputs.v[i % n]);
    c->made_up = true;
    c->data_text = "none: the model brings its ranges";
    return true;
}
