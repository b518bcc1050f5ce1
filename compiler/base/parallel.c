/* Plain threads, made for each loop and joined at its end: that costs some 20 us a thread, and idle threads cost
 * nothing. (OpenMP's waiting threads spin, which makes everything slow as soon as the cores have other work too.)
 * Items are handed out one by one, since they differ in cost. */
#include "compiler/base/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_THREADS = 256 };

struct loop {
    void (*body)(void *ctx, int i, int thread);
    void *ctx;
    int n;
    atomic_int next;
};

struct worker {
    struct loop *loop;
    int thread;
    pthread_t id;
};

/* Which thread of the outermost loop this is, and whether there is one. */
static _Thread_local int own_thread;
static _Thread_local bool inside;

int ncc_parallel_threads(void)
{
    const char *text = getenv("NCC_THREADS");
    if (text) {
        char *end;
        const long wanted = strtol(text, &end, 10);
        if (end != text && *end == '\0' && wanted >= 1)
            return wanted < MAX_THREADS ? (int)wanted : MAX_THREADS;
    }
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores < MAX_THREADS ? (int)cores : MAX_THREADS;
}

static void take_items(struct loop *l, int thread)
{
    for (int i = atomic_fetch_add(&l->next, 1); i < l->n; i = atomic_fetch_add(&l->next, 1))
        l->body(l->ctx, i, thread);
}

static void *work(void *arg)
{
    const struct worker *w = arg;
    own_thread = w->thread;
    inside = true;
    take_items(w->loop, w->thread);
    return NULL;
}

void ncc_parallel_for(int n, void (*body)(void *ctx, int i, int thread), void *ctx)
{
    int threads = ncc_parallel_threads();
    if (threads > n)
        threads = n;
    struct loop l = {body, ctx, n, 0};
    if (inside || threads <= 1) {
        /* The number that the thread has in the outer loop keeps apart what nested loops share. */
        take_items(&l, own_thread);
        return;
    }
    struct worker workers[MAX_THREADS];
    int started = 1; /* this thread is number 0 */
    for (; started < threads; started++) {
        workers[started] = (struct worker){&l, started, 0};
        if (pthread_create(&workers[started].id, NULL, work, &workers[started]) != 0)
            break; /* those that are there do the rest */
    }
    inside = true;
    take_items(&l, 0);
    inside = false;
    for (int i = 1; i < started; i++)
        pthread_join(workers[i].id, NULL);
}
