/* ONNX models as a whole: names, shapes, constants wherever they are, cuts, messages, damaged files. What single
 * operators mean is in test_onnx_nodes. */
#include "compiler/import/onnx.h"
#include "tests/import/onnx_model.h"

#include <sys/stat.h>

static char folder[] = "/tmp/ncc_onnx_XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char file[80];
    snprintf(file, sizeof file, "%s/weights.bin", folder);
    unlink(file);
    unlink(path);
    return rmdir(folder);
}

/* Writes the model, ends its life, and imports it. */
static void load(struct loaded *l, struct model *m, const struct import_options *options)
{
    model_write(path, model_pack(m));
    ncc_arena_release(&m->arena);
    load_file(l, path, options);
}

static void expect_refusal(struct model *m, const char *says)
{
    struct loaded l;
    load(&l, m, NULL);
    assert_null(l.g);
    if (!has_message(&l, says)) {
        ncc_diag_print(&l.diags, stderr);
        fail_msg("no message with '%s'", says);
    }
    unload(&l);
}

static const int map[4] = {1, 3, 4, 4}, open_map[4] = {0, 3, 0, 4}, packed_map[4] = {1, 4, 4, 3};

/* x, shape of x, its first dimension and -1: what exporters make of a flatten. */
static void put_shape_chain(struct model *m)
{
    model_ints(m, "zero", 1, (int64_t[]){0});
    model_ints(m, "rest", 1, (int64_t[]){-1});
    model_node(m, "Shape", "x", "shape");
    model_node(m, "Gather", "shape,zero", "first");
    Onnx__NodeProto *concat = model_node(m, "Concat", "first,rest", "to");
    model_attr(m, concat, "axis")->i = 0;
    model_node(m, "Reshape", "x,to", "flat");
    model_output(m, "flat");
}

static void shape_chains_disappear(void **state)
{
    (void)state;
    struct model m;
    struct loaded l;
    model_open(&m, 13);
    model_input(&m, "x", 4, map);
    put_shape_chain(&m);
    load(&l, &m, NULL);
    expect_graph(&l, "a chain");
    assert_int_equal(ncc_graph_n_nodes(l.g), 1);
    assert_int_equal(count_ops(l.g, OP_reshape), 1);
    assert_int_equal(l.g->outputs.v[0].value->shape.dim[1], 48);
    unload(&l);
}

static void open_dimensions(void **state)
{
    (void)state;
    struct model m;
    struct loaded l;
    model_open(&m, 13);
    model_input(&m, "x", 4, open_map);
    put_shape_chain(&m);
    expect_refusal(&m, "open x 3 x open x 4");
    model_open(&m, 13);
    model_input(&m, "x", 4, open_map);
    put_shape_chain(&m);
    const struct shape_override shape = {"x", ncc_shape_4(1, 3, 6, 4)}, other = {"y", ncc_shape_4(1, 3, 6, 4)};
    load(&l, &m, &(const struct import_options){.shapes = &shape, .n_shapes = 1});
    expect_graph(&l, "with a shape");
    assert_int_equal(l.g->outputs.v[0].value->shape.dim[1], 72);
    unload(&l);
    load_file(&l, path, &(const struct import_options){.shapes = &other, .n_shapes = 1});
    assert_null(l.g);
    assert_true(has_message(&l, "its inputs are 'x'"));
    unload(&l);
}

static void initialisers_may_be_inputs(void **state)
{
    (void)state;
    struct model m;
    struct loaded l;
    model_open(&m, 9);
    model_input(&m, "x", 4, map);
    model_input(&m, "k", 0, NULL);
    model_floats(&m, "k", 1, (float[]){2});
    model_node(&m, "Mul", "x,k", "y");
    model_output(&m, "y");
    load(&l, &m, NULL);
    expect_graph(&l, "a constant as input");
    assert_int_equal(l.g->inputs.n, 1);
    unload(&l);
}

