#include "compiler/import/recurrent.h"
#include "compiler/base/arena.h"
#include "compiler/import/folding.h"
#include "compiler/ops/attrs.h"

#include <stdio.h>

enum { LSTM_I, LSTM_O, LSTM_F, LSTM_C, N_LSTM };
enum { GRU_Z, GRU_R, GRU_N, N_GRU };

/* The step that is being written; its number is part of the names. */
struct step {
    const struct recurrent *l;
    int t;
    struct value *h, *c; /* NULL: zeros */
    /* GRU: [1][3 * H] or NULL; R of the gates and of the candidate, where reset is in front. */
    struct value *h_bias_row, *r_gates, *r_candidate;
};

static struct value *op(const struct step *s, enum op what, const char *suffix, const void *attrs,
                        struct value *const *in, int n_in)
{
    char full[48];
    for (int i = 0; i < n_in; i++)
        if (!in[i])
            return NULL;
    snprintf(full, sizeof full, "%d/%s", s->t, suffix);
    const struct recurrent *l = s->l;
    const struct node *n =
        ncc_import_node(l->g, l->fold_budget, what, ncc_name(l->g, l->name, full), l->name, attrs, in, n_in);
    return n ? n->out[0] : NULL;
}

static struct value *op1(const struct step *s, enum op what, const char *suffix, const void *attrs, struct value *x)
{
    return op(s, what, suffix, attrs, &x, 1);
}

static struct value *op2(const struct step *s, enum op what, const char *suffix, struct value *x, struct value *y)
{
    return op(s, what, suffix, NULL, (struct value *[]){x, y}, 2);
}

static struct value *number(const struct step *s, float x)
{
    struct graph *g = s->l->g;
    return ncc_const_copy(g, ncc_name(g, s->l->name, "number"), DT_F32, (struct shape){0}, &x);
}

static struct value *with(const struct step *s, enum op what, const char *suffix, struct value *x, float y)
{
    return op2(s, what, suffix, x, number(s, y));
}

/* Rows and columns of a matrix. */
static struct value *part(const struct step *s, const char *suffix, struct value *v, struct ints begin,
                          struct ints size)
{
    const struct slice_attrs attrs = {begin, size, {2, {1, 1}}};
    if (!v || (size.v[0] == v->shape.dim[0] && size.v[1] == v->shape.dim[1]))
        return v;
    return op1(s, OP_slice, suffix, &attrs, v);
}

/* Gates first .. first + n - 1. */
static struct value *gates(const struct step *s, const char *suffix, struct value *v, int first, int n)
{
    const int h = s->l->n_states;
    return v ? part(s, suffix, v, (struct ints){2, {0, first * h}}, (struct ints){2, {v->shape.dim[0], n * h}}) : NULL;
}

static struct value *apply(const struct step *s, const char *suffix, struct value *x,
                           const struct recurrent_function *f)
{
    const struct clip_attrs limits = {-s->l->clip, s->l->clip};
    if (s->l->clip > 0)
        x = op1(s, OP_clip, "limited", &limits, x);
    if (f->in_factor != 1)
        x = with(s, OP_mul, "steeper", x, f->in_factor);
    if (f->in_shift != 0)
        x = with(s, OP_add, "shifted", x, f->in_shift);
    if (f->op != N_OPS)
        x = op1(s, f->op, suffix, f->attrs, x);
    return f->out_factor != 1 ? with(s, OP_mul, "higher", x, f->out_factor) : x;
}

/* v + h R, of some gates. h NULL: zeros */
static struct value *plus_state(const struct step *s, struct value *v, struct value *h, struct value *r)
{
    return h ? op2(s, OP_add, "sum", v, op2(s, OP_matmul, "product", h, r)) : v;
}

static struct value *rounded(const struct step *s, struct value *(*round)(void *, struct value *), struct value *v)
{
    return v && round ? round(s->l->ctx, v) : v;
}

static bool rnn_step(struct step *s, struct value *x)
{
    s->h = apply(s, "state", plus_state(s, x, s->h, s->l->r), &s->l->f);
    return s->h != NULL;
}

/* ---- GRU ---- */

/* What the state before adds to z and r, and to the candidate, where r lets it in; NULL: nothing. */
struct from_state {
    struct value *gates, *candidate;
};

/* r * (h Rn + bias): one product for all three. */
static bool reset_behind(const struct step *s, struct from_state *out, struct value *all)
{
    *out = (struct from_state){gates(s, "old_gates", all, GRU_Z, 2), gates(s, "old", all, GRU_N, 1)};
    return out->gates && out->candidate;
}

static bool gru_step(struct step *s, struct value *x)
{
    const struct recurrent *l = s->l;
    struct from_state old = {0};
    struct value *const product[] = {s->h, l->r, l->h_bias}, *all = s->h_bias_row;
    if (l->reset_after && s->h)
        all = op(s, OP_matmul, "product", NULL, product, l->h_bias ? 3 : 2);
    if (all && !reset_behind(s, &old, all))
        return false;
    if (!l->reset_after && s->h)
        old.gates = op2(s, OP_matmul, "product", s->h, s->r_gates);
    struct value *zr = gates(s, "gates", x, GRU_Z, 2), *n = gates(s, "new", x, GRU_N, 1);
    zr = apply(s, "opened", old.gates ? op2(s, OP_add, "sum", zr, old.gates) : zr, &l->f);
    struct value *z = gates(s, "update", zr, GRU_Z, 1), *r = gates(s, "reset", zr, GRU_R, 1);
    if (l->reset_after && old.candidate)
        n = op2(s, OP_add, "candidate", n, op2(s, OP_mul, "let_in", r, old.candidate));
    if (!l->reset_after && s->h)
        n = plus_state(s, n, op2(s, OP_mul, "let_in", r, s->h), s->r_candidate);
    n = apply(s, "proposal", n, &l->g_of);
    /* n + z (h - n); without h: n - z n */
    struct value *moved = op2(s, OP_mul, "moved", z, s->h ? op2(s, OP_sub, "away", s->h, n) : n);
    s->h = op2(s, s->h ? OP_add : OP_sub, "state", n, moved);
    return s->h != NULL;
}

