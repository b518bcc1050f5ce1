/* Fast forms against definitions on random legal data: random shapes, strides, pads, groups. */
#include "compiler/ir/eval.h"
#include "compiler/ir/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned long seed;
static uint64_t state;

static int pick(int low, int high) /* low .. high */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + (int)((state >> 33) % (uint64_t)(high - low + 1));
}

static int start(void **unused)
{
    (void)unused;
    state = seed;
    return 0;
}

/* A graph under way: text that grows. */
struct draft {
    char text[2000];
    size_t n;
};

__attribute__((format(printf, 2, 3))) static void add(struct draft *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    t->n += (size_t)vsnprintf(t->text + t->n, sizeof t->text - t->n, format, args);
    va_end(args);
    assert_true(t->n < sizeof t->text);
}

static struct tensor *make_tensors(struct arena *a, struct value *const *v, int n, struct tensor ***out)
{
    struct tensor *t = NCC_NEW(a, struct tensor, n);
    *out = NCC_NEW(a, struct tensor *, n);
    for (int i = 0; i < n; i++) {
        if (!v[i])
            continue;
        void *data = (void *)(uintptr_t)v[i]->data;
        if (!data)
            data = ncc_arena_alloc(a, (size_t)ncc_shape_count(v[i]->shape) + 1, 8, 64);
        t[i] = (struct tensor){v[i]->dtype, v[i]->shape, data};
        (*out)[i] = &t[i];
    }
    return t;
}

static void compare(const struct draft *t, const struct tensor *plain, const struct tensor *fast, double tolerance)
{
    const int64_t n = ncc_shape_count(plain->shape);
    if (plain->dtype != DT_F32) {
        if (memcmp(plain->data, fast->data, (size_t)n * ncc_dtype_size(plain->dtype)) != 0)
            fail_msg("seed %lu: integers differ in\n%s", seed, t->text);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const double x = (double)((const float *)plain->data)[i], y = (double)((const float *)fast->data)[i];
        if (!(fabs(x - y) <= tolerance * (1 + fabs(x))) && !(isnan(x) && isnan(y)) && x != y)
            fail_msg("seed %lu: element %lld is %.9g instead of %.9g in\n%s", seed, (long long)i, y, x, t->text);
    }
}

#define GUARD 64 /* bytes behind the scratch memory */

/* The fast form, with scratch memory of the very size that was asked for, full of junk and guarded. */
static void run_fast(const struct draft *t, const struct node *n, const struct tensor *const *in,
                     struct tensor *const *out)
{
    const struct op_desc *desc = ncc_op_desc(n->op);
    const size_t size = desc->scratch ? desc->scratch(n) : 0;
    unsigned char *scratch = aligned_alloc(64, (size + GUARD + 63) / 64 * 64);
    memset(scratch, 0xff, size + GUARD);
    desc->eval_fast(&(struct eval_args){n, in, out, scratch});
    for (size_t i = size; i < size + GUARD; i++)
        if (scratch[i] != 0xff)
            fail_msg("seed %lu: writes beyond its %zu bytes of scratch in\n%s", seed, size, t->text);
    free(scratch);
}

/* Evaluates the last node of the text in both ways; what feeds it is folded or, for operators of the
 * chip, evaluated by its definition. False: the operator refused. */
static bool check(const struct draft *t, double tolerance)
{
    struct exit x = {0};
    struct arena a = ncc_arena_make(&x);
    struct diags d;
    ncc_diag_init(&d, &a);
    struct graph *g = ncc_text_parse(t->text, "draft", &a, &d);
    if (g) {
        struct tensor **in, **out;
        for (struct node *n = g->first; n != g->last; n = n->next) {
            make_tensors(&a, n->in, n->n_in, &in);
            make_tensors(&a, n->out, n->n_out, &out);
            ncc_eval_node(n, (const struct tensor *const *)in, out, EVAL_REFERENCE);
            n->out[0]->data = out[0]->data;
        }
        const struct node *n = g->last;
        assert_non_null(ncc_op_desc(n->op)->eval_fast);
        make_tensors(&a, n->in, n->n_in, &in);
        make_tensors(&a, n->out, n->n_out, &out);
        struct tensor *plain = out[0];
        ncc_eval_node(n, (const struct tensor *const *)in, out, EVAL_REFERENCE);
        make_tensors(&a, n->out, n->n_out, &out);
        run_fast(t, n, (const struct tensor *const *)in, out);
        compare(t, plain, out[0], tolerance);
    }
    ncc_arena_release(&a);
    return g != NULL;
}

