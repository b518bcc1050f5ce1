#include "tools/commands.h"

enum ncc_exit ncc_command_ops(struct settings *s)
{
    ncc_print_ops(stdout, s->markdown);
    return NCC_EXIT_DONE;
}
