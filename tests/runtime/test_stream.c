/* ncc/stream.h: the same results as from memory, bit for bit, in the memory that was announced; sources that answer
 * late, or fail. */
#include "tests/k210/compiled.h"

#include <ncc/runtime.h>
#include <ncc/sim.h>
#include <ncc/stream.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file in memory behind a source. With `late`, bytes arrive when they are waited for, as with DMA. */
struct flash {
    const uint8_t *file;
    size_t size;
    bool late;
    int fail_at; /* the n-th read fails; 0: none */
    int n_reads, n_pending;
    struct {
        size_t off, size;
        void *to;
    } pending[2];
    size_t n_bytes;
};

static enum ncc_status flash_read(void *ctx, size_t off, void *to, size_t size)
{
    struct flash *const f = ctx;
    assert_true(off + size <= f->size);
    f->n_reads++;
    f->n_bytes += size;
    if (f->n_reads == f->fail_at)
        return NCC_DEVICE_FAILED;
    if (!f->late) {
        memcpy(to, f->file + off, size);
        return NCC_OK;
    }
    assert_true(f->n_pending < 2);
    f->pending[f->n_pending].off = off;
    f->pending[f->n_pending].size = size;
    f->pending[f->n_pending++].to = to;
    memset(to, 0xA5, size); /* whoever looks too early sees this */
    return NCC_OK;
}

static enum ncc_status flash_wait(void *ctx)
{
    struct flash *const f = ctx;
    for (int i = 0; i < f->n_pending; i++)
        memcpy(f->pending[i].to, f->file + f->pending[i].off, f->pending[i].size);
    f->n_pending = 0;
    return NCC_OK;
}

static struct ncc_source source_of(struct flash *f)
{
    return (struct ncc_source){f, f->size, flash_read, f->late ? flash_wait : NULL};
}

/* ---- a compiled model, run both ways ---- */

struct streamed {
    uint8_t *work; /* exactly as many bytes as were asked for */
    struct ncc_stream s;
    size_t size;
};

/* A block whose end is watched by the sanitizers. */
static struct streamed make_room(struct flash *f)
{
    const struct ncc_source source = source_of(f);
    struct streamed r = {.size = ncc_stream_work_size(&source)};
    assert_true(r.size > 0 && r.size % 8 == 0);
    r.work = aligned_alloc(256, (r.size + 255) / 256 * 256);
    return r;
}

static const void *const *inputs_of(struct net *n, const struct graph *g, const struct ncc_stream *s, uint64_t seed)
{
    const void **in = ncc_arena_alloc(&n->arena, (size_t)g->inputs.n, sizeof *in, 8);
    for (int i = 0; i < g->inputs.n; i++) {
        const struct value *v = g->inputs.v[i];
        struct tensor t = {v->dtype, v->shape, ncc_arena_alloc(&n->arena, ncc_stream_input(s, (uint32_t)i).size, 1, 8)};
        net_feed(v, i, seed, &t);
        in[i] = t.data;
    }
    return in;
}

/* Two runs with different inputs; the outputs are those from memory. */
static void same_as_from_memory(struct net *n, const struct compiled *c, bool late, struct ncc_sim *sim)
{
    struct flash f = {.file = c->file.data, .size = c->file.size, .late = late};
    struct streamed r = make_room(&f);
    const struct ncc_source source = source_of(&f);
    assert_int_equal(ncc_stream_open(&r.s, &source, r.work, r.size, ncc_sim_device(sim)), NCC_OK);
    assert_string_equal(ncc_stream_fault(&r.s)->text, "");
    for (uint64_t seed = 1; seed <= 2; seed++) {
        const void **want = compiled_run(n, c, c->codes, seed, sim);
        assert_int_equal(ncc_stream_run(&r.s, inputs_of(n, c->codes, &r.s, seed)), NCC_OK);
        assert_int_equal(f.n_pending, 0);
        for (uint32_t i = 0; i < ncc_stream_n_outputs(&r.s); i++)
            assert_memory_equal(want[i], ncc_stream_output_data(&r.s, i), ncc_stream_output(&r.s, i).size);
    }
    free(r.work);
}

static void random_networks(void **state)
{
    (void)state;
    const uint64_t seed = net_seed("test_stream");
    struct ncc_sim *sim = ncc_sim_new();
    for (int i = 0; i < 60; i++) {
        struct net n;
        net_open(&n);
        uint64_t s = seed * 1000003 + (uint64_t)i;
        net_random(&n, &s, i);
        const struct k210_options o = {.runtime = NCC_KPU_RUNTIME_V4};
        const struct compiled c = compile_net(&n, &o, i % 2, s, "random network");
        same_as_from_memory(&n, &c, i % 3, sim);
        net_close(&n);
    }
    ncc_sim_free(sim);
}