/* n, h, w, c that is turned at once, also behind its quantisation, is n, c, h, w outside. */
static void packed_inputs_are_turned(void **state)
{
    (void)state;
    struct model m;
    struct loaded l;
    model_open(&m, 13);
    model_input(&m, "x", 4, packed_map);
    model_floats(&m, "s", 1, (float[]){0.5f});
    model_node(&m, "QuantizeLinear", "x,s", "q");
    model_node(&m, "DequantizeLinear", "q,s", "d");
    model_list(&m, model_node(&m, "Transpose", "d", "y"), "perm", 4, (int64_t[]){0, 3, 1, 2});
    model_output(&m, "y");
    load(&l, &m, NULL);
    expect_graph(&l, "turned");
    assert_int_equal(l.g->inputs.v[0]->shape.dim[1], 3);
    float x[48], *out[2];
    for (int i = 0; i < 48; i++)
        x[i] = (float)i * 0.3f;
    run_graph(l.g, EVAL_FAST, (const float *const[]){x}, out);
    for (int i = 0; i < 48; i++)
        assert_true(out[0][i] == rintf(x[i] * 2) / 2);
    free(out[0]);
    unload(&l);
}

/* ---- external data ---- */

static void put_external(struct model *m, const char *location, const char *offset)
{
    model_open(m, 13);
    model_input(m, "x", 4, map);
    Onnx__TensorProto *t = model_init(m, "k", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 1, &(int64_t){4}, "", 0);
    const char *entries[2][2] = {{"location", location}, {"offset", offset}};
    t->has_raw_data = false;
    t->has_data_location = true;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    t->n_external_data = 2;
    t->external_data = NCC_NEW(&m->arena, Onnx__StringStringEntryProto *, 2);
    for (int i = 0; i < 2; i++) {
        t->external_data[i] = NCC_NEW(&m->arena, Onnx__StringStringEntryProto, 1);
        onnx__string_string_entry_proto__init(t->external_data[i]);
        t->external_data[i]->key = model_text(m, entries[i][0]);
        t->external_data[i]->value = model_text(m, entries[i][1]);
    }
    model_node(m, "Add", "x,k", "y");
    model_output(m, "y");
}

static void external_data(void **state)
{
    (void)state;
    static const struct {
        const char *location, *offset, *says;
    } bad[] = {
        {"weights.bin", "12", "too short"},       {"missing.bin", "0", "missing.bin"},
        {"../weights.bin", "0", "own folder"},    {"/etc/passwd", "0", "own folder"},
        {"weights.bin", "-1", "must be numbers"}, {"weights.bin", "8x", "must be numbers"},
        {"", "0", "must name their file"},
    };
    const float numbers[6] = {9, 9, 1, 2, 3, 4};
    char file[80];
    struct model m;
    struct loaded l;
    snprintf(file, sizeof file, "%s/weights.bin", folder);
    model_write(file, (struct bytes){(const uint8_t *)numbers, sizeof numbers});
    put_external(&m, "weights.bin", "8");
    load(&l, &m, NULL);
    expect_graph(&l, "external data");
    assert_memory_equal(l.g->first->in[1]->data, numbers + 2, 16);
    unload(&l);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put_external(&m, bad[i].location, bad[i].offset);
        expect_refusal(&m, bad[i].says);
    }
    unlink(file);
    assert_int_equal(symlink("/etc/passwd", file), 0);
    put_external(&m, "weights.bin", "0");
    expect_refusal(&m, "own folder");
}

/* ---- what is not supported ---- */

static void all_problems_at_once(void **state)
{
    (void)state;
    struct model m;
    struct loaded l;
    model_open(&m, 13);
    model_input(&m, "x", 4, map);
    model_node(&m, "Relu", "x", "a");
    model_node(&m, "Sigmoid", "a", "b");
    model_node(&m, "Abs", "b", "c");
    model_node(&m, "LSTM", "c", "d");
    model_node(&m, "Frobnicate", "d", "e")->domain = model_text(&m, "com.acme");
    model_output(&m, "e");
    load(&l, &m, NULL);
    assert_null(l.g);
    assert_int_equal(l.diags.n_errors, 2);
    assert_true(has_message(&l, "LSTM"));
    assert_true(has_message(&l, "com.acme.Frobnicate"));
    assert_true(has_message(&l, "--output-tensor 'c'"));
    unload(&l);
    const char *from = "a", *to = "c";
    load_file(&l, path, &(const struct import_options){.output_tensors = &to, .n_output_tensors = 1});
    expect_graph(&l, "cut behind");
    assert_int_equal(ncc_graph_n_nodes(l.g), 3);
    unload(&l);
    const struct shape_override shape = {"a", ncc_shape_4(1, 3, 4, 4)};
    load_file(&l, path,
              &(const struct import_options){.shapes = &shape,
                                             .n_shapes = 1,
                                             .input_tensors = &from,
                                             .n_input_tensors = 1,
                                             .output_tensors = &to,
                                             .n_output_tensors = 1});
    expect_graph(&l, "cut on both sides");
    assert_int_equal(ncc_graph_n_nodes(l.g), 2);
    unload(&l);
}

