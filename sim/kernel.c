#include "sim/kernel.h"

static const struct ncc_sim_kernel *const kernels[] = {
    &ncc_sim_kernel_avx512,
    &ncc_sim_kernel_avx2,
    &ncc_sim_kernel_plain,
};

const struct ncc_sim_kernel *const *ncc_sim_kernels(int *n)
{
    *n = sizeof kernels / sizeof *kernels;
    return kernels;
}

const struct ncc_sim_kernel *ncc_sim_kernel_best(void)
{
    int i = 0;
    while (!kernels[i]->available())
        i++;
    return kernels[i];
}
