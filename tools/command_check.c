#include "tools/commands.h"

enum ncc_exit ncc_command_check(struct settings *s)
{
    s->compile.model = s->operand[0];
    return ncc_check(&s->compile, stdout, stderr);
}
