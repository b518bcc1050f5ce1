/* What the builders of the operators call. */
#include "compiler/import/folding.h"
#include "compiler/import/outline.h"
#include "compiler/import/tflite.h"
#include "compiler/ops/attrs.h"


bool ncc_tflite_refuse(struct build *b, const char *rule, const char *remedy, const char *found, ...)
{
    char *text = NULL;
    if (found) {
        va_list args;
        va_start(args, found);
        text = ncc_arena_vprintf(b->m->arena, found, args);
        va_end(args);
    }
    remedy = remedy ? remedy : ncc_outline_remedy;
    const struct place where = {.file = b->m->file, .node = b->name, .op = b->op && b->op->code ? b->op->code->name : NULL};
    if (text)
        ncc_diag_error(b->m->diags, FAULT_INPUT, where, rule, remedy, "%s", text);
    else
        ncc_diag_error(b->m->diags, FAULT_INPUT, where, rule, remedy, NULL);
    return false;
}

/* ---- nodes ---- */

static struct node *make(struct build *b, enum op op, const char *name, const void *attrs, struct value *const *in,
                         int n_in)
{
    return ncc_import_node(b->m->graph, &b->m->fold_budget, op, name, b->name, attrs, in, n_in);
}

struct node *ncc_tflite_node(struct build *b, enum op op, const char *suffix, const void *attrs,
                             struct value *const *in, int n_in)
{
    const char *name = suffix ? ncc_name(b->m->graph, b->name, suffix) : b->name;
    return make(b, op, name, attrs, in, n_in);
}

struct value *ncc_tflite_op(struct build *b, enum op op, const char *suffix, const void *attrs,
                            struct value *const *in, int n_in)
{
    struct node *n = ncc_tflite_node(b, op, suffix, attrs, in, n_in);
    return n ? n->out[0] : NULL;
}

static struct value *reshape_value(struct build *b, struct value *v, struct shape to, const char *name)
{
    if (ncc_shape_equal(v->shape, to))
        return v;
    struct reshape_attrs attrs = {.shape.n = to.rank};
    for (int i = 0; i < to.rank; i++)
        attrs.shape.v[i] = to.dim[i];
    struct node *n = make(b, OP_reshape, name, &attrs, &v, 1);
    return n ? n->out[0] : NULL;
}

static const char *order_name(struct ints perm)
{
    if (ncc_layout_equal(perm, ncc_layout_identity(perm.n)))
        return perm.n == 4 ? "nhwc" : "native";
    if (ncc_layout_equal(perm, ncc_layout_channels_first(perm.n)))
        return perm.n == 4 ? "nchw" : "channels_first";
    return "order";
}

struct form ncc_tflite_reorder(struct build *b, struct form f, struct ints perm)
{
    if (ncc_layout_equal(f.perm, perm))
        return f;
    const struct shape shape = ncc_layout_model_shape(f);
    const char *name = ncc_name(b->m->graph, f.v->name, order_name(perm));
    if (ncc_layout_same_order(shape, f.perm, perm))
        return (struct form){reshape_value(b, f.v, ncc_layout_apply(shape, perm), name), perm};
    struct transpose_attrs attrs = {.perm.n = perm.n};
    for (int i = 0; i < perm.n; i++)
        attrs.perm.v[i] = ncc_layout_axis(f.perm, perm.v[i]);
    struct node *n = make(b, OP_transpose, name, &attrs, &f.v, 1);
    return (struct form){n ? n->out[0] : NULL, perm};
}

/* How many of the last dimensions, those of 1 left out, are the same. */
static int common_end(struct shape s, struct ints p, struct ints q)
{
    int n = 0;
    for (int i = p.n - 1, k = q.n - 1; i >= 0 && k >= 0; i--, k--) {
        while (i > 0 && s.dim[p.v[i]] == 1)
            i--;
        while (k > 0 && s.dim[q.v[k]] == 1)
            k--;
        if (p.v[i] != q.v[k])
            break;
        n++;
    }
    return n;
}

/* The order to bring a tensor of order p into when it cannot be reshaped as it is: one that makes the result channels
 * first, if it is a map and there is one, else the model's. That also where fewer dimensions have to move for it: a model
 * that is NCHW inside has its maps in this order. */
