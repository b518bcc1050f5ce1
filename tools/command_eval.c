#include "tools/commands.h"

enum ncc_exit ncc_command_eval(struct settings *s)
{
    if (!s->compile.dataset) {
        fputs("ncc eval: there are no samples to compare on\n    try: --dataset PATH\n", stderr);
        return NCC_EXIT_USAGE;
    }
    s->compile.model = s->operand[0];
    const struct ncc_judge_options judge = {
        .kmodel = s->operand[1], .labels = s->labels, .gains = s->gains, .calibration = s->calibration};
    return ncc_judge(&s->compile, &judge, stdout, stderr);
}
