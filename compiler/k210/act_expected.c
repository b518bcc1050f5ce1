#include "compiler/k210/act_expected.h"

#include "compiler/k210/act_pieces.h"

#include <math.h>
#include <stdlib.h>

enum { N_PLACES = 700 }; /* where pieces may start: whole and half codes, both sides of jumps */

/* Rounding to whole codes errs by 1/12 squared; falling pieces by up to one code, on average 7/12 squared
 * (act_pieces.h). */
static const double NOISE = 1.0 / 12, FALLING_NOISE = 7.0 / 12;

static const double SHARE_OF_ALL = 1.0 / 16; /* of the weight, for what was not seen */

static const double WORTH = 0.99; /* of the squared error: less of a gain may be chance */

struct way {
    double cost; /* up to this place */
    int from;    /* the place before */
    struct act_piece piece;
    double slope;
};

struct search {
    const struct act_curve *c;
    double error;
    double weight[NCC_ACT_SAMPLES];
    int place[N_PLACES], n_places; /* samples, ascending; the last one is the curve's end */
    struct way *way;               /* [piece number][place] */
};

static struct way *way_to(const struct search *s, int n_pieces, int place)
{
    return &s->way[(size_t)n_pieces * N_PLACES + (size_t)place];
}

/* ---- weights ---- */

static int nearest_sample(const struct act_curve *c, int64_t v)
{
    int lo = 0, hi = c->n - 1;
    while (hi - lo > 1) {
        const int middle = (lo + hi) / 2;
        *(c->v[middle] <= v ? &lo : &hi) = middle;
    }
    return v - c->v[lo] <= c->v[hi] - v ? lo : hi;
}

static void set_weights(struct search *s, const struct act_seen *seen)
{
    const struct act_curve *c = s->c;
    /* The first and the last sample may be far out, where nothing changes: in between counts what is in between. */
    const double all = (double)(c->v[c->n - 2] - c->v[1]);
    for (int i = 0; i < c->n; i++) {
        const bool inside = i > 1 && i < c->n - 2;
        s->weight[i] = inside ? SHARE_OF_ALL * (double)(c->v[i + 1] - c->v[i - 1]) / (2 * all) : 0;
    }
    for (int i = 0; i < seen->n; i++)
        s->weight[nearest_sample(c, seen->v[i])] += (1 - SHARE_OF_ALL) / seen->n;
}

/* ---- places ---- */

static bool is_place(const struct act_curve *c, int i)
{
    const double twice = 2 * c->code[i];
    return fabs(twice - rint(twice)) < 0.05 || fabs(c->after[i] - c->code[i]) > 0.25;
}

static void find_places(struct search *s)
{
    const struct act_curve *c = s->c;
    for (int i = 0; i < c->n - 1 && s->n_places < N_PLACES - 1; i++)
        if (c->code[i] > -0.75 && c->code[i] < 255.75 && is_place(c, i))
            s->place[s->n_places++] = i;
    s->place[s->n_places++] = c->n - 1;
}

/* ---- pieces ---- */

struct sums {
    double w, y, yy, x, xx, xy; /* weighted; x from the piece's start, y from its base */
};

static void add_sample(struct sums *sum, const struct search *s, const struct act_piece *p, int i)
{
    const struct act_curve *c = s->c;
    if (p->kind != ACT_CONSTANT && (c->code[i] < 0 || c->code[i] > 255))
        return; /* the clamp makes it right */
    const double w = s->weight[i], x = p->start < 0 ? 0 : (double)(c->v[i] - c->v[p->start]);
    const double y = ncc_act_clamp(c->code[i]) - (p->kind == ACT_CONSTANT ? 0 : ncc_act_piece_base(p));
    sum->w += w;
    sum->y += w * y;
    sum->yy += w * y * y;
    sum->xx += w * x * x;
    sum->xy += w * x * y;
}

/* Sets the constant's code or the slope that errs least, and the cost. */
static struct way settle(const struct sums *sum, struct act_piece p)
{
    struct way way = {.piece = p};
    if (p.kind == ACT_CONSTANT) {
        const double code = sum->w > 0 ? fmin(fmax(rint(sum->y / sum->w), ceil(p.lo)), floor(p.hi)) : (double)p.bias;
        way.piece.bias = (int)code;
        way.cost = sum->yy - 2 * code * sum->y + code * code * sum->w;
        return way;
    }
    way.slope = sum->xx > 0 ? fmin(fmax(sum->xy / sum->xx, p.lo), p.hi) : (p.lo + p.hi) / 2;
    way.cost = sum->yy - 2 * way.slope * sum->xy + way.slope * way.slope * sum->xx +
               sum->w * (p.kind == ACT_FALLING ? FALLING_NOISE : NOISE);
    return way;
}

