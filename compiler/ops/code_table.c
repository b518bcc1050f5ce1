#include "compiler/ops/code_table.h"

#include <math.h>

/* In float, step by step as there: a table is a matter of roundings. */
void ncc_code_table_make(struct code_table *t, float in_scale, int in_zero, float out_scale, float (*f)(float))
{
    enum { N = 512 };
    const float low = in_scale * (float)(INT16_MIN - in_zero), high = in_scale * (float)(INT16_MAX - in_zero);
    const float step = (high - low) / N, half_step = step / 2;
    const float per_unit = 65536.0f / (out_scale * INT16_MAX - out_scale * INT16_MIN);
    for (int i = 0; i < N; i++) {
        const float x = low + (float)i * step, y = roundf(f(x) * per_unit);
        const float next = f(low + (float)(i + 1) * step) * per_unit, middle = roundf(f(x + half_step) * per_unit);
        const float off = roundf((next + y) / 2) - middle;
        t->knot[i] = (int16_t)fminf(fmaxf(y - roundf(off / 2), INT16_MIN), INT16_MAX);
    }
    t->knot[N] = (int16_t)fminf(fmaxf(roundf(f(high) * per_unit), INT16_MIN), INT16_MAX);
}

int32_t ncc_code_table_at(const struct code_table *t, int32_t code)
{
    code = code < INT16_MIN ? INT16_MIN : code > INT16_MAX ? INT16_MAX : code;
    const int i = 256 + (code >> 7);
    return t->knot[i] + (((t->knot[i + 1] - t->knot[i]) * (code & 127) + 64) >> 7);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

void ncc_sigmoid_knots(uint16_t knot[256])
{
    for (int i = 0; i < 255; i++) {
        const double y = sigmoid(i / 24.0), off = (y + sigmoid((i + 1) / 24.0)) / 2 - sigmoid((i + 0.5) / 24);
        knot[i] = (uint16_t)lrint((y - off / 2) * 65536);
    }
    knot[255] = UINT16_MAX;
}
