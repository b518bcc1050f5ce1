/* Fitting 16 pieces to a curve so that the largest error is smallest.
 *
 * For a given error the fewest pieces that stay within it are found level by level: of all samples that n pieces can
 * reach, from which does one more piece reach furthest? The error itself is found by bisection.
 */
#include "compiler/k210/act_table.h"

#include "compiler/k210/act_expected.h"
#include "compiler/k210/act_pieces.h"

#include <math.h>

struct fitter {
    struct act_curve c;
    double weight[NCC_ACT_SAMPLES];           /* for the least squares of a slope */
    double error;                             /* allowed */
    int n_pieces;                             /* of the solution; piece 0 is segment 0, from -2^35 on */
    struct act_piece piece[NCC_KPU_SEGMENTS]; /* each serves samples up to the next one's start */
};

/* ---- the fewest pieces ---- */

static struct act_piece longest(const struct fitter *f, enum act_kind kind, int start, int bias)
{
    struct act_piece p = ncc_act_piece_begin(&f->c, kind, start, bias, f->error);
    while (ncc_act_piece_extend(&p, &f->c, f->error)) {
    }
    return p;
}

static void keep_longer(struct fitter *f, struct act_piece p)
{
    if (p.reach > f->piece[f->n_pieces].reach)
        f->piece[f->n_pieces] = p;
}

/* Sloped pieces start with a whole code that the function has, nearly, at v or just behind it. */
static void try_slopes(struct fitter *f, int start, double code)
{
    const double b = rint(code);
    if (b < 0 || b > 255)
        return;
    if (fabs(b - code) <= f->error)
        keep_longer(f, longest(f, ACT_RISING, start, (int)b));
    if (b < 255 && fabs(b - code) <= f->error - 0.5)
        keep_longer(f, longest(f, ACT_FALLING, start, (int)b + 1));
}

/* The piece that reaches furthest, of those that start at samples first..last; the last of several, which leaves
 * most to the piece before it. */
static void longest_piece(struct fitter *f, int first, int last)
{
    const struct act_curve *c = &f->c;
    f->piece[f->n_pieces].reach = last;
    for (int i = last; i >= first && f->piece[f->n_pieces].reach < c->n - 1; i--) {
        keep_longer(f, longest(f, ACT_CONSTANT, i, 0));
        try_slopes(f, i, c->code[i]);
        if (fabs(c->after[i] - c->code[i]) > 0.001)
            try_slopes(f, i, c->after[i]);
    }
}

static bool solve(struct fitter *f, double error)
{
    f->error = error;
    f->piece[0] = longest(f, ACT_CONSTANT, -1, 0);
    int first = 0, last = f->piece[0].reach;
    for (f->n_pieces = 1; last < f->c.n - 1; f->n_pieces++) {
        if (f->n_pieces == NCC_KPU_SEGMENTS)
            return false;
        longest_piece(f, first, last);
        if (f->piece[f->n_pieces].reach == last)
            return false;
        first = last + 1;
        last = f->piece[f->n_pieces].reach;
    }
    return true;
}

/* Piecewise linear functions succeed at once. 256 would always do: one constant. */
static void solve_best(struct fitter *f)
{
    double low = NCC_ACT_EXACT, high = 8 * NCC_ACT_EXACT;
    if (solve(f, low))
        return;
    for (; !solve(f, high); high *= 4) /* most functions are served by small errors */
        low = high;
    while (high / low > 1.05) {
        const double middle = sqrt(low * high);
        if (solve(f, middle))
            high = middle;
        else
            low = middle;
    }
    solve(f, high);
}

/* ---- the table ---- */

/* Least squares through the piece's start, within the cone of what it really serves. */
static struct ncc_kpu_segment segment_of(const struct fitter *f, int index)
{
    const struct act_curve *c = &f->c;
    const struct act_piece *wide = &f->piece[index];
    const int end = index + 1 < f->n_pieces ? f->piece[index + 1].start : c->n - 1;
    if (wide->kind == ACT_CONSTANT)
        return ncc_act_piece_segment(wide, c, 0);
    struct act_piece p = ncc_act_piece_begin(c, wide->kind, wide->start, wide->bias, f->error);
    while (p.reach < end && ncc_act_piece_extend(&p, c, f->error)) {
    }
    double xx = 0, xy = 0;
    for (int i = p.start + 1; i <= end; i++) {
        if (c->code[i] < 0 || c->code[i] > 255)
            continue;
        const double x = (double)(c->v[i] - c->v[p.start]), w = f->weight[i];
        xx += w * x * x;
        xy += w * x * (c->code[i] - ncc_act_piece_base(&p));
    }
    return ncc_act_piece_segment(&p, c, xx > 0 ? xy / xx : (p.lo + p.hi) / 2);
}

