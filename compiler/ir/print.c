/* The text form of a graph (text.h): printing. */
#include "compiler/ir/element.h"
#include "compiler/ir/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_CONSTANT 16 /* elements that are written out */

struct printer {
    const struct graph *g;
    struct arena *a;
    bool all_data;
    struct { char *v; int n, cap; } text;
    const char **names;   /* by value id; NULL: the value is not part of the graph */
    bool *printed;        /* by value id: constants that stand there already */
};

static void put(struct printer *p, const char *text)
{
    for (; *text; text++)
        NCC_PUSH(p->a, &p->text, *text);
}

__attribute__((format(printf, 2, 3))) static void putf(struct printer *p, const char *format, ...)
{
    char buf[160];
    va_list args;
    va_start(args, format);
    vsnprintf(buf, sizeof buf, format, args);
    va_end(args);
    put(p, buf);
}

/* The shortest of three forms that reads back as the same number. */
static void put_real(struct printer *p, double x, bool single)
{
    char buf[40];
    for (int digits = 6; digits <= 17; digits = digits == 6 ? 9 : digits + 8) {
        snprintf(buf, sizeof buf, "%.*g", digits, x);
        if (single ? strtof(buf, NULL) == (float)x : strtod(buf, NULL) == x)
            break;
    }
    put(p, buf);
}

static void put_quoted(struct printer *p, const char *text)
{
    put(p, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putf(p, "\\%c", *text);
        else if ((unsigned char)*text < 32)
            putf(p, "\\x%02x", (unsigned char)*text);
        else
            putf(p, "%c", *text);
    }
    put(p, "\"");
}

/* ---- names ---- */

static void name_value(struct printer *p, const struct value *v)
{
    if (!v || p->names[v->id])
        return;
    p->names[v->id] = v->name;
    for (int id = 0; id < p->g->next_id; id++)
        if (id != v->id && p->names[id] && strcmp(p->names[id], v->name) == 0)
            p->names[v->id] = ncc_arena_printf(p->a, "%s~%d", v->name, v->id);
}

static void name_all(struct printer *p)
{
    for (int i = 0; i < p->g->inputs.n; i++)
        name_value(p, p->g->inputs.v[i]);
    for (const struct node *n = p->g->first; n; n = n->next) {
        for (int i = 0; i < n->n_in; i++)
            name_value(p, n->in[i]);
        for (int i = 0; i < n->n_out; i++)
            name_value(p, n->out[i]);
    }
    for (int i = 0; i < p->g->outputs.n; i++)
        name_value(p, p->g->outputs.v[i].value);
}

static bool is_plain(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_.:/~-", *c))
            return false;
    return *name != '\0';
}

static void put_value(struct printer *p, const struct value *v)
{
    if (!v) {
        put(p, "_");
        return;
    }
    put(p, "%");
    if (is_plain(p->names[v->id]))
        put(p, p->names[v->id]);
    else
        put_quoted(p, p->names[v->id]);
}

/* ---- attributes ---- */

static void put_attrs(struct printer *p, const struct op_desc *desc, const void *attrs, const char *separator);

static void put_chain(struct printer *p, const struct act_chain *c)
{
    put(p, "[");
    for (int i = 0; i < c->n; i++) {
        const struct op_desc *desc = ncc_op_desc(c->step[i].op);
        putf(p, "%s%s(", i ? "," : "", desc->name);
        if (c->step[i].attrs)
            put_attrs(p, desc, c->step[i].attrs, ",");
        put(p, ")");
    }
    put(p, "]");
}

static void put_ints(struct printer *p, const struct ints *list)
{
    for (int i = 0; i < list->n; i++)
        putf(p, "%c%d", i ? ',' : '[', list->v[i]);
    put(p, "]");
}

static bool is_default(const struct attr_desc *d, const void *field)
{
    switch (d->kind) {
    case ATTR_INT:
    case ATTR_ENUM: return *(const int *)field == (int)d->def;
    case ATTR_FLOAT: return *(const float *)field == (float)d->def;
    case ATTR_BOOL: return *(const bool *)field == (d->def != 0);
    case ATTR_INTS: return ((const struct ints *)field)->n == 0;
    case ATTR_ACT: return ((const struct act_chain *)field)->n == 0;
    }
    return true;
}