/* What a converter would not have left there, had it been told, says what to tell it. */
static void known_kinds_have_remedies(void **state)
{
    (void)state;
    struct model m;
    model_open(&m, 13);
    model_input(&m, "x", 4, map);
    model_node(&m, "NonMaxSuppression", "x", "y");
    model_output(&m, "y");
    expect_refusal(&m, "the firmware sorts boxes");
}

/* A constant behind all others, and what comes last in front. */
static void nodes_in_any_order(void **state)
{
    (void)state;
    struct model m;
    struct loaded l;
    float x[48], *out[2];
    model_open(&m, 13);
    model_input(&m, "x", 4, map);
    model_node(&m, "Neg", "b", "y");
    model_node(&m, "Add", "a,c", "b");
    model_node(&m, "Relu", "x", "a");
    Onnx__AttributeProto *a = model_attr(&m, model_node(&m, "Constant", "", "c"), "value_float");
    m.nodes[3]->n_input = 0;
    a->f = 2.5f;
    a->has_f = true;
    model_output(&m, "y");
    load(&l, &m, NULL);
    expect_graph(&l, "any order");
    for (int i = 0; i < 48; i++)
        x[i] = input_pattern(i, 0);
    run_graph(l.g, EVAL_FAST, (const float *const[]){x}, out);
    for (int i = 0; i < 48; i++)
        assert_true(out[0][i] == -((x[i] > 0 ? x[i] : 0) + 2.5f));
    free(out[0]);
    unload(&l);
}

static void faults_have_messages(void **state)
{
    (void)state;
    struct model m;
    const float nan = NAN;
    model_open(&m, 13);
    model_input(&m, "x", 4, map);
    model_node(&m, "Relu", "nowhere", "y");
    model_output(&m, "y");
    expect_refusal(&m, "no tensor 'nowhere'");

    model_open(&m, 13);
    model_input(&m, "x", 4, map);
    model_node(&m, "Relu", "b", "a");
    model_node(&m, "Relu", "a", "b");
    model_output(&m, "b");
    expect_refusal(&m, "made before it");

    model_open(&m, 13);
    model_input(&m, "x", 4, map);
    model_node(&m, "Relu", "x", "y");
    model_node(&m, "Abs", "x", "y");
    model_output(&m, "y");
    expect_refusal(&m, "made only once");

    model_open(&m, 13);
    model_input(&m, "x", 4, map);
    model_floats(&m, "k", 1, &nan);
    model_node(&m, "Mul", "x,k", "y");
    model_output(&m, "y");
    expect_refusal(&m, "must be numbers");

    model_open(&m, 13);
    model_input(&m, "x", 4, map);
    model_init(&m, "k", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 1, &(int64_t){3}, "12345678", 8);
    model_node(&m, "Mul", "x,k", "y");
    model_output(&m, "y");
    expect_refusal(&m, "2 instead of 3");

    model_open(&m, 13);
    model_input(&m, "x", 4, map);
    model_node(&m, "Add", "x", "y");
    model_output(&m, "y");
    expect_refusal(&m, "right number of inputs");

    model_open(&m, 13);
    model_input(&m, "x", 4, (int[]){1, 1 << 20, 1 << 20, 1});
    model_output(&m, "x");
    expect_refusal(&m, "2^28 elements");
}

/* ---- damage ---- */