static void build(const struct fitter *f, struct ncc_kpu_table *out)
{
    for (int i = 0; i < f->n_pieces; i++)
        out->seg[i] = segment_of(f, i);
    ncc_act_pieces_fill(out, f->n_pieces);
}

/* A sample counts for the v between its neighbours. */
static void set_weights(struct fitter *f)
{
    for (int i = 0; i < f->c.n; i++) {
        const int left = i ? i - 1 : 0, right = i + 1 < f->c.n ? i + 1 : i;
        f->weight[i] = (double)(f->c.v[right] - f->c.v[left]);
    }
}

/* Evenly over the part of the range where something changes. */
static struct act_seen all_alike(const struct act_target *t, struct arena *a)
{
    enum { N = 4096 };
    int64_t lo, hi, *v = NCC_NEW(a, int64_t, N);
    ncc_act_domain(t, &lo, &hi);
    for (int i = 0; i < N; i++)
        v[i] = lo + (int64_t)((double)(hi - lo) * i / (N - 1));
    return (struct act_seen){N, v};
}

static void fit_evenly(const struct act_target *t, struct fitter *f, struct ncc_kpu_table *out)
{
    ncc_act_sample(t, &f->c);
    set_weights(f);
    solve_best(f);
    build(f, out);
}

void ncc_act_table_fit(const struct act_target *t, struct ncc_kpu_table *out, struct act_fit *quality)
{
    struct fitter f;
    fit_evenly(t, &f, out);
    if (quality)
        *quality = ncc_act_table_measure(t, out);
}

void ncc_act_table_fit_seen(const struct act_target *t, const struct act_seen *seen, struct arena *a,
                            struct ncc_kpu_table *out, struct act_fit *quality)
{
    struct fitter f;
    fit_evenly(t, &f, out);
    if (f.error > NCC_ACT_EXACT) {
        const struct act_seen even = seen->n ? *seen : all_alike(t, a);
        ncc_act_expected_improve(t, &f.c, &even, f.error + (seen->n ? 0.5 : 0), a, out);
    }
    if (quality)
        *quality = ncc_act_table_measure(t, out);
}

void ncc_act_table_copy(int zero, struct ncc_kpu_table *out)
{
    out->seg[0] = (struct ncc_kpu_segment){.x_start = NCC_KPU_ACC_MIN};
    out->seg[1] = (struct ncc_kpu_segment){.x_start = -zero, .y_mul = 1};
    ncc_act_pieces_fill(out, 2);
}

/* ---- measuring ---- */

static int used_pieces(const struct ncc_kpu_table *t)
{
    int n = 1;
    while (n < NCC_KPU_SEGMENTS && t->seg[n].x_start < NCC_KPU_ACC_MAX - NCC_KPU_SEGMENTS)
        n++;
    return n;
}

static double error_at(const struct act_target *t, const struct ncc_kpu_table *table, int64_t v)
{
    return fabs(ncc_kpu_table_apply(table, v) - ncc_act_clamp(ncc_act_code(t, v)));
}

struct act_fit ncc_act_table_measure(const struct act_target *t, const struct ncc_kpu_table *table)
{
    int64_t lo, hi;
    ncc_act_domain(t, &lo, &hi);
    struct act_fit fit = {.n_pieces = used_pieces(table)};
    fit.max_error = fmax(error_at(t, table, t->v_min), error_at(t, table, t->v_max));
    const int64_t n = hi - lo < 1 << 15 ? hi - lo + 1 : 1 << 15;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t v = n > 1 ? lo + (int64_t)((double)(hi - lo) * (double)i / (double)(n - 1)) : lo;
        const double error = error_at(t, table, v);
        sum += error;
        fit.max_error = fmax(fit.max_error, error);
    }
    fit.mean_error = sum / (double)n;
    return fit;
}
