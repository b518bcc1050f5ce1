/* ONNX: recurrent layers of both directions, with what onnx's own tests of operators leave out. What they must give is
 * worked out here, state by state. */
#include "compiler/import/onnx.h"
#include "compiler/import/recurrent.h"
#include "tests/import/onnx_model.h"

static char path[] = "/tmp/ncc_onnx_XXXXXX";

enum { T = 3, BATCH = 2, INS = 2, H = 4, DIRECTIONS = 2, MOST_GATES = 4 };

struct layer {
    const char *op, *functions; /* for one direction, separated by commas; NULL: the usual ones */
    int n_gates;
    const char *attr; /* a switch that is on, or NULL */
    float clip;
};

/* ---- the model ---- */

static void put_matrix(struct model *m, const char *name, int tensor, int rank, const int64_t *dims)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= dims[i];
    float *v = NCC_NEW(&m->arena, float, n);
    for (int i = 0; i < n; i++)
        v[i] = const_pattern(i, tensor);
    model_init(m, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, rank, dims, v, (size_t)n * sizeof *v);
}

static void put_strings(struct model *m, Onnx__NodeProto *n, const char *name, const char *list, int times)
{
    Onnx__AttributeProto *a = model_attr(m, n, name);
    size_t count;
    char **names = model_names(m, list, &count);
    a->n_strings = count * (size_t)times;
    a->strings = NCC_NEW(&m->arena, ProtobufCBinaryData, (int)a->n_strings);
    for (size_t i = 0; i < a->n_strings; i++)
        a->strings[i] = (ProtobufCBinaryData){strlen(names[i % count]), (uint8_t *)names[i % count]};
}

static void put_int(struct model *m, Onnx__NodeProto *n, const char *name, int x)
{
    Onnx__AttributeProto *a = model_attr(m, n, name);
    a->i = x;
    a->has_i = true;
}

static Onnx__NodeProto *put_layer(struct model *m, const struct layer *l, int steps, const char *more_inputs)
{
    const int g = l->n_gates;
    model_open(m, 14);
    model_input(m, "x", 3, (int[]){steps, BATCH, INS});
    put_matrix(m, "w", 1, 3, (int64_t[]){DIRECTIONS, g * H, INS});
    put_matrix(m, "r", 2, 3, (int64_t[]){DIRECTIONS, g * H, H});
    put_matrix(m, "b", 3, 2, (int64_t[]){DIRECTIONS, 2 * g * H});
    put_matrix(m, "p", 4, 2, (int64_t[]){DIRECTIONS, 3 * H});
    model_ints(m, "lengths", 2, (int64_t[]){steps, steps - 1});
    char *in = ncc_arena_printf(&m->arena, "x,w,r,b%s", more_inputs);
    Onnx__NodeProto *n = model_node(m, l->op, in, "y,h");
    Onnx__AttributeProto *a = model_attr(m, n, "direction");
    a->s = (ProtobufCBinaryData){13, (uint8_t *)model_text(m, "bidirectional")};
    a->has_s = true;
    if (l->functions)
        put_strings(m, n, "activations", l->functions, DIRECTIONS);
    if (l->attr)
        put_int(m, n, l->attr, 1);
    if (l->clip > 0) {
        a = model_attr(m, n, "clip");
        a->f = l->clip;
        a->has_f = true;
    }
    model_output(m, "y");
    model_output(m, "h");
    return n;
}

static void load(struct loaded *l, struct model *m)
{
    model_write(path, model_pack(m));
    ncc_arena_release(&m->arena);
    load_file(l, path, NULL);
}

/* ---- what it must give ---- */

