/* What is about a whole model: orders of dimensions, cutting, shapes, and messages. */
#include "support.h"

static const struct import_options as_it_is;

static void no_transposes_inside(void **state)
{
    /* The shuffle of channels is a transposition of the model's own; it stays one. */
    static const struct {
        const char *name;
        int n_transposes;
    } models[] = {{"chain", 0},        {"inside_nchw", 0}, {"shuffle", 1},
                  {"shuffle_nchw", 1}, {"sequence", 2},    {"squeeze_expand", 2}};
    (void)state;
    skip_without_models();
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct loaded l;
        load_model(&l, models[i].name, NULL);
        expect_graph(&l, models[i].name);
        if (count_ops(l.g, OP_transpose) != models[i].n_transposes)
            fail_msg("%s has %d transpositions", models[i].name, count_ops(l.g, OP_transpose));
        unload(&l);
    }
}

static void names_and_nodes(void **state)
{
    struct loaded l;
    (void)state;
    skip_without_models();
    load_model(&l, "conv_same", NULL);
    expect_graph(&l, "conv_same");
    const struct node *conv = l.g->first, *relu = conv->next;
    assert_int_equal(conv->op, OP_conv2d);
    assert_string_equal(conv->name, "y0");
    assert_string_equal(conv->origin, "y0");
    assert_int_equal(relu->op, OP_relu);
    assert_string_equal(relu->name, "y0/activation");
    assert_string_equal(relu->origin, "y0");
    assert_string_equal(relu->out[0]->name, "y0");
    assert_string_equal(l.g->outputs.v[0].name, "y0");
    assert_string_equal(l.g->inputs.v[0]->name, "x0");
    unload(&l);
}

/* A model that is NCHW inside keeps the order of its inputs and outputs, and has no transposition left. */
static void nchw_inside(void **state)
{
    struct loaded l;
    float in[60], *out[2];
    (void)state;
    skip_without_models();
    load_model(&l, "inside_nchw", NULL);
    expect_graph(&l, "inside_nchw");
    char text[80];
    assert_string_equal(ncc_shape_text(l.g->inputs.v[0]->shape, text), "1x3x4x5");
    assert_string_equal(ncc_shape_text(l.g->outputs.v[0].value->shape, text), "1x2x4x5");
    for (int i = 0; i < 60; i++)
        in[i] = input_pattern(i, 0);
    run_graph(l.g, EVAL_REFERENCE, (const float *const[]){in}, out);
    for (int p = 0; p < 20; p++) {
        float a[2];
        for (int o = 0; o < 2; o++) {
            a[o] = 0;
            for (int i = 0; i < 3; i++)
                a[o] += in[i * 20 + p] * const_pattern(o * 3 + i, 3);
            a[o] = a[o] < 0 ? a[o] / 2 : a[o];
        }
        for (int o = 0; o < 2; o++)
            assert_true(fabsf(out[0][o * 20 + p] - a[0] * const_pattern(o * 2, 10) -
                              a[1] * const_pattern(o * 2 + 1, 10)) < 1e-5f);
    }
    free(out[0]);
    unload(&l);
    load_model(&l, "bytes_nchw", NULL); /* a cast minds no order */
    expect_graph(&l, "bytes_nchw");
    assert_string_equal(ncc_shape_text(l.g->inputs.v[0]->shape, text), "1x3x4x5");
    assert_string_equal(ncc_shape_text(l.g->outputs.v[0].value->shape, text), "1x2x4x5");
    unload(&l);
}

static void cutting(void **state)
{
    static const char *const in[] = {"t3"}, *const out[] = {"t5", "t3"}, *const nothing[] = {"nothing"};
    const struct import_options middle = {
        .input_tensors = in, .n_input_tensors = 1, .output_tensors = out, .n_output_tensors = 1};
    const struct import_options two = {.output_tensors = out, .n_output_tensors = 2};
    const struct import_options wrong = {.output_tensors = nothing, .n_output_tensors = 1};
    const struct import_options too_late = {
        .input_tensors = out, .n_input_tensors = 1, .output_tensors = in, .n_output_tensors = 1};
    struct loaded l;
    char text[80];
    (void)state;
    skip_without_models();
    load_model(&l, "chain", &middle);
    expect_graph(&l, "chain");
    assert_int_equal(ncc_graph_n_nodes(l.g), 1);
    assert_string_equal(ncc_shape_text(l.g->inputs.v[0]->shape, text), "1x2x4x4");
    assert_string_equal(l.g->outputs.v[0].name, "t5");
    unload(&l);
    load_model(&l, "chain", &two);
    expect_graph(&l, "chain");
    assert_int_equal(l.g->outputs.n, 2);
    assert_string_equal(l.g->outputs.v[1].name, "t3");
    assert_int_equal(count_ops(l.g, OP_sigmoid), 0);
    unload(&l);
    load_model(&l, "chain", &wrong);
    assert_null(l.g);
    assert_true(has_message(&l, "no tensor of this name"));
    unload(&l);
    load_model(&l, "chain", &too_late);
    assert_null(l.g);
    assert_true(has_message(&l, "name this tensor as an input, too"));
    unload(&l);
    /* What lies outside need not be supported. */
    static const char *const behind[] = {"t3"}, *const start[] = {"t3"};
    const struct import_options around = {
        .input_tensors = start, .n_input_tensors = 1, .output_tensors = behind, .n_output_tensors = 1};
    load_model(&l, "unsupported", &around);
    expect_graph(&l, "unsupported");
    assert_int_equal(ncc_graph_n_nodes(l.g), 0);
    unload(&l);
}