static struct ints reshapable_order(struct shape from, struct ints p, struct shape to)
{
    const struct ints own = ncc_layout_identity(from.rank);
    struct ints order;
    if (to.rank < 4 || !ncc_layout_reshape(to, ncc_layout_channels_first(to.rank), from, &order))
        return own;
    return common_end(from, p, own) > common_end(from, p, order) ? own : order;
}

struct form ncc_tflite_reshape(struct build *b, struct form f, struct shape to)
{
    const struct form none = {0};
    const struct shape from = ncc_layout_model_shape(f);
    struct ints q;
    if (!ncc_layout_reshape(from, f.perm, to, &q)) {
        f = ncc_tflite_reorder(b, f, reshapable_order(from, f.perm, to));
        if (!f.v || !ncc_layout_reshape(from, f.perm, to, &q))
            return none;
    }
    return (struct form){reshape_value(b, f.v, ncc_layout_apply(to, q), b->name), q};
}

struct form ncc_tflite_reshape_in(struct build *b, int k, struct shape to)
{
    struct tf_tensor *t = ncc_tflite_in(b, k);
    struct ints q;
    for (int i = 0; i < t->n_forms; i++)
        if (ncc_layout_reshape(t->shape, t->form[i].perm, to, &q))
            return ncc_tflite_reshape(b, t->form[i], to);
    struct form f = {NULL, reshapable_order(t->shape, t->form[0].perm, to)};
    f.v = ncc_tflite_get(b, k, f.perm);
    return f.v ? ncc_tflite_reshape(b, f, to) : f;
}

/* ---- inputs ---- */

const struct tf_operator *ncc_tflite_maker(const struct tflite *m, int tensor)
{
    for (int i = 0; tensor >= 0 && i < m->n_ops; i++)
        for (int k = 0; k < m->ops[i].n_out; k++)
            if (m->ops[i].out[k] == tensor)
                return &m->ops[i];
    return NULL;
}

struct tf_tensor *ncc_tflite_in(struct build *b, int k)
{
    return k < b->op->n_in && b->op->in[k] >= 0 ? &b->m->tensors[b->op->in[k]] : NULL;
}

bool ncc_tflite_ints(struct build *b, int k, struct ints *out)
{
    struct tf_tensor *t = ncc_tflite_in(b, k);
    *out = (struct ints){0};
    struct value *v = t ? ncc_tflite_native(b, k) : NULL;
    if (v && ncc_tflite_value_ints(v, out))
        return true;
    return ncc_tflite_refuse(b, "what shapes the result must be constant: at most 12 integers",
                             "export the model with fixed shapes", t ? "input %d is '%s'" : NULL, k, t ? t->name : "");
}

bool ncc_tflite_axis(struct build *b, int axis, int rank, int *out)
{
    *out = axis < 0 ? axis + rank : axis;
    if (*out >= 0 && *out < rank)
        return true;
    return ncc_tflite_refuse(b, "the axis must be one of the tensor's", NULL, "axis %d of %d dimensions", axis, rank);
}

struct value *ncc_tflite_weights(struct build *b, int k, int rank)
{
    struct tf_tensor *t = ncc_tflite_in(b, k);
    struct value *v = t ? ncc_tflite_native(b, k) : NULL;
    if (v && ncc_is_const(v) && v->dtype == DT_F32 && v->shape.rank == rank)
        return v;
    ncc_tflite_refuse(b, "the weights must be float constants of the operator's rank",
                      "freeze the model before exporting it",
                      t ? "input %d, '%s', is not, or does not have %d dimensions" : NULL, k, t ? t->name : "", rank);
    return NULL;
}

/* A form from which the wanted order is only a reshape, else the first. */
static struct form nearest(const struct tf_tensor *t, struct ints perm)
{
    for (int i = 0; i < t->n_forms; i++)
        if (ncc_layout_equal(t->form[i].perm, perm))
            return t->form[i];
    for (int i = 0; i < t->n_forms; i++)
        if (ncc_layout_same_order(t->shape, t->form[i].perm, perm))
            return t->form[i];
    return t->form[0];
}