static float function(const struct layer *l, int k, float x)
{
    static const char *const usual[] = {"RNN:Tanh", "GRU:Sigmoid,Tanh", "LSTM:Sigmoid,Tanh,Tanh"};
    const char *list = l->functions;
    for (int i = 0; !list && i < 3; i++)
        if (strncmp(usual[i], l->op, strlen(l->op)) == 0)
            list = strchr(usual[i], ':') + 1;
    for (; k > 0; k--)
        list = strchr(list, ',') + 1;
    if (strncmp(list, "HardSigmoid", 11) == 0)
        return clamp(0.2f * x + 0.5f, 0, 1);
    if (strncmp(list, "Softsign", 8) == 0)
        return x / (1 + fabsf(x));
    if (strncmp(list, "Relu", 4) == 0)
        return x > 0 ? x : 0;
    return *list == 'S' ? 1 / (1 + expf(-x)) : tanhf(x);
}

static float gate(const struct layer *l, int k, float x)
{
    return function(l, k, l->clip > 0 ? clamp(x, -l->clip, l->clip) : x);
}

static float of_input(const struct layer *l, int d, int row, const float *x)
{
    float sum = const_pattern(d * 2 * l->n_gates * H + row, 3);
    for (int i = 0; i < INS; i++)
        sum += x[i] * const_pattern((d * l->n_gates * H + row) * INS + i, 1);
    return sum;
}

static float of_state(const struct layer *l, int d, int row, const float *h)
{
    float sum = const_pattern((d * 2 + 1) * l->n_gates * H + row, 3);
    for (int i = 0; i < H; i++)
        sum += h[i] * const_pattern((d * l->n_gates * H + row) * H + i, 2);
    return sum;
}

static void gru_step(const struct layer *l, int d, const float *x, float *h)
{
    float next[H], reset[H];
    for (int s = 0; s < H; s++)
        reset[s] = gate(l, 0, of_input(l, d, H + s, x) + of_state(l, d, H + s, h));
    for (int s = 0; s < H; s++) {
        float inner[H];
        for (int i = 0; i < H; i++)
            inner[i] = h[i] * reset[i];
        const float old = l->attr ? reset[s] * of_state(l, d, 2 * H + s, h) : of_state(l, d, 2 * H + s, inner);
        const float n = gate(l, 1, of_input(l, d, 2 * H + s, x) + old);
        const float z = gate(l, 0, of_input(l, d, s, x) + of_state(l, d, s, h));
        next[s] = (1 - z) * n + z * h[s];
    }
    memcpy(h, next, sizeof next);
}

static void lstm_step(const struct layer *l, int d, const float *x, float *h, float *c, bool looks)
{
    float next[H];
    for (int s = 0; s < H; s++) {
        float z[MOST_GATES];
        for (int k = 0; k < 4; k++)
            z[k] = of_input(l, d, k * H + s, x) + of_state(l, d, k * H + s, h);
        z[0] += looks ? c[s] * const_pattern(d * 3 * H + s, 4) : 0;
        z[2] += looks ? c[s] * const_pattern(d * 3 * H + 2 * H + s, 4) : 0;
        const float in = gate(l, 0, z[0]), forget = l->attr ? 1 - in : gate(l, 0, z[2]);
        c[s] = forget * c[s] + in * gate(l, 1, z[3]);
        z[1] += looks ? c[s] * const_pattern(d * 3 * H + H + s, 4) : 0;
        next[s] = gate(l, 0, z[1]) * function(l, 2, c[s]);
    }
    memcpy(h, next, sizeof next);
}

static void rnn_step(const struct layer *l, int d, const float *x, float *h)
{
    float next[H];
    for (int s = 0; s < H; s++)
        next[s] = gate(l, 0, of_input(l, d, s, x) + of_state(l, d, s, h));
    memcpy(h, next, sizeof next);
}

/* y [T][D][B][H], last [D][B][H] */
static void expected(const struct layer *l, bool looks, const float *x, float *y, float *last)
{
    for (int d = 0; d < DIRECTIONS; d++)
        for (int b = 0; b < BATCH; b++) {
            float h[H] = {0}, c[H] = {0};
            for (int i = 0; i < T; i++) {
                const int t = d ? T - 1 - i : i;
                const float *in = x + (t * BATCH + b) * INS;
                if (l->n_gates == 1)
                    rnn_step(l, d, in, h);
                else if (l->n_gates == 3)
                    gru_step(l, d, in, h);
                else
                    lstm_step(l, d, in, h, c, looks);
                memcpy(y + ((t * DIRECTIONS + d) * BATCH + b) * H, h, sizeof h);
            }
            memcpy(last + (d * BATCH + b) * H, h, sizeof h);
        }
}