static void shapes_from_outside(void **state)
{
    const struct shape_override whole = {"x0", {4, {1, 3, 6, 7}}}, other = {"nobody", {4, {1, 3, 6, 7}}},
                                flat = {"x0", {2, {1, 3}}};
    struct loaded l;
    char text[80];
    (void)state;
    skip_without_models();
    load_model(&l, "open_dimension", NULL);
    assert_null(l.g);
    assert_true(has_message(&l, "--input-shape x0=1,3,HEIGHT,WIDTH"));
    unload(&l);
    load_model(&l, "open_dimension", &(struct import_options){.shapes = &whole, .n_shapes = 1});
    expect_graph(&l, "open_dimension");
    assert_string_equal(ncc_shape_text(l.g->outputs.v[0].value->shape, text), "1x2x6x7");
    unload(&l);
    load_model(&l, "open_dimension", &(struct import_options){.shapes = &other, .n_shapes = 1});
    assert_true(!l.g && has_message(&l, "an input that does not exist"));
    unload(&l);
    load_model(&l, "open_dimension", &(struct import_options){.shapes = &flat, .n_shapes = 1});
    assert_true(!l.g && has_message(&l, "as many dimensions as the input"));
    unload(&l);
}

static void batch_becomes_one(void **state)
{
    struct loaded l;
    char text[80];
    (void)state;
    skip_without_models();
    load_model(&l, "batch", NULL);
    expect_graph(&l, "batch");
    assert_string_equal(ncc_shape_text(l.g->inputs.v[0]->shape, text), "1x3x2x2");
    assert_string_equal(ncc_shape_text(l.g->outputs.v[0].value->shape, text), "1x8");
    assert_true(has_message(&l, "the batch is set to 1"));
    assert_int_equal(l.diags.n_warnings, 0);
    unload(&l);
}

static void unsupported_are_all_listed(void **state)
{
    struct loaded l;
    (void)state;
    skip_without_models();
    load_model(&l, "unsupported", NULL);
    assert_null(l.g);
    assert_true(has_message(&l, "CUSTOM MyMagic"));
    assert_true(has_message(&l, "1x4x4x3 -> 1x4x4x3"));
    assert_true(has_message(&l, "operator code 300"));
    assert_true(has_message(&l, "LSTM"));
    assert_true(has_message(&l, "stride"));
    assert_int_equal(l.diags.n_errors, 4);
    unload(&l);
}

/* What the note names are the options that make it work. */
static void cuts_are_suggested(void **state)
{
    static const char *const inputs[] = {"t1"}, *const outputs[] = {"y0", "t4", "t5"};
    const struct import_options cut = {
        .input_tensors = inputs, .n_input_tensors = 1, .output_tensors = outputs, .n_output_tensors = 3};
    struct loaded l;
    (void)state;
    skip_without_models();
    load_model(&l, "head_and_tail", NULL);
    assert_null(l.g);
    assert_true(has_message(&l, "CUSTOM Decode") && has_message(&l, "CUSTOM Postprocess"));
    assert_true(has_message(&l, "4 of 6 operators remain"));
    assert_true(has_message(&l, "--input-tensor 't1' --output-tensor 'y0' --output-tensor 't4' --output-tensor 't5'"));
    unload(&l);
    load_model(&l, "head_and_tail", &cut);
    expect_graph(&l, "head_and_tail");
    assert_int_equal(l.g->inputs.n, 1);
    assert_int_equal(l.g->outputs.n, 3);
    unload(&l);
    static const char *const wrong[] = {"y00", "what no tensor is called"};
    load_model(&l, "head_and_tail", &(const struct import_options){.output_tensors = wrong, .n_output_tensors = 2});
    assert_null(l.g);
    assert_int_equal(l.diags.n_errors, 2);
    assert_true(has_message(&l, "did you mean 'y0'?") && has_message(&l, "'ncc check --json MODEL' lists the nodes"));
    unload(&l);
}