/* The same elements with dimensions of 1 in front. */
static struct value *get_padded(struct build *b, const struct tf_tensor *t, struct ints perm)
{
    struct form f = t->form[0];
    struct shape shape = ncc_shape_left_pad(t->shape, perm.n);
    for (int i = 0; i < t->n_forms; i++)
        if (ncc_layout_same_order(shape, ncc_layout_left_pad(t->form[i].perm, perm.n), perm))
            f = t->form[i];
    f.perm = ncc_layout_left_pad(f.perm, perm.n);
    const struct ints wanted = ncc_layout_same_order(shape, f.perm, perm) ? perm : f.perm;
    f.v = reshape_value(b, f.v, ncc_layout_apply(shape, wanted), ncc_name(b->m->graph, f.v->name, "broadcast"));
    f.perm = wanted;
    return f.v ? ncc_tflite_reorder(b, f, perm).v : NULL;
}

struct value *ncc_tflite_get(struct build *b, int k, struct ints perm)
{
    struct tf_tensor *t = ncc_tflite_in(b, k);
    if (!t || t->shape.rank > perm.n) {
        ncc_tflite_refuse(b, t ? "an operand has too many dimensions" : "an operand is missing", NULL, "input %d", k);
        return NULL;
    }
    if (t->shape.rank < perm.n)
        return get_padded(b, t, perm);
    const struct form f = ncc_tflite_reorder(b, nearest(t, perm), perm);
    bool known = !f.v;
    for (int i = 0; i < t->n_forms; i++)
        known |= t->form[i].v == f.v;
    if (!known && t->n_forms < TF_MAX_FORMS)
        t->form[t->n_forms++] = f;
    return f.v;
}

struct value *ncc_tflite_native(struct build *b, int k)
{
    return ncc_tflite_get(b, k, ncc_layout_identity(ncc_tflite_in(b, k)->shape.rank));
}

struct value *ncc_tflite_map(struct build *b, int k)
{
    const int rank = ncc_tflite_in(b, k) ? ncc_tflite_in(b, k)->shape.rank : 0;
    if (rank == 4)
        return ncc_tflite_get(b, k, ncc_layout_channels_first(4));
    ncc_tflite_refuse(b, "the input must have 4 dimensions", NULL, "input %d has %d", k, rank);
    return NULL;
}

struct form ncc_tflite_any(struct build *b, int k)
{
    const struct tf_tensor *t = ncc_tflite_in(b, k);
    const struct ints wanted = ncc_layout_channels_first(t->shape.rank);
    for (int i = 0; t->shape.rank >= 4 && i < t->n_forms; i++)
        if (ncc_layout_equal(t->form[i].perm, wanted))
            return t->form[i];
    return t->form[0];
}

/* ---- choosing an order ---- */

#define MAX_CANDIDATES 8
struct candidates {
    struct ints perm[MAX_CANDIDATES];
    int n;
};

static bool has_say(const struct tf_tensor *t, int rank)
{
    return t && t->shape.rank == rank && !ncc_is_const(t->form[0].v);
}

static void add_candidates(struct candidates *c, const struct tf_tensor *t)
{
    for (int i = 0; i < t->n_forms; i++) {
        bool known = false;
        for (int k = 0; k < c->n; k++)
            known |= ncc_layout_equal(c->perm[k], t->form[i].perm);
        if (!known && c->n < MAX_CANDIDATES)
            c->perm[c->n++] = t->form[i].perm;
    }
}

/* Elements that would have to be transposed. */
static int64_t order_cost(struct build *b, int first, int n, int rank, struct ints perm)
{
    int64_t cost = 0;
    for (int k = first; k < first + n; k++) {
        const struct tf_tensor *t = ncc_tflite_in(b, k);
        if (!has_say(t, rank))
            continue;
        const struct ints nearest_perm = nearest(t, perm).perm;
        cost += ncc_layout_same_order(t->shape, nearest_perm, perm) ? 0 : ncc_shape_count(t->shape);
    }
    return cost;
}

/* Maps (rank 4 and more) stay channels first when one of them is, since convolutions want them so; else the
 * cheapest order is taken, and of equals channels first, or the first one's. */
