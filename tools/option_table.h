/* The table of options. Private to tools/. */
#ifndef NCC_TOOLS_OPTION_TABLE_H
#define NCC_TOOLS_OPTION_TABLE_H

#include "tools/arguments.h"

/* What an option does with its argument. */
enum kind {
    KIND_FLAG,    /* bool, no argument */
    KIND_TEXT,    /* const char * */
    KIND_WORD,    /* int or enum, one of `words` */
    KIND_EITHER,  /* bool, one of two `words` */
    KIND_SET,     /* unsigned, several `words` whose values are sets, with commas; "no-" in front takes one from the
                     default, "+" adds */
    KIND_NO_SET,  /* unsigned: empties the set; no argument */
    KIND_INT,     /* int, low..high */
    KIND_MEAN,    /* float; from now on there are a mean and a std */
    KIND_STD,     /* the same, and not 0 */
    KIND_SECONDS, /* double */
    KIND_DECIBEL, /* double */
    KIND_SHAPE,   /* NAME=1,3,224,224, several times */
    KIND_INPUT,   /* a tensor's name, several times */
    KIND_OUTPUT,
    KIND_IGNORED, /* takes an argument and remembers that it was given (bool) */
    KIND_HELP,
    KIND_VERSION,
};

struct word {
    const char *text;
    int value;
    const char *refused; /* not NULL: known, but cannot be chosen, and why */
};

struct option {
    char letter; /* 0: none */
    const char *name;
    const char *argument; /* in the help; NULL: takes none */
    unsigned commands;
    enum kind kind;
    size_t offset; /* in struct settings */
    const struct word *words;
    const char *help; /* one line */
};

/* In the order of the help. */
extern const struct option ncc_options[];
extern const int ncc_n_options;

/* help.c: prints the options of a command; their defaults are what stands in s before anything was parsed. */
void ncc_options_help(enum command_bit command, const char *name, const char *operands, const struct settings *s);

#endif
