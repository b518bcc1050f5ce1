/* Nodes between codes: which are computed in fixed point, and that this is what TFLite's kernels compute. */
#include "compiler/ir/eval_node.h"
#include "compiler/ir/text.h"
#include "tests/ops/code_cases.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a graph as text, and its first output ---- */

struct world {
    struct exit exit;
    struct arena arena;
    struct diags diags;
    struct graph *g;
};

static void parse(struct world *w, const char *text)
{
    memset(w, 0, sizeof *w);
    w->arena = ncc_arena_make(&w->exit);
    ncc_diag_init(&w->diags, &w->arena);
    w->g = ncc_text_parse(text, "case", &w->arena, &w->diags);
    if (!w->g || !ncc_graph_verify(w->g, "parse")) {
        ncc_diag_print(&w->diags, stderr);
        fail_msg("in\n%s", text);
    }
}

enum { MAX_OUT = 64 };
struct result {
    float v[MAX_OUT];
    int n;
};

static void keep(void *ctx, int sample, int thread, const struct tensor *const *out)
{
    (void)sample;
    (void)thread;
    struct result *r = ctx;
    r->n = (int)ncc_shape_count(out[0]->shape);
    assert_in_range(r->n, 1, MAX_OUT);
    memcpy(r->v, out[0]->data, (size_t)r->n * sizeof *r->v);
}

static struct result run(const struct graph *g, enum eval_mode mode)
{
    struct result r = {.n = 0};
    struct evaluator *e = ncc_eval_open(g, mode, 0);
    assert_non_null(e);
    assert_true(ncc_eval_run(e, &(struct samples){.n = 1}, &(struct eval_hooks){.ctx = &r, .done = keep}));
    ncc_eval_close(e);
    return r;
}

/* ---- cases to text ---- */

struct text {
    char v[8000];
    size_t n;
};

static void put(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    t->n += (size_t)vsnprintf(t->v + t->n, sizeof t->v - t->n, format, args);
    va_end(args);
    assert_true(t->n < sizeof t->v);
}

static int n_scales(const struct code_tensor *t)
{
    int n = 0;
    while (n < 8 && t->scale[n] > 0)
        n++;
    return n;
}

/* Weights have their output channels in dimension 0, those of transposed convolutions in 1. */
static int channel_of(const struct code_tensor *t, bool transposed, int i)
{
    int d[4] = {1, 1, 1, 1};
    if (n_scales(t) == 1)
        return 0;
    assert_int_equal(sscanf(t->shape, "%dx%dx%dx%d", &d[0], &d[1], &d[2], &d[3]), 4);
    return transposed ? i / (d[2] * d[3]) % d[1] : i / (d[1] * d[2] * d[3]);
}

static int count(const char *shape)
{
    int n = 1;
    for (const char *p = shape; p; p = strchr(p, 'x') ? strchr(p, 'x') + 1 : NULL)
        n *= atoi(p);
    return n;
}

static void put_real(struct text *t, const char *name, const struct code_tensor *c, bool transposed)
{
    put(t, "const %%%s f32 %s = {", name, c->shape);
    for (int i = 0; i < count(c->shape); i++)
        put(t, "%s %.9g", i ? "," : "",
            (double)((float)(c->code[i] - c->zero) * (float)c->scale[channel_of(c, transposed, i)]));
    put(t, " }");
}

/* Real numbers `from` as codes `to`. */
static void put_codes(struct text *t, const char *to, const char *from, const struct code_tensor *c, bool fixed)
{
    put(t, "const %%%s_s f32 1 = { %.9g }\nconst %%%s_z f32 1 = { %d }\n", to, c->scale[0], to, c->zero);
    put(t, "%%%s = fake_quant(%%%s, %%%s_s, %%%s_z) qmin=%d qmax=%d fixed_point=%s\n", to, from, to, to,
        c->bits == 8 ? -128 : INT16_MIN, c->bits == 8 ? 127 : INT16_MAX, fixed ? "true" : "false");
}

static void put_operand(struct text *t, const char *name, const struct code_case *c, const struct code_tensor *o)
{
    const bool is_const = o == &c->b && c->b_is_const;
    char real[16];
    if (!o->shape)
        return;
    snprintf(real, sizeof real, is_const ? "%s" : "%s_real", name);
    put_real(t, real, o, c->nodes && strstr(c->nodes, "transpose"));
    if (is_const) {
        put(t, " !q(");
        for (int i = 0; i < n_scales(o); i++)
            put(t, "%s%.17g, %d", i ? ", " : "", (double)(float)o->scale[i], o->zero);
        put(t, ")\n");
        return;
    }
    put(t, "\n");
    put_codes(t, name, real, o, true);
}

static void put_bias(struct text *t, const struct code_case *c)
{
    if (c->n_bias == 0)
        return;
    put(t, "const %%bias f32 %d = {", c->n_bias);
    for (int i = 0; i < c->n_bias; i++)
        put(t, "%s %.9g", i ? "," : "", c->bias[i] * c->a.scale[0] * c->b.scale[n_scales(&c->b) == 1 ? 0 : i]);
    put(t, " }\n");
}