/* Each draft is made until enough were accepted; too many refusals are a fault of the draft. */
static void repeat(int wanted, double tolerance, void (*draft)(struct draft *))
{
    int n_good = 0, n_tried = 0;
    while (n_good < wanted) {
        struct draft t = {.n = 0};
        draft(&t);
        n_good += check(&t, tolerance);
        assert_true(++n_tried < 50 * wanted);
    }
}

/* ---- convolutions ---- */

static void conv_attrs(struct draft *t, int groups)
{
    add(t, " groups=%d stride_h=%d stride_w=%d dil_h=%d dil_w=%d", groups, pick(1, 3), pick(1, 3), pick(1, 2),
        pick(1, 2));
    add(t, " pad_top=%d pad_left=%d pad_bottom=%d pad_right=%d", pick(0, 3), pick(0, 3), pick(0, 3), pick(0, 3));
}

static void draft_conv(struct draft *t)
{
    const int groups = pick(0, 1) ? 1 : pick(1, 7), in_group = pick(0, 2) ? pick(1, 9) : 1, out_group = pick(1, 5);
    add(t, "const %%x f32 %dx%dx%dx%d = random 1\n", pick(1, 2), groups * in_group, pick(1, 23), pick(1, 29));
    add(t, "const %%w f32 %dx%dx%dx%d = random 2\n", groups * out_group, in_group, pick(1, 5), pick(1, 5));
    add(t, "const %%b f32 %d = random 3\n%%y = conv2d(%%x, %%w%s)", groups * out_group, pick(0, 1) ? ", %b" : "");
    conv_attrs(t, groups);
}

/* 3x3 depthwise with stride 1 or 2, and 1x1: the shapes with loops of their own. */
static void draft_special_conv(struct draft *t)
{
    const bool depthwise = pick(0, 1), multiplier = pick(0, 1);
    const int c = pick(1, 13), k = depthwise ? 3 : 1, stride = pick(1, 2), pad = depthwise ? pick(0, 1) : 0;
    const int out = depthwise ? c * (1 + multiplier) : pick(1, 17);
    add(t, "const %%x f32 1x%dx%dx%d = random 1\n", c, pick(1, 31), pick(1, 67));
    add(t, "const %%w f32 %dx%dx%dx%d = random 2\n", out, depthwise ? 1 : c, k, k);
    add(t, "%%y = conv2d(%%x, %%w) groups=%d stride_h=%d stride_w=%d", depthwise ? c : 1, stride, stride);
    add(t, " pad_top=%d pad_left=%d pad_bottom=%d pad_right=%d", pad, pad, pad, pad);
}

/* So many taps that the columns need several bands, then less than a row at a time. */
static void draft_banded_conv(struct draft *t)
{
    const bool wide = pick(0, 1);
    add(t, "const %%x f32 1x%dx%dx%d = random 1\n", wide ? 930 : 41, wide ? 2 : 41, wide ? 83 : 37);
    add(t, "const %%w f32 2x%dx%dx%d = random 2\n", wide ? 930 : 41, wide ? 3 : 5, wide ? 3 : 5);
    add(t, "%%y = conv2d(%%x, %%w) pad_top=1 pad_left=2 pad_right=1 pad_bottom=1 stride_w=%d", pick(1, 2));
}

static void draft_transpose(struct draft *t)
{
    const int groups = pick(0, 1) ? 1 : pick(1, 4), in_group = pick(1, 6), out_group = pick(1, 5);
    add(t, "const %%x f32 %dx%dx%dx%d = random 1\n", pick(1, 2), groups * in_group, pick(1, 11), pick(1, 13));
    add(t, "const %%w f32 %dx%dx%dx%d = random 2\n", groups * in_group, out_group, pick(1, 5), pick(1, 4));
    add(t, "const %%b f32 %d = random 3\n%%y = conv2d_transpose(%%x, %%w%s)", groups * out_group,
        pick(0, 1) ? ", %b" : "");
    conv_attrs(t, groups);
    add(t, " out_pad_h=%d out_pad_w=%d", pick(0, 2), pick(0, 2));
}

static void draft_kpu_conv(struct draft *t)
{
    const int c = pick(1, 9), h = pick(1, 19), w = pick(1, 37), pool = pick(0, 9), kernel = pick(0, 1) ? 3 : 1;
    const bool depthwise = pick(0, 1), copy = depthwise && pick(0, 1);
    const int out = depthwise ? c : pick(1, 9);
    add(t, "const %%a f32 1x%dx%dx%d = random 1\n%%x = kpu_upload(%%a) h=%d w=%d\n", c, h, w, h, w);
    add(t, "const %%w f32 %dx%dx%dx%d = random 2\nconst %%b f32 %d = random 3\n", out, depthwise ? 1 : c, kernel,
        kernel, out);
    add(t, "%%y = kpu_conv(%%x, %%w%s) kernel=%d pool=%d depthwise=%s h=1 w=1", pick(0, 1) ? ", %b" : "", kernel, pool,
        depthwise ? "true" : "false");
    if (copy)
        add(t, " copy=true pad_lowest=true");
    else if (pick(0, 1))
        add(t, " act=[leaky_relu(alpha=0.25),sigmoid(),clip(max=0.75)]");
}