static void put_field(struct printer *p, const struct attr_desc *d, const void *field)
{
    switch (d->kind) {
    case ATTR_INT: putf(p, "%d", *(const int *)field); break;
    case ATTR_ENUM: put(p, d->names[*(const int *)field]); break;
    case ATTR_FLOAT: put_real(p, (double)*(const float *)field, true); break;
    case ATTR_BOOL: put(p, *(const bool *)field ? "true" : "false"); break;
    case ATTR_INTS: put_ints(p, field); break;
    case ATTR_ACT: put_chain(p, field); break;
    }
}

/* The separator stands between attributes; a blank one before the first, too. */
static void put_attrs(struct printer *p, const struct op_desc *desc, const void *attrs, const char *separator)
{
    bool first = *separator != ' ';
    for (const struct attr_desc *d = desc->attrs; d && d->name; d++) {
        const void *field = (const char *)attrs + d->offset;
        if (is_default(d, field))
            continue;
        putf(p, "%s%s=", first ? "" : separator, d->name);
        put_field(p, d, field);
        first = false;
    }
}

/* ---- types ---- */

static const char *outside_name(enum outside o)
{
    return o == OUT_ZERO ? "zero" : o == OUT_LOWEST ? "lowest" : "junk";
}

static void put_pairs(struct printer *p, const struct quant *q)
{
    for (int i = 0; i < q->n_channels; i++) {
        put(p, i ? ", " : "");
        put_real(p, q->scale[i], false);
        put(p, ", ");
        put_real(p, q->zero_point[i], false);
    }
}

static bool inherits_quant(const struct value *v)
{
    const struct node *n = v->def;
    return n && (ncc_op_desc(n->op)->flags & OP_SAME_QUANT) && n->in[0]->quant.n_channels == 1;
}

static bool quant_is_known(const struct value *v)
{
    if (!inherits_quant(v))
        return v->quant.n_channels == 0;
    const struct quant *q = &v->quant, *from = &v->def->in[0]->quant;
    return q->n_channels == 1 && q->scale[0] == from->scale[0] && q->zero_point[0] == from->zero_point[0];
}

/* What the parser cannot infer. Annotations of further outputs carry their number. */
static void put_annotations(struct printer *p, const struct value *v, int index)
{
    char which[16] = "";
    if (index > 0)
        snprintf(which, sizeof which, ":%d", index);
    if (!quant_is_known(v)) {
        putf(p, " !q%s(", which);
        put_pairs(p, &v->quant);
        put(p, ")");
    }
    if (v->range.known) {
        putf(p, " !range%s(", which);
        put_real(p, (double)v->range.lo, true);
        put(p, ", ");
        put_real(p, (double)v->range.hi, true);
        put(p, ")");
    }
    if (!v->def && v->mem == MEM_KPU)
        putf(p, " !kpu(%d, %d, %d, %d, %s)", v->window.top, v->window.left, v->window.h, v->window.w,
             outside_name(v->window.outside));
}

static void put_type(struct printer *p, const struct value *v)
{
    char buf[80];
    putf(p, "%s %s", ncc_dtype_name(v->dtype), ncc_shape_text(v->shape, buf));
}

static void put_comment(struct printer *p, const struct node *n)
{
    put(p, "    #");
    for (int i = 0; i < n->n_out; i++) {
        const struct value *v = n->out[i];
        put(p, i ? ", " : " ");
        put_type(p, v);
        if (v->mem == MEM_KPU)
            putf(p, " kpu{%dx%d at (%d, %d), %s}", v->window.h, v->window.w, v->window.top, v->window.left,
                 outside_name(v->window.outside));
        if (v->quant.n_channels == 1)
            putf(p, " quant(%g, %g)", v->quant.scale[0], v->quant.zero_point[0]);
        else if (v->quant.n_channels > 1)
            putf(p, " quant(%d channels)", v->quant.n_channels);
        if (v->addr >= 0)
            putf(p, " at %lld", (long long)v->addr);
    }
    if (n->on_kpu)
        put(p, " on kpu");
    put(p, "\n");
}

