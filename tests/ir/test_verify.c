/* Graphs broken on purpose, one invariant at a time. */
#include "compiler/ops/attrs.h"
#include "tests/ir/fixture.h"

static const char text[] = "input %x f32 1x4x6x6 !range(-1, 1)\n"
                           "const %w f32 4x4x3x3 = zeros\n"
                           "%c = conv2d(%x, %w, _)\n"
                           "%q = quantize(%c) !q(0.5, 3)\n"
                           "%u = kpu_upload(%q) h=4 w=4\n"
                           "%d = kpu_download(%u)\n"
                           "%a, %b = split(%d) axis=1 sizes=[2,2]\n"
                           "%m = concat(%a, %b) axis=1\n"
                           "output %m \"y\"\n";

static const double negative[] = {-1, 1, 1, 1}, ones[] = {1, 1, 1, 1};
static const float data[4];

static void whole(struct graph *g)
{
    (void)g;
}

/* ---- what can go wrong ---- */

static void wrong_prev(struct graph *g)
{
    node_named(g, "q")->prev = NULL;
}
static void wrong_last(struct graph *g)
{
    g->last = g->last->prev;
}
static void wrong_op(struct graph *g)
{
    node_named(g, "q")->op = N_OPS;
}
static void wrong_order(struct graph *g)
{
    ncc_node_move_before(g, node_named(g, "m"), g->first);
}
static void missing_use(struct graph *g)
{
    g->inputs.v[0]->uses = NULL;
}
static void double_use(struct graph *g)
{
    struct use *u = node_named(g, "c")->out[0]->uses;
    struct use *twice = NCC_NEW(g->arena, struct use, 1);
    *twice = *u;
    u->next = twice;
}
static void stale_use(struct graph *g)
{
    struct use *stale = NCC_NEW(g->arena, struct use, 1);
    *stale = (struct use){node_named(g, "m"), 1, NULL};
    g->inputs.v[0]->uses->next = stale;
}
static void foreign_value(struct graph *g)
{
    struct value *v = NCC_NEW(g->arena, struct value, 1);
    *v = *node_named(g, "c")->out[0];
    v->uses = NULL;
    ncc_node_set_input(node_named(g, "q"), 0, v, g->arena);
}
static void wrong_def(struct graph *g)
{
    node_named(g, "c")->out[0]->def = node_named(g, "q");
}
static void output_with_data(struct graph *g)
{
    node_named(g, "c")->out[0]->data = data;
}
static void wrong_arity(struct graph *g)
{
    node_named(g, "c")->n_in = 1;
}
static void absent_input(struct graph *g)
{
    ncc_node_set_input(node_named(g, "c"), 1, NULL, g->arena);
}
static void too_few_outputs(struct graph *g)
{
    node_named(g, "a")->n_out = 1;
}
static void unused_result(struct graph *g)
{
    g->outputs.n = 0;
}
static void wrong_shape(struct graph *g)
{
    node_named(g, "c")->out[0]->shape.dim[2]++;
}
static void wrong_dtype(struct graph *g)
{
    node_named(g, "c")->out[0]->dtype = DT_I32;
}
static void wrong_memory(struct graph *g)
{
    node_named(g, "d")->out[0]->mem = MEM_KPU;
}
static void wrong_window(struct graph *g)
{
    node_named(g, "u")->out[0]->window.top = 1;
}
static void window_in_main_memory(struct graph *g)
{
    g->inputs.v[0]->window.h = 1;
}
static void window_outside(struct graph *g)
{
    g->inputs.v[0]->mem = MEM_KPU;
    g->inputs.v[0]->window = (struct window){2, 0, 5, 6, OUT_JUNK};
}
static void no_attrs(struct graph *g)
{
    node_named(g, "c")->attrs = NULL;
}
static void bad_attrs(struct graph *g)
{
    ((struct conv2d_attrs *)node_named(g, "c")->attrs)->groups = 3;
}
static void bad_enum(struct graph *g)
{
    ((struct kpu_upload_attrs *)node_named(g, "u")->attrs)->outside = 7;
}
static void no_name(struct graph *g)
{
    node_named(g, "c")->out[0]->name = NULL;
}
static void same_id(struct graph *g)
{
    node_named(g, "c")->out[0]->id = g->inputs.v[0]->id;
}
static void wild_id(struct graph *g)
{
    node_named(g, "c")->out[0]->id = g->next_id;
}
static void empty_range(struct graph *g)
{
    g->inputs.v[0]->range.lo = 2;
}
static void no_scale(struct graph *g)
{
    node_named(g, "q")->out[0]->quant.n_channels = 0;
}
static void negative_scale(struct graph *g)
{
    node_named(g, "q")->out[0]->quant = (struct quant){4, negative, ones};
}
static void odd_channels(struct graph *g)
{
    node_named(g, "q")->out[0]->quant = (struct quant){3, ones, ones};
}
static void lost_output(struct graph *g)
{
    g->outputs.v[0].value = NULL;
}
static void nameless_output(struct graph *g)
{
    g->outputs.v[0].name = NULL;
}
static void computed_input(struct graph *g)
{
    g->inputs.v[0]->def = g->first;
}

