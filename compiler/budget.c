/* General RAM: what the model, its working memory and its input take together, held against what the board leaves.
 *
 * The firmware keeps all three at once, beside itself. So a model that misses is refused here, with the list of what
 * takes the room, and not by the board at start. A model that is streamed (ncc/stream.h) needs less: not the whole
 * file, but its front and the two largest bodies that follow each other. */
#include "compiler/board.h"
#include "compiler/steps.h"
#include "compiler/what_fits.h"

#include <ncc/stream.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINES = 8 };

struct weights {
    const char *name, *op;
    int64_t bytes;
    int place; /* among the nodes: equal ones stay in their order */
};

/* With `per_float` bytes for each float: what it takes once the layer is in integers. */
static int64_t constant_bytes(const struct node *n, int per_float)
{
    int64_t bytes = 0;
    for (int i = 0; i < n->n_in; i++)
        if (ncc_is_const(n->in[i]))
            bytes += ncc_shape_count(n->in[i]->shape) *
                     (n->in[i]->dtype == DT_F32 ? per_float : (int64_t)ncc_dtype_size(n->in[i]->dtype));
    return bytes;
}

static int larger_first(const void *x, const void *y)
{
    const struct weights *a = x, *b = y;
    return a->bytes != b->bytes ? (a->bytes > b->bytes ? -1 : 1) : a->place - b->place;
}

/* The layers with most weights. */
static const char *weights_text(const struct graph *g, int per_float, struct arena *a)
{
    int n = 0;
    struct weights *w = NCC_NEW(a, struct weights, ncc_graph_n_nodes(g));
    for (const struct node *node = g->first; node; node = node->next) {
        const int64_t bytes = constant_bytes(node, per_float);
        if (bytes > 0)
            w[n] = (struct weights){node->name, ncc_op_desc(node->op)->name, bytes, n}, n++;
    }
    qsort(w, (size_t)n, sizeof *w, larger_first);
    const char *text = ncc_arena_printf(a, "weights by layer:");
    int64_t rest = 0;
    for (int i = 0; i < n; i++) {
        if (i < MAX_LINES)
            text = ncc_arena_printf(a, "%s\n%12lld  '%s' (%s)", text, (long long)w[i].bytes, w[i].name, w[i].op);
        else
            rest += w[i].bytes;
    }
    return n > MAX_LINES ? ncc_arena_printf(a, "%s\n%12lld  in %d more", text, (long long)rest, n - MAX_LINES) : text;
}

/* Boards that leave enough. */
static const char *other_boards(int64_t needed, struct arena *a)
{
    const char *names = NULL;
    for (int i = 0; i < ncc_n_boards; i++)
        if (ncc_boards[i].bytes >= needed)
            names = names ? ncc_arena_printf(a, "%s, %s", names, ncc_boards[i].name) : ncc_boards[i].name;
    return names;
}

/* Working memory and input grow with the area of the picture, the model does not. An estimate, for models that must be
 * exported again to take another size. */
static const char *about_smaller(const struct report *r, struct arena *a)
{
    const double left = (double)(r->board.bytes - r->resident_bytes);
    const double grows = (double)(r->main_memory_bytes + r->input_bytes);
    const struct shape *s = r->inputs.n == 1 ? &r->inputs.v[0].shape : NULL;
    if (!s || s->rank != 4 || left <= 0 || grows <= 0)
        return NULL;
    const double by = sqrt(left / grows);
    const int h = (int)(s->dim[2] * by) / 8 * 8, w = (int)(s->dim[3] * by) / 8 * 8;
    return h < 8 || w < 8 ? NULL : ncc_arena_printf(a, "an input of about %dx%d (width x height)", w, h);
}

static enum ncc_status read_file(void *ctx, size_t off, void *to, size_t size)
{
    memcpy(to, (const uint8_t *)ctx + off, size);
    return NCC_OK;
}

/* The work memory of ncc_stream_open(), working memory included; 0: the model cannot be streamed. */
static int64_t stream_bytes(const struct compilation *c)
{
    const struct ncc_source source = {.ctx = (void *)c->file.data, .size = c->file.size, .read = read_file};
    return (int64_t)ncc_stream_work_size(&source);
}

static const char *remedy(const struct compilation *c, struct arena *a)
{
    const struct report *r = &c->report;
    const int64_t limit = r->board.bytes, streamed = r->stream_bytes + r->input_bytes;
    const char *smaller = r->resident_bytes > limit ? NULL : ncc_smaller_that_fits(c, a);
    const char *cut = ncc_cut_that_fits(c, a), *boards = other_boards(ncc_report_ram(r), a);
    smaller = smaller ? smaller : about_smaller(r, a);
    const char *text = r->resident_bytes > limit ? "fewer or narrower layers" : "a smaller model";
    if (smaller)
        text = ncc_arena_printf(a, "%s, or %s", text, smaller);
    if (cut)
        text = ncc_arena_printf(a, "%s, or %s", text, cut);
    if (boards)
        text = ncc_arena_printf(a, "%s, or a firmware that leaves more (--board %s)", text, boards);
    if (!r->streamed && r->stream_bytes > 0 && streamed <= limit)
        text = ncc_arena_printf(
            a, "%s, or leave the weights in flash: ncc's runtime streams them in %lld bytes (--stream)", text,
            (long long)streamed);
    return text;
}

