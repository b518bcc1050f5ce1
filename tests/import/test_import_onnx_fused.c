/* ONNX: operators that onnxruntime's optimiser makes of several, and that it saves. */
#include "compiler/import/onnx.h"
#include "tests/import/onnx_model.h"

static char path[] = "/tmp/ncc_onnx_XXXXXX";
static const int map[4] = {1, 3, 4, 4};

/* Writes the model, ends its life, and imports it. */
static void load(struct loaded *l, struct model *m)
{
    model_write(path, model_pack(m));
    ncc_arena_release(&m->arena);
    load_file(l, path, NULL);
}

static float fused_result(const char *activation, float sum)
{
    if (strcmp(activation, "Relu") == 0)
        return fmaxf(sum, 0);
    if (strcmp(activation, "LeakyRelu") == 0)
        return sum < 0 ? sum * 0.25f : sum;
    if (strcmp(activation, "Clip") == 0)
        return clamp(sum, -1, 2);
    if (strcmp(activation, "HardSigmoid") == 0)
        return clamp(sum * 0.25f + 0.5f, 0, 1);
    return strcmp(activation, "Tanh") == 0 ? tanhf(sum) : 1 / (1 + expf(-sum));
}

/* y = activation(2 x + 1 + z), each channel by itself. */
static void put_fused(struct model *m, const char *activation, size_t n_params, const float *params)
{
    model_open(m, 13);
    model_input(m, "x", 4, map);
    model_init(m, "w", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 4, (int64_t[]){3, 1, 1, 1}, (float[]){2, 2, 2}, 12);
    model_floats(m, "b", 3, (float[]){1, 1, 1});
    model_node(m, "Abs", "x", "z");
    Onnx__NodeProto *n = model_node(m, "FusedConv", "x,w,b,z", "y");
    n->domain = model_text(m, "com.microsoft");
    Onnx__AttributeProto *group = model_attr(m, n, "group"), *a = model_attr(m, n, "activation"),
                         *p = model_attr(m, n, "activation_params");
    group->i = 3;
    group->has_i = true;
    a->has_s = true;
    a->s = (ProtobufCBinaryData){strlen(activation), (uint8_t *)model_text(m, activation)};
    p->n_floats = n_params;
    p->floats = NCC_NEW(&m->arena, float, n_params);
    for (size_t i = 0; i < n_params; i++)
        p->floats[i] = params[i];
    model_output(m, "y");
}

static void fused_convolutions(void **state)
{
    (void)state;
    static const struct {
        const char *activation;
        size_t n;
        float params[2];
    } cases[] = {{"Relu", 0, {0}},          {"Sigmoid", 0, {0}},  {"Tanh", 0, {0}},
                 {"LeakyRelu", 1, {0.25f}}, {"Clip", 2, {-1, 2}}, {"HardSigmoid", 2, {0.25f, 0.5f}}};
    float x[48], *out[2];
    for (int i = 0; i < 48; i++)
        x[i] = input_pattern(i, 0);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct model m;
        struct loaded l;
        put_fused(&m, cases[k].activation, cases[k].n, cases[k].params);
        load(&l, &m);
        expect_graph(&l, cases[k].activation);
        run_graph(l.g, EVAL_FAST, (const float *const[]){x}, out);
        for (int i = 0; i < 48; i++)
            assert_true(fabsf(out[0][i] - fused_result(cases[k].activation, 2 * x[i] + 1 + fabsf(x[i]))) < 1e-5f);
        free(out[0]);
        unload(&l);
    }
    struct model m;
    struct loaded l;
    put_fused(&m, "Clip", 1, (float[]){0});
    load(&l, &m);
    assert_true(!l.g && has_message(&l, "1 for Clip"));
    unload(&l);
    put_fused(&m, "Softplus", 0, NULL);
    load(&l, &m);
    assert_true(!l.g && has_message(&l, "a fused activation must be"));
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fused_convolutions)};
    const int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
