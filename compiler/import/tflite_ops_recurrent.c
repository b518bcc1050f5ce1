/* Recurrent layers over a whole sequence: their operands as recurrent.h wants them.
 *
 * Each gate has matrices of its own. States are variable tensors, which are zero when a model is loaded; a kmodel keeps
 * none, so every sequence starts like that. */
#include "compiler/import/recurrent.h"
#include "compiler/import/tflite.h"
#include "compiler/ops/attrs.h"

#include <math.h>

/* Inputs by number. The gates of each group stand in TFLite's order i, f, c, o. */
enum { X, INPUT_WEIGHTS, STATE_WEIGHTS = 5, PEEPHOLES = 9, BIASES = 12, PROJECTION = 16, STATE = 18, CELL, NORMS };
enum { IN, FORGET, NEW, OUT, N_GATES };

struct sequence {
    struct build *b;
    struct recurrent r;
    bool time_major;
    const struct tf_tensor *state, *cell; /* of which codes they are; NULL: as the result, none */
    float cell_clip;
};

static struct value *concat(struct build *b, struct value *const *in, int n, const char *suffix)
{
    const struct concat_attrs rows = {0};
    for (int i = 0; i < n; i++)
        if (!in[i])
            return NULL;
    return n == 1 ? in[0] : ncc_tflite_op(b, OP_concat, suffix, &rows, in, n);
}

static struct value *turned(struct build *b, struct value *v, struct ints perm, const char *suffix)
{
    const struct transpose_attrs attrs = {perm};
    return v ? ncc_tflite_op(b, OP_transpose, suffix, &attrs, &v, 1) : NULL;
}

static struct value *shaped(struct build *b, struct value *v, struct shape to, const char *suffix)
{
    struct reshape_attrs attrs = {.shape.n = to.rank};
    for (int i = 0; i < to.rank; i++)
        attrs.shape.v[i] = to.dim[i];
    return v ? ncc_tflite_op(b, OP_reshape, suffix, &attrs, &v, 1) : NULL;
}

/* ---- what a quantised model does to states ---- */

static struct value *round_to(struct build *b, const struct tf_tensor *t, struct value *v)
{
    return v && t ? ncc_tflite_round(b, t, (struct form){v, ncc_layout_identity(v->shape.rank)}) : v;
}

static struct value *round_state(void *ctx, struct value *v)
{
    const struct sequence *s = ctx;
    return round_to(s->b, s->state, v);
}

static struct value *round_cell(void *ctx, struct value *v)
{
    const struct sequence *s = ctx;
    const struct clip_attrs limits = {-s->cell_clip, s->cell_clip};
    if (s->cell_clip > 0)
        v = ncc_tflite_op(s->b, OP_clip, "limited", &limits, &v, 1);
    return round_to(s->b, s->cell, v);
}

/* ---- the sequence ---- */

/* [B][T][I] or [T][B][I] as [T * B][I]. */
static bool read_input(struct sequence *s)
{
    struct build *b = s->b;
    struct value *x = ncc_tflite_in(b, X)->shape.rank == 3 ? ncc_tflite_native(b, X) : NULL;
    if (!x)
        return ncc_tflite_refuse(b, "the input must have three dimensions", NULL, "%d",
                                 ncc_tflite_in(b, X)->shape.rank);
    s->r.n_steps = x->shape.dim[!s->time_major];
    s->r.batch = x->shape.dim[s->time_major];
    if (s->r.n_steps > RECURRENT_MAX_STEPS)
        return ncc_tflite_refuse(b, "a recurrent layer must have at most 512 steps",
                                 "cut the sequence, or let a stride "
                                 "in front of the layer make fewer steps",
                                 "%d steps", s->r.n_steps);
    const int n_inputs = x->shape.dim[2];
    if (!s->time_major && s->r.batch > 1)
        x = turned(b, x, (struct ints){3, {1, 0, 2}}, "steps");
    s->r.x = shaped(b, x, (struct shape){2, {s->r.n_steps * s->r.batch, n_inputs}}, "rows");
    return s->r.x != NULL;
}

