/* Choosing taps: tries every position of output 0 near the natural one and, for each, the smallest set of copies
 * that covers the offsets. Of the copies that a set may go on with, in ascending order, only three reach the first
 * offset that is not covered yet, so there are at most 81 sets of 4. */
#include "compiler/k210/taps.h"

#include <stdlib.h>
#include <string.h>

static bool reads_allowed(const struct axis *a, const char **why)
{
    const int last = (a->n_out - 1) * a->stride - a->pad + (a->kernel - 1) * a->dilation;
    if (a->pad > 0 && a->start > 0 && !a->zero_out) {
        *why = "the padding before the map must read zero, but the canvas holds other values there";
        return false;
    }
    if (last >= a->size && a->start + a->size < a->canvas && !a->zero_out) {
        *why = "the padding behind the map must read zero, but the canvas holds other values there";
        return false;
    }
    return true;
}

/* May copy `shift` be read with tap d, when outputs stand at positions first .. last? */
static bool pair_allowed(const struct axis *a, int first, int last, int shift, int d)
{
    if (shift > 0 && d < 0)
        return first >= 1;
    if (shift < 0 && d > 0)
        return last <= a->canvas - 2;
    return true;
}

/* Reads offset o with one of the first n copies; prefers the centre tap. False: none can. */
static bool cover_one(const struct axis *a, int first, int last, const int *copy, int n, int o, struct tap *out)
{
    static const int order[3] = {0, 1, -1};
    for (int t = 0; t < 3; t++)
        for (int i = 0; i < n; i++)
            if (copy[i] + order[t] == o && pair_allowed(a, first, last, copy[i], order[t])) {
                *out = (struct tap){i, order[t]};
                return true;
            }
    return false;
}

static int offset_of(const struct axis *a, int first, int j)
{
    return a->start - a->pad + j * a->dilation - first;
}

static bool cover_all(const struct axis *a, int first, const int *copy, int n, struct taps *out)
{
    const int last = first + (a->n_out - 1) * a->stride;
    out->only_centre = true;
    for (int j = 0; j < a->kernel; j++) {
        if (!cover_one(a, first, last, copy, n, offset_of(a, first, j), &out->of[j]))
            return false;
        out->only_centre = out->only_centre && out->of[j].tap == 0;
    }
    out->first = first;
    out->n_copies = n;
    memcpy(out->copy, copy, (size_t)n * sizeof *copy);
    return true;
}

enum { PER_COPY = 1000000 };

/* Cost of a set: copies first, then the steps needed to make them, of these the most for one copy (which moves by the
 * steps of both directions at once), then whether taps beside the centre are used. */
static int cost(const struct taps *t)
{
    int steps = 0, most = 0;
    for (int i = 0; i < t->n_copies; i++) {
        const int far = abs(t->copy[i]);
        steps += far;
        most = far > most ? far : most;
    }
    return t->n_copies * PER_COPY + steps * 1000 + most * 10 + (t->only_centre ? 0 : 1);
}

struct search {
    const struct axis *axis;
    int first;
    int copy[NCC_MAX_COPIES];
    struct taps *best;
    int best_cost;
};

/* The first offset that copy[0..n) do not cover. False: there is none. */
static bool first_uncovered(const struct search *s, int n, int *offset)
{
    const struct axis *a = s->axis;
    const int last = s->first + (a->n_out - 1) * a->stride;
    struct tap ignored;
    for (int j = 0; j < a->kernel; j++) {
        *offset = offset_of(a, s->first, j);
        if (!cover_one(a, s->first, last, s->copy, n, *offset, &ignored))
            return true;
    }
    return false;
}

/* Extends the set copy[0..n) by ascending copies up to `size` members; keeps the best cover. A copy in front of those
 * that reach the first uncovered offset covers nothing new. */
static void enumerate(struct search *s, int n, int size)
{
    if (n == size) {
        struct taps t = {0};
        if (cover_all(s->axis, s->first, s->copy, n, &t) && cost(&t) < s->best_cost) {
            *s->best = t;
            s->best_cost = cost(&t);
        }
        return;
    }
    int offset;
    if (!first_uncovered(s, n, &offset))
        return; /* a smaller set does */
    for (int c = offset - 1; c <= offset + 1; c++) {
        if (n > 0 && c <= s->copy[n - 1])
            continue;
        s->copy[n] = c;
        enumerate(s, n + 1, size);
    }
}

bool ncc_taps_choose(const struct axis *a, struct taps *out, const char **why)
{
    const char *ignored;
    if (!why)
        why = &ignored;
    if (a->kernel > NCC_MAX_TAPS) {
        *why = "the kernel is larger than any set of shifted copies covers";
        return false;
    }
    if (!reads_allowed(a, why))
        return false;
    *why = "the outputs do not fit the canvas";
    const int extent = (a->kernel - 1) * a->dilation;
    const int from = a->start - a->pad - 1;
    struct search s = {.axis = a, .best = out, .best_cost = 1 << 30};
    for (int first = from < 0 ? 0 : from; first <= from + extent + 2; first++) {
        const int last = first + (a->n_out - 1) * a->stride;
        const bool inside = last < a->canvas && first / a->pool + a->n_pooled <= a->canvas / a->pool;
        if (!inside || !(a->phase >> first % a->pool & 1))
            continue;
        s.first = first;
        for (int size = 1; size <= NCC_MAX_COPIES && s.best_cost >= size * PER_COPY; size++)
            enumerate(&s, 0, size);
    }
    return s.best_cost < 1 << 30;
}
