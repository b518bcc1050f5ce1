#include "tools/option_table.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- suggestions ---- */

static int least(int a, int b, int c)
{
    const int ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Letters to change, insert or remove to get from one word to the other; words of at most MAX_WORD letters. */
enum { MAX_WORD = 40 };
static int distance(const char *a, const char *b)
{
    const int na = (int)strlen(a), nb = (int)strlen(b);
    int row[MAX_WORD + 1];
    if (na > MAX_WORD || nb > MAX_WORD)
        return INT_MAX;
    for (int k = 0; k <= nb; k++)
        row[k] = k;
    for (int i = 1; i <= na; i++) {
        int corner = row[0];
        row[0] = i;
        for (int k = 1; k <= nb; k++) {
            const int above = row[k];
            row[k] = least(above + 1, row[k - 1] + 1, corner + (a[i - 1] != b[k - 1]));
            corner = above;
        }
    }
    return row[nb];
}

const char *ncc_arguments_nearest(const char *word, const char *const *candidates, int n)
{
    const char *best = NULL;
    int least_distance = 1 + (int)strlen(word) / 2;
    for (int i = 0; i < n; i++) {
        const int d = distance(word, candidates[i]);
        if (d < least_distance) {
            least_distance = d;
            best = candidates[i];
        }
    }
    return best;
}

/* ---- taking arguments ---- */

struct parser {
    enum command_bit command;
    const char *name; /* of the command */
    struct settings *s;
};

static bool wrong(const struct parser *p, const struct option *o, const char *wants, const char *found)
{
    fprintf(stderr, "ncc %s: option --%s needs %s\n", p->name, o->name, wants);
    if (found)
        fprintf(stderr, "    found: '%s'\n", found);
    return false;
}

static bool read_number(const char *text, double low, double high, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out) && *out >= low && *out <= high;
}

static bool take_word(const struct parser *p, const struct option *o, const char *text, int *to)
{
    char list[120] = "one of";
    for (const struct word *w = o->words; w->text; w++) {
        if (!strcmp(w->text, text) && !w->refused) {
            *to = w->value;
            return true;
        }
        if (!strcmp(w->text, text)) {
            fprintf(stderr, "ncc %s: --%s %s: %s\n", p->name, o->name, text, w->refused);
            return false;
        }
        if (!w->refused)
            snprintf(list + strlen(list), sizeof list - strlen(list), " %s", w->text);
    }
    return wrong(p, o, list, text);
}

/* "a,b": these; "no-a,+b": what was chosen before, without a and with b. */
static bool take_set(const struct parser *p, const struct option *o, char *text, unsigned *set)
{
    unsigned result = *text == '+' || strncmp(text, "no-", 3) == 0 ? *set : 0;
    for (char *part = text, *next; part; part = next) {
        int word = 0;
        next = strchr(part, ',');
        if (next)
            *next++ = 0;
        const bool away = strncmp(part, "no-", 3) == 0;
        if (!take_word(p, o, part + (away ? 3 : *part == '+'), &word))
            return false;
        result = away ? result & ~(unsigned)word : result | (unsigned)word;
    }
    *set = result;
    return true;
}

static bool take_shape(const struct parser *p, const struct option *o, char *text)
{
    static const char wants[] = "NAME=1,3,224,224, with at most 6 sizes";
    struct ncc_compile_options *c = &p->s->compile;
    char *at = strrchr(text, '=');
    if (!at || at == text)
        return wrong(p, o, wants, text);
    if (c->n_shapes == MAX_SHAPES)
        return wrong(p, o, "to be given at most 16 times", NULL);
    struct ncc_shape_override shape = {.name = text};
    char *end = at;
    do {
        const char *number = end + 1;
        const long size = strtol(number, &end, 10);
        if (end == number || size < 1 || size > INT_MAX || shape.rank == 6 || (*end && *end != ','))
            return wrong(p, o, wants, text);
        shape.dim[shape.rank++] = (int)size;
    } while (*end);
    *at = 0;
    p->s->shapes[c->n_shapes++] = shape;
    return true;
}

static bool take_tensor(const struct parser *p, const struct option *o, const char *text, const char **list, int *n)
{
    if (*n == MAX_TENSORS)
        return wrong(p, o, "to be given at most 64 times", NULL);
    list[(*n)++] = text;
    return true;
}