struct ints ncc_tflite_choose(struct build *b, int first, int n, int rank)
{
    const struct ints wanted = ncc_layout_channels_first(rank);
    struct candidates c = {0};
    for (int k = first; k < first + n; k++)
        if (has_say(ncc_tflite_in(b, k), rank))
            add_candidates(&c, ncc_tflite_in(b, k));
    int best = -1;
    int64_t best_cost = 0;
    for (int i = 0; i < c.n; i++) {
        const bool is_wanted = ncc_layout_equal(c.perm[i], wanted);
        if (is_wanted && rank >= 4)
            return wanted;
        const int64_t cost = order_cost(b, first, n, rank, c.perm[i]);
        if (best < 0 || cost < best_cost || (cost == best_cost && is_wanted)) {
            best = i;
            best_cost = cost;
        }
    }
    return best < 0 ? ncc_layout_identity(rank) : c.perm[best];
}

/* ---- results ---- */

struct value *ncc_tflite_activate(struct build *b, struct value *v, int activation, const char *suffix)
{
    static const struct clip_attrs n1_to_1 = {-1, 1}, to_6 = {0, 6}, to_1 = {0, 1};
    if (!v)
        return NULL;
    if (suffix && activation != TF_ACT_NONE && v->id >= b->first_id)
        v->name = ncc_name(b->m->graph, b->name, "linear");
    switch (activation) {
    case TF_ACT_NONE: return v;
    case TF_ACT_RELU: return ncc_tflite_op(b, OP_relu, suffix, NULL, &v, 1);
    case TF_ACT_TANH: return ncc_tflite_op(b, OP_tanh, suffix, NULL, &v, 1);
    case TF_ACT_RELU_N1_TO_1: return ncc_tflite_op(b, OP_clip, suffix, &n1_to_1, &v, 1);
    case TF_ACT_RELU6: return ncc_tflite_op(b, OP_clip, suffix, &to_6, &v, 1);
    case TF_ACT_RELU_0_TO_1: return ncc_tflite_op(b, OP_clip, suffix, &to_1, &v, 1);
    default: ncc_tflite_refuse(b, "the fused activation is not supported", NULL, "activation %d", activation);
    }
    return NULL;
}

/* The stored shape is never believed, but the user should know when the model contradicts itself. */
static void compare_shape(struct build *b, const struct tf_tensor *t)
{
    char stored[80], inferred[80];
    bool agrees = b->m->is_reshaped || !t->has_shape || t->stored.rank == 0 || t->stored.rank == t->shape.rank;
    for (int i = 0; agrees && !b->m->is_reshaped && t->has_shape && i < t->stored.rank; i++)
        agrees = t->stored.dim[i] <= 0 || t->stored.dim[i] == t->shape.dim[i];
    if (agrees)
        return;
    ncc_diag_warn(b->m->diags, (struct place){b->m->file, b->name, b->op->code->name},
                  "the file's shape of a result is not what the operator gives; it is ignored", NULL,
                  "'%s' is %s in the file, and %s", t->name, ncc_shape_text(t->stored, stored),
                  ncc_shape_text(t->shape, inferred));
}

bool ncc_tflite_give(struct build *b, int k, struct form f)
{
    if (k == 0 && b->row->activation >= 0)
        f.v = ncc_tflite_activate(b, f.v, ncc_fb_i8(&b->m->fb, b->options, b->row->activation, TF_ACT_NONE),
                                  "activation");
    if (!f.v)
        return false;
    const struct shape shape = ncc_layout_model_shape(f);
    for (int i = 0; i < shape.rank; i++)
        if (shape.dim[i] < 1)
            return ncc_tflite_refuse(b, "the result must not be empty", NULL, "dimension %d is %d", i, shape.dim[i]);
    struct tf_tensor *t = b->op->out[k] >= 0 ? &b->m->tensors[b->op->out[k]] : NULL;
    if (!t || t->is_given)
        return true;
    if (f.v->id >= b->first_id)
        f.v->name = t->name;
    f.v = ncc_tflite_round(b, t, f);
    if (!f.v)
        return false;
    t->form[0] = f;
    t->n_forms = 1;
    t->shape = shape;
    compare_shape(b, t);
    return true;
}

bool ncc_tflite_give_map(struct build *b, int k, struct value *v)
{
    return ncc_tflite_give(b, k, (struct form){v, ncc_layout_channels_first(4)});
}

bool ncc_tflite_give_native(struct build *b, int k, struct value *v)
{
    return ncc_tflite_give(b, k, (struct form){v, ncc_layout_identity(v ? v->shape.rank : 0)});
}
