/* Loops over independent items on all cores (plain threads underneath). */
#ifndef NCC_BASE_PARALLEL_H
#define NCC_BASE_PARALLEL_H

/* Threads that ncc_parallel_for will use, at least 1. NCC_THREADS in the environment
 * overrides the number of cores. Results never depend on it. */
int ncc_parallel_threads(void);

/* Calls body(ctx, i, thread) for i = 0..n-1 in any order; 0 <= thread < ncc_parallel_threads().
 * The body must not leave by longjmp, so it allocates from no arena whose exit is the caller's. */
void ncc_parallel_for(int n, void (*body)(void *ctx, int i, int thread), void *ctx);

#endif
