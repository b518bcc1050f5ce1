/* Where to cut a model. An operator that was refused takes either all behind it along (cut as a tail) or all before it
 * (cut as a head); what neither takes is kept. */
#include "compiler/import/outline.h"

#include <string.h>

const char *const ncc_outline_remedy = "leave it out, or cut the model beside it (see below)";

/* Refused operators for which both sides are counted; of more, those in the first half are heads. */
enum { MOST_COUNTED = 64 };

struct cut {
    const struct outline *o;
    struct arena *arena;
    int *maker;              /* operator that makes a tensor; -1: none */
    bool *is_constant;       /* by tensor: it depends on constants only */
    bool *in_head, *in_tail; /* by operator */
};

static bool depends_on(const struct cut *c, int op, const bool *marked)
{
    const struct outline_op *n = &c->o->ops[op];
    for (int k = 0; k < n->n_in; k++)
        if (n->in[k] >= 0 && c->maker[n->in[k]] >= 0 && c->maker[n->in[k]] < op && marked[c->maker[n->in[k]]])
            return true;
    return false;
}

/* Marks what depends on marked operators; returns how many are marked. */
static int spread_behind(const struct cut *c, bool *marked)
{
    int n = 0;
    for (int i = 0; i < c->o->n_ops; i++) {
        marked[i] = marked[i] || depends_on(c, i, marked);
        n += marked[i];
    }
    return n;
}

/* Marks what marked operators depend on. */
static int spread_before(const struct cut *c, bool *marked)
{
    int n = 0;
    for (int i = c->o->n_ops - 1; i >= 0; i--) {
        const struct outline_op *op = &c->o->ops[i];
        n += marked[i];
        for (int k = 0; marked[i] && k < op->n_in; k++)
            if (op->in[k] >= 0 && c->maker[op->in[k]] >= 0 && c->maker[op->in[k]] < i)
                marked[c->maker[op->in[k]]] = true;
    }
    return n;
}

static bool is_head(const struct cut *c, int op, bool count)
{
    if (!count)
        return op < c->o->n_ops / 2;
    bool *before = NCC_NEW(c->arena, bool, c->o->n_ops), *behind = NCC_NEW(c->arena, bool, c->o->n_ops);
    before[op] = behind[op] = true;
    return spread_before(c, before) < spread_behind(c, behind);
}

static bool is_kept(const struct cut *c, int op)
{
    return op >= 0 && !c->in_head[op] && !c->in_tail[op];
}

static void find_makers(struct cut *c)
{
    c->maker = NCC_NEW(c->arena, int, c->o->n_tensors);
    for (int i = 0; i < c->o->n_tensors; i++)
        c->maker[i] = -1;
    for (int i = 0; i < c->o->n_ops; i++)
        for (int k = 0; k < c->o->ops[i].n_out; k++)
            if (c->o->ops[i].out[k] >= 0)
                c->maker[c->o->ops[i].out[k]] = i;
    for (int i = 0; i < c->o->n_inputs; i++)
        c->maker[c->o->inputs[i]] = -1;
}

static bool makes_constants(const struct cut *c, const struct outline_op *op)
{
    bool all = !op->is_refused && op->n_in > 0;
    for (int k = 0; all && k < op->n_in; k++)
        all = op->in[k] < 0 || c->is_constant[op->in[k]];
    return all;
}

/* Returns how many operators there are that make more than constants. */
static int find_constants(struct cut *c)
{
    int n = 0;
    c->is_constant = NCC_NEW(c->arena, bool, c->o->n_tensors);
    for (int i = 0; i < c->o->n_tensors; i++)
        c->is_constant[i] = c->o->is_constant[i];
    for (int i = 0; i < c->o->n_ops; i++) {
        const struct outline_op *op = &c->o->ops[i];
        const bool constant = makes_constants(c, op);
        for (int k = 0; constant && k < op->n_out; k++)
            if (op->out[k] >= 0)
                c->is_constant[op->out[k]] = true;
        n += !constant;
    }
    return n;
}

/* Returns how many operators are kept, those of constants not counted. */
static int split(struct cut *c)
{
    int n_refused = 0, n_kept = 0;
    for (int i = 0; i < c->o->n_ops; i++)
        n_refused += c->o->ops[i].is_refused;
    for (int i = 0; i < c->o->n_ops; i++)
        if (c->o->ops[i].is_refused)
            (is_head(c, i, n_refused <= MOST_COUNTED) ? c->in_head : c->in_tail)[i] = true;
    spread_before(c, c->in_head);
    spread_behind(c, c->in_tail);
    for (int i = 0; i < c->o->n_ops; i++)
        n_kept += is_kept(c, i) && !makes_constants(c, &c->o->ops[i]);
    return n_kept;
}

struct options {
    struct cut *c;
    const char *text;
    bool *named; /* by tensor */
    int n;
};

static void name_tensor(struct options *p, const char *option, int tensor)
{
    if (tensor < 0 || p->named[tensor])
        return;
    p->named[tensor] = true;
    p->text = ncc_arena_printf(p->c->arena, "%s%s%s '%s'", p->text, *p->text ? " " : "", option,
                               p->c->o->tensor_names[tensor]);
    p->n++;
}

static bool is_input(const struct outline *o, int tensor)
{
    for (int i = 0; i < o->n_inputs; i++)
        if (o->inputs[i] == tensor)
            return true;
    return false;
}

