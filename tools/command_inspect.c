#include "tools/commands.h"

#include <ncc/inspect.h>

enum ncc_exit ncc_command_inspect(struct settings *s)
{
    const struct ncc_inspect_options options = {
        .json = s->compile.json, .disasm = s->disasm, .firmware = s->compile.firmware};
    return ncc_inspect(s->operand[0], &options, stdout, stderr);
}