static bool give_result(const struct sequence *s, struct value *y)
{
    const int t = s->r.n_steps, batch = s->r.batch, h = s->r.n_states;
    const bool turn = !s->time_major && batch > 1;
    y = shaped(s->b, y, s->time_major || turn ? (struct shape){3, {t, batch, h}} : (struct shape){3, {batch, t, h}},
               turn ? "turned" : NULL);
    return ncc_tflite_give_native(s->b, 0, turn ? turned(s->b, y, (struct ints){3, {1, 0, 2}}, NULL) : y);
}

/* [H][n] of one gate; NULL: refused. */
static struct value *matrix(const struct sequence *s, int k, int n)
{
    struct value *v = ncc_tflite_weights(s->b, k, 2);
    if (v && v->shape.dim[0] == s->r.n_states && v->shape.dim[1] == n)
        return v;
    if (v)
        ncc_tflite_refuse(s->b, "the operands of a recurrent layer must fit one another", NULL,
                          "input %d is %dx%d instead of %dx%d", k, v->shape.dim[0], v->shape.dim[1], s->r.n_states, n);
    return NULL;
}

static bool check_state(const struct sequence *s, int k)
{
    const struct tf_tensor *t = ncc_tflite_in(s->b, k);
    return !t || t->is_variable ||
           ncc_tflite_refuse(s->b, "a recurrent layer must start with states of zero", NULL, "'%s' is an input",
                             t->name);
}

static bool run(struct sequence *s)
{
    struct recurrent_result result;
    s->r.g = s->b->m->graph;
    s->r.fold_budget = &s->b->m->fold_budget;
    s->r.name = s->b->name;
    s->r.ctx = s;
    s->r.round_h = round_state;
    return ncc_recurrent_unroll(&s->r, true, &result) && give_result(s, result.y);
}

/* ---- LSTM ---- */

/* Without a gate i it is 1 - f, and so the same function of the negative numbers. */
static struct value *gate_operand(const struct sequence *s, struct value *v, int gate, bool coupled)
{
    return v && gate == IN && coupled ? ncc_tflite_op(s->b, OP_neg, "coupled", NULL, &v, 1) : v;
}

static struct value *matrices(const struct sequence *s, int first, int n, bool coupled, const char *suffix)
{
    static const int order[N_GATES] = {IN, OUT, FORGET, NEW};
    struct value *v[N_GATES];
    for (int k = 0; k < N_GATES; k++) {
        const int gate = order[k] == IN && coupled ? FORGET : order[k];
        v[k] = gate_operand(s, matrix(s, first + gate, n), order[k], coupled);
    }
    return turned(s->b, concat(s->b, v, N_GATES, suffix), (struct ints){2, {1, 0}}, suffix);
}

static bool read_biases(struct sequence *s, bool coupled)
{
    static const int order[N_GATES] = {IN, OUT, FORGET, NEW};
    struct value *v[N_GATES];
    for (int k = 0; k < N_GATES; k++) {
        const int gate = order[k] == IN && coupled ? FORGET : order[k];
        if (!ncc_tflite_bias(s->b, BIASES + gate, s->r.n_states, X, INPUT_WEIGHTS + gate, &v[k]))
            return false;
        if (!v[k])
            return ncc_tflite_refuse(s->b, "every gate must have a bias", NULL, "input %d is absent", BIASES + gate);
        v[k] = gate_operand(s, v[k], order[k], coupled);
    }
    return (s->r.bias = concat(s->b, v, N_GATES, "bias")) != NULL;
}

/* For i, f and o in the file. */
static bool read_peepholes(struct sequence *s, bool coupled)
{
    static const int place[3] = {0, 2, 1};
    for (int k = 0; k < 3; k++) {
        if (!ncc_tflite_in(s->b, PEEPHOLES + place[k]))
            continue;
        if (coupled)
            return ncc_tflite_refuse(s->b, "a layer whose gates are coupled must not look at the cell", NULL, NULL);
        if (!(s->r.peepholes[k] = ncc_tflite_weights(s->b, PEEPHOLES + place[k], 1)))
            return false;
    }
    return true;
}