static const char *text_of(struct text *t, const struct code_case *c, bool fixed)
{
    t->n = 0;
    put_operand(t, "a", c, &c->a);
    put_operand(t, "b", c, &c->b);
    put_bias(t, c);
    if (c->nodes)
        put(t, "%s", c->nodes);
    put_codes(t, "codes", !c->nodes ? "a" : strstr(c->nodes, "%l =") ? "l" : "y", &c->y, fixed);
    put(t, "output %%codes\n");
    return t->v;
}

static bool agrees(const struct code_case *c, const struct result *r, int k)
{
    return (int)lrintf(r->v[k] / (float)c->y.scale[0]) + c->y.zero == c->y.code[k];
}

static void kernels_agree(void **state)
{
    (void)state;
    static struct text t;
    for (int i = 0; i < N_CODE_CASES; i++) {
        const struct code_case *c = &code_cases[i];
        struct world w;
        parse(&w, text_of(&t, c, true));
        for (int mode = EVAL_REFERENCE; mode <= EVAL_FAST; mode++) {
            const struct result r = run(w.g, (enum eval_mode)mode);
            for (int k = 0; k < r.n; k++)
                if (!agrees(c, &r, k))
                    fail_msg("%s: number %d is %g instead of code %d in\n%s", c->what, k, (double)r.v[k], c->y.code[k],
                             t.v);
        }
        ncc_arena_release(&w.arena);
    }
}

/* What the cases are worth: in real numbers most of them come out otherwise. */
static void roundings_matter(void **state)
{
    (void)state;
    static struct text t;
    for (int i = 0; i < N_CODE_CASES; i++) {
        struct world w;
        parse(&w, text_of(&t, &code_cases[i], false));
        const struct result r = run(w.g, EVAL_FAST);
        int n_others = 0;
        for (int k = 0; k < r.n; k++)
            n_others += !agrees(&code_cases[i], &r, k);
        if ((n_others > 0) != (i < N_CODE_CASES - 4))
            fail_msg("%s: %d of %d codes differ in real numbers", code_cases[i].what, n_others, r.n);
        ncc_arena_release(&w.arena);
    }
}

/* ---- by hand ---- */

#define GRID(name, scale, zero) "const %" name "s f32 1 = { " scale " }\nconst %" name "z f32 1 = { " zero " }\n"
#define INT8                    "qmin=-128 qmax=127 fixed_point=true\n"
#define UINT8                   "qmin=0 qmax=255 fixed_point=true\n"

static void expect(const char *text, int n, const float *want)
{
    struct world w;
    parse(&w, text);
    const struct result r = run(w.g, EVAL_FAST);
    assert_int_equal(r.n, n);
    for (int i = 0; i < n; i++)
        if (r.v[i] != want[i])
            fail_msg("element %d is %g instead of %g in\n%s", i, (double)r.v[i], (double)want[i], text);
    ncc_arena_release(&w.arena);
}

/* A quarter is 2^30 / 2^31 / 2: 1 becomes 1/2, rounded to 1, and that again 1/2, rounded to 1. Below zero the first
 * rounding goes up and the second away from zero. */
static void int8_rounds_twice(void **state)
{
    (void)state;
    const float want[] = {1, 1, 1, 2, 2, 0, -1, -1, -1, -2};
    expect("const %r f32 10x1 = { 1, 2, 3, 5, 7, -1, -2, -3, -5, -7 }\n" GRID("x", "1", "0")
               GRID("y", "1", "0") "%x = fake_quant(%r, %xs, %xz) " INT8 "const %w f32 1x1 = { 0.25 } !q(0.25, 0)\n"
                                   "%m = matmul(%x, %w)\n"
                                   "%y = fake_quant(%m, %ys, %yz) " INT8 "output %y\n",
           10, want);
}

/* uint8: half to even, once. */
static void uint8_rounds_once(void **state)
{
    (void)state;
    const float want[] = {0, 0, 1, 1, 2, 2, 2};
    expect("const %r f32 7x1 = { 1, 2, 3, 5, 6, 7, 10 }\n" GRID("x", "1", "0")
               GRID("y", "1", "0") "%x = fake_quant(%r, %xs, %xz) " UINT8 "const %w f32 1x1 = { 0.25 } !q(0.25, 3)\n"
                                   "%m = matmul(%x, %w)\n"
                                   "%y = fake_quant(%m, %ys, %yz) " UINT8 "output %y\n",
           7, want);
}

