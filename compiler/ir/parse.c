/* The text form of a graph (text.h): reading. One statement per line; only a list in braces may
 * run over several. The first error ends it. */
#include "compiler/ir/parse.h"
#include "compiler/ir/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    struct lexer lex;
    struct arena *a;
    struct graph *g;
    struct { struct value **v; int n, cap; } values;
};

/* ---- values ---- */

static struct value *find(const struct parser *p, const char *name)
{
    for (int i = 0; i < p->values.n; i++)
        if (strcmp(p->values.v[i]->name, name) == 0)
            return p->values.v[i];
    return NULL;
}

/* %name or %"name" */
static const char *take_name(struct parser *p)
{
    if (!ncc_lex_need(&p->lex, '%'))
        return NULL;
    return *p->lex.at == '"' ? ncc_lex_quoted(&p->lex) : ncc_lex_word(&p->lex, "a name");
}

static bool take_new_name(struct parser *p, const char **out)
{
    *out = take_name(p);
    if (*out && find(p, *out))
        return ncc_lex_fail(&p->lex, "the name '%.100s' must be new", *out);
    return *out != NULL;
}

static bool take_value(struct parser *p, struct value **out)
{
    const char *name = take_name(p);
    *out = name ? find(p, name) : NULL;
    if (name && !*out)
        return ncc_lex_fail(&p->lex, "the value '%.100s' must stand before its use", name);
    return *out != NULL;
}

static bool take_shape(struct parser *p, struct shape *out)
{
    const char *word = ncc_lex_word(&p->lex, "a shape such as 1x3x32x32");
    *out = (struct shape){0};
    if (!word)
        return false;
    if (strcmp(word, "scalar") == 0)
        return true;
    for (const char *at = word;; at++) {
        char *end;
        const long dim = strtol(at, &end, 10);
        if (end == at || dim < 0 || dim > NCC_MAX_ELEMENTS || out->rank == NCC_MAX_RANK || (*end && *end != 'x'))
            return ncc_lex_fail(&p->lex, "'%.40s' must be a shape such as 1x3x32x32", word);
        out->dim[out->rank++] = (int)dim;
        at = end;
        if (!*at)
            break;
    }
    return ncc_shape_count(*out) >= 0 || ncc_lex_fail(&p->lex, "a tensor must have at most 2^28 elements");
}

static bool take_type(struct parser *p, enum dtype *dtype, struct shape *shape)
{
    const char *word = ncc_lex_word(&p->lex, "an element type");
    if (!word)
        return false;
    if (!ncc_dtype_parse(word, dtype))
        return ncc_lex_fail(&p->lex, "'%.40s' must be an element type", word);
    return take_shape(p, shape);
}

/* ---- annotations ---- */

static bool take_quant(struct parser *p, struct quant *q)
{
    struct { double *v; int n, cap; } scale = {0}, zero = {0};
    while (!ncc_lex_take(&p->lex, ')')) {
        double s, z;
        if (scale.n > 0 && !ncc_lex_need(&p->lex, ','))
            return false;
        if (!ncc_lex_real(&p->lex, &s) || !ncc_lex_need(&p->lex, ',') || !ncc_lex_real(&p->lex, &z))
            return false;
        if (!(s > 0))
            return ncc_lex_fail(&p->lex, "a scale must be positive");
        NCC_PUSH(p->a, &scale, s);
        NCC_PUSH(p->a, &zero, z);
    }
    *q = (struct quant){scale.n, scale.v, zero.v};
    return true;
}

static bool take_range(struct parser *p, struct range *r)
{
    double lo, hi;
    if (!ncc_lex_real(&p->lex, &lo) || !ncc_lex_need(&p->lex, ','))
        return false;
    if (!ncc_lex_real(&p->lex, &hi) || !ncc_lex_need(&p->lex, ')'))
        return false;
    *r = (struct range){true, (float)lo, (float)hi};
    return lo <= hi || ncc_lex_fail(&p->lex, "a range must not be empty");
}

static bool take_window(struct parser *p, struct value *v)
{
    static const char *const words[] = {"junk", "zero", "lowest"};
    long long n[4];
    for (int i = 0; i < 4; i++)
        if (!ncc_lex_int(&p->lex, 0, INT_MAX, &n[i]) || !ncc_lex_need(&p->lex, ','))
            return false;
    const char *word = ncc_lex_word(&p->lex, "junk, zero or lowest");
    for (int i = 0; word && i < 3; i++) {
        if (strcmp(word, words[i]) == 0) {
            v->mem = MEM_KPU;
            v->window = (struct window){(int)n[0], (int)n[1], (int)n[2], (int)n[3], (enum outside)i};
            return ncc_lex_need(&p->lex, ')');
        }
    }
    return word && ncc_lex_fail(&p->lex, "'%.40s' must be junk, zero or lowest", word);
}

/* !q(..) !range(..) !kpu(..) behind a line; ":1" names another output than the first. */
static bool take_annotations(struct parser *p, struct value *const *v, int n)
{
    while (ncc_lex_take(&p->lex, '!')) {
        const char *word = ncc_lex_word(&p->lex, "an annotation");
        if (!word)
            return false;
        const char *colon = strchr(word, ':');
        const size_t length = colon ? (size_t)(colon - word) : strlen(word);
        const long index = colon ? strtol(colon + 1, NULL, 10) : 0;
        if (index < 0 || index >= n || !ncc_lex_need(&p->lex, '('))
            return index >= 0 && index < n ? false : ncc_lex_fail(&p->lex, "'!%.40s' must name an output", word);
        bool good;
        if (length == 1 && word[0] == 'q')
            good = take_quant(p, &v[index]->quant);
        else if (length == 5 && memcmp(word, "range", 5) == 0)
            good = take_range(p, &v[index]->range);
        else if (length == 3 && memcmp(word, "kpu", 3) == 0 && !v[index]->def && !v[index]->data)
            good = take_window(p, v[index]);
        else
            good = ncc_lex_fail(&p->lex, "'!%.40s' must be an annotation that fits here", word);
        if (!good)
            return false;
    }
    return true;
}

