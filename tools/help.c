/* --help: the table of options, with their defaults. */
#include "tools/option_table.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DEFAULT = 80, MAX_HELP = 400, LEFT = 39, WIDTH = 100 };

/* The one word for the set, or those that make it, with commas; words of several elements come last. */
static const char *set_text(const struct option *o, unsigned set, char text[MAX_DEFAULT])
{
    unsigned left = set;
    for (const struct word *w = o->words; w->text; w++)
        if ((unsigned)w->value == set)
            return w->text;
    for (const struct word *w = o->words; w->text && left; w++)
        if (((unsigned)w->value & left) == (unsigned)w->value) {
            snprintf(text + strlen(text), MAX_DEFAULT - strlen(text), "%s%s", *text ? "," : "", w->text);
            left &= ~(unsigned)w->value;
        }
    return text;
}

/* The default as a word, from the value that is in the settings before anything was parsed. */
static const char *default_text(const struct settings *s, const struct option *o, char text[MAX_DEFAULT])
{
    const void *at = (const char *)s + o->offset;
    *text = 0;
    switch ((int)o->kind) {
    case KIND_WORD:
    case KIND_EITHER:
        for (const struct word *w = o->words; w->text; w++)
            if (w->value == (o->kind == KIND_WORD ? *(const int *)at : *(const bool *)at) && !w->refused)
                return w->text;
        return text;
    case KIND_SET:
        return set_text(o, *(const unsigned *)at, text);
    case KIND_INT:
        snprintf(text, MAX_DEFAULT, "%d", *(const int *)at);
        return text;
    case KIND_SECONDS:
        snprintf(text, MAX_DEFAULT, "%g", *(const double *)at);
        return text;
    default:
        return text;
    }
}

/* Words of the text, in lines of WIDTH columns that begin at column LEFT, where the first one stands already. */
static void print_words(const char *text, FILE *out)
{
    int column = LEFT;
    while (*text) {
        const int length = (int)strcspn(text, " ");
        if (column > LEFT && column + 1 + length > WIDTH) {
            fprintf(out, "\n%*s", LEFT, "");
            column = LEFT;
        }
        column += fprintf(out, "%s%.*s", column > LEFT ? " " : "", length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void print_option(const struct settings *s, const struct option *o, FILE *out)
{
    char left[LEFT + 20], initial[MAX_DEFAULT], text[MAX_HELP];
    const char *value = default_text(s, o, initial);
    snprintf(left, sizeof left, "  %s%c%s--%s %s", o->letter ? "-" : "  ", o->letter ? o->letter : ' ',
             o->letter ? ", " : " ", o->name, o->argument ? o->argument : "");
    fprintf(out, "%-*s ", LEFT - 1, left);
    snprintf(text, sizeof text, "%s%s%s%s", o->help, *value ? " (default: " : "", value, *value ? ")" : "");
    print_words(text, out);
}

void ncc_options_help(enum command_bit command, const char *name, const char *operands, const struct settings *s)
{
    printf("usage: ncc %s%s%s [options]\n\n", name, *operands ? " " : "", operands);
    for (int i = 0; i < ncc_n_options; i++)
        if (ncc_options[i].commands & command)
            print_option(s, &ncc_options[i], stdout);
}