/* Means are of codes: of -3 and -4, whose zero point is -128, half away from code 0. */
static void means_are_of_codes(void **state)
{
    (void)state;
    const float want[] = {124};
    expect("const %r f32 1x1x1x2 = { 125, 124 }\n" GRID("x", "1", "-128") "%x = fake_quant(%r, %xs, %xz) " INT8
                                                                          "%m = avg_pool(%x) kernel_h=1 kernel_w=2\n"
                                                                          "%y = fake_quant(%m, %xs, %xz) " INT8
                                                                          "output %y\n",
           1, want);
}

/* A fused activation limits codes: 6 is code 4, of 1.5; and what is 1 becomes 1.5. */
static void activations_limit_codes(void **state)
{
    (void)state;
    const float want[] = {0, 1.5f, 6, 6};
    expect("const %r f32 4x1 = { -3, 1, 6, 100 }\n" GRID("x", "1", "0")
               GRID("y", "1.5", "0") "%x = fake_quant(%r, %xs, %xz) " INT8 "const %w f32 1x1 = { 1 } !q(1, 0)\n"
                                     "%m = matmul(%x, %w)\n"
                                     "%c = clip(%m) min=0 max=6\n"
                                     "%y = fake_quant(%c, %ys, %yz) " INT8 "output %y\n",
           4, want);
}

/* ---- which nodes ---- */

static bool is_on_codes(const struct graph *g, enum op op, struct code_args *c)
{
    for (const struct node *n = g->first; n; n = n->next)
        if (n->op == op)
            return ncc_eval_find_codes(g, n, c) && c->in[0].scale > 0;
    fail_msg("there is no %s", ncc_op_desc(op)->name);
    return false;
}

#define START                      "input %r f32 1x2x4x4\n" GRID("x", "0.5", "3") GRID("y", "0.25", "-100")
#define MODEL(begin, between, end) START "%x = fake_quant(%r, %xs, %xz) " begin between "%y = fake_quant" end

static void the_right_nodes_are_found(void **state)
{
    (void)state;
    static const struct {
        bool on;
        int low, high;
        const char *text;
    } cases[] = {
        {true, -128, 127,
         MODEL(INT8, "%m = avg_pool(%x) kernel_h=2 kernel_w=2\n", "(%m, %ys, %yz) " INT8 "output %y\n")},
        /* moved before, moved and activated behind */
        {true, -100, -76,
         MODEL(INT8,
               "%t = transpose(%x) perm=[0,1,3,2]\n"
               "%m = avg_pool(%t) kernel_h=2 kernel_w=2\n"
               "%f = reshape(%m) shape=[1,18]\n%a = clip(%f) min=-1 max=6\n%b = relu(%a)\n",
               "(%b, %ys, %yz) " INT8 "output %y\n")},
        /* no fixed point in front, or behind */
        {false, 0, 0,
         MODEL("qmin=-128 qmax=127\n", "%m = avg_pool(%x) kernel_h=2 kernel_w=2\n",
               "(%m, %ys, %yz) " INT8 "output %y\n")},
        {false, 0, 0,
         MODEL(INT8, "%m = avg_pool(%x) kernel_h=2 kernel_w=2\n", "(%m, %ys, %yz) qmin=-128 qmax=127\noutput %y\n")},
        /* the real result has another reader, or is an output */
        {false, 0, 0,
         MODEL(INT8, "%m = avg_pool(%x) kernel_h=2 kernel_w=2\n%z = exp(%m)\n",
               "(%m, %ys, %yz) " INT8 "output %y\noutput %z\n")},
        {false, 0, 0,
         MODEL(INT8, "%m = avg_pool(%x) kernel_h=2 kernel_w=2\n", "(%m, %ys, %yz) " INT8 "output %y\noutput %m\n")},
        /* computed, not moved, before or behind */
        {false, 0, 0,
         MODEL(INT8, "%e = exp(%x)\n%m = avg_pool(%e) kernel_h=2 kernel_w=2\n", "(%m, %ys, %yz) " INT8 "output %y\n")},
        {false, 0, 0,
         MODEL(INT8, "%m = avg_pool(%x) kernel_h=2 kernel_w=2\n%e = exp(%m)\n", "(%e, %ys, %yz) " INT8 "output %y\n")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        struct code_args c;
        parse(&w, cases[i].text);
        if (is_on_codes(w.g, OP_avg_pool, &c) != cases[i].on)
            fail_msg("%s in fixed point:\n%s", cases[i].on ? "not" : "wrongly", cases[i].text);
        if (cases[i].on) {
            assert_true(c.in[0].scale == 0.5f && c.in[0].zero == 3 && c.out.scale == 0.25f && c.out.zero == -100);
            assert_int_equal(c.low, cases[i].low);
            assert_int_equal(c.high, cases[i].high);
        }
        ncc_arena_release(&w.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_agree),
        cmocka_unit_test(roundings_matter),
        cmocka_unit_test(int8_rounds_twice),
        cmocka_unit_test(uint8_rounds_once),
        cmocka_unit_test(means_are_of_codes),
        cmocka_unit_test(activations_limit_codes),
        cmocka_unit_test(the_right_nodes_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