static void expect_close(const char *what, const float *got, const float *want, int n)
{
    for (int i = 0; i < n; i++)
        if (!(fabsf(got[i] - want[i]) < 1e-5f))
            fail_msg("%s: element %d is %g instead of %g", what, i, (double)got[i], (double)want[i]);
}

static void expect_layer(const struct layer *layer, const char *more_inputs)
{
    struct model m;
    struct loaded l;
    float x[T * BATCH * INS], y[T * DIRECTIONS * BATCH * H], last[DIRECTIONS * BATCH * H], *out[3];
    for (int i = 0; i < T * BATCH * INS; i++)
        x[i] = input_pattern(i, 0);
    put_layer(&m, layer, T, more_inputs);
    load(&l, &m);
    expect_graph(&l, layer->op);
    run_graph(l.g, EVAL_FAST, (const float *const[]){x}, out);
    expected(layer, *more_inputs, x, y, last);
    expect_close(layer->op, out[0], y, (int)(sizeof y / sizeof *y));
    expect_close(layer->op, out[1], last, (int)(sizeof last / sizeof *last));
    free(out[0]);
    free(out[1]);
    unload(&l);
}

static void layers_of_two_directions(void **state)
{
    (void)state;
    expect_layer(&(struct layer){"RNN", NULL, 1, NULL, 0}, "");
    expect_layer(&(struct layer){"RNN", "Relu", 1, NULL, 0.75f}, "");
    expect_layer(&(struct layer){"GRU", NULL, 3, NULL, 0}, "");
    expect_layer(&(struct layer){"GRU", NULL, 3, "linear_before_reset", 0}, "");
    expect_layer(&(struct layer){"GRU", "HardSigmoid,Softsign", 3, "linear_before_reset", 1.25f}, "");
    expect_layer(&(struct layer){"LSTM", NULL, 4, NULL, 0}, "");
    expect_layer(&(struct layer){"LSTM", "HardSigmoid,Softsign,Relu", 4, "input_forget", 1.25f}, "");
    expect_layer(&(struct layer){"LSTM", NULL, 4, NULL, 0}, ",,,,p");
}

static void expect_refusal(const struct layer *layer, int steps, const char *more_inputs, const char *says)
{
    struct model m;
    struct loaded l;
    put_layer(&m, layer, steps, more_inputs);
    load(&l, &m);
    assert_null(l.g);
    if (!has_message(&l, says))
        fail_msg("no message with '%s'", says);
    unload(&l);
}

static void refusals(void **state)
{
    (void)state;
    const struct layer good = {"GRU", NULL, 3, NULL, 0};
    expect_refusal(&(struct layer){"RNN", "Cube", 1, NULL, 0}, T, "", "Cube");
    expect_refusal(&good, T, ",lengths", "all sequences must be as long as the input");
    expect_refusal(&good, 513, "", "at most 512 steps");
    expect_refusal(&(struct layer){"LSTM", NULL, 3, NULL, 0}, T, "", "must fit one another");
}

static void work_is_bounded(void **state)
{
    (void)state;
    struct exit out;
    struct arena a = ncc_arena_make(&out);
    struct diags d;
    ncc_diag_init(&d, &a);
    struct recurrent_result result;
    const struct recurrent r = {.g = ncc_graph_new(&a, &d, "many.onnx"), .name = "the last of many"};
    r.g->next_id = RECURRENT_MAX_VALUES + 1;
    assert_false(ncc_recurrent_unroll(&r, true, &result));
    assert_int_equal(d.n_errors, 1);
    ncc_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(layers_of_two_directions), cmocka_unit_test(refusals),
                                       cmocka_unit_test(work_is_bounded)};
    const int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