static void put_net(struct model *m)
{
    float w[54];
    for (int i = 0; i < 54; i++)
        w[i] = (float)i / 54;
    model_open(m, 13);
    model_input(m, "x", 4, map);
    model_init(m, "w", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 4, (int64_t[]){2, 3, 3, 3}, w, sizeof w);
    Onnx__NodeProto *conv = model_node(m, "Conv", "x,w", "c");
    model_list(m, conv, "pads", 4, (int64_t[]){1, 1, 1, 1});
    model_list(m, conv, "strides", 2, (int64_t[]){2, 2});
    model_ints(m, "axes", 2, (int64_t[]){2, 3});
    model_node(m, "ReduceMean", "c", "r");
    model_ints(m, "shape", 2, (int64_t[]){1, -1});
    model_node(m, "Reshape", "c,shape", "y");
    model_output(m, "y");
}

static void import_bytes(const uint8_t *data, size_t size)
{
    static const struct import_options none;
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct diags d;
    if (setjmp(out.env))
        fail_msg("no memory");
    ncc_diag_init(&d, &a);
    const struct graph *g = ncc_onnx_import((struct bytes){data, size}, "damaged.onnx", &none, &a, &d);
    assert_true(g || d.n_errors > 0);
    ncc_arena_release(&a);
}

static void damaged_files(void **state)
{
    (void)state;
    struct model m;
    const char *seed_text = getenv("NCC_SEED");
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : 1;
    put_net(&m);
    const struct bytes good = model_pack(&m);
    uint8_t *bad = ncc_arena_alloc(&m.arena, good.size, 1, 16);
    for (size_t n = 0; n < good.size; n++)
        import_bytes(good.data, n);
    for (int i = 0; i < 2000; i++) {
        memcpy(bad, good.data, good.size);
        for (int k = 0; k < 1 + i % 3; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bad[(seed >> 33) % good.size] = (uint8_t)(seed >> 24);
        }
        import_bytes(bad, good.size);
    }
    ncc_arena_release(&m.arena);
}

/* Graphs in attributes of nodes of graphs: protobuf-c would follow them until the stack ends. */
static void nesting_is_limited(void **state)
{
    (void)state;
    enum { DEPTH = 20000 };
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    const size_t room = (size_t)DEPTH * 32;
    uint8_t *data = ncc_arena_alloc(&a, room, 1, 1), *at = data + room;
    static const uint8_t tags[3] = {6 << 3 | 2, 5 << 3 | 2,
                                    1 << 3 | 2}; /* of attribute, node, graph: graph, attribute, node */
    for (int level = 0; level < 3 * DEPTH; level++) {
        size_t length = (size_t)(data + room - at);
        uint8_t varint[8];
        int n = 0;
        do {
            varint[n++] = (uint8_t)((length & 127) | (length > 127 ? 128 : 0));
            length >>= 7;
        } while (length > 0);
        at -= n;
        memcpy(at, varint, (size_t)n);
        *--at = tags[level % 3];
    }
    const size_t length = (size_t)(data + room - at);
    struct bytes file = {NULL, 0};
    uint8_t *whole = ncc_arena_alloc(&a, length + 16, 1, 1);
    memcpy(whole, "\x08\x08\x3a", 3);
    size_t n = 3;
    for (size_t rest = length; n == 3 || rest > 0; rest >>= 7)
        whole[n++] = (uint8_t)((rest & 127) | (rest > 127 ? 128 : 0));
    memcpy(whole + n, at, length);
    file = (struct bytes){whole, n + length};
    struct loaded l;
    model_write(path, file);
    load_file(&l, path, NULL);
    assert_null(l.g);
    assert_true(has_message(&l, "nested too deeply"));
    unload(&l);
    ncc_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shape_chains_disappear),
        cmocka_unit_test(open_dimensions),
        cmocka_unit_test(initialisers_may_be_inputs),
        cmocka_unit_test(packed_inputs_are_turned),
        cmocka_unit_test(external_data),
        cmocka_unit_test(all_problems_at_once),
        cmocka_unit_test(known_kinds_have_remedies),
        cmocka_unit_test(nodes_in_any_order),
        cmocka_unit_test(faults_have_messages),
        cmocka_unit_test(damaged_files),
        cmocka_unit_test(nesting_is_limited),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