/* ---- statements ---- */

static void declare(struct parser *p, struct value *v)
{
    NCC_PUSH(p->a, &p->values, v);
}

static bool parse_input(struct parser *p)
{
    const char *name;
    enum dtype dtype;
    struct shape shape;
    if (!take_new_name(p, &name) || !take_type(p, &dtype, &shape))
        return false;
    struct value *v = ncc_graph_input(p->g, name, dtype, shape);
    declare(p, v);
    return take_annotations(p, &v, 1);
}

static bool parse_const(struct parser *p)
{
    const char *name;
    enum dtype dtype;
    struct shape shape;
    if (!take_new_name(p, &name) || !take_type(p, &dtype, &shape) || !ncc_lex_need(&p->lex, '='))
        return false;
    const int64_t n = ncc_shape_count(shape);
    void *data = ncc_arena_alloc(p->a, (size_t)(n ? n : 1), ncc_dtype_size(dtype), 64);
    if (!ncc_parse_data(&p->lex, dtype, data, n))
        return false;
    struct value *v = ncc_const(p->g, name, dtype, shape, data);
    declare(p, v);
    return take_annotations(p, &v, 1);
}

static bool parse_output(struct parser *p)
{
    struct value *v;
    if (!take_value(p, &v))
        return false;
    ncc_lex_blanks(&p->lex);
    const char *name = *p->lex.at == '"' ? ncc_lex_quoted(&p->lex) : v->name;
    if (name)
        ncc_graph_output(p->g, v, name);
    return name != NULL;
}

struct names {
    const char **v;
    int n, cap;
};

struct operands {
    struct value **v;
    int n, cap;
};

static bool take_results(struct parser *p, struct names *names)
{
    do {
        const char *name;
        if (!take_new_name(p, &name))
            return false;
        for (int i = 0; i < names->n; i++)
            if (strcmp(names->v[i], name) == 0)
                return ncc_lex_fail(&p->lex, "the name '%.100s' must be new", name);
        NCC_PUSH(p->a, names, name);
    } while (ncc_lex_take(&p->lex, ','));
    return ncc_lex_need(&p->lex, '=');
}

static bool take_operands(struct parser *p, struct operands *in)
{
    if (!ncc_lex_need(&p->lex, '('))
        return false;
    while (!ncc_lex_take(&p->lex, ')')) {
        struct value *v = NULL;
        if (in->n > 0 && !ncc_lex_need(&p->lex, ','))
            return false;
        if (!ncc_lex_take(&p->lex, '_') && !take_value(p, &v))
            return false;
        NCC_PUSH(p->a, in, v);
    }
    return true;
}

static bool parse_node(struct parser *p)
{
    struct names names = {0};
    struct operands in = {0};
    enum op op;
    if (!take_results(p, &names))
        return false;
    const char *word = ncc_lex_word(&p->lex, "an operator");
    if (!word)
        return false;
    if (!ncc_op_by_name(word, &op))
        return ncc_lex_fail(&p->lex, "'%.40s' must be an operator", word);
    void *attrs = ncc_attrs_default(op, p->a);
    if (!take_operands(p, &in) || !ncc_parse_attrs(&p->lex, ncc_op_desc(op), attrs))
        return false;
    const char *name = ncc_lex_take(&p->lex, '@') ? ncc_lex_quoted(&p->lex) : names.v[0];
    if (!name)
        return false;
    struct node *n = ncc_node_new(p->g, op, name, attrs, in.v, in.n);
    if (!n)
        return ncc_lex_fail(&p->lex, "the operator must accept what stands on its line");
    if (n->n_out != names.n)
        return ncc_lex_fail(&p->lex, "%s must have %d results here", word, n->n_out);
    for (int i = 0; i < n->n_out; i++) {
        n->out[i]->name = names.v[i];
        declare(p, n->out[i]);
    }
    return take_annotations(p, n->out, n->n_out);
}

static bool parse_graph_line(struct parser *p)
{
    p->g->file = ncc_lex_quoted(&p->lex);
    return p->g->file != NULL;
}

static bool parse_statement(struct parser *p)
{
    if (*p->lex.at == '%')
        return parse_node(p);
    const char *word = ncc_lex_word(&p->lex, "a statement");
    if (!word)
        return false;
    if (strcmp(word, "input") == 0)
        return parse_input(p);
    if (strcmp(word, "const") == 0)
        return parse_const(p);
    if (strcmp(word, "output") == 0)
        return parse_output(p);
    if (strcmp(word, "graph") == 0)
        return parse_graph_line(p);
    return ncc_lex_fail(&p->lex, "'%.40s' must be graph, input, const, output or %%name", word);
}

struct graph *ncc_text_parse(const char *text, const char *file, struct arena *a, struct diags *d)
{
    struct parser p = {.lex = {file, text, 1, a, d}, .a = a, .g = ncc_graph_new(a, d, file)};
    for (ncc_lex_lines(&p.lex); *p.lex.at; ncc_lex_lines(&p.lex)) {
        if (!parse_statement(&p))
            return NULL;
        ncc_lex_blanks(&p.lex);
        if (*p.lex.at && *p.lex.at != '\n') {
            ncc_lex_fail(&p.lex, "the line must end here");
            return NULL;
        }
    }
    return p.g;
}
