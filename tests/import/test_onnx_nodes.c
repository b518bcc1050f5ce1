/* ONNX's own tests of single operators (Debian's libonnx-testdata): all of those that use only operators that we claim.
 *
 *     NCC_VERBOSE=1 test_onnx_nodes [PART]      a line for every test whose name has this part
 *
 * A K210 model is static, so what shapes a result may be bound as a constant: integers and bools behind the first
 * input, conditions, then also scalars and scales, and for operators that make nothing but constants all inputs.
 */
#include "compiler/import/onnx.h"
#include "compiler/import/protobuf.h"
#include "compiler/ir/element.h"
#include "compiler/ir/eval.h"
#include "compiler/ops/attrs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DATA "/usr/share/libonnx-testdata/data"

static const char *part = "";

/* What we say that we do not do, of operators that we do. */
static const struct {
    const char *test, *says;
} limits[] = {
    {"3d", "one or two spatial dimensions"},
    {"maxpool_with_argmax", "the indices of a max pool are not supported"},
    {"batchnorm_example_training_mode", "must not be in training mode"},
    {"batchnorm_epsilon_training_mode", "must not be in training mode"},
    {"training_dropout", "must not be in training mode"},
    {"resize_tf_crop_and_resize", "this way to choose coordinates is not supported"},
    {"d1d2d3d4d5", "at most 6 dimensions"},
    {"reshape_allowzero_reordered", "must not be empty"},
    {"split_zero_size_splits", "must not be empty"},
    {"tril_zero", "must not be empty"},
    {"triu_zero", "must not be empty"},
    {"sequence_model8", "all dimensions of an input must be known"},
};

/* Results that have no data but constants. */
static const char *const makers[] = {"ConstantOfShape", "Range", "NonZero"};

enum { MAX_TENSORS = 16 };

/* One test. */
struct test {
    struct arena *arena;
    struct diags diags;
    const char *folder;
    struct bytes file;
    Onnx__ModelProto *model;
    Onnx__TensorProto *in[MAX_TENSORS], *out[MAX_TENSORS];
    int n_in, n_out;
    bool bound[MAX_TENSORS];
    struct onnx *scratch; /* for converting tensors */
    struct graph *g;
    char why[300];
};

static bool read_tensor(struct test *t, const char *path, Onnx__TensorProto **out)
{
    struct bytes file;
    const char *why;
    struct diags quiet;
    ncc_diag_init(&quiet, t->arena);
    if (access(path, R_OK) != 0 || !ncc_file_read(path, (size_t)1 << 28, t->arena, &quiet, &file))
        return false;
    *out = (Onnx__TensorProto *)(uintptr_t)ncc_protobuf_read(&onnx__tensor_proto__descriptor, file, t->arena, &why);
    return *out != NULL;
}

/* bfloat16 is stored as uint16. */
static int read_tensors(struct test *t, const char *kind, Onnx__ValueInfoProto *const *info, size_t n_info,
                        Onnx__TensorProto **list)
{
    int n = 0;
    while (n < MAX_TENSORS && n < (int)n_info &&
           read_tensor(t, ncc_arena_printf(t->arena, "%s/test_data_set_0/%s_%d.pb", t->folder, kind, n), &list[n])) {
        if (list[n]->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__UINT16)
            list[n]->data_type = info[n]->type->tensor_type->elem_type;
        n++;
    }
    return n;
}

static bool is_integer(const Onnx__TensorProto *t)
{
    enum dtype dtype;
    return ncc_onnx_dtype(t->data_type, &dtype) && dtype != DT_F32;
}

/* Scalars, and what Resize has of this kind. */
static bool is_setting(const char *name, const Onnx__TensorProto *t)
{
    return t->n_dims == 0 || strstr(name, "scale") || strcmp(name, "roi") == 0;
}

static bool makes_constants(const struct test *t)
{
    for (size_t k = 0; k < t->model->graph->n_node; k++)
        for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
            if (strcmp(t->model->graph->node[k]->op_type, makers[i]) == 0)
                return true;
    return false;
}

