/* The text form of a graph (text.h): reading. One statement per line; only a list in braces may
 * run over several. The first error ends it. */
#include "compiler/ir/element.h"
#include "compiler/ir/lex.h"
#include "compiler/ir/text.h"

#include <ctype.h>
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

/* ---- attributes ---- */

static bool take_attrs(struct parser *p, const struct op_desc *desc, void *attrs, bool in_chain);

static bool take_enum(struct parser *p, const struct attr_desc *d, int *out)
{
    const char *word = ncc_lex_word(&p->lex, "a word");
    for (int i = 0; word && d->names[i]; i++) {
        if (strcmp(word, d->names[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return word && ncc_lex_fail(&p->lex, "'%.40s' must be one of the words of %s", word, d->name);
}

static bool take_ints(struct parser *p, struct ints *out)
{
    out->n = 0;
    if (!ncc_lex_need(&p->lex, '['))
        return false;
    while (!ncc_lex_take(&p->lex, ']')) {
        long long x;
        if (out->n == NCC_MAX_INTS)
            return ncc_lex_fail(&p->lex, "a list must have at most %d numbers", NCC_MAX_INTS);
        if ((out->n > 0 && !ncc_lex_need(&p->lex, ',')) || !ncc_lex_int(&p->lex, INT_MIN, INT_MAX, &x))
            return false;
        out->v[out->n++] = (int)x;
    }
    return true;
}

static bool take_chain(struct parser *p, struct act_chain *out)
{
    out->n = 0;
    if (!ncc_lex_need(&p->lex, '['))
        return false;
    while (!ncc_lex_take(&p->lex, ']')) {
        enum op op;
        if (out->n == NCC_MAX_ACT)
            return ncc_lex_fail(&p->lex, "a chain must have at most %d steps", NCC_MAX_ACT);
        if (out->n > 0 && !ncc_lex_need(&p->lex, ','))
            return false;
        const char *word = ncc_lex_word(&p->lex, "an operator");
        if (!word)
            return false;
        if (!ncc_op_by_name(word, &op) || !ncc_op_desc(op)->scalar)
            return ncc_lex_fail(&p->lex, "'%.40s' must be an operator of one element", word);
        void *attrs = ncc_attrs_default(op, p->a);
        if (!ncc_lex_need(&p->lex, '(') || !take_attrs(p, ncc_op_desc(op), attrs, true) || !ncc_lex_need(&p->lex, ')'))
            return false;
        out->step[out->n++] = (struct act_step){op, attrs};
    }
    return true;
}

static bool take_bool(struct parser *p, bool *out)
{
    const char *word = ncc_lex_word(&p->lex, "true or false");
    if (!word)
        return false;
    *out = strcmp(word, "true") == 0;
    return *out || strcmp(word, "false") == 0 || ncc_lex_fail(&p->lex, "'%.40s' must be true or false", word);
}

static bool take_field(struct parser *p, const struct attr_desc *d, void *field)
{
    long long x = 0;
    double real = 0;
    switch (d->kind) {
    case ATTR_INT:
        if (!ncc_lex_int(&p->lex, INT_MIN, INT_MAX, &x))
            return false;
        *(int *)field = (int)x;
        return true;
    case ATTR_FLOAT:
        if (!ncc_lex_real(&p->lex, &real))
            return false;
        *(float *)field = (float)real;
        return true;
    case ATTR_BOOL: return take_bool(p, field);
    case ATTR_ENUM: return take_enum(p, d, field);
    case ATTR_INTS: return take_ints(p, field);
    case ATTR_ACT: return take_chain(p, field);
    }
    return false;
}

/* name=value, with commas between them inside of a chain. */
static bool take_attrs(struct parser *p, const struct op_desc *desc, void *attrs, bool in_chain)
{
    for (bool first = true;; first = false) {
        ncc_lex_blanks(&p->lex);
        if (!isalpha((unsigned char)*p->lex.at) && (first || !in_chain))
            return true;
        if (!first && in_chain && !ncc_lex_take(&p->lex, ','))
            return true;
        const char *word = ncc_lex_word(&p->lex, "an attribute");
        const struct attr_desc *d = desc->attrs;
        while (word && d && d->name && strcmp(d->name, word) != 0)
            d++;
        if (!word)
            return false;
        if (!d || !d->name)
            return ncc_lex_fail(&p->lex, "'%.40s' must be an attribute of %s", word, desc->name);
        if (!ncc_lex_need(&p->lex, '=') || !take_field(p, d, (char *)attrs + d->offset))
            return false;
    }
}

/* ---- constants ---- */

/* splitmix64 (Steele, Lea and Flood, 2014): the next of a sequence of 64-bit numbers. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Reals: -1 <= x < 1 in steps of 2^-23. Integers: all of an 8- or 16-bit type, else 16 bits, signed. */
static void set_random(enum dtype t, void *data, int64_t i, uint64_t bits)
{
    if (ncc_element_is_float(t))
        ncc_element_set_real(t, data, i, (double)(bits >> 40) / 8388608.0 - 1.0);
    else if (t == DT_BOOL)
        ncc_element_set_int(t, data, i, (int64_t)(bits & 1));
    else
        ncc_element_set_int(t, data, i, (int16_t)(bits >> 48));
}

static bool take_element(struct parser *p, enum dtype t, void *data, int64_t i)
{
    double real;
    long long x;
    if (ncc_element_is_float(t)) {
        if (!ncc_lex_real(&p->lex, &real))
            return false;
        ncc_element_set_real(t, data, i, real);
        return true;
    }
    if (!ncc_lex_int(&p->lex, ncc_element_min(t), ncc_element_max(t), &x))
        return false;
    ncc_element_set_int(t, data, i, x);
    return true;
}

static bool take_list(struct parser *p, enum dtype t, void *data, int64_t n)
{
    if (!ncc_lex_need(&p->lex, '{'))
        return false;
    for (int64_t i = 0; i < n; i++) {
        ncc_lex_lines(&p->lex);
        if (i > 0 && !ncc_lex_need(&p->lex, ','))
            return false;
        ncc_lex_lines(&p->lex);
        if (!take_element(p, t, data, i))
            return false;
    }
    ncc_lex_lines(&p->lex);
    return ncc_lex_take(&p->lex, '}') || ncc_lex_fail(&p->lex, "the list must have %lld elements", (long long)n);
}

static bool take_data(struct parser *p, enum dtype t, void *data, int64_t n)
{
    long long seed;
    ncc_lex_blanks(&p->lex);
    if (*p->lex.at == '{')
        return take_list(p, t, data, n);
    const char *word = ncc_lex_word(&p->lex, "data");
    if (!word)
        return false;
    if (strcmp(word, "zeros") == 0)
        return true;
    if (strcmp(word, "iota") == 0) {
        for (int64_t i = 0; i < n; i++)
            ncc_element_set_int(t, data, i, i);
        return true;
    }
    if (strcmp(word, "splat") == 0) {
        union { int64_t align; char bytes[8]; } one;
        if (!take_element(p, t, &one, 0))
            return false;
        for (int64_t i = 0; i < n; i++)
            memcpy((char *)data + (size_t)i * ncc_dtype_size(t), &one, ncc_dtype_size(t));
        return true;
    }
    if (strcmp(word, "random") != 0)
        return ncc_lex_fail(&p->lex, "'%.40s' must be zeros, splat, iota, random or a list in braces", word);
    if (!ncc_lex_int(&p->lex, LLONG_MIN, LLONG_MAX, &seed))
        return false;
    uint64_t state = (uint64_t)seed;
    for (int64_t i = 0; i < n; i++)
        set_random(t, data, i, next_random(&state));
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
    if (!take_data(p, dtype, data, n))
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
    if (!take_operands(p, &in) || !take_attrs(p, ncc_op_desc(op), attrs, false))
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
