/* Damaged files: truncated, bytes and words changed. Whatever comes, it is a graph that verifies or an error, soon, and
 * all memory is given back. */
#include "support.h"

#include "compiler/import/tflite.h"

static const char *const names[] = {"conv_same", "transpose_conv_same", "convolution2dtransposebias", "fully_connected_keep", "shape",
                                    "strided_slice", "mirror_pad_symmetric", "split", "gather", "resize_bilinear",
                                    "shuffle", "sequence", "dequantize", "concatenation", "pack_unpack",
                                    "reduce_max", "quantize", "densify", "four_bits", "dilated", "gather_nd", "cumsum",
                                    "batch_to_space_nd", "topk_v2", "one_hot", "fill", "head_and_tail", "unsupported"};
enum { N_COPIES = 1000, MOST_MS = 2000 };

static uint32_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* What hostile writers like: edges of the integers. */
static void write_word(uint8_t *at, uint64_t *seed)
{
    static const uint32_t words[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 0x10000,
                                     0xffff, 4, 0x7fc00000};
    const uint32_t w = words[next(seed) % (sizeof words / sizeof *words)];
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(w >> 8 * i);
}

static size_t damage(uint8_t *data, size_t size, uint64_t *seed)
{
    const uint32_t kind = next(seed) % 8;
    if (kind == 0)
        return next(seed) % size;
    for (uint32_t i = 0; i < 1 + kind / 2; i++) {
        const size_t at = next(seed) % (size - 4);
        if (kind % 2)
            data[at] = (uint8_t)next(seed);
        else
            write_word(data + at, seed);
    }
    return size;
}

static bool feed_zeros(void *ctx, int sample, int input, struct tensor *to)
{
    (void)ctx, (void)sample, (void)input;
    memset(to->data, 0, (size_t)ncc_shape_count(to->shape) * ncc_dtype_size(to->dtype));
    return true;
}

/* What is imported can be run. Damage makes shapes large as well: those are left out. */
static void run_small(const struct graph *g)
{
    int64_t n_elements = 0;
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            n_elements += ncc_shape_count(n->out[i]->shape);
    if (n_elements > 100000 || ncc_graph_macs(g) > 1e6)
        return;
    struct evaluator *e = ncc_eval_open(g, EVAL_FAST, 0);
    assert_non_null(e);
    assert_true(ncc_eval_run(e, &(struct samples){.feed = feed_zeros, .n = 1}, &(struct eval_hooks){0}));
    ncc_eval_close(e);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* In memory of exactly its size, so that a sanitizer sees what is read behind it. */
static void import_copy(struct bytes file, struct exit *out, int *n_graphs, double *ms)
{
    static const struct import_options none;
    struct arena arena = ncc_arena_make(out);
    if (setjmp(out->env) == 0) {
        struct diags d;
        ncc_diag_init(&d, &arena);
        const double start = now();
        const struct graph *g = ncc_tflite_import(file, "damaged", &none, &arena, &d);
        *ms = now() - start;
        *n_graphs += g != NULL;
        if (g)
            run_small(g);
        if (!g && d.n_errors == 0)
            fail_msg("refused without a message");
        for (const struct diag *k = d.first; k; k = k->next)
            if (k->severity == SEV_ERROR && k->fault == FAULT_INTERNAL)
                fail_msg("a broken graph: %s", k->rule);
    }
    ncc_arena_release(&arena);
    assert_int_equal(out->used, 0);
}

static void damaged_copies(void **state)
{
    const char *text = getenv("NCC_SEED");
    const uint64_t start = text ? strtoull(text, NULL, 0) : 1;
    int n_graphs = 0;
    double slowest = 0;
    (void)state;
    skip_without_models();
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        struct loaded source;
        struct bytes model;
        char path[300];
        load_file(&source, model_path(names[k], path), NULL);
        assert_true(ncc_file_read(path, 1 << 20, &source.arena, &source.diags, &model));
        for (uint64_t i = 0; i < N_COPIES; i++) {
            uint64_t seed = start * 1000003u + k * N_COPIES + i;
            uint8_t *copy = malloc(model.size);
            memcpy(copy, model.data, model.size);
            next(&seed);
            const size_t size = damage(copy, model.size, &seed);
            uint8_t *exact = malloc(size ? size : 1);
            memcpy(exact, copy, size);
            free(copy);
            struct exit out = {.limit = (size_t)1 << 30};
            double ms = 0;
            import_copy((struct bytes){exact, size}, &out, &n_graphs, &ms);
            slowest = fmax(slowest, ms);
            if (ms > MOST_MS)
                fail_msg("%s, copy %d of seed %llu took too long", names[k], (int)i, (unsigned long long)start);
            free(exact);
        }
        unload(&source);
    }
    print_message("%d of %d damaged copies still load; the slowest took %.1f ms\n", n_graphs,
                  N_COPIES * (int)(sizeof names / sizeof *names), slowest);
    assert_true(n_graphs > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_copies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