/* Constants on the CPU, which lie outside of the bodies. */
static void constants(void **state)
{
    (void)state;
    struct ncc_sim *sim = ncc_sim_new();
    struct net n;
    net_open(&n);
    net_parse(
        &n,
        "input %x f32 1x24\nconst %k f32 24x40 = random 1\nconst %l f32 40x7 = random 2\nconst %m f32 7x9 = random 3\n"
        "%a = matmul(%x, %k, _)\n%b = tanh(%a)\n%c = matmul(%b, %l, _)\n%d = matmul(%c, %m, _)\n"
        "%y = softmax(%d) axis=1\noutput %y\noutput %b\n");
    const struct k210_options o = {.runtime = NCC_KPU_RUNTIME_V4, .cpu_only = true, .float_input = true};
    const struct compiled c = compile_net(&n, &o, false, 5, "products");
    same_as_from_memory(&n, &c, false, sim);
    same_as_from_memory(&n, &c, true, sim);
    struct flash f = {.file = c.file.data, .size = c.file.size};
    const struct ncc_source source = source_of(&f);
    assert_true(ncc_stream_work_size(&source) < c.file.size); /* not all constants at a time */
    net_close(&n);
    ncc_sim_free(sim);
}

/* Layers of 576 KiB, one behind the other. */
static void twelve_mebibytes_in_two(void **state)
{
    (void)state;
    enum { DEPTH = 22, MIB = 1 << 20 };
    struct ncc_sim *sim = ncc_sim_new();
    struct net n;
    net_open(&n);
    char text[8000];
    int at = snprintf(text, sizeof text, "input %%v0 f32 1x256x4x4 !q(0.0078431372549, 128)\n");
    for (int i = 0; i < DEPTH; i++)
        at += snprintf(text + at, sizeof text - (size_t)at,
                       "const %%w%d f32 256x256x3x3 = random %d\n%%c%d = conv2d(%%v%d, %%w%d, _) pad_top=1 pad_left=1 "
                       "pad_bottom=1 pad_right=1\n%%v%d = relu(%%c%d)\n",
                       i, i + 1, i, i, i, i + 1, i);
    snprintf(text + at, sizeof text - (size_t)at, "output %%v%d\n", DEPTH);
    net_parse(&n, text);
    const struct k210_options o = {.runtime = NCC_KPU_RUNTIME_V4};
    const struct compiled c = compile_net(&n, &o, false, 1, "deep");
    struct flash f = {.file = c.file.data, .size = c.file.size, .late = true};
    const struct ncc_source source = source_of(&f);
    const size_t needed = ncc_stream_work_size(&source);
    printf("%zu bytes of model run in %zu bytes\n", c.file.size, needed);
    assert_true(c.file.size > 12 * MIB);
    assert_true(needed <= 2 * MIB);
    same_as_from_memory(&n, &c, true, sim);
    net_close(&n);
    ncc_sim_free(sim);
}

/* ---- what goes wrong ---- */

static struct compiled small_model(struct net *n)
{
    net_open(n);
    net_parse(n,
              "input %x f32 1x4x12x12 !q(0.0157, 128)\nconst %w f32 6x4x3x3 = random 3\nconst %k f32 6x10 = random 4\n"
              "%a = conv2d(%x, %w, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n%r = relu(%a)\n"
              "%m = reduce(%r) kind=mean axes=[2,3]\n%y = matmul(%m, %k, _)\n%z = softmax(%y) axis=1\noutput %z\n");
    const struct k210_options o = {.runtime = NCC_KPU_RUNTIME_V4};
    return compile_net(n, &o, false, 1, "small");
}

