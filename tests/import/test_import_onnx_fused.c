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

/* ---- products of codes ---- */

static void put_scalar(struct model *m, const char *name, int type, const void *data, size_t size)
{
    model_init(m, name, type, 0, NULL, data, size);
}

/* y = (w x + bias) of codes with steps of 1/2 and 1/4, rounded to steps of 1/2 around code 20; and softmax of it. */
static void put_q_gemm(struct model *m)
{
    const int u8 = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, i8 = ONNX__TENSOR_PROTO__DATA_TYPE__INT8;
    model_open(m, 13);
    model_input(m, "x", 2, (int[]){1, 3});
    model_floats(m, "half", 1, (float[]){0.5f});
    model_floats(m, "quarter", 1, (float[]){0.25f});
    model_floats(m, "parts", 1, (float[]){1 / 256.0f});
    put_scalar(m, "ten", u8, (uint8_t[]){10}, 1);
    put_scalar(m, "twenty", u8, (uint8_t[]){20}, 1);
    put_scalar(m, "none", u8, (uint8_t[]){0}, 1);
    put_scalar(m, "zero", i8, (int8_t[]){0}, 1);
    model_init(m, "w", i8, 2, (int64_t[]){2, 3}, (int8_t[]){5, -3, 2, 1, 4, -6}, 6);
    model_init(m, "bias", ONNX__TENSOR_PROTO__DATA_TYPE__INT32, 1, (int64_t[]){2}, (int32_t[]){-7, 12}, 8);
    model_node(m, "QuantizeLinear", "x,half,ten", "a");
    Onnx__NodeProto *n = model_node(m, "QGemm", "a,half,ten,w,quarter,zero,bias,half,twenty", "b");
    n->domain = model_text(m, "com.microsoft");
    Onnx__AttributeProto *turned = model_attr(m, n, "transB");
    turned->i = 1;
    turned->has_i = true;
    model_node(m, "DequantizeLinear", "b,half,twenty", "y");
    model_node(m, "QLinearSoftmax", "b,half,twenty,parts,none", "c")->domain = model_text(m, "com.microsoft");
    model_node(m, "DequantizeLinear", "c,parts,none", "p");
    model_output(m, "y");
    model_output(m, "p");
}

static void quantised_products(void **state)
{
    (void)state;
    static const int w[2][3] = {{5, -3, 2}, {1, 4, -6}}, bias[2] = {-7, 12};
    const float x[3] = {1.5f, -2, 0.5f}; /* 3, -4 and 1 steps */
    static const int steps[3] = {3, -4, 1};
    float *out[3], y[2];
    struct model m;
    struct loaded l;
    put_q_gemm(&m);
    load(&l, &m);
    expect_graph(&l, "QGemm");
    run_graph(l.g, EVAL_FAST, (const float *const[]){x}, out);
    for (int o = 0; o < 2; o++) {
        int sum = bias[o];
        for (int i = 0; i < 3; i++)
            sum += w[o][i] * steps[i];
        y[o] = rintf((float)sum * 0.125f / 0.5f) * 0.5f;
        assert_true(out[0][o] == y[o]);
    }
    for (int o = 0; o < 2; o++)
        assert_true(fabsf(out[1][o] - expf(y[o]) / (expf(y[0]) + expf(y[1]))) <= 0.5f / 256 + 1e-6f);
    free(out[0]);
    free(out[1]);
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fused_convolutions), cmocka_unit_test(quantised_products)};
    const int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