/* One number, or one for each channel. */
static bool take_norm(const struct parser *p, const struct option *o, char *text)
{
    struct ncc_compile_options *c = &p->s->compile;
    const bool is_std = o->kind == KIND_STD;
    const char *wants = is_std ? "a number other than 0, or one for each of up to 4 channels, separated by commas"
                               : "a number, or one for each of up to 4 channels, separated by commas";
    float *to = is_std ? c->by_channel.std : c->by_channel.mean;
    int n = 0;
    for (char *part = text, *next; part; part = next) {
        double number = 0;
        next = strchr(part, ',');
        if (next)
            *next++ = 0;
        if (n == 4 || !read_number(part, -FLT_MAX, FLT_MAX, &number) || (is_std && (float)number == 0))
            return wrong(p, o, wants, part);
        to[n++] = (float)number;
    }
    c->has_norm = true;
    *(is_std ? &p->s->n_stds : &p->s->n_means) = n;
    if (n == 1)
        *(is_std ? &c->std : &c->mean) = to[0];
    return true;
}

/* Where only one of mean and std has a number for each channel, the other holds for all. */
static bool complete_norm(const struct parser *p)
{
    struct settings *s = p->s;
    struct ncc_channel_norm *by = &s->compile.by_channel;
    const int n = s->n_means > s->n_stds ? s->n_means : s->n_stds;
    if (n < 2)
        return true;
    if (s->n_means > 1 && s->n_stds > 1 && s->n_means != s->n_stds) {
        fprintf(stderr, "ncc %s: --input-mean has %d numbers, --input-std %d\n", p->name, s->n_means, s->n_stds);
        return false;
    }
    by->n = n;
    for (int c = 0; c < n; c++) {
        by->mean[c] = s->n_means > 1 ? by->mean[c] : s->compile.mean;
        by->std[c] = s->n_stds > 1 ? by->std[c] : s->compile.std;
    }
    return true;
}

static bool take(const struct parser *p, const struct option *o, char *text)
{
    void *to = (char *)p->s + o->offset;
    double number = 0;
    int word = 0;
    switch (o->kind) {
    case KIND_FLAG:
    case KIND_IGNORED:
        *(bool *)to = true;
        return true;
    case KIND_TEXT:
        *(const char **)to = text;
        return *text ? true : wrong(p, o, o->argument, text);
    case KIND_WORD:
        if (!take_word(p, o, text, &word))
            return false;
        *(int *)to = word;
        return true;
    case KIND_EITHER:
        if (!take_word(p, o, text, &word))
            return false;
        *(bool *)to = word;
        return true;
    case KIND_SET:
        return take_set(p, o, text, to);
    case KIND_NO_SET:
        *(unsigned *)to = 0;
        return true;
    case KIND_INT:
        if (!read_number(text, 0, INT_MAX, &number) || number != floor(number))
            return wrong(p, o, "a whole number of at least 0", text);
        *(int *)to = (int)number;
        return true;
    case KIND_MEAN:
    case KIND_STD:
        return take_norm(p, o, text);
    case KIND_SECONDS:
        if (!read_number(text, 0, 1e6, &number))
            return wrong(p, o, "a number of seconds", text);
        *(double *)to = number;
        return true;
    case KIND_DECIBEL:
        if (!read_number(text, 0, 150, &number))
            return wrong(p, o, "a number of decibels, 0..150", text);
        *(double *)to = number;
        return true;
    case KIND_SHAPE:
        return take_shape(p, o, text);
    case KIND_INPUT:
        return take_tensor(p, o, text, p->s->input_tensors, &p->s->compile.n_input_tensors);
    case KIND_OUTPUT:
        return take_tensor(p, o, text, p->s->output_tensors, &p->s->compile.n_output_tensors);
    case KIND_HELP:
    case KIND_VERSION:
        break;
    }
    return true;
}

/* ---- the line ---- */

static const struct option *find_letter(const struct parser *p, char letter)
{
    for (int i = 0; i < ncc_n_options; i++)
        if (ncc_options[i].letter == letter && ncc_options[i].commands & p->command)
            return &ncc_options[i];
    return NULL;
}

static const struct option *find_name(const struct parser *p, const char *name, size_t length)
{
    for (int i = 0; i < ncc_n_options; i++)
        if (strlen(ncc_options[i].name) == length && !memcmp(ncc_options[i].name, name, length) &&
            ncc_options[i].commands & p->command)
            return &ncc_options[i];
    return NULL;
}

