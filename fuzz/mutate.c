/* A target as a program: damages seeds, and compiles what comes out.
 *
 *     fuzz_tflite [--count N] [--seed S] [--first I] [--largest BYTES] PATH...
 *
 * PATHs are models or folders of them (missing ones are left out). S and i say which of them model i is, and how it is
 * damaged: the same bytes on every machine, so that "--seed S --first I --count 1" repeats a fault. Defaults: N from NCC_FUZZ_COUNT
 * or 200, S from NCC_SEED or 1, seeds of at most 64 KiB.
 *
 * Each model may take 5 s of processor time, and no block of memory may exceed 1 GiB. */
#include "fuzz/fuzz.h"

#include "compiler/base/file.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

enum { MOST_SECONDS = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "max_allocation_size_mb=1024";
}

/* ---- chance ---- */

static uint32_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static size_t below(uint64_t *state, size_t n)
{
    return n ? next(state) % n : 0;
}

/* ---- damage ---- */

struct buffer {
    uint8_t *v;
    size_t size, room;
};

static void flip_bits(struct buffer *b, uint64_t *s)
{
    for (uint32_t i = 0; i <= next(s) % 4; i++)
        b->v[below(s, b->size)] ^= (uint8_t)(1u << next(s) % 8);
}

static void set_bytes(struct buffer *b, uint64_t *s)
{
    for (uint32_t i = 0; i <= next(s) % 4; i++)
        b->v[below(s, b->size)] = (uint8_t)next(s);
}

/* Edges of the integers, and numbers that are none. */
static void set_word(struct buffer *b, uint64_t *s)
{
    static const uint32_t words[] = {0,       1,      0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe,
                                     0x10000, 0xffff, 64,         0x7fc00000, 0x7f800000, 0xfffffff0};
    const uint32_t w = words[next(s) % (sizeof words / sizeof *words)];
    const size_t at = below(s, b->size) & ~(size_t)3;
    memcpy(b->v + at, &w, b->size - at < 4 ? b->size - at : 4);
}

static void add_little(struct buffer *b, uint64_t *s)
{
    b->v[below(s, b->size)] += (uint8_t)(next(s) % 5 - 2);
}

static void truncate_end(struct buffer *b, uint64_t *s)
{
    b->size = below(s, b->size);
}

/* Two words, or two blocks of equal length, change places: offsets and fields point elsewhere. */
static void swap_blocks(struct buffer *b, uint64_t *s)
{
    const size_t n = next(s) % 2 ? 4 : 1 + below(s, 64);
    if (b->size < 2 * n)
        return;
    size_t x = below(s, b->size - n + 1), y = below(s, b->size - n + 1);
    if (n == 4) {
        x &= ~(size_t)3;
        y &= ~(size_t)3;
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t byte = b->v[x + i];
        b->v[x + i] = b->v[y + i];
        b->v[y + i] = byte;
    }
}

static void copy_block(struct buffer *b, uint64_t *s)
{
    const size_t n = 1 + below(s, b->size < 256 ? b->size : 256);
    memmove(b->v + below(s, b->size - n + 1), b->v + below(s, b->size - n + 1), n);
}

static void repeat_block(struct buffer *b, uint64_t *s)
{
    const size_t n = 1 + below(s, b->size < 512 ? b->size : 512), at = below(s, b->size - n + 1);
    if (b->size + n > b->room)
        return;
    memmove(b->v + at + n, b->v + at, b->size - at);
    b->size += n;
}

static void remove_block(struct buffer *b, uint64_t *s)
{
    const size_t n = 1 + below(s, b->size < 64 ? b->size : 64), at = below(s, b->size - n + 1);
    memmove(b->v + at, b->v + at + n, b->size - at - n);
    b->size -= n;
}

/* In text: a digit becomes another, or grows. */
static void change_digit(struct buffer *b, uint64_t *s)
{
    for (int i = 0; i < 64; i++) {
        const size_t at = below(s, b->size);
        if (b->v[at] < '0' || b->v[at] > '9')
            continue;
        b->v[at] = (uint8_t)("0123456789-."[next(s) % 12]);
        return;
    }
}

/* Text that is damaged anywhere is mostly no text any more: half of the time only numbers in it change. */
static void damage(struct buffer *b, uint64_t *s)
{
    static void (*const kinds[])(struct buffer *, uint64_t *) = {
        flip_bits,   flip_bits,  set_bytes,    set_word,     set_word,     add_little,   add_little,
        swap_blocks, copy_block, truncate_end, repeat_block, remove_block, change_digit, change_digit};
    const bool gently = fuzz_format.companion && next(s) % 2;
    for (uint32_t i = 0; i <= next(s) % 3 && b->size > 0; i++)
        (gently ? change_digit : kinds[next(s) % (sizeof kinds / sizeof *kinds)])(b, s);
}

/* ---- seeds ---- */

struct seeds {
    struct bytes *v;
    int n, cap;
};