/* Tensors that kept operators read and none of them makes. */
static const char *input_options(struct cut *c)
{
    const struct outline *o = c->o;
    struct options p = {c, "", NCC_NEW(c->arena, bool, o->n_tensors), 0};
    bool all_given = true;
    for (int i = 0; i < o->n_ops; i++)
        for (int k = 0; is_kept(c, i) && k < o->ops[i].n_in; k++) {
            const int t = o->ops[i].in[k];
            if (t < 0 || c->is_constant[t] || is_kept(c, c->maker[t]))
                continue;
            all_given = all_given && is_input(o, t);
            name_tensor(&p, "--input-tensor", t);
        }
    return all_given && p.n == o->n_inputs ? "" : p.text;
}

/* Tensors that kept operators make and others read; `shapes`: also those of which only the shape is read. */
static void name_what_is_cut(struct options *p, bool shapes)
{
    const struct cut *c = p->c;
    for (int i = 0; i < c->o->n_ops; i++) {
        const struct outline_op *op = &c->o->ops[i];
        for (int k = 0; !is_kept(c, i) && (shapes || !op->reads_shapes) && k < op->n_in; k++)
            if (op->in[k] >= 0 && !c->is_constant[op->in[k]] && is_kept(c, c->maker[op->in[k]]))
                name_tensor(p, "--output-tensor", op->in[k]);
    }
}

/* Tensors that kept operators make, and that are outputs or go into what is cut off. */
static const char *output_options(struct cut *c)
{
    const struct outline *o = c->o;
    struct options p = {c, "", NCC_NEW(c->arena, bool, o->n_tensors), 0};
    bool all_kept = true;
    for (int i = 0; i < o->n_outputs; i++) {
        if (is_kept(c, c->maker[o->outputs[i]]))
            name_tensor(&p, "--output-tensor", o->outputs[i]);
        else
            all_kept = false;
    }
    const int n_own = p.n;
    name_what_is_cut(&p, false);
    if (p.n == 0)
        name_what_is_cut(&p, true);
    return all_kept && p.n == n_own ? "" : p.text;
}

void ncc_outline_suggest_cuts(const struct outline *o, const char *file, struct arena *arena, struct diags *d)
{
    struct cut c = {.o = o, .arena = arena};
    c.in_head = NCC_NEW(arena, bool, o->n_ops);
    c.in_tail = NCC_NEW(arena, bool, o->n_ops);
    find_makers(&c);
    const int n = find_constants(&c), n_kept = split(&c);
    if (n_kept * 2 < n || n_kept == n)
        return;
    const char *inputs = input_options(&c), *outputs = output_options(&c);
    ncc_diag_note(d, (struct place){.file = file}, "the rest of the model can be compiled without these operators",
                  ncc_arena_printf(arena, "%s%s%s", inputs, *inputs && *outputs ? " " : "", outputs),
                  "%d of %d operators remain", n_kept, n);
}

/* What converters leave in models by a setting, by the beginning of the operator's kind. */
static const char *remedy_for(const char *kind)
{
    static const struct {
        const char *kind, *remedy;
    } known[] = {
        {"CUSTOM edgetpu-custom-op", "the file was compiled for the Edge TPU: take the one that its compiler was given"},
        {"CUSTOM Flex", "convert the model without SELECT_TF_OPS, or cut this operator off"},
        {"WHILE", "convert the model with loops unrolled: layers of Keras have unroll=True for it"},
        {"CUSTOM TFLite_Detection_PostProcess", "cut it off: the firmware decodes and sorts boxes"},
        {"NON_MAX_SUPPRESSION", "cut it off: the firmware sorts boxes"},
        {"NonMaxSuppression", "export the model without it, or cut it off: the firmware sorts boxes"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(kind, known[i].kind, strlen(known[i].kind)) == 0)
            return known[i].remedy;
    return ncc_outline_remedy;
}

void ncc_outline_refuse(const struct outline_op *op, const char *file, const char *shapes, struct diags *d)
{
    ncc_diag_error(d, FAULT_INPUT, (struct place){.file = file, .node = op->name, .op = op->op},
                   "the operator is not supported", remedy_for(op->op), shapes ? "%s" : NULL, shapes);
}

/* ---- names ---- */

enum { LONGEST = 128 }; /* names that are longer are compared as far as this */

/* The fewest letters to insert, delete or replace that make b of a. */
static int distance(const char *a, const char *b)
{
    const int n = (int)strnlen(a, LONGEST), m = (int)strnlen(b, LONGEST);
    int row[LONGEST + 1]; /* of a's first i letters to b's first k */
    for (int k = 0; k <= m; k++)
        row[k] = k;
    for (int i = 1; i <= n; i++) {
        int above_left = row[0];
        row[0] = i;
        for (int k = 1; k <= m; k++) {
            const int above = row[k], replaced = above_left + (a[i - 1] != b[k - 1]);
            const int shorter = (above < row[k - 1] ? above : row[k - 1]) + 1;
            row[k] = replaced < shorter ? replaced : shorter;
            above_left = above;
        }
    }
    return row[m];
}

const char *ncc_outline_did_you_mean(const char *name, const char *const *names, int n, struct arena *arena)
{
    enum { MOST_COMPARED = 10000 };
    const int length = (int)strnlen(name, LONGEST);
    int best = -1, least = length / 3 + 2;
    for (int i = 0; i < n && i < MOST_COMPARED; i++) {
        const int d = names[i] && *names[i] ? distance(name, names[i]) : least;
        if (d < least) {
            least = d;
            best = i;
        }
    }
    return best < 0 ? "'ncc check --json MODEL' lists the nodes; most tensors are named like the node that makes them"
                    : ncc_arena_printf(arena, "did you mean '%s'?", names[best]);
}
