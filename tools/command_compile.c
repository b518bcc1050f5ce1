#include "tools/commands.h"

enum ncc_exit ncc_command_compile(struct settings *s)
{
    s->compile.model = s->operand[0];
    s->compile.output = s->operand[1];
    if (s->ignored_weights_threshold && !s->compile.quiet)
        fputs("note: --weights-quantize-threshold has no effect: weights are quantised per channel, so no layer needs "
              "to go to the CPU for its weights\n",
              stderr);
    return ncc_compile(&s->compile, stdout, stderr);
}
