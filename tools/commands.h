/* The commands: one row each, one file each. */
#ifndef NCC_TOOLS_COMMANDS_H
#define NCC_TOOLS_COMMANDS_H

#include "tools/arguments.h"

struct command {
    const char *name;
    enum command_bit bit;
    const char *operands; /* as in the usage line */
    const char *help;     /* one line */
    enum ncc_exit (*run)(struct settings *s);
};

enum ncc_exit ncc_command_compile(struct settings *s);
enum ncc_exit ncc_command_infer(struct settings *s);
enum ncc_exit ncc_command_eval(struct settings *s);
enum ncc_exit ncc_command_inspect(struct settings *s);
enum ncc_exit ncc_command_check(struct settings *s);
enum ncc_exit ncc_command_ops(struct settings *s);

#endif
