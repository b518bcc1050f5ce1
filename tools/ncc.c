/* ncc: the command line of the compiler. */
#include "tools/commands.h"

#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static const struct command commands[] = {
    {"compile", CMD_COMPILE, "MODEL OUTPUT", "turn a trained model into a kmodel for the K210", ncc_command_compile},
    {"infer", CMD_INFER, "MODEL OUTDIR", "run a kmodel in the simulator, or a source model in floating point",
     ncc_command_infer},
    {"eval", CMD_EVAL, "MODEL KMODEL", "hold a kmodel against its source model: every output, every layer",
     ncc_command_eval},
    {"inspect", CMD_INSPECT, "KMODEL", "show what is in a kmodel: memory, layers, estimated time", ncc_command_inspect},
    {"check", CMD_CHECK, "MODEL", "say what will run where and what is not supported, without compiling",
     ncc_command_check},
    {"ops", CMD_OPS, "", "list the operators that are supported", ncc_command_ops},
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_usage(FILE *out)
{
    fputs("usage: ncc COMMAND ...\n\nA compiler of neural networks for the Kendryte K210.\n\n", out);
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-8s %-13s %s\n", commands[i].name, commands[i].operands, commands[i].help);
    fputs("\n  -v, --version  print the version\n  -h, --help     print this text\n\n"
          "'ncc COMMAND --help' lists the options of a command, ncc(1) describes them.\n",
          out);
}

static int unknown_command(const char *name)
{
    const char *names[N_COMMANDS];
    for (int i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i].name;
    const char *nearest = ncc_arguments_nearest(name, names, N_COMMANDS);
    fprintf(stderr, "ncc: there is no command '%s'\n", name);
    if (nearest)
        fprintf(stderr, "    try: ncc %s\n", nearest);
    else
        fputs("    try: ncc --help\n", stderr);
    return NCC_EXIT_USAGE;
}

static int run(const struct command *c, int argc, char **argv)
{
    struct settings s;
    switch (ncc_arguments_parse(c->bit, c->name, c->operands, argc, argv, &s)) {
    case PARSED_SHOWN:
        return NCC_EXIT_DONE;
    case PARSED_WRONG:
        return NCC_EXIT_USAGE;
    case PARSED_RUN:
        break;
    }
    return (int)c->run(&s);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return NCC_EXIT_USAGE;
    }
    const char *word = argv[1];
    if (!strcmp(word, "-h") || !strcmp(word, "--help") || !strcmp(word, "help")) {
        print_usage(stdout);
        return NCC_EXIT_DONE;
    }
    if (!strcmp(word, "-v") || !strcmp(word, "--version")) {
        printf("ncc %s\n", ncc_version());
        return NCC_EXIT_DONE;
    }
    for (int i = 0; i < N_COMMANDS; i++)
        if (!strcmp(word, commands[i].name))
            return run(&commands[i], argc - 2, argv + 2);
    return unknown_command(word);
}

/* Evaluating and lowering take the same large blocks again and again: each time from the system, which clears every page
 * first, would take a tenth of a compilation. */
static void keep_freed_memory(void)
{
#ifdef __GLIBC__
    enum { LARGEST_KEPT = 32 << 20, KEPT = 256 << 20 };
    mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT);
    mallopt(M_TRIM_THRESHOLD, KEPT);
#endif
}

int main(int argc, char **argv)
{
    keep_freed_memory();
    const int status = dispatch(argc, argv);
    /* A full disk or a closed pipe shows only here. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("ncc: standard output");
        return status == NCC_EXIT_DONE ? NCC_EXIT_INPUT : status;
    }
    return status;
}