static void refuse(struct compilation *c)
{
    struct arena *a = &c->arena;
    const struct report *r = &c->report;
    const struct board *b = &r->board;
    const char *source = b->source ? ncc_arena_printf(a, " (%s)", b->source) : "";
    const int64_t left = b->bytes - r->resident_bytes - r->input_bytes;
    const char *working = ncc_plan_explain(c->graph, &c->plan, MEM_MAIN, left > 0 ? left : 0, a);
    ncc_diag_error(&c->diags, FAULT_NO_FIT, ncc_whole_model(c),
                   ncc_arena_printf(a, "the model needs more general RAM than is there on %s", b->name), remedy(c, a),
                   "%lld bytes of %lld%s: %s %lld, working memory %lld, input %lld\n%s\n%s",
                   (long long)ncc_report_ram(r), (long long)b->bytes, source,
                   r->streamed ? "model, as much as is in RAM at a time" : "model", (long long)r->resident_bytes,
                   (long long)r->main_memory_bytes, (long long)r->input_bytes, weights_text(c->graph, sizeof(float), a),
                   working);
}

/* Bytes that the weights of a canonical graph take at least: one an element on the KPU, a float in the CPU's kernels.
 */
static int least_per_weight(const struct compilation *c)
{
    return c->k210.cpu_only ? (int)sizeof(float) : 1;
}

static int64_t least_weights(const struct compilation *c)
{
    int64_t elements = 0;
    for (const struct node *n = c->graph->first; n; n = n->next)
        for (int i = 1; i < n->n_in && ncc_op_desc(n->op)->macs; i++)
            if (ncc_is_const(n->in[i]) && n->in[i]->uses->node == n)
                elements += ncc_shape_count(n->in[i]->shape);
    return elements * least_per_weight(c);
}

bool ncc_has_room(const struct compilation *c)
{
    return least_weights(c) < c->report.board.bytes / 2;
}

/* Bytes around the weights of a node in a kmodel: what it says of itself, tables, and filling up to where these may
 * lie. */
enum { BYTES_PER_NODE = 640, BYTES_PER_CHANNEL = 8 };

static int64_t about_file_bytes(const struct graph *lowered, const struct k210_options *o)
{
    int64_t bytes = 0;
    for (const struct node *n = lowered->first; n; n = n->next) {
        const bool layer = n->op == OP_kpu_conv;
        bytes += constant_bytes(n, layer ? o->weight_bits / 8 : (int)sizeof(float));
        bytes += layer ? BYTES_PER_NODE + BYTES_PER_CHANNEL * n->out[0]->shape.dim[1] : 0;
    }
    return bytes;
}

bool ncc_is_short_of_ram(const struct compilation *c, const struct graph *lowered, const struct plan *plan)
{
    int64_t inputs = 0;
    for (int i = 0; i < lowered->inputs.n; i++)
        inputs += ncc_shape_count(lowered->inputs.v[i]->shape) * (c->k210.float_input ? (int)sizeof(float) : 1);
    const int64_t working = plan->main.peak / (int64_t)sizeof(float); /* still real numbers, most of which become codes */
    return !c->options->stream && about_file_bytes(lowered, &c->k210) + working + inputs > c->report.board.bytes;
}

bool ncc_step_weights(struct compilation *c)
{
    const int64_t bytes = least_weights(c);
    const struct board *b = &c->report.board;
    if (c->options->stream || bytes <= b->bytes)
        return true;
    ncc_diag_error(&c->diags, FAULT_NO_FIT, ncc_whole_model(c),
                   ncc_arena_printf(&c->arena, "the weights alone need more general RAM than is there on %s", b->name),
                   "fewer or narrower layers, or leave the weights in flash, with ncc's runtime (--stream)",
                   "at least %lld bytes of %lld\n%s", (long long)bytes, (long long)b->bytes,
                   weights_text(c->graph, least_per_weight(c), &c->arena));
    return false;
}

bool ncc_step_budget(struct compilation *c)
{
    struct report *r = &c->report;
    r->stream_bytes = stream_bytes(c);
    r->streamed = c->options->stream && r->stream_bytes > 0;
    r->resident_bytes = r->streamed ? r->stream_bytes - r->main_memory_bytes : r->file_bytes;
    if (c->options->stream && !r->streamed)
        ncc_diag_warn(&c->diags, ncc_whole_model(c), "this model cannot be streamed", "load it into RAM whole", NULL);
    if (ncc_report_ram(r) <= r->board.bytes)
        return true;
    refuse(c);
    return false;
}