/* Batch-norm words with multiplier 2^10 .. 2^15 and shift 15 for identical channels, then a table of one slope. */
static void draft_kpu_layer(struct draft *t)
{
    const int c = pick(0, 4) ? pick(1, 9) : pick(60, 70), h = pick(1, 13), w = pick(1, 37), pool = pick(0, 9);
    const int kernel = pick(0, 1) ? 3 : 1, depthwise = pick(0, 1), out = depthwise ? c : pick(1, 9);
    const bool wide = pick(0, 2) == 0; /* 16-bit weights */
    const long long bn = (1LL << (wide ? pick(2, 7) : pick(10, 15))) | (long long)pick(0, 5000) << 24 | 15LL << 56;
    add(t, "const %%a u8 1x%dx%dx%d = random 1\n%%x = kpu_upload(%%a) h=%d w=%d\n", c, h, w, h, w);
    add(t, "const %%w %s %dx%dx%dx%d = random 2\nconst %%n i64 %d = splat %lld\n", wide ? "i32" : "u8", out,
        depthwise ? 1 : c, kernel, kernel, out, bn);
    add(t, "const %%t u8 144 = { 0, 0, 0, 0, 0, 0, 0, 8, %d, 1, 0", pick(0, 7)); /* -2^35: 0; 0: slope 2^-shift */
    for (int i = 11; i < 144; i++)
        add(t, i < 128 && i % 8 == 6 && i > 14 ? ", 255" : i < 128 && i % 8 == 7 && i > 15 ? ", 7" : ", 0");
    add(t, " }\n%%y = kpu_layer(%%x, %%w, %%n, %%t) kernel=%d pool=%d depthwise=%s x_zero=%d w_zero=%d h=1 w=1", kernel,
        pool, depthwise ? "true" : "false", pick(0, 255), pick(0, wide ? 65535 : 255));
}

static void draft_q_conv(struct draft *t)
{
    const int groups = pick(0, 1) ? 1 : pick(1, 4), in_group = pick(0, 3) ? pick(1, 9) : pick(60, 70);
    const int out_group = pick(1, 5);
    add(t, "const %%x u8 %dx%dx%dx%d = random 1\n", pick(1, 2), groups * in_group, pick(1, 13), pick(1, 17));
    add(t, "const %%w u8 %dx%dx%dx%d = random 2\n", groups * out_group, in_group, pick(1, 4), pick(1, 4));
    add(t, "const %%b i32 %d = random 3\n%%y = q_conv2d(%%x, %%w%s)", groups * out_group, pick(0, 1) ? ", %b" : "");
    conv_attrs(t, groups);
    add(t, " x_offset=%d w_offset=%d out_mul=%d out_shift=%d out_offset=%d", -pick(0, 255), -pick(0, 255),
        pick(1 << 28, 1 << 30), pick(36, 42), pick(0, 255));
}

/* Several products, of which the last has fewer channels and larger bands. */
static void draft_banded_q_conv(struct draft *t)
{
    const int c = pick(57, 70);
    add(t, "const %%x u8 1x%dx41x43 = random 1\nconst %%w u8 1x%dx3x3 = random 2\n", c, c);
    add(t, "%%y = q_conv2d(%%x, %%w) x_offset=%d w_offset=%d out_mul=1 out_shift=12 out_offset=128", -pick(0, 255),
        -pick(0, 255));
}

static void convolutions_agree(void **unused)
{
    (void)unused;
    repeat(300, 1e-5, draft_conv);
    repeat(150, 1e-5, draft_special_conv);
    repeat(8, 5e-5, draft_banded_conv);
    repeat(150, 1e-5, draft_transpose);
    repeat(300, 1e-5, draft_kpu_conv);
    repeat(200, 0, draft_kpu_layer);
    repeat(100, 0, draft_q_conv);
    repeat(8, 0, draft_banded_q_conv);
}

/* ---- the rest ---- */

