/* Memory by lifetime: an arena hands out zeroed memory and is released whole.
 *
 * There is no NULL to test. When memory runs out (or a limit that the caller set is
 * reached), allocation leaves by one exit: longjmp to the `struct exit` that the API
 * boundary prepared, after which every arena that hangs on this exit can be released.
 *
 *     struct exit out = {0};
 *     struct arena a = ncc_arena_make(&out);
 *     if (setjmp(out.env)) { ncc_arena_release(&a); return NO_MEMORY; }
 *     int *v = NCC_NEW(&a, int, 100);
 *     ncc_arena_release(&a);
 *
 * Arenas are not shared between threads, and nothing inside a parallel region allocates
 * from one of the caller's: longjmp must not cross threads. Code that runs in parallel gets its memory
 * beforehand, or has an arena with an exit of its own for each thread (k210/bands_estimate.c).
 */
#ifndef NCC_BASE_ARENA_H
#define NCC_BASE_ARENA_H

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exit {
    jmp_buf env;       /* set by the API boundary with setjmp */
    size_t used, peak; /* bytes now in blocks; the most so far */
    size_t limit;      /* 0: none; else bytes, over which allocation fails */
    long n_allocs;     /* blocks asked for so far */
    long fail_at;      /* tests: the n-th block fails (1 = first); 0: never */
};

struct arena_block;

struct arena {
    struct arena_block *head;
    char *at, *end;
    struct exit *exit;
    struct arena_block *spare; /* zeros, kept from what was rewound; released with the rest */
    size_t spare_size;         /* bytes; not in exit->used */
};

/* An empty arena; takes no memory until the first allocation. `out` must outlive it. */
struct arena ncc_arena_make(struct exit *out);

/* n * size zeroed bytes, aligned. The product is checked; n = 0 gives a valid pointer. */
void *ncc_arena_alloc(struct arena *a, size_t n, size_t size, size_t align);

/* Leaves as if memory had run out: for a caller whose helpers, on other threads, ran out of theirs. */
_Noreturn void ncc_arena_no_memory(struct arena *a);

/* Gives everything back to the system. The arena is empty afterwards and may be used again. */
void ncc_arena_release(struct arena *a);

/* A place to go back to: what was handed out since then is given back, for work that is tried and thrown away. Marks
 * are rewound in the opposite order; one may be rewound again while no earlier one was.
 *
 *     const struct arena_mark m = ncc_arena_mark(a);
 *     ... try something ...
 *     ncc_arena_rewind(a, &m);
 */
struct arena_mark {
    struct arena_block *head, *behind;
    char *at, *end;
};
struct arena_mark ncc_arena_mark(const struct arena *a);
void ncc_arena_rewind(struct arena *a, const struct arena_mark *m);

#define NCC_NEW(a, type, n) ((type *)ncc_arena_alloc((a), (size_t)(n), sizeof(type), alignof(type)))

/* Formatted and copied strings, NUL terminated. */
char *ncc_arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *ncc_arena_vprintf(struct arena *a, const char *format, va_list args);
char *ncc_arena_copy(struct arena *a, const char *text, size_t length);

/* A growing array: { T *v; int n, cap; }. The old storage stays in the arena until release. */
#define NCC_PUSH(a, array, item)                                                                                       \
    do {                                                                                                               \
        if ((array)->n == (array)->cap)                                                                                \
            (array)->v = ncc_arena_grow((a), (array)->v, (array)->n, &(array)->cap, sizeof *(array)->v);               \
        (array)->v[(array)->n++] = (item);                                                                             \
    } while (0)
void *ncc_arena_grow(struct arena *a, const void *old, int n, int *cap, size_t item_size);

#endif
