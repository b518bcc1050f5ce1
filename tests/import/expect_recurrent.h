/* What recurrent layers must give: 3 steps, 2 batches, 4 inputs, 5 states. Operands are numbered as make_models.py makes
 * them. */
#ifndef NCC_TESTS_IMPORT_EXPECT_RECURRENT_H
#define NCC_TESTS_IMPORT_EXPECT_RECURRENT_H

#include "support.h"

#include <math.h>

enum { STEPS = 3, BATCH = 2, INS = 4, STATES = 5 };

/* In [B][T][n] or [T][B][n]. */
static int sequence_at(int t, int b, int i, int n, bool time_major)
{
    return (time_major ? t * BATCH + b : b * STEPS + t) * n + i;
}

/* Row s of x W + h R + bias of one gate. */
static float gate_sum(const float *x, const float *h, int s, int w, int r, int bias)
{
    float sum = const_pattern(s, bias);
    for (int i = 0; i < INS; i++)
        sum += x[i] * const_pattern(s * INS + i, w);
    for (int i = 0; i < STATES; i++)
        sum += h[i] * const_pattern(s * STATES + i, r);
    return sum;
}

static void unidirectional_sequence_rnn(const float *const *x, float *const *y)
{
    for (int b = 0; b < BATCH; b++) {
        float h[STATES] = {0};
        for (int t = 0; t < STEPS; t++) {
            float *to = y[0] + sequence_at(t, b, 0, STATES, false);
            for (int s = 0; s < STATES; s++)
                to[s] = tanhf(gate_sum(x[0] + sequence_at(t, b, 0, INS, false), h, s, 1, 2, 3));
            memcpy(h, to, sizeof h);
        }
    }
}

static float sigmoid_of(float x)
{
    return 1 / (1 + expf(-x));
}

/* First tensors of the gates i, f, c, o; i is the one in front where it is absent. peepholes: those of i, f, o, or 0. */
struct lstm_operands {
    int w, r, peepholes, bias;
    bool coupled, time_major;
    float clip;
};

static void lstm_step(const struct lstm_operands *l, const float *x, float *h, float *c)
{
    float next[STATES];
    for (int s = 0; s < STATES; s++) {
        float z[4];
        for (int g = l->coupled; g < 4; g++)
            z[g] = gate_sum(x, h, s, l->w + g, l->r + g, l->bias + g);
        if (l->peepholes) {
            z[0] += c[s] * const_pattern(s, l->peepholes);
            z[1] += c[s] * const_pattern(s, l->peepholes + 1);
        }
        const float forget = sigmoid_of(z[1]), in = l->coupled ? 1 - forget : sigmoid_of(z[0]);
        c[s] = forget * c[s] + in * tanhf(z[2]);
        if (l->clip > 0)
            c[s] = clamp(c[s], -l->clip, l->clip);
        if (l->peepholes)
            z[3] += c[s] * const_pattern(s, l->peepholes + 2);
        next[s] = sigmoid_of(z[3]) * tanhf(c[s]);
    }
    memcpy(h, next, sizeof next);
}

static void lstm(const struct lstm_operands *l, const float *x, float *y)
{
    for (int b = 0; b < BATCH; b++) {
        float h[STATES] = {0}, c[STATES] = {0};
        for (int t = 0; t < STEPS; t++) {
            lstm_step(l, x + sequence_at(t, b, 0, INS, l->time_major), h, c);
            memcpy(y + sequence_at(t, b, 0, STATES, l->time_major), h, sizeof h);
        }
    }
}

static void unidirectional_sequence_lstm(const float *const *x, float *const *y)
{
    lstm(&(struct lstm_operands){.w = 1, .r = 5, .bias = 9, .clip = 0.5f}, x[0], y[0]);
}

static void sequence_lstm_coupled(const float *const *x, float *const *y)
{
    lstm(&(struct lstm_operands){.w = 0, .r = 3, .bias = 6, .coupled = true, .time_major = true}, x[0], y[0]);
}

static void sequence_lstm_peepholes(const float *const *x, float *const *y)
{
    lstm(&(struct lstm_operands){.w = 1, .r = 5, .peepholes = 9, .bias = 12}, x[0], y[0]);
}

#endif