static void draft_matmul(struct draft *t)
{
    const int m = pick(1, 13), k = pick(1, 31), n = pick(1, 17), batch = pick(1, 3);
    const int form = pick(0, 3);
    if (form == 0)
        add(t, "const %%a f32 %dx%d = random 1\nconst %%b f32 %dx%d = random 2\n", m, k, k, n);
    else
        add(t, "const %%a f32 %dx1x%dx%d = random 1\nconst %%b f32 %dx%dx%dx%d = random 2\n", form == 1 ? 1 : batch, m,
            k, form == 3 ? 1 : batch, form == 3 ? 1 : 2, k, n);
    add(t, "const %%c f32 %d = random 3\n%%y = matmul(%%a, %%b%s)", n, pick(0, 1) ? ", %c" : "");
}

static void draft_pool(struct draft *t)
{
    add(t, "const %%x %s 1x%dx%dx%d = random 1\n%%y = max_pool(%%x)", pick(0, 1) ? "f32" : "u8", pick(1, 5),
        pick(1, 19), pick(1, 23));
    add(t, " kernel_h=%d kernel_w=%d stride_h=%d stride_w=%d", pick(1, 5), pick(1, 5), pick(1, 4), pick(1, 4));
    add(t, " pad_top=%d pad_left=%d pad_bottom=%d pad_right=%d", pick(0, 2), pick(0, 2), pick(0, 2), pick(0, 2));
}

static void draft_reduce(struct draft *t)
{
    static const char *const kinds[] = {"mean", "sum", "max", "min", "prod"};
    int axes = 0;
    add(t, "const %%x f32 %dx%dx%dx%d = random 1\n%%y = reduce(%%x) kind=%s keep_dims=%s axes=[", pick(1, 3),
        pick(1, 7), pick(1, 7), pick(1, 11), kinds[pick(0, 4)], pick(0, 1) ? "true" : "false");
    for (int i = 0; i < 4; i++)
        if (pick(0, 1))
            add(t, "%s%d", axes++ ? "," : "", i);
    add(t, "]");
}

static enum op current;

static void draft_unary(struct draft *t)
{
    add(t, "const %%x f32 %dx%d = random %d\nconst %%k f32 1 = { 7 }\n%%m = mul(%%x, %%k)\n%%y = %s(%%m)", pick(1, 7),
        pick(1, 131), pick(0, 1000), ncc_op_desc(current)->name);
    if (current == OP_clip)
        add(t, " min=-1 max=3");
}

/* Each dimension of each operand is the result's or 1; leading ones may be left out. */
static void draft_shape(struct draft *t, const int *dim, int keep)
{
    const int first = keep ? 0 : pick(0, 3);
    for (int i = first; i < 4; i++)
        add(t, "%s%d", i > first ? "x" : "", keep || pick(0, 1) ? dim[i] : 1);
}

static void draft_binary(struct draft *t)
{
    const int dim[4] = {pick(1, 3), pick(1, 5), pick(1, 7), pick(1, 13)}, keep = current == OP_prelu || pick(0, 2) == 0;
    add(t, "const %%a f32 ");
    draft_shape(t, dim, keep);
    add(t, " = random 1\nconst %%b f32 ");
    draft_shape(t, dim, 0);
    add(t, " = random 2\n%%y = %s(%%a, %%b)", ncc_op_desc(current)->name);
}

static void others_agree(void **unused)
{
    (void)unused;
    repeat(150, 1e-5, draft_matmul);
    repeat(200, 0, draft_pool);
    repeat(200, 1e-6, draft_reduce);
    for (int op = 0; op < N_OPS; op++) {
        const struct op_desc *desc = ncc_op_desc((enum op)op);
        current = (enum op)op;
        if (desc->eval_fast && desc->scalar)
            repeat(10, 0, draft_unary);
        if (desc->eval_fast && desc->scalar2)
            repeat(40, 0, draft_binary);
    }
}

/* A new fast form must find its place above. */
static void every_fast_form_is_drafted(void **unused)
{
    static const enum op drafted[] = {OP_conv2d, OP_conv2d_transpose, OP_kpu_conv, OP_kpu_layer,
                                      OP_matmul, OP_max_pool,         OP_q_conv2d, OP_reduce};
    (void)unused;
    for (int op = 0; op < N_OPS; op++) {
        const struct op_desc *desc = ncc_op_desc((enum op)op);
        bool found = !desc->eval_fast || desc->scalar || desc->scalar2;
        for (size_t i = 0; i < sizeof drafted / sizeof drafted[0]; i++)
            found = found || drafted[i] == (enum op)op;
        if (!found)
            fail_msg("%s has a fast form that nothing compares", desc->name);
    }
}

int main(void)
{
    const char *given = getenv("NCC_SEED");
    seed = given ? strtoul(given, NULL, 10) : 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(convolutions_agree, start),
        cmocka_unit_test_setup(others_agree, start),
        cmocka_unit_test(every_fast_form_is_drafted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
