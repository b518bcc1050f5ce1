/* Which values share bytes, one case at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler/plan/alias.h"
#include "kpu/layout.h"
#include "random_graph.h"

#include <stdio.h>

static const struct plan_options options = {.solve_seconds = 0.1, .kpu_limit = 2 << 20};

static struct plan make(struct graph_case *c)
{
    struct plan p = {.n_steps = 0};
    if (!ncc_plan_make(c->g, &options, &c->arena, &p) || !ncc_plan_check(c->g, &p, &c->arena)) {
        ncc_diag_print(&c->diags, stderr);
        fail_msg("no plan");
    }
    return p;
}

static bool lies_at(const struct plan *p, const struct value *part, const struct value *whole, int64_t offset)
{
    return p->buffer_of[part->id] == p->buffer_of[whole->id] &&
           p->offset_in[part->id] == p->offset_in[whole->id] + offset && part->addr == whole->addr + offset;
}

static void sizes(void **state)
{
    (void)state;
    struct graph_case c;
    case_open(&c);
    assert_int_equal(ncc_plan_value_size(case_input(&c, MEM_KPU, 48, 8, 10)), 6144);
    assert_int_equal(ncc_plan_value_size(case_input(&c, MEM_KPU, 48, 15, 20)), 23040);
    assert_int_equal(ncc_plan_value_size(case_input(&c, MEM_KPU, 48, 30, 40)), 92160);
    assert_int_equal(ncc_plan_value_size(case_input(&c, MEM_KPU, 3, 240, 320)), 64 * 3600);
    assert_int_equal(ncc_plan_value_size(case_input(&c, MEM_MAIN, 3, 5, 7)), 420);
    case_close(&c);
}

/* 3 channels of 16 columns: a group of four, of which one is unused. */
static void nested_kpu_concat(void **state)
{
    (void)state;
    struct graph_case c;
    case_open(&c);
    const int64_t group = 64 * 8;
    struct value *x = case_input(&c, MEM_KPU, 4, 8, 16);
    struct value *a = case_layer(&c, x, 3), *b = case_layer(&c, x, 8), *d = case_layer(&c, x, 2);
    struct value *inner = case_concat(&c, OP_kpu_concat, (struct value *[]){a, b}, 2);
    assert_int_equal(inner->shape.dim[1], 12);
    struct value *same = case_recanvas(&c, d, 8, 12);
    struct value *back = case_recanvas(&c, same, 8, 16);
    struct value *outer = case_concat(&c, OP_kpu_concat, (struct value *[]){back, inner}, 2);
    struct value *slice = case_slice(&c, outer, 8, 5);
    ncc_graph_output(c.g, CASE_NODE(&c, OP_kpu_download, NULL, case_layer(&c, outer, 4)), "out");
    ncc_graph_output(c.g, CASE_NODE(&c, OP_kpu_download, NULL, case_layer(&c, slice, 4)), "slice");
    const struct plan p = make(&c);
    assert_true(lies_at(&p, d, outer, 0));
    assert_true(lies_at(&p, same, outer, 0));
    assert_true(lies_at(&p, inner, outer, group));
    assert_true(lies_at(&p, a, outer, group));
    assert_true(lies_at(&p, b, outer, 2 * group));
    assert_true(lies_at(&p, slice, outer, 2 * group));
    case_close(&c);
}

/* A graph input may be a part; a value that is needed in two concats only where they can overlap. */
static void overlapping_concats(void **state)
{
    (void)state;
    struct graph_case c;
    case_open(&c);
    struct value *x = case_input(&c, MEM_KPU, 4, 8, 16), *a = case_layer(&c, x, 4), *b = case_layer(&c, x, 4);
    struct value *one = case_concat(&c, OP_kpu_concat, (struct value *[]){x, a}, 2);
    struct value *two = case_concat(&c, OP_kpu_concat, (struct value *[]){a, b}, 2);
    ncc_graph_output(c.g, case_layer(&c, one, 4), "one");
    ncc_graph_output(c.g, case_layer(&c, two, 4), "two");
    const struct plan p = make(&c);
    assert_true(lies_at(&p, two, one, 64 * 8));
    case_close(&c);
}