static bool has_extension(const char *path)
{
    return strcmp(ncc_file_extension(path), fuzz_format.extension) == 0;
}

/* The companion's bytes, or none when there is no such file, a zero, the model's. */
static struct bytes join(struct arena *a, struct diags *d, const char *path, struct bytes model)
{
    const size_t stem = strlen(path) - strlen(fuzz_format.extension);
    const char *other = ncc_arena_printf(a, "%.*s%s", (int)stem, path, fuzz_format.companion);
    struct bytes text = {NULL, 0};
    if (access(other, R_OK) == 0)
        ncc_file_read(other, (size_t)1 << 24, a, d, &text);
    uint8_t *joined = NCC_NEW(a, uint8_t, text.size + 1 + model.size);
    if (text.size)
        memcpy(joined, text.data, text.size);
    memcpy(joined + text.size + 1, model.data, model.size);
    return (struct bytes){joined, text.size + 1 + model.size};
}

static void add_seeds(struct seeds *seeds, struct arena *a, struct diags *d, const char *path, size_t largest)
{
    struct paths files;
    if (access(path, R_OK) || !ncc_file_list(path, a, d, &files))
        return;
    for (int i = 0; i < files.n; i++) {
        struct bytes model;
        if (!has_extension(files.v[i]) || !ncc_file_read(files.v[i], (size_t)1 << 28, a, d, &model))
            continue;
        if (fuzz_format.companion)
            model = join(a, d, files.v[i], model);
        if (model.size > 0 && model.size <= largest)
            NCC_PUSH(a, seeds, model);
    }
}

/* ---- limits ---- */

static long long current; /* number of the model that is compiled */
static unsigned long long seed = 1;

static void too_long(int signal)
{
    (void)signal;
    static const char text[] = "\na model takes more than 5 s; repeat with the --seed and --first told below\n";
    if (write(2, text, sizeof text - 1) < 0)
        _exit(2);
    abort();
}

static void tell_model(int signal)
{
    (void)signal;
    fprintf(stderr, "stopped at: --seed %llu --first %lld --count 1\n", seed, current);
    _exit(1);
}

static void start_clock(void)
{
    const struct itimerval limit = {.it_value.tv_sec = MOST_SECONDS};
    setitimer(ITIMER_PROF, &limit, NULL);
}

static void run_model(const struct seeds *seeds, long long i)
{
    uint64_t state = seed * 1000003u + (uint64_t)i;
    next(&state);
    const struct bytes from = seeds->v[below(&state, (size_t)seeds->n)];
    struct buffer b = {malloc(from.size + 2048), from.size, from.size + 2048};
    memcpy(b.v, from.data, from.size);
    if (next(&state) % 16) /* some stay as they are */
        damage(&b, &state);
    uint8_t *exact = malloc(b.size + 1); /* so that a sanitizer sees what is read behind it */
    memcpy(exact, b.v, b.size);
    current = i;
    start_clock();
    LLVMFuzzerTestOneInput(exact, b.size);
    free(exact);
    free(b.v);
}

/* ---- program ---- */

static long long number_from(const char *name, long long otherwise)
{
    const char *text = getenv(name);
    return text ? atoll(text) : otherwise;
}

static int run(struct arena *a, int argc, char **argv)
{
    long long count = number_from("NCC_FUZZ_COUNT", 200), first = 0, largest = 1 << 16;
    struct diags d;
    struct seeds seeds = {0};
    ncc_diag_init(&d, a);
    seed = (unsigned long long)number_from("NCC_SEED", 1);
    for (int i = 1; i < argc; i++) {
        long long *to = !strcmp(argv[i], "--count")     ? &count
                        : !strcmp(argv[i], "--first")   ? &first
                        : !strcmp(argv[i], "--largest") ? &largest
                                                        : NULL;
        if (i + 1 < argc && to)
            *to = atoll(argv[++i]);
        else if (i + 1 < argc && !strcmp(argv[i], "--seed"))
            seed = strtoull(argv[++i], NULL, 0);
        else
            add_seeds(&seeds, a, &d, argv[i], (size_t)largest);
    }
    if (seeds.n == 0) {
        printf("skipped: there are no seeds\n");
        return 0;
    }
    for (long long i = first; i < first + count; i++)
        run_model(&seeds, i);
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf(
        "%lld models from %d seeds (--seed %llu): %d compiled, %d refused, %d compiled for the K210, at most %ld MiB\n",
        count, seeds.n, seed, fuzz_tally.n_compiled, fuzz_tally.n_refused, fuzz_tally.n_k210, use.ru_maxrss >> 10);
    return 0;
}

int main(int argc, char **argv)
{
    struct exit out = {0};
    struct arena arena = ncc_arena_make(&out);
    int status = 2;
    setenv("NCC_THREADS", "1", 0);
    signal(SIGPROF, too_long);
    signal(SIGABRT, tell_model);
    if (setjmp(out.env) == 0)
        status = run(&arena, argc, argv);
    ncc_arena_release(&arena);
    fuzz_remove_folder();
    return status;
}
