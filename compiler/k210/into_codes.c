/* From real numbers to codes: KPU layers become integer layers, every CPU node gets its float or its uint8 form, and
 * quantize / dequantize stand where the two meet, once per value.
 *
 * A CPU node works on codes when its input comes as codes and either it only moves them, or the result is wanted as
 * codes again (something uploads it), or there is so much of it that float costs more than it brings
 * (output_quantize_threshold), and float would not be quicker. Everything else is float: the heads of networks keep
 * their precision.
 */
#include "compiler/k210/cost.h"
#include "compiler/k210/cpu_integer.h"
#include "compiler/k210/k210.h"
#include "compiler/k210/kpu_integer.h"
#include "compiler/ops/codes.h"
#include "compiler/ops/resize.h"
#include "kpu/layer.h"

#include <math.h>

struct integers {
    struct graph *g;
    const struct k210_options *options;
    const struct patch_table *patches;
    bool *wanted; /* by value id: somebody wants codes */
    struct forms {
        struct value **v;
        int n, cap;
    } as_u8, as_f32; /* by value id: the converted form, once made */
};

/* ---- what is wanted as codes ---- */

/* Ops whose kernel moves uint8 as well as float (kmodel v3 transposes floats only). Bilinear resizing truncates codes,
 * and so only serves the KPU. */
static bool moves_codes(const struct integers *t, const struct node *n)
{
    if (t->options->kmodel_v3 && n->op == OP_transpose)
        return false;
    switch ((int)n->op) {
    case OP_reshape:
    case OP_transpose:
    case OP_slice:
    case OP_pad:
    case OP_resize:
        return true;
    default:
        return false;
    }
}

static bool has_integer_form(const struct integers *t, const struct node *n)
{
    return ncc_op_desc(n->op)->flags & OP_UNARY || (!t->options->kmodel_v3 && ncc_cpu_integer_possible(n));
}

/* Backwards: a value is wanted as codes if an upload reads it, or a node that hands codes on to one. */
static void find_wanted(struct integers *t)
{
    for (const struct node *n = t->g->last; n; n = n->prev)
        for (int o = 0; o < n->n_out; o++)
            for (const struct use *u = n->out[o]->uses; u; u = u->next) {
                const struct node *reader = u->node;
                const bool hands_on = moves_codes(t, reader) || has_integer_form(t, reader);
                if (reader->op == OP_kpu_upload || (hands_on && t->wanted[reader->out[0]->id]))
                    t->wanted[n->out[o]->id] = true;
            }
}

/* ---- conversions ---- */

static struct value *convert(struct integers *t, struct value *v, enum op op, const char *suffix)
{
    struct value *y = NCC_OP(t->g, op, ncc_name(t->g, v->name, suffix), NULL, v);
    y->quant = v->quant;
    y->range = v->range;
    y->real_id = v->real_id;
    return y;
}

/* The place for value `id`, which may be younger than the graph was at the start. */
static struct value **slot(const struct integers *t, struct forms *f, int id)
{
    while (f->n <= id)
        NCC_PUSH(t->g->arena, f, NULL);
    return &f->v[id];
}

static struct value *as_u8(struct integers *t, struct value *v)
{
    struct value **form = slot(t, &t->as_u8, v->id);
    if (v->dtype == DT_U8)
        return v;
    if (!*form)
        *form = convert(t, v, OP_quantize, "q");
    return *form;
}

static struct value *as_f32(struct integers *t, struct value *v)
{
    struct value **form = slot(t, &t->as_f32, v->id);
    if (v->dtype != DT_U8)
        return v;
    if (!*form)
        *form = convert(t, v, OP_dequantize, "real");
    return *form;
}

static void set_inputs(struct integers *t, struct node *n, struct value *(*form)(struct integers *, struct value *))
{
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && !n->in[i]->data)
            ncc_node_set_input(n, i, form(t, n->in[i]), t->g->arena);
}