/* ---- LSTM ---- */

static struct value *gate(const struct step *s, const char *suffix, struct value *z, int k, struct value *cell)
{
    struct value *v = gates(s, "part", z, k, 1), *p = s->l->peepholes[k];
    if (p && cell)
        v = op2(s, OP_add, "seeing", v, op2(s, OP_mul, "peephole", cell, p));
    return apply(s, suffix, v, &s->l->f);
}

/* The gates i, o, f by one node where no cell is looked at in between. */
static bool open_gates(struct step *s, struct value *z, struct value *gate_of[3], struct value **new_cell)
{
    const struct recurrent *l = s->l;
    const bool looks = l->peepholes[LSTM_I] || l->peepholes[LSTM_O] || l->peepholes[LSTM_F];
    struct value *together = looks ? NULL : apply(s, "opened", gates(s, "gates", z, LSTM_I, 3), &l->f);
    struct value *i = looks ? gate(s, "input", z, LSTM_I, s->c) : gates(s, "input", together, LSTM_I, 1);
    struct value *f = NULL, *c = apply(s, "new", gates(s, "part", z, LSTM_C, 1), &l->g_of);
    c = op2(s, OP_mul, "taken", i, c);
    if (s->c) {
        if (l->input_forget)
            f = op2(s, OP_sub, "left", number(s, 1), i);
        else
            f = looks ? gate(s, "forget", z, LSTM_F, s->c) : gates(s, "forget", together, LSTM_F, 1);
        c = op2(s, OP_add, "cell", op2(s, OP_mul, "kept", f, s->c), c);
    }
    *new_cell = c = rounded(s, l->round_c, c);
    gate_of[LSTM_O] = looks ? gate(s, "output", z, LSTM_O, c) : gates(s, "output", together, LSTM_O, 1);
    return c && gate_of[LSTM_O];
}

static bool lstm_step(struct step *s, struct value *x)
{
    struct value *gate_of[3];
    if (!open_gates(s, plus_state(s, x, s->h, s->l->r), gate_of, &s->c))
        return false;
    /* Only the gates' functions see limited numbers. */
    const struct recurrent free = {.g = s->l->g, .fold_budget = s->l->fold_budget, .name = s->l->name};
    const struct step plain = {.l = &free, .t = s->t};
    s->h = op2(s, OP_mul, "state", gate_of[LSTM_O], apply(&plain, "shown", s->c, &s->l->h_of));
    return s->h != NULL;
}

/* ---- all steps ---- */

/* What all steps of a GRU share. */
static bool prepare_gru(struct step *s)
{
    const struct recurrent *l = s->l;
    const struct reshape_attrs row = {.shape = {2, {1, N_GRU * l->n_states}}};
    if (l->reset_after && l->h_bias)
        return (s->h_bias_row = op1(s, OP_reshape, "state_bias", &row, l->h_bias)) != NULL;
    if (!l->reset_after) {
        s->r_gates = gates(s, "gate_weights", l->r, GRU_Z, 2);
        s->r_candidate = gates(s, "candidate_weights", l->r, GRU_N, 1);
    }
    return l->reset_after || (s->r_gates && s->r_candidate);
}

bool ncc_recurrent_unroll(const struct recurrent *l, bool wants_y, struct recurrent_result *out)
{
    static bool (*const one[])(struct step *, struct value *) = {rnn_step, gru_step, lstm_step};
    struct step s = {.l = l, .h = l->h, .c = l->c};
    if (l->g->next_id > RECURRENT_MAX_VALUES) {
        const struct place where = {.file = l->g->file, .node = l->name};
        ncc_diag_error(l->g->diags, FAULT_INPUT, where, "the recurrent layers of a model have too many steps",
                       "cut the sequences, or the model", "%d values so far", l->g->next_id);
        return false;
    }
    if (l->kind == RECURRENT_GRU && !prepare_gru(&s))
        return false;
    struct value *const product[] = {l->x, l->w, l->bias};
    const struct node *n = ncc_import_node(l->g, l->fold_budget, OP_matmul, ncc_name(l->g, l->name, "inputs"), l->name,
                                           NULL, product, l->bias ? 3 : 2);
    struct value **y = NCC_NEW(l->g->arena, struct value *, l->n_steps);
    for (int i = 0; i < l->n_steps; i++) {
        s.t = l->backward ? l->n_steps - 1 - i : i;
        struct value *all = n ? n->out[0] : NULL;
        struct value *x = all ? part(&s, "input", all, (struct ints){2, {s.t * l->batch, 0}},
                                     (struct ints){2, {l->batch, all->shape.dim[1]}})
                              : NULL;
        if (!x || !one[l->kind](&s, x))
            return false;
        y[s.t] = s.h = rounded(&s, l->round_h, s.h);
        if (!s.h)
            return false;
    }
    *out = (struct recurrent_result){s.h, s.h, s.c};
    if (wants_y && l->n_steps > 1) {
        const struct concat_attrs rows = {0};
        n = ncc_import_node(l->g, l->fold_budget, OP_concat, ncc_name(l->g, l->name, "states"), l->name, &rows, y,
                            l->n_steps);
        out->y = n ? n->out[0] : NULL;
    }
    return out->y != NULL;
}
