#include <ncc/compiler.h>

#include <string.h>

void ncc_compile_defaults(struct ncc_compile_options *o)
{
    memset(o, 0, sizeof *o);
    o->mean = 0;
    o->std = 1;
    o->output_quantize_threshold = 1024;
    o->kmodel_version = 4;
    o->weight_bits = 8;
    /* What gains on the median of the models that it changes: tests/gains.csv. */
    o->steps.equalise = NCC_EQUALISE_RELU | NCC_EQUALISE_DEPTHWISE;
    o->steps.joint_scales = NCC_JOINT_ALL;
    o->solve_seconds = 1;
}

const char *ncc_version(void)
{
    return NCC_VERSION;
}