/* All ways that go on with a piece of this kind from a place (-1: from the start of all). */
static void go_on(struct search *s, int from, enum act_kind kind, int bias)
{
    struct act_piece p = ncc_act_piece_begin(s->c, kind, from < 0 ? -1 : s->place[from], bias, s->error);
    struct sums sum = {0};
    for (int to = from + 1; ncc_act_piece_extend(&p, s->c, s->error);) {
        add_sample(&sum, s, &p, p.reach);
        if (p.reach < s->place[to])
            continue;
        struct way way = settle(&sum, p);
        const double cost = way.cost;
        way.from = from;
        for (int n = 0; n < NCC_KPU_SEGMENTS; n++) {
            if ((from < 0) != (n == 0))
                continue;
            way.cost = cost + (n ? way_to(s, n - 1, from)->cost : 0);
            if (way.cost < way_to(s, n, to)->cost)
                *way_to(s, n, to) = way;
        }
        to++;
    }
}

static void try_slopes(struct search *s, int from, double code)
{
    const struct act_curve *c = s->c;
    const int i = s->place[from];
    const bool falls = c->code[i + 1] < c->after[i];
    for (double b = fmax(floor(code), 0); b <= fmin(ceil(code), 255); b++) {
        if (!falls && fabs(b - code) <= s->error)
            go_on(s, from, ACT_RISING, (int)b);
        if (falls && b < 255 && fabs(b - code) <= s->error - 0.5)
            go_on(s, from, ACT_FALLING, (int)b + 1);
    }
}

static void find_ways(struct search *s)
{
    for (int n = 0; n < NCC_KPU_SEGMENTS; n++)
        for (int p = 0; p < s->n_places; p++)
            way_to(s, n, p)->cost = INFINITY;
    go_on(s, -1, ACT_CONSTANT, 0);
    for (int from = 0; from < s->n_places - 1; from++) {
        go_on(s, from, ACT_CONSTANT, 0);
        try_slopes(s, from, s->c->after[s->place[from]]);
    }
}

/* ---- the table ---- */

/* False: no table keeps the error. */
static bool build(const struct search *s, struct ncc_kpu_table *out)
{
    int n = 0, place = s->n_places - 1;
    for (int k = 1; k < NCC_KPU_SEGMENTS; k++)
        if (way_to(s, k, place)->cost < way_to(s, n, place)->cost)
            n = k;
    if (isinf(way_to(s, n, place)->cost))
        return false;
    ncc_act_pieces_fill(out, n + 1);
    for (; n >= 0; n--) {
        const struct way *way = way_to(s, n, place);
        out->seg[n] = ncc_act_piece_segment(&way->piece, s->c, way->slope);
        place = way->from;
    }
    return true;
}

/* Of what was seen: samples lie on the edges between codes, so they do not show what rounding does in between. */
static double seen_error(const struct act_target *t, const struct act_seen *seen, const struct ncc_kpu_table *table)
{
    double sum = 0;
    for (int i = 0; i < seen->n; i++) {
        const double d = ncc_kpu_table_apply(table, seen->v[i]) - ncc_act_clamp(ncc_act_code(t, seen->v[i]));
        sum += d * d;
    }
    return sum;
}

void ncc_act_expected_improve(const struct act_target *t, const struct act_curve *c, const struct act_seen *seen,
                              double error, struct arena *a, struct ncc_kpu_table *table)
{
    if (c->n < 4)
        return;
    const struct arena_mark mark = ncc_arena_mark(a);
    struct search *s = NCC_NEW(a, struct search, 1);
    *s = (struct search){.c = c, .error = error};
    s->way = NCC_NEW(a, struct way, NCC_KPU_SEGMENTS * N_PLACES);
    set_weights(s, seen);
    find_places(s);
    find_ways(s);
    struct ncc_kpu_table other;
    if (build(s, &other) && seen_error(t, seen, &other) < WORTH * seen_error(t, seen, table))
        *table = other;
    ncc_arena_rewind(a, &mark);
}