static void arguments(void **state)
{
    (void)state;
    struct net n;
    const struct compiled c = small_model(&n);
    struct ncc_sim *sim = ncc_sim_new();
    struct flash f = {.file = c.file.data, .size = c.file.size};
    struct streamed r = make_room(&f);
    struct ncc_source source = source_of(&f);
    const struct ncc_device *device = ncc_sim_device(sim);
    assert_int_equal(ncc_stream_open(NULL, &source, r.work, r.size, device), NCC_BAD_ARGUMENT);
    assert_int_equal(ncc_stream_open(&r.s, NULL, r.work, r.size, device), NCC_BAD_ARGUMENT);
    assert_int_equal(ncc_stream_open(&r.s, &source, NULL, r.size, device), NCC_BAD_ARGUMENT);
    assert_int_equal(ncc_stream_open(&r.s, &source, r.work + 8, r.size, device), NCC_MISALIGNED);
    assert_int_equal(ncc_stream_open(&r.s, &source, r.work, r.size - 1, device), NCC_NO_FIT);
    assert_int_equal(ncc_stream_open(&r.s, &source, r.work, r.size, NULL), NCC_NO_DEVICE);
    assert_int_equal(ncc_stream_open(&r.s, &source, r.work, r.size, device), NCC_OK);
    assert_int_equal(ncc_stream_run(&r.s, NULL), NCC_BAD_ARGUMENT);
    source.size = 20;
    assert_int_equal(ncc_stream_open(&r.s, &source, r.work, r.size, device), NCC_TRUNCATED);
    assert_string_equal(ncc_stream_fault(&r.s)->text, ncc_status_text(NCC_TRUNCATED));
    assert_int_equal(ncc_stream_work_size(&source), 0);
    free(r.work);
    ncc_sim_free(sim);
    net_close(&n);
}

/* Every read fails once: the call ends with what the source said. */
static void failing_reads(void **state)
{
    (void)state;
    struct net n;
    const struct compiled c = small_model(&n);
    struct ncc_sim *sim = ncc_sim_new();
    struct flash f = {.file = c.file.data, .size = c.file.size};
    struct streamed r = make_room(&f);
    const struct ncc_source source = source_of(&f);
    bool ran = false;
    for (int k = 1; !ran; k++) {
        f.n_reads = 0;
        f.fail_at = k;
        enum ncc_status status = ncc_stream_open(&r.s, &source, r.work, r.size, ncc_sim_device(sim));
        if (!status)
            status = ncc_stream_run(&r.s, inputs_of(&n, c.codes, &r.s, 1));
        ran = f.n_reads < k;
        assert_int_equal(status, ran ? NCC_OK : NCC_DEVICE_FAILED);
    }
    free(r.work);
    ncc_sim_free(sim);
    net_close(&n);
}

/* Damaged files are refused exactly when they are from memory. (Which of several faults is told first may differ.) */
static void damage(void **state)
{
    (void)state;
    struct net n;
    const struct compiled c = small_model(&n);
    struct ncc_sim *sim = ncc_sim_new();
    uint8_t *file = aligned_alloc(256, (c.file.size + 255) / 256 * 256);
    uint64_t s = net_seed("test_stream damage");
    int n_refused = 0;
    for (int k = 0; k < 3000; k++) {
        memcpy(file, c.file.data, c.file.size);
        const size_t size = k % 4 ? c.file.size : (size_t)net_int(&s, 0, (int)c.file.size);
        for (int flips = net_int(&s, 1, 3); flips > 0 && size > 0; flips--)
            file[net_int(&s, 0, (int)(k % 2 || size < 400 ? size : 400) - 1)] ^= (uint8_t)(1 << net_int(&s, 0, 7));
        struct flash f = {.file = file, .size = size};
        const struct ncc_source source = source_of(&f);
        const size_t needed = ncc_stream_work_size(&source), work_size = ncc_model_work_size(file, size);
        if (needed > (size_t)1 << 26 || work_size > (size_t)1 << 26)
            continue; /* a large main memory is legal */
        uint8_t *work = aligned_alloc(256, (needed + 511) / 256 * 256), *plain = malloc(work_size + 8);
        struct ncc_model m;
        struct ncc_stream stream;
        const enum ncc_status want = ncc_model_open(&m, file, size, plain, work_size, ncc_sim_device(sim));
        const enum ncc_status got = ncc_stream_open(&stream, &source, work, needed, ncc_sim_device(sim));
        if ((got == NCC_OK) != (want == NCC_OK) && got != NCC_UNSUPPORTED) /* an output that became a constant */
            fail_msg("damage %d: %s, from memory %s (%s)", k, ncc_status_text(got), ncc_status_text(want),
                     ncc_model_fault(&m)->text);
        n_refused += got != NCC_OK;
        free(work);
        free(plain);
    }
    printf("%d of 3000 damaged files refused\n", n_refused);
    assert_true(n_refused > 500);
    free(file);
    ncc_sim_free(sim);
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_networks), cmocka_unit_test(constants),     cmocka_unit_test(twelve_mebibytes_in_two),
        cmocka_unit_test(arguments),       cmocka_unit_test(failing_reads), cmocka_unit_test(damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