/* ---- constants ---- */

static void put_element(struct printer *p, const struct value *v, int64_t i)
{
    if (ncc_element_is_float(v->dtype))
        put_real(p, ncc_element_real(v->dtype, v->data, i), true);
    else
        putf(p, "%lld", (long long)ncc_element_int(v->dtype, v->data, i));
}

static void put_data(struct printer *p, const struct value *v)
{
    const int64_t n = ncc_shape_count(v->shape);
    if (n <= SHORT_CONSTANT || p->all_data) {
        put(p, "{");
        for (int64_t i = 0; i < n; i++) {
            put(p, i ? ", " : " ");
            put_element(p, v, i);
        }
        put(p, " }");
    } else {
        put(p, "{...}");
    }
}

static void put_extent(struct printer *p, const struct value *v)
{
    const int64_t n = ncc_shape_count(v->shape);
    double low = 0, high = 0;
    if (n <= SHORT_CONSTANT || p->all_data)
        return;
    for (int64_t i = 0; i < n; i++) {
        const double x = ncc_element_real(v->dtype, v->data, i);
        low = i == 0 || x < low ? x : low;
        high = i == 0 || x > high ? x : high;
    }
    putf(p, " # %lld elements, %g .. %g", (long long)n, low, high);
}

static void put_constant(struct printer *p, const struct value *v)
{
    if (!ncc_is_const(v) || p->printed[v->id])
        return;
    p->printed[v->id] = true;
    put(p, "const ");
    put_value(p, v);
    put(p, " ");
    put_type(p, v);
    put(p, " = ");
    put_data(p, v);
    put_annotations(p, v, 0);
    put_extent(p, v);
    put(p, "\n");
}

/* ---- lines ---- */

static void put_input(struct printer *p, const struct value *v)
{
    put(p, "input ");
    put_value(p, v);
    put(p, " ");
    put_type(p, v);
    put_annotations(p, v, 0);
    put(p, "\n");
}

static void put_node(struct printer *p, const struct node *n)
{
    const struct op_desc *desc = ncc_op_desc(n->op);
    for (int i = 0; i < n->n_out; i++) {
        put(p, i ? ", " : "");
        put_value(p, n->out[i]);
    }
    putf(p, " = %s(", desc->name);
    for (int i = 0; i < n->n_in; i++) {
        put(p, i ? ", " : "");
        put_value(p, n->in[i]);
    }
    put(p, ")");
    if (n->attrs)
        put_attrs(p, desc, n->attrs, " ");
    if (n->n_out == 0 || strcmp(n->name, p->names[n->out[0]->id]) != 0) {
        put(p, " @");
        put_quoted(p, n->name);
    }
    for (int i = 0; i < n->n_out; i++)
        put_annotations(p, n->out[i], i);
    put_comment(p, n);
}

static void put_output(struct printer *p, const struct graph_output *o)
{
    put(p, "output ");
    put_value(p, o->value);
    put(p, " ");
    put_quoted(p, o->name);
    put(p, "\n");
}

char *ncc_text_print(const struct graph *g, bool all_data, struct arena *a)
{
    struct printer p = {.g = g, .a = a, .all_data = all_data};
    p.names = NCC_NEW(a, const char *, g->next_id);
    p.printed = NCC_NEW(a, bool, g->next_id);
    name_all(&p);
    if (g->file) {
        put(&p, "graph ");
        put_quoted(&p, g->file);
        put(&p, "\n");
    }
    for (int i = 0; i < g->inputs.n; i++)
        put_input(&p, g->inputs.v[i]);
    for (const struct node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->n_in; i++)
            put_constant(&p, n->in[i]);
        put_node(&p, n);
    }
    for (int i = 0; i < g->outputs.n; i++) {
        put_constant(&p, g->outputs.v[i].value);
        put_output(&p, &g->outputs.v[i]);
    }
    NCC_PUSH(a, &p.text, '\0');
    return p.text.v;
}