static void faults_have_messages(void **state)
{
    static const struct {
        const char *name, *says;
    } models[] = {
        {"nan", "element 2 is nan"},
        {"out_of_order", "must be made before it"},
        {"cycle", "must be made before it"},
        {"made_twice", "made only once"},
        {"version_4", "version 4"},
        {"zero_point_beyond", "one of the codes"},
        {"scale_nan", "scales must be positive"},
        {"sparse_beyond", "must fit its shape"},
        {"short_constant", "16 bytes instead of 20"},
    };
    (void)state;
    skip_without_models();
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct loaded l;
        load_model(&l, models[i].name, &as_it_is);
        assert_null(l.g);
        if (!has_message(&l, models[i].says) || ncc_diag_first_fault(&l.diags) != FAULT_INPUT) {
            ncc_diag_print(&l.diags, stderr);
            fail_msg("%s: no message with '%s'", models[i].name, models[i].says);
        }
        unload(&l);
    }
}

static void notes_and_warnings(void **state)
{
    struct loaded l;
    (void)state;
    skip_without_models();
    load_model(&l, "two_subgraphs", NULL);
    assert_true(l.g && has_message(&l, "only the first subgraph"));
    unload(&l);
    load_model(&l, "wrong_shape", NULL);
    assert_true(l.g && has_message(&l, "'y0' is 1x5 in the file, and 1x4"));
    assert_int_equal(l.diags.n_warnings, 1);
    unload(&l);
}

static void load_bytes(struct loaded *l, const void *data, size_t size)
{
    char path[300];
    snprintf(path, sizeof path, "%s/test_model.bin", MODELS);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
    load_file(l, path, NULL);
}

static void formats(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *says;
    } files[] = {
        {"\x08\x07\x12\x07pytorch", 11, "the file has no graph"},
        {"name: \"net\"\nlayer {}", 20, "the net must have an output"},
        {"\x89HDF\r\n\x1a\n", 8, "Keras"},
        {"LDMK\4\0\0\0", 8, "kmodel"},
        {"PK\3\4", 4, "archive"},
        {"", 0, "not a model of a known format"},
        {"\1\2\3\4TFL3", 8, "damaged"},
    };
    struct loaded l;
    (void)state;
    skip_without_models();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        load_bytes(&l, files[i].bytes, files[i].size);
        assert_null(l.g);
        if (!has_message(&l, files[i].says))
            fail_msg("no message with '%s'", files[i].says);
        unload(&l);
    }
    load_file(&l, MODELS "/nothing.tflite", NULL);
    assert_true(!l.g && l.diags.n_errors == 1);
    unload(&l);
    /* Without its identifier a model is still one. */
    struct bytes model;
    struct loaded whole;
    load_model(&whole, "chain", NULL);
    assert_true(ncc_file_read(MODELS "/chain.tflite", 1 << 20, &whole.arena, &whole.diags, &model));
    uint8_t *copy = NCC_NEW(&whole.arena, uint8_t, model.size);
    memcpy(copy, model.data, model.size);
    memset(copy + 4, 0, 4);
    load_bytes(&l, copy, model.size);
    assert_true(l.g && has_message(&l, "does not say that it is"));
    unload(&l);
    unload(&whole);
}

/* The n-th block of memory is refused, for every n: the one exit is taken and everything given back. */
static void memory_runs_out(void **state)
{
    char path[300];
    (void)state;
    skip_without_models();
    model_path("strided_slice", path);
    volatile bool done = false;
    for (volatile long n = 1; !done; n++) {
        struct exit out = {.fail_at = n};
        struct arena arena = ncc_arena_make(&out);
        if (setjmp(out.env) == 0) {
            struct diags d;
            ncc_diag_init(&d, &arena);
            assert_non_null(ncc_import(path, MODEL_AUTO, NULL, &arena, &d));
            done = true;
        }
        ncc_arena_release(&arena);
        assert_int_equal(out.used, 0);
        assert_true(n < 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_transposes_inside),
        cmocka_unit_test(names_and_nodes),
        cmocka_unit_test(nchw_inside),
        cmocka_unit_test(cutting),
        cmocka_unit_test(shapes_from_outside),
        cmocka_unit_test(batch_becomes_one),
        cmocka_unit_test(unsupported_are_all_listed),
        cmocka_unit_test(cuts_are_suggested),
        cmocka_unit_test(faults_have_messages),
        cmocka_unit_test(notes_and_warnings),
        cmocka_unit_test(formats),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