static bool takes_tensors(const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_input; i++)
        if (g->input[i]->type && g->input[i]->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
            return false;
    return true;
}

enum { BIND_NOTHING, BIND_INTEGERS, BIND_SETTINGS, BIND_ALL, N_BINDS };

/* Makes inputs constants of the model; false when there are none (more than with the one before). */
static bool bind(struct test *t, int how)
{
    Onnx__GraphProto *g = t->model->graph;
    bool any = how == BIND_NOTHING;
    if (how == BIND_ALL && !makes_constants(t))
        return false;
    g->initializer = NCC_NEW(t->arena, Onnx__TensorProto *, MAX_TENSORS);
    g->n_initializer = 0;
    for (int i = 0; i < t->n_in; i++) {
        const char *name = g->input[i]->name;
        const bool condition = t->in[i]->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL && t->in[i]->n_dims == 0;
        const bool integer = condition || (i > 0 && is_integer(t->in[i]));
        const bool setting = i > 0 && is_setting(name, t->in[i]);
        t->bound[i] = how == BIND_ALL || (how >= BIND_INTEGERS && integer) || (how >= BIND_SETTINGS && setting);
        any |= how == BIND_INTEGERS ? integer : t->bound[i];
        if (!t->bound[i])
            continue;
        Onnx__TensorProto *copy = NCC_NEW(t->arena, Onnx__TensorProto, 1);
        *copy = *t->in[i];
        copy->name = (char *)(uintptr_t)name;
        g->initializer[g->n_initializer++] = copy;
    }
    return any;
}

static struct graph *import_bound(struct test *t)
{
    const struct import_options options = {.keep_batch = true};
    const size_t size = protobuf_c_message_get_packed_size(&t->model->base);
    uint8_t *data = ncc_arena_alloc(t->arena, size + 1, 1, 16);
    protobuf_c_message_pack(&t->model->base, data);
    ncc_diag_init(&t->diags, t->arena);
    return ncc_onnx_import((struct bytes){data, size}, ncc_arena_printf(t->arena, "%s/model.onnx", t->folder), &options,
                           t->arena, &t->diags);
}

static bool says(const struct test *t, const char *text)
{
    for (const struct diag *d = t->diags.first; d; d = d->next)
        if (strstr(d->rule, text) || (d->found && strstr(d->found, text)))
            return true;
    return false;
}

/* ---- running ---- */

static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    struct test *t = ctx;
    const char *name = t->g->inputs.v[input]->name;
    (void)sample;
    if (!t->g->inputs.v[input]->uses && !ncc_value_is_output(t->g, t->g->inputs.v[input])) /* only its type matters */
        return true;
    for (int i = 0; i < t->n_in; i++) {
        if (strcmp(t->model->graph->input[i]->name, name) != 0)
            continue;
        const struct value *v = ncc_onnx_tensor(t->scratch, t->in[i], name);
        assert_non_null(v);
        if (v->dtype != to->dtype)
            fail_msg("%s: input %s is %s instead of %s", t->folder, name, ncc_dtype_name(v->dtype),
                     ncc_dtype_name(to->dtype));
        if (!ncc_shape_equal(v->shape, to->shape))
            fail_msg("%s: input %s has not the shape that the model says", t->folder, name);
        memcpy(to->data, v->data, (size_t)ncc_shape_count(v->shape) * ncc_dtype_size(v->dtype));
        return true;
    }
    fail_msg("%s has no input %s", t->folder, name);
    return false;
}

