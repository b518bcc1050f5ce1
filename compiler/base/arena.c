/* Arenas as chains of blocks from calloc, which is what zeroes the memory.
 *
 * Common blocks double in size. A request that would waste much of such a block gets one of its own, which is
 * chained in behind the head so that the head's free space stays in use.
 *
 * Common blocks that rewinding frees are zeroed where they were used and kept for the next attempt: to give them to the
 * system and take them again, page by page, took a third of the time of compiling a large net. */
#include "compiler/base/arena.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 64 << 10, LAST_BLOCK = 16 << 20, MAX_ALIGN = 64 };

/* Bytes that an arena may keep. The address sanitizer sees stale pointers only into what was freed. */
#ifdef __SANITIZE_ADDRESS__
enum { MAX_SPARE = 0 };
#else
enum { MAX_SPARE = 48 << 20 };
#endif

struct arena_block {
    struct arena_block *next;
    size_t size;      /* of the whole block, with this header */
    size_t next_size; /* of the common block that follows this one */
};

struct arena ncc_arena_make(struct exit *out)
{
    return (struct arena){.exit = out};
}

static _Noreturn void leave(struct exit *out)
{
    longjmp(out->env, 1);
}

_Noreturn void ncc_arena_no_memory(struct arena *a)
{
    leave(a->exit);
}

static bool fits_limit(const struct exit *out, size_t size)
{
    return out->limit == 0 || (out->used <= out->limit && size <= out->limit - out->used);
}

/* A block of zeros that was kept, or NULL. */
static struct arena_block *take_spare(struct arena *a, size_t size)
{
    for (struct arena_block **at = &a->spare; *at; at = &(*at)->next)
        if ((*at)->size == size) {
            struct arena_block *block = *at;
            *at = block->next;
            a->spare_size -= size;
            block->next = NULL;
            return block;
        }
    return NULL;
}

static struct arena_block *take_block(struct arena *a, size_t size)
{
    struct exit *out = a->exit;
    out->n_allocs++;
    if (out->n_allocs == out->fail_at || !fits_limit(out, size))
        leave(out);
    struct arena_block *block = take_spare(a, size);
    if (!block)
        block = calloc(1, size);
    if (!block)
        leave(out);
    block->size = size;
    out->used += size;
    if (out->peak < out->used)
        out->peak = out->used;
    return block;
}

static char *align_up(char *at, size_t align)
{
    return at + (-(uintptr_t)at & (align - 1));
}

/* `need` is the size of a block that holds the request and nothing else. */
static char *add_own_block(struct arena *a, size_t need)
{
    struct arena_block *block = take_block(a, need);
    block->next_size = a->head ? a->head->next_size : FIRST_BLOCK;
    if (a->head) {
        block->next = a->head->next;
        a->head->next = block;
    } else {
        a->head = block;
    }
    return (char *)(block + 1);
}

static void add_common_block(struct arena *a, size_t size)
{
    struct arena_block *block = take_block(a, size);
    block->next_size = size < LAST_BLOCK ? 2 * size : size;
    block->next = a->head;
    a->head = block;
    a->at = (char *)(block + 1);
    a->end = (char *)block + size;
}

void *ncc_arena_alloc(struct arena *a, size_t n, size_t size, size_t align)
{
    size_t bytes, need;
    if (align == 0 || align > MAX_ALIGN || (align & (align - 1)) || __builtin_mul_overflow(n, size, &bytes))
        leave(a->exit);
    if (bytes == 0)
        bytes = 1; /* so that every pointer is one of its own */
    if (__builtin_add_overflow(bytes, sizeof(struct arena_block) + align, &need) || need > PTRDIFF_MAX)
        leave(a->exit);

    char *at = a->at ? align_up(a->at, align) : NULL;
    if (!at || at > a->end || bytes > (size_t)(a->end - at)) {
        const size_t common = a->head ? a->head->next_size : FIRST_BLOCK;
        if (need > common / 4 || !fits_limit(a->exit, common))
            return align_up(add_own_block(a, need), align);
        add_common_block(a, common);
        at = align_up(a->at, align);
    }
    a->at = at + bytes;
    return at;
}

/* Gives back the blocks from `from` up to, not including, `to`. */
static void free_blocks(struct arena *a, struct arena_block *from, const struct arena_block *to)
{
    while (from != to) {
        struct arena_block *next = from->next;
        a->exit->used -= from->size;
        free(from);
        from = next;
    }
}

/* The same, but keeps common blocks: a power of two in size. Of the first, `used` bytes are not zero any more. */
static void spare_blocks(struct arena *a, struct arena_block *from, const struct arena_block *to, size_t used)
{
    while (from != to) {
        struct arena_block *next = from->next;
        const size_t size = from->size;
        a->exit->used -= size;
        if ((size & (size - 1)) || a->spare_size + size > MAX_SPARE) {
            free(from);
        } else {
            memset(from, 0, used ? used : size);
            from->size = size;
            from->next = a->spare;
            a->spare = from;
            a->spare_size += size;
        }
        used = 0;
        from = next;
    }
}

struct arena_mark ncc_arena_mark(const struct arena *a)
{
    return (struct arena_mark){a->head, a->head ? a->head->next : NULL, a->at, a->end};
}

/* Since the mark, common blocks came in front of its head, and own blocks behind it or behind those. The rest of the
 * head must be zero again. */
void ncc_arena_rewind(struct arena *a, const struct arena_mark *m)
{
    if (m->at) {
        const bool same = a->end == m->end;
        memset(m->at, 0, (size_t)((same ? a->at : m->end) - m->at));
    }
    const bool head_is_common = a->head && a->end == (char *)a->head + a->head->size;
    spare_blocks(a, a->head, m->head, head_is_common ? (size_t)(a->at - (char *)a->head) : 0);
    a->head = m->head;
    if (m->head) {
        spare_blocks(a, m->head->next, m->behind, 0);
        m->head->next = m->behind;
    }
    a->at = m->at;
    a->end = m->end;
}

void ncc_arena_release(struct arena *a)
{
    free_blocks(a, a->head, NULL);
    a->head = NULL;
    a->at = a->end = NULL;
    while (a->spare) {
        struct arena_block *next = a->spare->next;
        free(a->spare);
        a->spare = next;
    }
    a->spare_size = 0;
}

char *ncc_arena_vprintf(struct arena *a, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, args);
    if (length < 0) {
        va_end(again);
        return NCC_NEW(a, char, 1);
    }
    char *text = NCC_NEW(a, char, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *ncc_arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = ncc_arena_vprintf(a, format, args);
    va_end(args);
    return text;
}

char *ncc_arena_copy(struct arena *a, const char *text, size_t length)
{
    if (length == SIZE_MAX)
        leave(a->exit);
    char *copy = NCC_NEW(a, char, length + 1);
    if (length > 0)
        memcpy(copy, text, length);
    return copy;
}

void *ncc_arena_grow(struct arena *a, const void *old, int n, int *cap, size_t item_size)
{
    if (*cap > INT32_MAX / 2)
        leave(a->exit);
    const int wanted = *cap < 8 ? 16 : 2 * *cap;
    void *grown = ncc_arena_alloc(a, (size_t)wanted, item_size, 16);
    if (n > 0)
        memcpy(grown, old, (size_t)n * item_size);
    *cap = wanted;
    return grown;
}