/* A constant as the codes of what is to be made of it. */
static struct value *constant_codes(struct integers *t, const struct value *v, const struct value *as)
{
    const int64_t count = ncc_shape_count(v->shape);
    const struct code_pair pair = ncc_code_pair(&as->quant, 0);
    uint8_t *codes = ncc_arena_alloc(t->g->arena, (size_t)count, 1, 64);
    for (int64_t i = 0; i < count; i++)
        codes[i] = (uint8_t)ncc_code_of(pair, DT_U8, (double)((const float *)v->data)[i]);
    struct value *y = ncc_const(t->g, ncc_name(t->g, v->name, "q"), DT_U8, v->shape, codes);
    y->quant = as->quant;
    return y;
}

static void become_u8(struct node *n)
{
    n->out[0]->dtype = DT_U8;
}

/* ---- nodes ---- */

static bool same_codes(const struct value *a, const struct value *b)
{
    return a->quant.n_channels == 1 && b->quant.n_channels == 1 && a->quant.scale[0] == b->quant.scale[0] &&
           a->quant.zero_point[0] == b->quant.zero_point[0];
}

/* Codes side by side are codes if all stand for the same; the chip, if it is to read them, relies on what was assigned.
 */
static bool concat_of_codes(const struct integers *t, const struct node *n)
{
    if (t->wanted[n->out[0]->id] && !same_codes(n->out[0], n->in[0]))
        return false;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]->dtype != DT_U8 || !same_codes(n->in[i], n->in[0]))
            return false;
    return true;
}

/* kmodel v3 has no other maximum than that of codes, which are those of the input. */
static bool pools_codes(const struct integers *t, const struct node *n)
{
    return t->options->kmodel_v3 && n->op == OP_max_pool && n->in[0]->dtype == DT_U8 &&
           n->in[0]->quant.n_channels == 1 && (!t->wanted[n->out[0]->id] || same_codes(n->out[0], n->in[0]));
}

static bool all_u8(const struct node *n)
{
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && !n->in[i]->data && n->in[i]->dtype != DT_U8)
            return false;
    return true;
}

/* Convolutions and products in float keep a scale for each channel's weights, and their kernels need no more time than
 * those of integers; only where there is little to multiply do the conversions around them outweigh that. */
static bool quicker_in_codes(const struct integers *t, const struct node *n)
{
    if (n->op != OP_conv2d && n->op != OP_matmul)
        return true;
    const bool conv = n->op == OP_conv2d;
    const enum ncc_kpu_runtime r = t->options->runtime;
    const double macs = ncc_op_desc(n->op)->macs(n);
    const double code = ncc_cost_instructions(conv ? COST_quantized_conv2d : COST_quantized_matmul, false, r);
    const double real = ncc_cost_instructions(conv ? COST_conv2d : COST_matmul, false, r);
    const double conversions =
        (double)ncc_shape_count(n->in[0]->shape) * ncc_cost_instructions(COST_dequantize, false, r) +
        (double)ncc_shape_count(n->out[0]->shape) * ncc_cost_instructions(COST_quantize, false, r);
    return macs * code < macs * real + conversions;
}

static bool worth_it(const struct integers *t, const struct node *n)
{
    if (!quicker_in_codes(t, n))
        return false;
    return t->wanted[n->out[0]->id] || ncc_shape_count(n->out[0]->shape) >= t->options->output_quantize_threshold;
}

/* The share of pixels that a resize places on the grid of 1 / n between others, weighted by 1 / n: what cutting off
 * leaves out of half a code. */
static double on_grid(const struct resize_attrs *a, int in, int out)
{
    enum { FINEST = 32 };
    double sum = 0;
    for (int at = 0; at < out; at++) {
        const double part = (double)ncc_resize_between(a, in, out, at).part;
        int n = 1;
        while (n < FINEST && fabs(part * n - rint(part * n)) > 1e-3)
            n++;
        sum += n < FINEST ? 1.0 / n : 0;
    }
    return sum / out;
}