static const struct {
    const char *name;
    void (*damage)(struct graph *);
    const char *rule; /* in the first message; NULL: the graph is good */
} cases[] = {
    {"nothing", whole, NULL},
    {"prev", wrong_prev, "predecessor"},
    {"last", wrong_last, "last"},
    {"op", wrong_op, "operator"},
    {"order", wrong_order, "made before"},
    {"missing use", missing_use, "know each of its uses"},
    {"double use", double_use, "know each of its uses"},
    {"stale use", stale_use, "only real uses"},
    {"foreign value", foreign_value, "made before"},
    {"def", wrong_def, "know the node"},
    {"data", output_with_data, "know the node"},
    {"arity", wrong_arity, "at least 2 inputs"},
    {"absent", absent_input, "present"},
    {"too few outputs", too_few_outputs, "as many outputs"},
    {"unused result", unused_result, NULL},
    {"shape", wrong_shape, "type that is inferred"},
    {"dtype", wrong_dtype, "type that is inferred"},
    {"memory", wrong_memory, "window"},
    {"window", wrong_window, "window"},
    {"window in main memory", window_in_main_memory, "no window"},
    {"window outside", window_outside, "inside the canvas"},
    {"no attrs", no_attrs, "attributes"},
    {"bad attrs", bad_attrs, "groups"},
    {"bad enum", bad_enum, "outside"},
    {"no name", no_name, "name"},
    {"same id", same_id, "made once"},
    {"wild id", wild_id, "id"},
    {"empty range", empty_range, "range"},
    {"no scale", no_scale, "scale"},
    {"negative scale", negative_scale, "positive"},
    {"odd channels", odd_channels, "one per channel"},
    {"lost output", lost_output, "graph output"},
    {"nameless output", nameless_output, "graph output"},
    {"computed input", computed_input, "must not be computed"},
};

static void damage_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        void *inner;
        set_up(&inner);
        struct fixture *f = inner;
        struct graph *g = parse(f, text);
        cases[i].damage(g);
        const bool good = ncc_graph_verify(g, "the test");
        if (good != !cases[i].rule)
            fail_msg("%s: %s", cases[i].name, good ? "not found" : "found something");
        assert_int_equal(f->d.n_errors == 0, good);
        if (!good && !strstr(f->d.first->rule, cases[i].rule))
            fail_msg("%s: '%s' should say '%s'", cases[i].name, f->d.first->rule, cases[i].rule);
        assert_true(good || ncc_diag_first_fault(&f->d) == FAULT_INTERNAL);
        tear_down(&inner);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(damage_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