/* A tensor of codes is given as the real numbers that they stand for. */
static double as_code(const struct test *t, int k, int64_t i, double x)
{
    const struct node *def = t->g->outputs.v[k].value->def;
    if (!is_integer(t->out[k]) || !def || def->op != OP_fake_quant)
        return x;
    const struct fake_quant_attrs *a = def->attrs;
    const struct shape s = def->out[0]->shape;
    int64_t inner = 1, channel = 0;
    for (int d = a->axis + 1; d < s.rank; d++)
        inner *= s.dim[d];
    if (ncc_shape_count(def->in[1]->shape) > 1)
        channel = i / inner % s.dim[a->axis];
    const double zero = def->n_in > 2 ? ncc_element_real(DT_F32, def->in[2]->data, channel) : 0;
    return round(x / ncc_element_real(DT_F32, def->in[1]->data, channel) + zero);
}

/* ONNX itself allows a relative error of 1e-3. Types with fewer digits than f32, in which we calculate, need theirs,
 * and the window functions, in which pi has six, need that. */
static double tolerance(const struct test *t, int k)
{
    if (t->out[k]->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16)
        return 1.0 / 128; /* the expected numbers are cut, not rounded */
    const bool coarse = t->out[k]->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 || strstr(t->folder, "window");
    return coarse ? 1e-3 : 1e-4;
}

static bool close_enough(const struct test *t, int k, double got, double want)
{
    if (got == want || (isnan(got) && isnan(want)))
        return true;
    return !is_integer(t->out[k]) && fabs(got - want) <= 1e-5 + tolerance(t, k) * fabs(want);
}

static void compare(void *ctx, int sample, int thread, const struct tensor *const *out)
{
    struct test *t = ctx;
    char got[80], want[80];
    (void)sample;
    (void)thread;
    for (int k = 0; k < t->n_out && !*t->why; k++) {
        const struct value *v = ncc_onnx_tensor(t->scratch, t->out[k], "expected");
        assert_non_null(v);
        if (!ncc_shape_equal(v->shape, out[k]->shape)) {
            snprintf(t->why, sizeof t->why, "output %d is %s instead of %s", k, ncc_shape_text(out[k]->shape, got),
                     ncc_shape_text(v->shape, want));
            return;
        }
        for (int64_t i = 0; i < ncc_shape_count(v->shape) && !*t->why; i++) {
            const double x = as_code(t, k, i, ncc_element_real(out[k]->dtype, out[k]->data, i));
            const double y = ncc_element_real(v->dtype, v->data, i);
            if (!close_enough(t, k, x, y))
                snprintf(t->why, sizeof t->why, "output %d, element %lld is %.9g instead of %.9g", k, (long long)i, x, y);
        }
    }
}

static void run(struct test *t)
{
    struct evaluator *e = ncc_eval_open(t->g, EVAL_FAST, 0);
    assert_non_null(e);
    if (t->g->outputs.n != t->n_out)
        snprintf(t->why, sizeof t->why, "%d outputs instead of %d", t->g->outputs.n, t->n_out);
    else
        assert_true(ncc_eval_run(e, &(struct samples){.feed = feed, .ctx = t, .n = 1},
                                 &(struct eval_hooks){.ctx = t, .done = compare}));
    ncc_eval_close(e);
}

/* ---- one test ---- */

enum verdict { PASSED, NOT_CLAIMED, FAILED, N_VERDICTS };