/* Do layers that compute read the value, moved or not, and nobody else? For them its zero point need not be whole. */
static bool only_layers_read(const struct integers *t, const struct value *v)
{
    if (ncc_value_is_output(t->g, v))
        return false;
    for (const struct use *u = v->uses; u; u = u->next) {
        const struct node *n = u->node;
        const struct kpu_conv_attrs *a = n->op == OP_kpu_conv ? n->attrs : NULL;
        const bool computes = a && !a->copy && !a->tied;
        const bool moves = a || n->op == OP_kpu_upload || n->op == OP_kpu_slice || n->op == OP_kpu_recanvas ||
                           n->op == OP_kpu_view || moves_codes(t, n);
        if (!computes && !(moves && only_layers_read(t, n->out[0])))
            return false;
    }
    return true;
}

/* Codes between codes are cut off, half a code too low on average: they stand for as much more. */
static struct quant quant_between(const struct integers *t, const struct node *n)
{
    const struct resize_attrs *a = n->attrs;
    const int *in = n->in[0]->shape.dim;
    const double loss = (1 - on_grid(a, in[2], a->out_h) * on_grid(a, in[3], a->out_w)) / 2;
    double *pair = NCC_NEW(t->g->arena, double, 2);
    pair[0] = n->in[0]->quant.scale[0];
    pair[1] = n->in[0]->quant.zero_point[0] - loss;
    return (struct quant){1, &pair[0], &pair[1]};
}

/* What moves codes hands on what they stand for: it may be another than was assigned, where a concatenation moves codes
 * of its own accord, or codes were cut off. A view that takes channels apart which others laid together knows what each stands
 * for, where they do not. */
static void hand_on_quant(struct node *n)
{
    const bool takes_apart = n->op == OP_kpu_view && n->out[0]->quant.n_channels > 1;
    if (n->in[0]->quant.n_channels == 1 && !takes_apart)
        n->out[0]->quant = n->in[0]->quant;
}

static void visit_mover(struct integers *t, struct node *n)
{
    const struct resize_attrs *r = n->op == OP_resize ? n->attrs : NULL;
    const bool truncates = r && r->mode == RESIZE_BILINEAR;
    if (n->in[0]->dtype != DT_U8 || (truncates && !t->wanted[n->out[0]->id])) {
        set_inputs(t, n, as_f32);
        return;
    }
    become_u8(n);
    if (truncates && !t->options->leave_truncated && n->in[0]->quant.n_channels == 1 && only_layers_read(t, n->out[0]))
        n->out[0]->quant = quant_between(t, n);
    else
        hand_on_quant(n);
}

static bool visit_cpu(struct integers *t, struct node *n)
{
    if (moves_codes(t, n)) {
        visit_mover(t, n);
    } else if (pools_codes(t, n) || (n->op == OP_concat && concat_of_codes(t, n))) {
        n->out[0]->quant = n->in[0]->quant;
        become_u8(n);
    } else if (has_integer_form(t, n) && all_u8(n) && worth_it(t, n) &&
               !(t->options->float_binary && ncc_op_desc(n->op)->flags & OP_BINARY)) {
        return ncc_cpu_integer_make(t->g, n);
    } else {
        set_inputs(t, n, as_f32);
    }
    return true;
}

/* Moves a mean pool that stands in an identity layer of its own into the layer n before it. */
static void join_pool(struct integers *t, struct node *n)
{
    struct kpu_conv_attrs *a = n->attrs;
    const struct node *next = ncc_value_only_use(t->g, n->out[0]);
    if (a->depthwise || a->pool || a->copy || !next || next->op != OP_kpu_conv)
        return;
    const struct kpu_conv_attrs *pool = next->attrs;
    const struct shape *x = &n->in[0]->shape;
    const struct ncc_kpu_shape joined = {x->dim[1], x->dim[2], x->dim[3], n->out[0]->shape.dim[1],
                                         a->kernel, false,     pool->pool};
    if (!pool->tied || pool->kernel != 1 || ncc_kpu_shape_check(&joined, t->options->allow_untested))
        return;
    struct value *y = n->out[0];
    a->pool = pool->pool;
    a->top = pool->top;
    a->left = pool->left;
    a->h = pool->h;
    a->w = pool->w;
    a->outside = pool->outside;
    y->shape = next->out[0]->shape;
    y->window = next->out[0]->window;
    ncc_value_succeed(t->g, next->out[0], y);
}