static void impossible_concats(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct graph_case c;
        struct plan p;
        struct alias_map m;
        struct alias_conflict conflict;
        case_open(&c);
        struct value *x = case_input(&c, MEM_KPU, 4, 8, 16), *a = case_layer(&c, x, 4), *b = case_layer(&c, x, 4);
        struct value *one = case_concat(&c, OP_kpu_concat, (struct value *[]){a, i ? a : b}, 2);
        struct value *two = case_concat(&c, OP_kpu_concat, (struct value *[]){b, a}, 2);
        ncc_graph_output(c.g, one, "one");
        ncc_graph_output(c.g, two, "two");
        assert_false(ncc_plan_alias(c.g, IN_PLACE_NEVER, &c.arena, &m, &conflict));
        assert_ptr_equal(conflict.concat, i ? one->def : two->def);
        assert_int_equal(conflict.index, 1);
        assert_false(ncc_plan_make(c.g, &options, &c.arena, &p));
        assert_int_equal(c.diags.n_errors, 1);
        case_close(&c);
    }
}

static void main_concat(void **state)
{
    (void)state;
    struct graph_case c;
    case_open(&c);
    struct value *x = case_input(&c, MEM_MAIN, 2, 4, 4);
    struct value *a = CASE_NODE(&c, OP_sigmoid, NULL, x), *b = CASE_NODE(&c, OP_tanh, NULL, x);
    struct value *d = CASE_NODE(&c, OP_abs, NULL, x);
    struct value *flat = case_reshape(&c, b, 2, 4, 4);
    struct value *free_one = case_concat(&c, OP_concat, (struct value *[]){a, flat}, 2);
    struct value *second = case_concat(&c, OP_concat, (struct value *[]){d, a}, 2);       /* a is taken */
    struct value *nested = case_concat(&c, OP_concat, (struct value *[]){d, free_one}, 2);
    struct value *with_input = case_concat(&c, OP_concat, (struct value *[]){x, nested}, 2);
    const struct concat_attrs rows = {.axis = 2};
    struct value *by_rows = CASE_NODE(&c, OP_concat, &rows, second, second);
    ncc_graph_output(c.g, by_rows, "rows");
    ncc_graph_output(c.g, with_input, "all");
    const struct plan p = make(&c);
    assert_true(lies_at(&p, a, free_one, 0));
    assert_true(lies_at(&p, b, free_one, 128));
    assert_true(lies_at(&p, flat, b, 0));
    assert_true(lies_at(&p, d, nested, 0));
    assert_true(lies_at(&p, free_one, nested, 128));
    assert_int_not_equal(p.buffer_of[second->id], p.buffer_of[a->id]);
    assert_int_not_equal(p.buffer_of[with_input->id], p.buffer_of[nested->id]);
    assert_int_not_equal(p.buffer_of[by_rows->id], p.buffer_of[second->id]);
    case_close(&c);
}

static void in_place(void **state)
{
    (void)state;
    struct graph_case c;
    case_open(&c);
    struct value *x = case_input(&c, MEM_MAIN, 2, 4, 4);
    struct value *a = CASE_NODE(&c, OP_sigmoid, NULL, x); /* not over a graph input */
    struct value *b = CASE_NODE(&c, OP_relu, NULL, a);    /* a is read again */
    struct value *d = CASE_NODE(&c, OP_add, NULL, b, a);
    struct value *e = CASE_NODE(&c, OP_mul, NULL, d, d);
    struct value *one = case_reshape(&c, CASE_NODE(&c, OP_tanh, NULL, e), 1, 8, 4);
    struct value *small = CASE_NODE(&c, OP_neg, NULL, case_input(&c, MEM_MAIN, 1, 1, 4));
    struct value *f = CASE_NODE(&c, OP_add, NULL, small, one); /* broadcast: only over `one` */
    ncc_graph_output(c.g, e, "e");
    ncc_graph_output(c.g, f, "f");
    const struct plan p = make(&c);
    assert_int_not_equal(p.buffer_of[a->id], p.buffer_of[x->id]);
    assert_int_not_equal(p.buffer_of[b->id], p.buffer_of[a->id]);
    assert_int_equal(p.buffer_of[d->id], p.buffer_of[b->id]);
    assert_int_equal(p.buffer_of[e->id], p.buffer_of[d->id]);
    assert_int_not_equal(p.buffer_of[one->id], p.buffer_of[e->id]); /* an output stays */
    assert_int_equal(p.buffer_of[f->id], p.buffer_of[one->id]);
    case_close(&c);
}

/* A reshape of a graph input that is a graph output keeps the input's bytes to the end. */
static void input_to_output(void **state)
{
    (void)state;
    struct graph_case c;
    case_open(&c);
    struct value *x = case_input(&c, MEM_MAIN, 2, 4, 4);
    struct value *y = case_reshape(&c, x, 1, 8, 4);
    struct value *z = CASE_NODE(&c, OP_relu, NULL, CASE_NODE(&c, OP_tanh, NULL, y));
    ncc_graph_output(c.g, y, "y");
    ncc_graph_output(c.g, z, "z");
    const struct plan p = make(&c);
    const struct buffer *b = &p.buffers.v[p.buffer_of[x->id]];
    assert_true(lies_at(&p, y, x, 0));
    assert_int_equal(b->birth, 0);
    assert_int_equal(b->death, p.n_steps - 1);
    assert_int_equal(p.main.peak, 256);
    case_close(&c);
}

