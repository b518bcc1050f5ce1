/* RNN, GRU and LSTM: their operands as recurrent.h wants them. */
#include "compiler/import/onnx.h"
#include "compiler/import/recurrent.h"
#include "compiler/ir/element.h"
#include "compiler/ops/attrs.h"

#include <math.h>
#include <string.h>

/* One layer of one or two directions. */
struct layer {
    struct ox_build *b;
    enum recurrent_kind kind;
    int n_gates, n_functions;
    int n_steps, batch, n_inputs, n_states, n_directions;
    bool batch_first;
    struct value *x; /* [T * B][I] */
};

/* ---- functions ---- */

/* Numbers that the node lists for its functions; those are taken in order, by the functions that have some. */
struct numbers {
    const Onnx__AttributeProto *alpha, *beta;
    size_t next_alpha, next_beta;
};

static float take(const Onnx__AttributeProto *list, size_t *next, float def)
{
    return list && *next < list->n_floats ? list->floats[(*next)++] : def;
}

static const char *name_of_function(const struct layer *l, const Onnx__AttributeProto *names, size_t k)
{
    static const char *const of_rnn[] = {"Tanh"}, *const of_gru[] = {"Sigmoid", "Tanh"},
                             *const of_lstm[] = {"Sigmoid", "Tanh", "Tanh"};
    static const char *const *const defaults[] = {of_rnn, of_gru, of_lstm};
    if (!names || k >= names->n_strings)
        return defaults[l->kind][k % (size_t)l->n_functions];
    char *text = ncc_arena_alloc(l->b->m->arena, names->strings[k].len + 1, 1, 1);
    memcpy(text, names->strings[k].data, names->strings[k].len);
    return text;
}

static bool function_of(const struct layer *l, const char *name, struct numbers *n, struct recurrent_function *out)
{
    static const struct {
        const char *name;
        enum op op;
    } plain[] = {{"Sigmoid", OP_sigmoid},
                 {"Tanh", OP_tanh},
                 {"Relu", OP_relu},
                 {"Softsign", OP_softsign},
                 {"Softplus", OP_softplus}};
    static const struct clip_attrs to_1 = {0, 1};
    *out = (struct recurrent_function){N_OPS, NULL, 1, 0, 1};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(name, plain[i].name) == 0) {
            out->op = plain[i].op;
            return true;
        }
    const bool hard = strcmp(name, "HardSigmoid") == 0;
    if (hard || strcmp(name, "Affine") == 0) {
        out->in_factor = take(n->alpha, &n->next_alpha, hard ? 0.2f : 1);
        out->in_shift = take(n->beta, &n->next_beta, hard ? 0.5f : 0);
        out->op = hard ? OP_clip : N_OPS;
        out->attrs = hard ? &to_1 : NULL;
    } else if (strcmp(name, "ScaledTanh") == 0) {
        out->op = OP_tanh;
        out->out_factor = take(n->alpha, &n->next_alpha, 1);
        out->in_factor = take(n->beta, &n->next_beta, 1);
    } else if (strcmp(name, "LeakyRelu") == 0) {
        struct leaky_relu_attrs *a = NCC_NEW(l->b->m->arena, struct leaky_relu_attrs, 1);
        a->alpha = take(n->alpha, &n->next_alpha, 0.01f);
        out->op = OP_leaky_relu;
        out->attrs = a;
    } else if (strcmp(name, "Elu") == 0) {
        struct elu_attrs *a = NCC_NEW(l->b->m->arena, struct elu_attrs, 1);
        a->alpha = take(n->alpha, &n->next_alpha, 1);
        out->op = OP_elu;
        out->attrs = a;
    } else {
        return ncc_onnx_refuse(
            l->b, "this function between states is not supported",
            "use Sigmoid, Tanh, Relu, HardSigmoid, LeakyRelu, Elu, Affine, ScaledTanh, Softsign or Softplus", "%s",
            name);
    }
    return true;
}

/* Those of all directions are listed one after another. */
static bool functions_of(const struct layer *l, int direction, struct recurrent *r)
{
    const Onnx__AttributeProto *names = ncc_onnx_attr(l->b, "activations");
    struct numbers numbers = {ncc_onnx_attr(l->b, "activation_alpha"), ncc_onnx_attr(l->b, "activation_beta"), 0, 0};
    struct recurrent_function f[3];
    for (int d = 0; d <= direction; d++)
        for (int k = 0; k < l->n_functions; k++)
            if (!function_of(l, name_of_function(l, names, (size_t)(d * l->n_functions + k)), &numbers, &f[k]))
                return false;
    r->f = f[0];
    r->g_of = f[l->n_functions > 1];
    r->h_of = f[l->n_functions - 1];
    return true;
}

/* ---- operands ---- */