/* Whether the model has an operator or a type that we do not claim. */
static bool is_out_of_reach(const struct test *t)
{
    static const char *const words[] = {"the operator is not", "inputs must be tensors", "inputs of this type",
                                        "constants of this type", "the type to cast to is not supported"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (says(t, words[i]))
            return true;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (strstr(t->folder, limits[i].test) && says(t, limits[i].says))
            return true;
    return false;
}

static enum verdict judge(struct test *t)
{
    const char *why;
    t->model = (Onnx__ModelProto *)(uintptr_t)ncc_protobuf_read(&onnx__model_proto__descriptor, t->file, t->arena, &why);
    assert_non_null(t->model);
    const Onnx__GraphProto *g = t->model->graph;
    if (!takes_tensors(g))
        return NOT_CLAIMED;
    t->n_in = read_tensors(t, "input", g->input, g->n_input, t->in);
    t->n_out = read_tensors(t, "output", g->output, g->n_output, t->out);
    Onnx__TensorProto **own = t->model->graph->initializer;
    const size_t n_own = t->model->graph->n_initializer;
    for (int how = 0; how < N_BINDS && !t->g; how++) {
        if (how > 0 && (n_own > 0 || !bind(t, how)))
            continue;
        t->g = import_bound(t);
        t->model->graph->initializer = own;
        t->model->graph->n_initializer = n_own;
        if (!t->g && is_out_of_reach(t))
            return NOT_CLAIMED;
    }
    if (t->g) {
        run(t);
        return *t->why ? FAILED : PASSED;
    }
    const struct diag *d = t->diags.first;
    snprintf(t->why, sizeof t->why, "%s: %s (%s)", d && d->place.op ? d->place.op : "", d ? d->rule : "no message",
             d && d->found ? d->found : "");
    return FAILED;
}

static enum verdict run_folder(const char *folder, const char *path)
{
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct test t = {.arena = &a, .folder = folder};
    ncc_diag_init(&t.diags, &a);
    struct onnx scratch = {.arena = &a, .diags = &t.diags, .graph = ncc_graph_new(&a, &t.diags, folder), .file = folder};
    t.scratch = &scratch;
    assert_true(ncc_file_read(path, (size_t)1 << 28, &a, &t.diags, &t.file));
    enum verdict v = judge(&t);
    for (const struct diag *d = t.diags.first; d; d = d->next)
        if (d->severity == SEV_ERROR && !d->remedy) {
            v = FAILED;
            snprintf(t.why, sizeof t.why, "'%s' does not say what to do", d->rule);
        }
    static const char *const names[] = {"passed", "not claimed", "FAILED"};
    if (v == FAILED || getenv("NCC_VERBOSE")) {
        const struct diag *d = t.diags.first;
        print_message("%-60s %s %s\n", strrchr(folder, '/') + 1, names[v],
                      v == FAILED ? t.why : v == NOT_CLAIMED && d ? (d->place.op ? d->place.op : d->rule) : "");
    }
    ncc_arena_release(&a);
    return v;
}

static void run_set(const char *set, int at_least)
{
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct diags d;
    struct paths files = {0};
    int n[N_VERDICTS] = {0};
    ncc_diag_init(&d, &a);
    if (access(DATA, R_OK) != 0) {
        print_message("skipped: no folder " DATA " (package libonnx-testdata)\n");
        skip();
    }
    assert_true(ncc_file_list(ncc_arena_printf(&a, DATA "/%s", set), &a, &d, &files));
    for (int i = 0; i < files.n; i++) {
        if (strcmp(ncc_file_base(files.v[i]), "model.onnx") != 0 || !strstr(files.v[i], part))
            continue;
        const char *folder = ncc_arena_copy(&a, files.v[i], (size_t)(ncc_file_base(files.v[i]) - files.v[i]) - 1);
        n[run_folder(folder, files.v[i])]++;
    }
    print_message("%s: %d passed, %d not claimed, %d failed, of %d\n", set, n[PASSED], n[NOT_CLAIMED], n[FAILED],
                  n[PASSED] + n[NOT_CLAIMED] + n[FAILED]);
    ncc_arena_release(&a);
    assert_int_equal(n[FAILED], 0);
    if (!*part)
        assert_true(n[PASSED] >= at_least);
}

static void node(void **state)
{
    (void)state;
    run_set("node", 693);
}

static void pytorch_converted(void **state)
{
    (void)state;
    run_set("pytorch-converted", 69);
}

static void pytorch_operator(void **state)
{
    (void)state;
    run_set("pytorch-operator", 35);
}

static void simple(void **state)
{
    (void)state;
    run_set("simple", 7);
}

int main(int argc, char **argv)
{
    part = argc > 1 ? argv[1] : "";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node),
        cmocka_unit_test(pytorch_converted),
        cmocka_unit_test(pytorch_operator),
        cmocka_unit_test(simple),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