/* A slice of whole rows of one channel is a view where it stays aligned; of two channels it is a copy. */
static void slices(void **state)
{
    (void)state;
    struct graph_case c;
    case_open(&c);
    struct value *x = case_input(&c, MEM_MAIN, 2, 8, 6);
    struct value *y = CASE_NODE(&c, OP_relu, NULL, x);
    const struct slice_attrs even = {{4, {0, 1, 4, 0}}, {4, {1, 1, 3, 6}}, {4, {1, 1, 1, 1}}};
    const struct slice_attrs odd = {{4, {0, 1, 1, 0}}, {4, {1, 1, 3, 6}}, {4, {1, 1, 1, 1}}};
    const struct slice_attrs both = {{4, {0, 0, 4, 0}}, {4, {1, 2, 3, 6}}, {4, {1, 1, 1, 1}}};
    struct value *a = CASE_NODE(&c, OP_slice, &even, y), *b = CASE_NODE(&c, OP_slice, &odd, y);
    struct value *d = CASE_NODE(&c, OP_slice, &both, y);
    ncc_graph_output(c.g, CASE_NODE(&c, OP_sigmoid, NULL, a), "a");
    ncc_graph_output(c.g, CASE_NODE(&c, OP_sigmoid, NULL, b), "b");
    ncc_graph_output(c.g, CASE_NODE(&c, OP_sigmoid, NULL, d), "d");
    const struct plan p = make(&c);
    const int64_t size = (int64_t)ncc_dtype_size(y->dtype);
    assert_true(lies_at(&p, a, y, (48 + 24) * size));
    assert_int_equal(p.buffer_of[b->id] == p.buffer_of[y->id], (48 + 6) * size % 8 == 0);
    assert_int_not_equal(p.buffer_of[d->id], p.buffer_of[y->id]);
    assert_true(ncc_plan_check(c.g, &p, &c.arena));
    case_close(&c);
}

static bool shares(const struct alias_map *m, const struct value *x, const struct value *y, int64_t offset)
{
    return m->buffer_of[x->id] == m->buffer_of[y->id] && m->offset_in[x->id] == m->offset_in[y->id] + offset;
}

/* Codes lie at the end of the floats that they become, also inside a concat, and at the start of those that they come
 * from; a softmax works where its input is. */
static void conversions(void **state)
{
    (void)state;
    struct graph_case c;
    struct alias_map m;
    struct alias_conflict conflict;
    case_open(&c);
    struct value *x = case_input(&c, MEM_MAIN, 2, 8, 8);
    struct value *r = CASE_NODE(&c, OP_relu, NULL, x), *q = case_quantize(&c, r);
    struct value *s = CASE_NODE(&c, OP_transpose, &((struct transpose_attrs){{4, {0, 1, 3, 2}}}), q);
    struct value *a = CASE_NODE(&c, OP_dequantize, NULL, s);
    struct value *b = CASE_NODE(&c, OP_dequantize, NULL, case_quantize(&c, CASE_NODE(&c, OP_neg, NULL, x)));
    struct value *both = case_concat(&c, OP_concat, (struct value *[]){a, b}, 2);
    struct value *y = CASE_NODE(&c, OP_softmax, &((struct softmax_attrs){3, 1}), both);
    ncc_graph_output(c.g, y, "y");
    assert_true(ncc_plan_alias(c.g, IN_PLACE_CONVERSIONS, &c.arena, &m, &conflict));
    assert_true(shares(&m, q, r, 0));
    assert_true(shares(&m, s, a, 3 * 2 * 8 * 8));
    assert_false(shares(&m, q, s, 0));
    assert_true(shares(&m, y, both, 0));
    assert_true(ncc_plan_alias(c.g, IN_PLACE_THIS_ORDER, &c.arena, &m, &conflict));
    assert_false(shares(&m, q, r, 0));
    assert_true(shares(&m, y, both, 0));
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),       cmocka_unit_test(nested_kpu_concat), cmocka_unit_test(overlapping_concats),
        cmocka_unit_test(impossible_concats), cmocka_unit_test(main_concat), cmocka_unit_test(slices), cmocka_unit_test(conversions), cmocka_unit_test(in_place),
        cmocka_unit_test(input_to_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