/* Factors that were folded into weights may have made them larger than any number: no scale serves those. */
static bool is_finite(struct integers *t, const struct node *n)
{
    for (int k = 1; k < n->n_in; k++)
        for (int64_t i = 0, count = n->in[k] ? ncc_shape_count(n->in[k]->shape) : 0; i < count; i++)
            if (!isfinite(((const float *)n->in[k]->data)[i])) {
                ncc_diag_error(t->g->diags, FAULT_INPUT, ncc_node_place(t->g, n), "the weights must be finite numbers",
                               "look for a division by zero or a scale beyond 1e38 beside this node", "%s %g",
                               k == 1 ? "a weight of" : "a bias of", (double)((const float *)n->in[k]->data)[i]);
                return false;
            }
    return true;
}

static bool make_layer(struct integers *t, struct node *n)
{
    if (!n->out[0]->uses && !ncc_value_is_output(t->g, n->out[0]))
        return true; /* joined, or read by nobody */
    if (!is_finite(t, n))
        return false;
    join_pool(t, n);
    if (((const struct kpu_conv_attrs *)n->attrs)->copy)
        hand_on_quant(n);
    const int id = n->out[0]->id;
    const struct integer_options o = {.w_zero = -1,
                                      .weight_bits = t->options->weight_bits,
                                      .rounding_passes = t->options->rounding_passes,
                                      .leave_truncated = t->options->leave_truncated,
                                      .even_table = t->options->even_tables,
                                      .patches = t->patches && id < t->patches->n ? &t->patches->v[id] : NULL};
    return ncc_k210_integer_layer(t->g, n, &o, NULL) != NULL;
}

static bool visit(struct integers *t, struct node *n)
{
    switch ((int)n->op) {
    case OP_kpu_upload:
        if (n->in[0]->data && n->in[0]->dtype == DT_F32)
            ncc_node_set_input(n, 0, constant_codes(t, n->in[0], n->out[0]), t->g->arena);
        set_inputs(t, n, as_u8);
        hand_on_quant(n);
        become_u8(n);
        return true;
    case OP_kpu_conv:
        return make_layer(t, n);
    case OP_kpu_download:
    case OP_kpu_slice:
    case OP_kpu_recanvas:
    case OP_kpu_view:
        hand_on_quant(n);
        become_u8(n);
        return true;
    case OP_kpu_concat:
    case OP_kpu_stack:
        become_u8(n);
        return true;
    default:
        return visit_cpu(t, n);
    }
}

static void convert_inputs(struct integers *t)
{
    for (int i = 0; i < t->g->inputs.n; i++) {
        struct value *v = t->g->inputs.v[i];
        if (v->dtype == DT_F32 && (v->mem == MEM_KPU || !t->options->float_input))
            v->dtype = DT_U8;
    }
}

bool ncc_k210_integers(struct graph *g, const struct k210_options *options, const struct patch_table *patches,
                       struct arena *scratch)
{
    struct integers t = {.g = g, .options = options, .patches = patches};
    t.wanted = NCC_NEW(scratch, bool, g->next_id);
    find_wanted(&t);
    convert_inputs(&t);
    bool good = true;
    for (struct node *n = g->first, *next; n && good; n = next) {
        next = n->next;
        g->cursor = n;
        good = visit(&t, n);
    }
    g->cursor = NULL;
    for (int i = 0; i < g->outputs.n && good; i++)
        g->outputs.v[i].value = (options->u8_output ? as_u8 : as_f32)(&t, g->outputs.v[i].value);
    ncc_graph_sweep(g);
    return good;
}