static const struct option *unknown(const struct parser *p, const char *arg)
{
    const char *names[80];
    int n = 0;
    for (int i = 0; i < ncc_n_options && n < 80; i++)
        if (ncc_options[i].commands & p->command)
            names[n++] = ncc_options[i].name;
    const char *nearest = ncc_arguments_nearest(arg + strspn(arg, "-"), names, n);
    fprintf(stderr, "ncc %s: unknown option '%s'\n", p->name, arg);
    fprintf(stderr, nearest ? "    try: --%s\n" : "    try: ncc %s --help\n", nearest ? nearest : p->name);
    return NULL;
}

/* One option, in the forms --name value, --name=value, -x value and -xvalue. Moves *i over what it took. */
static const struct option *read_option(const struct parser *p, int argc, char **argv, int *i)
{
    char *arg = argv[*i], *value = NULL;
    const struct option *o;
    if (arg[1] == '-') {
        const size_t length = strcspn(arg + 2, "=");
        o = find_name(p, arg + 2, length);
        value = arg[2 + length] ? arg + 2 + length + 1 : NULL;
    } else {
        o = find_letter(p, arg[1]);
        value = arg[2] ? arg + 2 : NULL;
    }
    if (!o)
        return unknown(p, arg);
    if (!o->argument && value)
        return wrong(p, o, "no argument", value), NULL;
    if (o->argument && !value) {
        if (++*i >= argc)
            return wrong(p, o, o->argument, NULL), NULL;
        value = argv[*i];
    }
    return take(p, o, value) ? o : NULL;
}

static int count_operands(const char *operands)
{
    int n = *operands != 0;
    for (; *operands; operands++)
        n += *operands == ' ';
    return n;
}

static bool add_operand(const struct parser *p, const char *operands, const char *text)
{
    struct settings *s = p->s;
    if (s->n_operands == count_operands(operands)) {
        fprintf(stderr, "ncc %s: one argument too many: '%s'\n    try: ncc %s%s%s\n", p->name, text, p->name,
                *operands ? " " : "", operands);
        return false;
    }
    s->operand[s->n_operands++] = text;
    return true;
}

static bool check_operands(const struct parser *p, const char *operands)
{
    if (p->s->n_operands == count_operands(operands))
        return true;
    fprintf(stderr, "ncc %s: %s is missing\n    try: ncc %s %s\n", p->name,
            p->s->n_operands ? strchr(operands, ' ') + 1 : operands, p->name, operands);
    return false;
}

/* Help or the version, if the option asks for it. Defaults are shown as they are without the options before. */
static bool show(const struct parser *p, const struct option *o, const char *operands)
{
    if (o->kind == KIND_VERSION)
        printf("ncc %s\n", ncc_version());
    if (o->kind == KIND_HELP) {
        ncc_compile_defaults(&p->s->compile);
        ncc_options_help(p->command, p->name, operands, p->s);
    }
    return o->kind == KIND_VERSION || o->kind == KIND_HELP;
}

static enum parsed parse(const struct parser *p, const char *operands, int argc, char **argv)
{
    bool only_operands = false;
    for (int i = 0; i < argc; i++) {
        if (!only_operands && !strcmp(argv[i], "--")) {
            only_operands = true;
        } else if (only_operands || argv[i][0] != '-' || !argv[i][1]) {
            if (!add_operand(p, operands, argv[i]))
                return PARSED_WRONG;
        } else {
            const struct option *o = read_option(p, argc, argv, &i);
            if (!o)
                return PARSED_WRONG;
            if (show(p, o, operands))
                return PARSED_SHOWN;
        }
    }
    return complete_norm(p) && check_operands(p, operands) ? PARSED_RUN : PARSED_WRONG;
}

enum parsed ncc_arguments_parse(enum command_bit command, const char *name, const char *operands, int argc, char **argv,
                                struct settings *s)
{
    const struct parser p = {command, name, s};
    memset(s, 0, sizeof *s);
    ncc_compile_defaults(&s->compile);
    s->compile.shapes = s->shapes;
    s->compile.input_tensors = s->input_tensors;
    s->compile.output_tensors = s->output_tensors;
    return parse(&p, operands, argc, argv);
}