/* Index `direction` of the first dimension, without it. */
static struct value *of_direction(const struct layer *l, struct value *v, int direction, const char *suffix)
{
    struct shape s = v->shape;
    v = ncc_onnx_part(l->b, v, 0, direction, 1, suffix);
    memmove(s.dim, s.dim + 1, sizeof *s.dim * (size_t)(--s.rank));
    return ncc_onnx_reshape(l->b, v, s, suffix);
}

static bool need_shape(const struct layer *l, int k, struct shape want)
{
    char got[80], text[80];
    struct value *v = ncc_onnx_in(l->b, k);
    return ncc_shape_equal(v->shape, want) ||
           ncc_onnx_refuse(l->b, "the operands of a recurrent layer must fit one another", NULL,
                           "operand %d is %s instead of %s", k, ncc_shape_text(v->shape, got),
                           ncc_shape_text(want, text));
}

/* Weights [D][G * H][n] as [n][G * H]. */
static struct value *weights_of(const struct layer *l, int k, int direction, const char *suffix)
{
    return ncc_onnx_transpose(l->b, of_direction(l, ncc_onnx_in(l->b, k), direction, suffix), (struct ints){2, {1, 0}},
                              suffix);
}

static bool is_zero(const struct value *v)
{
    if (!ncc_is_const(v))
        return false;
    for (int64_t i = 0; i < ncc_shape_count(v->shape); i++)
        if (((const float *)v->data)[i] != 0)
            return false;
    return true;
}

/* A state before the first step, [D][B][H] or [B][D][H]; *out NULL: zeros. False: refused. */
static bool state_of(const struct layer *l, int k, int direction, struct value **out)
{
    *out = NULL;
    if (!ncc_onnx_has(l->b, k) || is_zero(ncc_onnx_in(l->b, k)))
        return true;
    struct shape want = {3, {l->n_directions, l->batch, l->n_states}};
    if (l->batch_first)
        want = (struct shape){3, {l->batch, l->n_directions, l->n_states}};
    if (!need_shape(l, k, want))
        return false;
    struct value *v = ncc_onnx_in(l->b, k);
    if (l->batch_first)
        v = ncc_onnx_transpose(l->b, v, (struct ints){3, {1, 0, 2}}, "first");
    return v && (*out = of_direction(l, v, direction, "first")) != NULL;
}

/* [D][2 * G * H]: of x W, then of h R. A GRU that resets behind its product keeps the second apart. */
static bool biases_of(const struct layer *l, int direction, struct recurrent *r)
{
    const int n = l->n_gates * l->n_states;
    if (!ncc_onnx_has(l->b, 3))
        return true;
    if (!need_shape(l, 3, (struct shape){2, {l->n_directions, 2 * n}}))
        return false;
    struct value *both = of_direction(l, ncc_onnx_in(l->b, 3), direction, "bias");
    r->bias = ncc_onnx_part(l->b, both, 0, 0, n, "bias");
    struct value *second = ncc_onnx_part(l->b, both, 0, n, n, "bias");
    if (r->reset_after)
        r->h_bias = second;
    else
        r->bias = r->bias && second ? OX_OP(l->b, OP_add, "bias", NULL, r->bias, second) : NULL;
    return r->bias && second;
}

static bool peepholes_of(const struct layer *l, int direction, struct recurrent *r)
{
    if (l->kind != RECURRENT_LSTM || !ncc_onnx_has(l->b, 7) || is_zero(ncc_onnx_in(l->b, 7)))
        return true;
    if (!need_shape(l, 7, (struct shape){2, {l->n_directions, 3 * l->n_states}}))
        return false;
    struct value *all = of_direction(l, ncc_onnx_in(l->b, 7), direction, "peepholes");
    for (int k = 0; k < 3; k++)
        if (!(r->peepholes[k] = ncc_onnx_part(l->b, all, 0, k * l->n_states, l->n_states, "peephole")))
            return false;
    return true;
}

/* ---- the layer ---- */

static bool check_lengths(const struct layer *l)
{
    struct value *v = ncc_onnx_has(l->b, 4) ? ncc_onnx_in(l->b, 4) : NULL;
    bool full = !v || ncc_is_const(v);
    for (int64_t i = 0; v && full && i < ncc_shape_count(v->shape); i++)
        full = ncc_element_real(v->dtype, v->data, i) == l->n_steps;
    return full || ncc_onnx_refuse(l->b, "all sequences must be as long as the input",
                                   "export the model without lengths of sequences", NULL);
}

