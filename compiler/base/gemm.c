#include "compiler/base/gemm.h"

#include <cblas.h>
#include <pthread.h>

static void make_serial(void)
{
    openblas_set_num_threads(1);
}

void ncc_gemm(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c, int ldc, int accumulate)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_serial);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, a, lda, b, ldb, accumulate ? 1.0f : 0.0f, c,
                ldc);
}
