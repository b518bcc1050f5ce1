/* Operators that take elements along an axis in an order that is known now: concatenations of slices. */
#include "compiler/ir/eval.h"
#include "compiler/k210/cpu_forms.h"
#include "compiler/k210/repeat.h"
#include "compiler/ops/attrs.h"

/* Of one concatenation; with more, a kernel per run would cost more than any other way. */
enum { MOST_RUNS = 64 };

static struct value *slice(struct graph *g, const struct node *n, struct value *x, int axis, int begin, int size)
{
    const int rank = x->shape.rank;
    struct slice_attrs part = {.begin = {.n = rank}, .size = {.n = rank}, .stride = {.n = rank}};
    for (int i = 0; i < rank; i++) {
        part.size.v[i] = x->shape.dim[i];
        part.stride.v[i] = 1;
    }
    part.begin.v[axis] = begin;
    part.size.v[axis] = size;
    return size == x->shape.dim[axis] ? x : NCC_OP(g, OP_slice, ncc_name(g, n->name, "part"), &part, x);
}

static int run_length(const int *index, int n)
{
    int length = 1;
    while (length < n && index[length] == index[length - 1] + 1)
        length++;
    return length;
}

/* Element i along the axis is x's element index[i]: runs of neighbours side by side. NULL, and nothing made: there are
 * too many runs. */
static struct value *take(struct graph *g, const struct node *n, struct value *x, int axis, const int *index, int count)
{
    struct value *parts[MOST_RUNS];
    const struct concat_attrs beside = {axis};
    int n_runs = 0;
    for (int at = 0; at < count; at += run_length(index + at, count - at))
        if (n_runs++ == MOST_RUNS)
            return NULL;
    n_runs = 0;
    for (int at = 0, length; at < count; at += length) {
        length = run_length(index + at, count - at);
        parts[n_runs++] = slice(g, n, x, axis, index[at], length);
    }
    return n_runs == 1 ? parts[0] : ncc_op(g, OP_concat, ncc_name(g, n->name, "taken"), &beside, parts, n_runs);
}

/* ---- gathers ---- */

int ncc_k210_exchanged(const int *order, int n)
{
    const int step = n > 1 ? order[1] : 0; /* n / a */
    if (step < 2 || n % step || step == n)
        return 0;
    const int a = n / step;
    for (int i = 0; i < n; i++)
        if (order[i] != i % a * step + i / a)
            return 0;
    return a;
}

/* The axis cut into a x b, whose dimensions change places. */
static struct value *exchange(struct graph *g, const struct node *n, struct value *x, int axis, int a)
{
    const struct shape s = x->shape;
    const int c = s.dim[axis];
    int outer = 1, inner = 1;
    for (int i = 0; i < s.rank; i++)
        *(i < axis ? &outer : &inner) *= i == axis ? 1 : s.dim[i];
    const struct transpose_attrs t = {{4, {0, 2, 1, 3}}};
    struct value *cut = ncc_k210_reshaped(g, n, x, ncc_shape_4(outer, a, c / a, inner));
    return ncc_k210_reshaped(g, n, NCC_OP(g, OP_transpose, n->name, &t, cut), s);
}

static bool expand_gather(struct graph *g, struct node *n)
{
    const struct value *list = n->in[1];
    const int axis = ((const struct gather_attrs *)n->attrs)->axis, dim = n->in[0]->shape.dim[axis];
    const int64_t count = ncc_shape_count(list->shape);
    if (!ncc_is_const(list) || count < 1 || count > ncc_shape_count(n->out[0]->shape))
        return false;
    int *index = NCC_NEW(g->arena, int, count);
    for (int64_t i = 0; i < count; i++) {
        const int64_t k = list->dtype == DT_I64 ? ((const int64_t *)list->data)[i] : ((const int32_t *)list->data)[i];
        if (k < -dim || k >= dim)
            return false;
        index[i] = (int)(k < 0 ? k + dim : k); /* from the end */
    }
    const int a = count == dim ? ncc_k210_exchanged(index, dim) : 0;
    struct value *y = a ? exchange(g, n, n->in[0], axis, a) : take(g, n, n->in[0], axis, index, (int)count);
    if (y)
        ncc_k210_replace(g, n, ncc_k210_reshaped(g, n, y, n->out[0]->shape));
    return y != NULL;
}

static bool expand_tile(struct graph *g, struct node *n)
{
    const struct ints *repeats = &((const struct tile_attrs *)n->attrs)->repeats;
    struct value *y = n->in[0];
    for (int i = 0; i < repeats->n; i++)
        if (repeats->v[i] < 1)
            return false;
    for (int axis = 0; axis < repeats->n; axis++)
        y = ncc_k210_repeated(g, ncc_name(g, n->name, "tiles"), y, axis, repeats->v[axis]);
    ncc_k210_replace(g, n, y);
    return true;
}

/* ---- mirrored pads ---- */

/* What padding along an axis makes of 0, 1, 2 ..., by the operator's own definition. */
static int *padded_index(struct graph *g, const struct node *n, int axis, int *count)
{
    const struct pad_attrs *a = n->attrs;
    const int dim = n->in[0]->shape.dim[axis];
    const struct pad_attrs line = {{1, {a->before.v[axis]}}, {1, {a->after.v[axis]}}, 0, a->mode};
    *count = dim + a->before.v[axis] + a->after.v[axis];
    struct tensor x = {DT_F32, ncc_shape_make(1, &dim), NCC_NEW(g->arena, float, dim)};
    struct tensor y = {DT_F32, ncc_shape_make(1, count), NCC_NEW(g->arena, float, *count)};
    for (int i = 0; i < dim; i++)
        ((float *)x.data)[i] = (float)i;
    struct value *numbers = ncc_const(g, ncc_name(g, n->name, "numbers"), DT_F32, x.shape, x.data);
    struct value *padded = NCC_OP(g, OP_pad, ncc_name(g, n->name, "padded"), &line, numbers);
    ncc_eval_node(padded->def, (const struct tensor *const[]){&x}, (struct tensor *const[]){&y}, EVAL_REFERENCE);
    int *index = NCC_NEW(g->arena, int, *count);
    for (int i = 0; i < *count; i++)
        index[i] = (int)((const float *)y.data)[i];
    return index;
}

static bool expand_mirror(struct graph *g, struct node *n)
{
    const struct pad_attrs *a = n->attrs;
    struct value *y = n->in[0];
    if (a->mode == PAD_CONSTANT || ncc_is_const(n->in[0]))
        return false;
    for (int axis = 0; y && axis < a->before.n; axis++) {
        int count;
        if (!a->before.v[axis] && !a->after.v[axis])
            continue;
        if (n->in[0]->shape.dim[axis] >= 1 << 24) /* numbers of elements must be floats */
            return false;
        const int *index = padded_index(g, n, axis, &count);
        y = take(g, n, y, axis, index, count);
    }
    if (y)
        ncc_k210_replace(g, n, y);
    return y != NULL;
}

const struct rewrite ncc_k210_moves[] = {
    {"gather by constants", OP_gather, expand_gather},
    {"tile", OP_tile, expand_tile},
    {"mirrored pad", OP_pad, expand_mirror},
};
const int ncc_k210_n_moves = sizeof ncc_k210_moves / sizeof ncc_k210_moves[0];