static bool layer_of(struct ox_build *b, enum recurrent_kind kind, struct layer *l)
{
    static const int gates[] = {1, 3, 4}, functions[] = {1, 2, 3};
    struct value *x = ncc_onnx_in(b, 0), *r = ncc_onnx_in(b, 2);
    const bool batch_first = ncc_onnx_int(b, "layout", 0) != 0;
    if (x->shape.rank != 3 || r->shape.rank != 3)
        return ncc_onnx_refuse(b, "the input and the weights must have three dimensions", NULL, "%d and %d",
                               x->shape.rank, r->shape.rank);
    *l = (struct layer){b,
                        kind,
                        gates[kind],
                        functions[kind],
                        x->shape.dim[batch_first],
                        x->shape.dim[!batch_first],
                        x->shape.dim[2],
                        r->shape.dim[2],
                        r->shape.dim[0],
                        batch_first,
                        x};
    if (l->n_directions > 2)
        return ncc_onnx_refuse(b, "there must be one direction or two", NULL, "%d", l->n_directions);
    if (l->n_steps > RECURRENT_MAX_STEPS)
        return ncc_onnx_refuse(b, "a recurrent layer must have at most 512 steps",
                               "cut the sequence, or let a stride in "
                               "front of the layer make fewer steps",
                               "%d steps", l->n_steps);
    const int n = l->n_gates * l->n_states;
    if (!need_shape(l, 1, (struct shape){3, {l->n_directions, n, l->n_inputs}}) ||
        !need_shape(l, 2, (struct shape){3, {l->n_directions, n, l->n_states}}) || !check_lengths(l))
        return false;
    if (batch_first)
        l->x = ncc_onnx_transpose(b, x, (struct ints){3, {1, 0, 2}}, "steps");
    l->x = ncc_onnx_reshape(b, l->x, (struct shape){2, {l->n_steps * l->batch, l->n_inputs}}, "rows");
    return l->x != NULL;
}

static bool run(const struct layer *l, int direction, struct recurrent_result *out)
{
    struct ox_build *b = l->b;
    const char *way = ncc_onnx_string(b, "direction", "forward");
    struct recurrent r = {.g = b->m->graph,
                          .fold_budget = &b->m->fold_budget,
                          .name = b->name,
                          .kind = l->kind,
                          .x = l->x,
                          .n_steps = l->n_steps,
                          .batch = l->batch,
                          .n_states = l->n_states,
                          .w = weights_of(l, 1, direction, "weights"),
                          .r = weights_of(l, 2, direction, "state_weights"),
                          .clip = ncc_onnx_float(b, "clip", 0),
                          .backward = direction == 1 || strcmp(way, "reverse") == 0,
                          .reset_after = l->kind == RECURRENT_GRU && ncc_onnx_int(b, "linear_before_reset", 0),
                          .input_forget = l->kind == RECURRENT_LSTM && ncc_onnx_int(b, "input_forget", 0)};
    return r.w && r.r && functions_of(l, direction, &r) && biases_of(l, direction, &r) &&
           state_of(l, 5, direction, &r.h) && (l->kind != RECURRENT_LSTM || state_of(l, 6, direction, &r.c)) &&
           peepholes_of(l, direction, &r) && ncc_recurrent_unroll(&r, ncc_onnx_wants(b, 0), out);
}

/* Results of the directions side by side: each with a dimension of 1 at `axis`, of which there are n in front of H. */
static struct value *side_by_side(const struct layer *l, struct value *const *v, struct shape each, int axis,
                                  const char *suffix)
{
    struct value *part[2];
    const struct concat_attrs attrs = {axis};
    for (int d = 0; d < l->n_directions; d++)
        if (!(part[d] = ncc_onnx_reshape(l->b, v[d], each, suffix)))
            return NULL;
    return l->n_directions == 1 ? part[0] : ncc_onnx_op(l->b, OP_concat, suffix, &attrs, part, l->n_directions);
}

/* Y [T][D][B][H], or [B][T][D][H] */
static bool give_all(const struct layer *l, struct value *const *y)
{
    if (!ncc_onnx_wants(l->b, 0))
        return true;
    struct value *v = side_by_side(l, y, (struct shape){4, {l->n_steps, 1, l->batch, l->n_states}}, 1, "all");
    if (l->batch_first)
        v = ncc_onnx_transpose(l->b, v, (struct ints){4, {2, 0, 1, 3}}, "batches");
    return ncc_onnx_give(l->b, 0, v);
}

/* [D][B][H], or [B][D][H] */
static bool give_last(const struct layer *l, int k, struct value *const *v)
{
    if (!ncc_onnx_wants(l->b, k))
        return true;
    struct value *y = side_by_side(l, v, (struct shape){3, {1, l->batch, l->n_states}}, 0, "last");
    if (l->batch_first)
        y = ncc_onnx_transpose(l->b, y, (struct ints){3, {1, 0, 2}}, "last_batches");
    return ncc_onnx_give(l->b, k, y);
}

bool ncc_onnx_build_recurrent(struct ox_build *b)
{
    struct layer l;
    struct recurrent_result result[2] = {0};
    if (!layer_of(b, (enum recurrent_kind)b->row->detail, &l))
        return false;
    for (int d = 0; d < l.n_directions; d++)
        if (!run(&l, d, &result[d]))
            return false;
    struct value *const y[] = {result[0].y, result[1].y}, *const h[] = {result[0].h, result[1].h},
                        *const c[] = {result[0].c, result[1].c};
    return give_all(&l, y) && give_last(&l, 1, h) && (l.kind != RECURRENT_LSTM || give_last(&l, 2, c));
}
