/* In doubles, which the machine computes side by side. All of it is exact: a sum has 31 bits, a multiplier up to 22, so
 * v fits the 53 bits of a double; v less the start of its piece times a slope of 15 bits does too, since both lie
 * within 36 bits; and what is divided is divided by powers of two. */
#include "compiler/ops/activate_codes.h"

#include "compiler/base/cpu.h"

#include <math.h>

enum { BLOCK = 256, MAX_MUL = 1 << 22 };

/* The pieces of a table. */
struct pieces {
    double start[NCC_KPU_SEGMENTS], slope[NCC_KPU_SEGMENTS], bias[NCC_KPU_SEGMENTS];
};

static struct pieces pieces_of(const struct ncc_kpu_table *t)
{
    struct pieces p;
    for (int i = 0; i < NCC_KPU_SEGMENTS; i++) {
        const struct ncc_kpu_segment *s = &t->seg[i];
        p.start[i] = (double)s->x_start;
        p.slope[i] = ldexp(s->y_mul, -s->shift);
        p.bias[i] = s->bias;
    }
    return p;
}

/* Without the pieces at the end that no v up to `largest` reaches. */
static int n_reachable(const struct pieces *p, double largest)
{
    int n = NCC_KPU_SEGMENTS;
    while (n > 1 && p->start[n - 1] >= largest)
        n--;
    return n;
}

NCC_FOR_EACH_CPU
static double largest_of(const double *v, int n)
{
    double largest = v[0];
#pragma omp simd reduction(max : largest)
    for (int i = 1; i < n; i++)
        largest = v[i] > largest ? v[i] : largest;
    return largest;
}

NCC_FOR_EACH_CPU
static void batch_norm(const int32_t *acc, int n, double factor, double add, double *v)
{
#pragma omp simd
    for (int i = 0; i < n; i++)
        v[i] = floor(acc[i] * factor) + add;
}

/* The rounding of ncc_kpu_round_shift: half to even, but below zero what would be rounded up goes one below the floor.
 */
NCC_FOR_EACH_CPU
static void apply_pieces(const struct pieces *p, int n_pieces, const double *v, int n, uint8_t *to)
{
    double start[BLOCK], slope[BLOCK], bias[BLOCK];
#pragma omp simd
    for (int i = 0; i < n; i++) {
        start[i] = p->start[0];
        slope[i] = p->slope[0];
        bias[i] = p->bias[0];
    }
    for (int k = 1; k < n_pieces; k++) {
        const double at = p->start[k], steep = p->slope[k], base = p->bias[k];
#pragma omp simd
        for (int i = 0; i < n; i++) {
            start[i] = v[i] > at ? at : start[i];
            slope[i] = v[i] > at ? steep : slope[i];
            bias[i] = v[i] > at ? base : bias[i];
        }
    }
    int32_t code[BLOCK];
#pragma omp simd
    for (int i = 0; i < n; i++) {
        const double y = (v[i] - start[i]) * slope[i], nearest = rint(y), below = floor(y);
        double c = (y < 0 ? 2 * below - nearest : nearest) + bias[i];
        c = c < 0 ? 0.0 : c;
        c = c > 255 ? 255.0 : c;
        code[i] = (int32_t)c;
    }
#pragma omp simd
    for (int i = 0; i < n; i++)
        to[i] = (uint8_t)code[i];
}

void ncc_activate_codes(const struct ncc_kpu_table *table, struct ncc_kpu_bn bn, const int32_t *acc, int64_t n,
                        uint8_t *to)
{
    if (bn.mul >= MAX_MUL || bn.mul <= -MAX_MUL) {
        for (int64_t i = 0; i < n; i++)
            to[i] = ncc_kpu_table_apply(table, ncc_kpu_bn_apply(bn, acc[i]));
        return;
    }
    const struct pieces p = pieces_of(table);
    for (int64_t i = 0; i < n; i += BLOCK) {
        double v[BLOCK];
        const int count = (int)(n - i < BLOCK ? n - i : BLOCK);
        batch_norm(acc + i, count, ldexp(bn.mul, -bn.shift), bn.add, v);
        apply_pieces(&p, n_reachable(&p, largest_of(v, count)), v, count, to + i);
    }
}
