#include "compiler/base/gemm.h"

#include <cblas.h>
#include <omp.h>
#include <stdbool.h>

/* OpenBLAS asks OpenMP how many threads the calling thread may use: each thread has to say so itself. (Its build with
 * threads of its own asks nobody, and is told.) */
static void use_one_thread(void)
{
    static _Thread_local bool told;
    if (told)
        return;
    omp_set_num_threads(1);
    openblas_set_num_threads(1);
    told = true;
}

void ncc_gemm(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c, int ldc, int accumulate)
{
    use_one_thread();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, a, lda, b, ldb, accumulate ? 1.0f : 0.0f, c,
                ldc);
}