static bool check_lstm(const struct sequence *s)
{
    for (int k = PROJECTION; k < s->b->op->n_in; k++)
        if (k != STATE && k != CELL && ncc_tflite_in(s->b, k))
            return ncc_tflite_refuse(s->b,
                                     "projections and normalisations inside of a recurrent layer are not supported",
                                     "train the layer without them", "input %d", k);
    return check_state(s, STATE) && check_state(s, CELL);
}

bool ncc_tflite_build_sequence_lstm(struct build *b)
{
    struct fb *fb = &b->m->fb;
    const int activation = ncc_fb_i8(fb, b->options, F_sequence_lstm_activation, 0);
    static const struct recurrent_function sigmoid = {OP_sigmoid, NULL, 1, 0, 1}, tanh = {OP_tanh, NULL, 1, 0, 1};
    struct sequence s = {.b = b,
                         .r = {.kind = RECURRENT_LSTM, .f = sigmoid, .g_of = tanh, .h_of = tanh, .round_c = round_cell},
                         .time_major = ncc_fb_bool(fb, b->options, F_sequence_lstm_time_major, false),
                         .state = &b->m->tensors[b->op->out[0]],
                         .cell = ncc_tflite_in(b, CELL),
                         .cell_clip = ncc_fb_float(fb, b->options, F_sequence_lstm_cell_clip, 0)};
    const struct tf_tensor *w = ncc_tflite_in(b, INPUT_WEIGHTS + FORGET);
    const bool coupled = !ncc_tflite_in(b, INPUT_WEIGHTS + IN);
    if (activation != TF_ACT_TANH)
        return ncc_tflite_refuse(b, "the function of a recurrent layer's cell must be tanh", NULL, "function %d",
                                 activation);
    if (!(s.cell_clip >= 0 && isfinite(s.cell_clip)))
        return ncc_tflite_refuse(b, "the limit of the cell must be a number that is not negative", NULL, NULL);
    s.r.n_states = w && w->shape.rank == 2 ? w->shape.dim[0] : 0;
    if (!check_lstm(&s) || !read_input(&s))
        return false;
    s.r.w = matrices(&s, INPUT_WEIGHTS, s.r.x->shape.dim[1], coupled, "weights");
    s.r.r = matrices(&s, STATE_WEIGHTS, s.r.n_states, coupled, "state_weights");
    return s.r.w && s.r.r && read_biases(&s, coupled) && read_peepholes(&s, coupled) && run(&s);
}

/* ---- RNN: input, weights, weights of the state, bias, state ---- */

bool ncc_tflite_build_sequence_rnn(struct build *b)
{
    static const enum op functions[] = {[TF_ACT_NONE] = N_OPS, [TF_ACT_RELU] = OP_relu, [TF_ACT_TANH] = OP_tanh};
    struct fb *fb = &b->m->fb;
    const int activation = ncc_fb_i8(fb, b->options, F_sequence_rnn_activation, 0);
    struct sequence s = {.b = b,
                         .r = {.kind = RECURRENT_RNN},
                         .time_major = ncc_fb_bool(fb, b->options, F_sequence_rnn_time_major, false),
                         .state = &b->m->tensors[b->op->out[0]]};
    if (activation != TF_ACT_NONE && activation != TF_ACT_RELU && activation != TF_ACT_TANH)
        return ncc_tflite_refuse(b, "the function of a recurrent layer must be none, relu or tanh", NULL, "function %d",
                                 activation);
    s.r.f = (struct recurrent_function){functions[activation], NULL, 1, 0, 1};
    s.r.n_states = ncc_tflite_in(b, 1)->shape.rank == 2 ? ncc_tflite_in(b, 1)->shape.dim[0] : 0;
    if (!check_state(&s, 4) || !read_input(&s) || !ncc_tflite_bias(b, 3, s.r.n_states, X, 1, &s.r.bias))
        return false;
    s.r.w = turned(b, matrix(&s, 1, s.r.x->shape.dim[1]), (struct ints){2, {1, 0}}, "weights");
    s.r.r = turned(b, matrix(&s, 2, s.r.n_states), (struct ints){2, {1, 0}}, "state_weights");
    return s.r.w && s.r.r && run(&s);
}
