/* Caffe nets as a whole: the two files and their forms, layers of the first version, phases, layers in place, cuts, and
 * what is wrong with them, told all at once. */
#define CAFFE_NET "net"
#include "caffe_support.h"

#define INPUT "name: \"net\" input: \"x\" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4\n"
#define CONV                                                                                                           \
    "layer { name: \"conv\" type: \"Convolution\" bottom: \"x\" top: \"c\" convolution_param { num_output: 3 "         \
    "kernel_size: 1 } }\n"
#define RELU "layer { name: \"relu\" type: \"ReLU\" bottom: \"c\" top: \"c\" }\n"
#define PROB "layer { name: \"prob\" type: \"Softmax\" bottom: \"c\" top: \"p\" }\n"
#define LAYER(name, type, bottom, top)                                                                                 \
    "layer { name: \"" name "\" type: \"" type "\" bottom: \"" bottom "\" top: \"" top "\" }\n"

static const struct layer_blobs conv_blobs[] = {{"conv", {6, 3}}, {0}};

static void expect_message(const struct loaded *l, const char *text)
{
    if (has_message(l, text))
        return;
    ncc_diag_print(&l->diags, stderr);
    fail_msg("no message with '%s'", text);
}

static void expect_refused(const char *text, const struct layer_blobs *blobs, const char *message)
{
    struct loaded l;
    load_net(&l, text, blobs, NULL);
    assert_null(l.g);
    expect_message(&l, message);
    unload(&l);
}

static const char *output_name(const struct loaded *l, int k)
{
    return l->g->outputs.v[k].name;
}

/* Runs the net; element 0 of output 0 must be this. */
static void expect_first(const struct loaded *l, float want)
{
    static float x[MOST];
    const float *in[1] = {x};
    float *out[4];
    for (int i = 0; i < MOST; i++)
        x[i] = input_pattern(i, 0);
    run_graph(l->g, EVAL_FAST, in, out);
    assert_true(fabsf(out[0][0] - want) < 1e-5f);
    for (int k = 0; out[k]; k++)
        free(out[k]);
}

static float conv_first(void)
{
    return input_pattern(0, 0) * weight(0, 0) + input_pattern(12, 0) * weight(1, 0) + weight(0, 1);
}

/* ---- files ---- */

static void both_files_by_either(void **state)
{
    struct loaded l;
    (void)state;
    write_net(INPUT CONV, conv_blobs);
    for (int i = 0; i < 2; i++) {
        load_file(&l, i ? BINARY_PATH : TEXT_PATH, NULL);
        expect_graph(&l, "both files");
        expect_first(&l, conv_first());
        unload(&l);
    }
    static const char other[] = NCC_BINARY_DIR "/tests/import/other.txt";
    const struct import_options options = {.caffe_prototxt = other};
    write_bytes(other, INPUT CONV RELU, strlen(INPUT CONV RELU));
    load_file(&l, BINARY_PATH, &options);
    expect_graph(&l, "a prototxt of another name");
    assert_int_equal(count_ops(l.g, OP_relu), 1);
    unload(&l);
    load_file(&l, TEXT_PATH, &options);
    assert_null(l.g);
    expect_message(&l, "the model must be a caffemodel");
    unload(&l);
}

/* Field 100 of a net: a layer and its weights, of which each half knows only its own fields. */
static size_t put_layer(uint8_t *to, const Caffe__Layer *p, const uint8_t *weights, size_t weights_size)
{
    size_t n = 0, size = caffe__layer__get_packed_size(p) + weights_size;
    to[n++] = 0xa2;
    to[n++] = 0x06;
    for (; size >= 128; size >>= 7)
        to[n++] = (uint8_t)(size | 128);
    to[n++] = (uint8_t)size;
    n += caffe__layer__pack(p, to + n);
    memcpy(to + n, weights, weights_size);
    return n + weights_size;
}

/* A caffemodel as Caffe saves it, with the net and what only training has. */
static void net_inside_the_caffemodel(void **state)
{
    static uint8_t file[4096];
    char *x[] = {"x"}, *c[] = {"c"};
    size_t packed_size, size;
    uint8_t *packed = pack_weights(conv_blobs, &packed_size);
    Caffe__Weights *w = caffe__weights__unpack(NULL, packed_size, packed);
    uint8_t *own = malloc(packed_size);
    const size_t own_size = caffe__layer_weights__pack(w->layer[0], own);
    int64_t dims[] = {1, 2, 3, 4};
    Caffe__Shape shape = CAFFE__SHAPE__INIT, *shapes[] = {&shape};
    Caffe__Input param = CAFFE__INPUT__INIT;
    Caffe__Convolution conv_param = CAFFE__CONVOLUTION__INIT;
    Caffe__Layer input = CAFFE__LAYER__INIT, conv = CAFFE__LAYER__INIT;
    int32_t one = 1;
    (void)state;
    shape.n_dim = 4;
    shape.dim = dims;
    param.n_shape = 1;
    param.shape = shapes;
    input.name = "data";
    input.type = "Input";
    input.n_top = conv.n_bottom = 1;
    input.top = conv.bottom = x;
    input.input_param = &param;
    conv.name = "conv";
    conv.type = "Convolution";
    conv.n_top = 1;
    conv.top = c;
    conv_param.has_num_output = 1;
    conv_param.num_output = 3;
    conv_param.n_kernel_size = 1;
    conv_param.kernel_size = &one;
    conv.convolution_param = &conv_param;
    memcpy(file, "\x0a\3net", 5);
    size = 5 + put_layer(file + 5, &input, own, 0);
    size += put_layer(file + size, &conv, own, own_size);
    write_net("", NULL);
    unlink(TEXT_PATH);
    write_bytes(BINARY_PATH, file, size);
    struct loaded l;
    load_file(&l, BINARY_PATH, NULL);
    expect_graph(&l, "a net in the caffemodel");
    expect_first(&l, conv_first());
    unload(&l);
    caffe__weights__free_unpacked(w, NULL);
    free(packed);
    free(own);
}

/* ---- forms of nets ---- */

static void first_version(void **state)
{
    struct loaded l;
    (void)state;
    load_net(&l,
             "input: \"x\" input_shape { dim: 1 dim: 2 dim: 3 dim: 4 }\n"
             "layers { name: \"conv\" type: CONVOLUTION bottom: \"x\" top: \"c\" blobs_lr: 1 weight_decay: 0\n"
             "  convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: \"xavier\" } } }\n"
             "layers { name: \"pow\" type: POWER bottom: \"c\" top: \"y\" power_param { scale: 2 } }",
             conv_blobs, NULL);
    expect_graph(&l, "layers of the first version");
    expect_first(&l, 2 * conv_first());
    unload(&l);
    expect_refused("layers { layer { name: \"conv\" type: \"conv\" } bottom: \"x\" top: \"y\" }", NULL, "V0");
    expect_refused(INPUT CONV "layers { name: \"r\" type: RELU bottom: \"c\" top: \"d\" }", conv_blobs,
                   "layers of one version");
}

static void phases(void **state)
{
    struct loaded l;
    (void)state;
    load_net(&l,
             "layer { name: \"d\" type: \"Data\" top: \"x\" include { phase: TRAIN } }\n"
             "layer { name: \"d\" type: \"Input\" top: \"x\" include { phase: TEST stage: \"deploy\" } input_param { "
             "shape { "
             "dim: 1 dim: 9 } } }\n"
             "layer { name: \"d\" type: \"Input\" top: \"x\" include { phase: TEST not_stage: \"deploy\" } input_param "
             "{ shape "
             "{ dim: 1 dim: 3 } } }\n"
             "layer { name: \"a\" type: \"AbsVal\" bottom: \"x\" top: \"x\" exclude { phase: TEST } }\n"
             "layer { name: \"r\" type: \"ReLU\" bottom: \"x\" top: \"y\" exclude { min_level: 1 } }\n"
             "layer { name: \"loss\" type: \"SoftmaxWithLoss\" bottom: \"y\" bottom: \"label\" top: \"loss\" }\n"
             "layer { name: \"acc\" type: \"Accuracy\" bottom: \"y\" bottom: \"label\" top: \"acc\" }",
             NULL, NULL);
    expect_graph(&l, "phases");
    assert_int_equal(l.g->inputs.v[0]->shape.dim[1], 3);
    assert_int_equal(l.g->outputs.n, 1);
    assert_string_equal(output_name(&l, 0), "y");
    assert_int_equal(count_ops(l.g, OP_abs), 0);
    unload(&l);
    load_net(&l,
             "state { level: 2 stage: \"s\" } input: \"x\" input_shape { dim: 1 dim: 2 }"
             "layer { name: \"r\" type: \"ReLU\" bottom: \"x\" top: \"y\" include { min_level: 1 max_level: 2 stage: "
             "\"s\" } }"
             "layer { name: \"t\" type: \"TanH\" bottom: \"x\" top: \"z\" include { max_level: 1 } }",
             NULL, NULL);
    expect_graph(&l, "levels and stages");
    assert_int_equal(l.g->outputs.n, 1);
    unload(&l);
}

/* A net for training reads databases: nobody says how large. */
static void open_inputs(void **state)
{
    static const char text[] = "layer { name: \"d\" type: \"Data\" top: \"x\" top: \"label\" }\n" CONV;
    const struct shape_override shape = {"x", {4, {1, 2, 3, 4}}};
    struct loaded l;
    (void)state;
    expect_refused(text, conv_blobs, "--input-shape x=1,3,HEIGHT,WIDTH");
    load_net(&l, text, conv_blobs, NULL);
    assert_int_equal(l.diags.n_errors, 1); /* and none for what reads x */
    unload(&l);
    load_net(&l, text, conv_blobs, &(const struct import_options){.shapes = &shape, .n_shapes = 1});
    expect_graph(&l, "a shape from outside");
    assert_int_equal(l.g->inputs.n, 1);
    unload(&l);
    expect_refused(CONV, conv_blobs, "is not the top of an earlier layer");
    load_net(&l, CONV, conv_blobs, &(const struct import_options){.shapes = &shape, .n_shapes = 1});
    expect_graph(&l, "a blob that nothing makes, with a shape from outside");
    unload(&l);
    load_net(
        &l,
        "layer { name: \"m\" type: \"MemoryData\" top: \"x\" memory_data_param { batch_size: 8 channels: 2 height: 3 "
        "width: 4 } }\n" CONV
        "layer { name: \"v\" type: \"Reshape\" bottom: \"c\" top: \"y\" reshape_param { shape { dim: 8 dim: 36 } } }",
        conv_blobs, NULL);
    expect_graph(&l, "a batch");
    expect_message(&l, "the batch is set to 1");
    assert_int_equal(l.g->outputs.v[0].value->shape.dim[0], 1);
    unload(&l);
}

static void in_place_and_cuts(void **state)
{
    static const char text[] = INPUT CONV RELU LAYER("abs", "AbsVal", "c", "c") PROB LAYER("box", "PriorBox", "p", "b");
    static const struct {
        const char *name;
        int n_relu, n_abs;
    } cuts[] = {{"relu", 1, 0}, {"c", 1, 1}, {"abs", 1, 1}};
    struct loaded l;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        load_net(&l, text, conv_blobs,
                 &(const struct import_options){.output_tensors = &cuts[i].name, .n_output_tensors = 1});
        expect_graph(&l, cuts[i].name);
        assert_int_equal(count_ops(l.g, OP_relu), cuts[i].n_relu);
        assert_int_equal(count_ops(l.g, OP_abs), cuts[i].n_abs);
        unload(&l);
    }
    const char *c = "c", *p = "p", *none = "none";
    load_net(&l, text, conv_blobs,
             &(const struct import_options){
                 .input_tensors = &c, .n_input_tensors = 1, .output_tensors = &p, .n_output_tensors = 1});
    expect_graph(&l, "a tail");
    assert_int_equal(l.g->inputs.v[0]->shape.dim[1], 3);
    assert_int_equal(count_ops(l.g, OP_conv2d), 0);
    unload(&l);
    load_net(&l, text, conv_blobs, &(const struct import_options){.output_tensors = &none, .n_output_tensors = 1});
    expect_message(&l, "there is no such tensor");
    expect_message(&l, "did you mean 'conv'?");
    unload(&l);
}

static void outputs(void **state)
{
    struct loaded l;
    (void)state;
    load_net(&l,
             INPUT CONV PROB LAYER("t", "TanH", "x", "t")
                 LAYER("quiet", "Sigmoid", "x", "q") "layer { name: \"s\" type: \"Silence\" bottom: \"q\" }",
             conv_blobs, NULL);
    expect_graph(&l, "two outputs");
    assert_int_equal(l.g->outputs.n, 2);
    assert_string_equal(output_name(&l, 0), "p");
    assert_string_equal(output_name(&l, 1), "t");
    unload(&l);
}

/* ---- what is wrong ---- */

static void all_problems_at_once(void **state)
{
    struct loaded l;
    (void)state;
    load_net(
        &l,
        INPUT CONV LAYER("prior", "PriorBox", "c", "b") LAYER("py", "Python", "c", "q") LAYER("own", "MyLayer", "x",
                                                                                              "o")
            LAYER("behind", "ReLU", "o",
                  "z") "layer { name: \"bad\" type: \"Softmax\" bottom: \"c\" top: \"s\" softmax_param { axis: 7 } }",
        conv_blobs, NULL);
    assert_null(l.g);
    assert_int_equal(l.diags.n_errors, 4);
    expect_message(&l, "the layer is not supported");
    expect_message(&l, "the type of layer is not known");
    expect_message(&l, "MyLayer");
    expect_message(&l, "axis 7 of 4 dimensions");
    unload(&l);
}

/* A head that is cut off before and a tail behind, and the names to cut at. */
static void cuts_are_suggested(void **state)
{
    struct loaded l;
    (void)state;
    load_net(&l,
             INPUT CONV RELU LAYER("abs", "AbsVal", "c", "d") LAYER("exp", "Exp", "d", "d")
                 LAYER("out", "DetectionOutput", "d", "o"),
             conv_blobs, NULL);
    assert_null(l.g);
    assert_int_equal(l.diags.n_errors, 1);
    expect_message(&l, "--output-tensor 'd'");
    unload(&l);
    load_net(&l,
             INPUT CONV RELU LAYER("abs", "AbsVal", "c", "c") LAYER("py", "Python", "c", "c")
                 LAYER("tanh", "TanH", "c", "c"),
             conv_blobs, NULL);
    assert_null(l.g);
    expect_message(&l, "--output-tensor 'abs'");
    unload(&l);
    /* Of what PriorBox reads only the shape is needed: no output of its own. */
    load_net(&l,
             INPUT CONV RELU LAYER("abs", "AbsVal", "c", "d") LAYER("exp", "Exp", "d", "e")
                 LAYER("prior", "PriorBox", "c", "p") "layer { name: \"out\" type: \"DetectionOutput\" bottom: \"e\" "
                                                      "bottom: \"p\" top: \"o\" }",
             conv_blobs, NULL);
    assert_null(l.g);
    bool alone = false;
    for (const struct diag *d = l.diags.first; d; d = d->next)
        alone = alone || (d->remedy && strcmp(d->remedy, "--output-tensor 'e'") == 0);
    assert_true(alone);
    unload(&l);
}

static void weights(void **state)
{
    static const struct layer_blobs few[] = {{"conv", {5, 3}}, {0}}, half[] = {{"conv", {6}}, {0}},
                                    other[] = {{"conv2", {6, 3}}, {0}};
    (void)state;
    expect_refused(INPUT CONV, NULL, "there is no file " BINARY_PATH);
    expect_refused(INPUT CONV, few, "blob 0 has 5 numbers, and the layer needs 3x2x1x1");
    expect_refused(INPUT CONV, half, "the layer must have weights");
    expect_refused(INPUT CONV, other, "the caffemodel that belongs to the prototxt");
    size_t size;
    uint8_t *packed = pack_weights(conv_blobs, &size);
    const float first = weight(0, 0), bad = NAN;
    for (size_t i = 0; i + 4 <= size; i++)
        if (memcmp(packed + i, &first, 4) == 0) {
            memcpy(packed + i, &bad, 4);
            break;
        }
    struct loaded l;
    write_bytes(TEXT_PATH, INPUT CONV, strlen(INPUT CONV));
    write_bytes(BINARY_PATH, packed, size);
    load_file(&l, TEXT_PATH, NULL);
    assert_null(l.g);
    expect_message(&l, "weights must be numbers");
    unload(&l);
    write_bytes(BINARY_PATH, packed, size - 3);
    load_file(&l, TEXT_PATH, NULL);
    assert_null(l.g);
    expect_message(&l, "the caffemodel cannot be read");
    unload(&l);
    free(packed);
}

/* A layer of another size is refused with the name of its field. */
static void parameters(void **state)
{
    static const struct {
        const char *type, *param, *says;
    } cases[] = {
        {"Convolution", "convolution_param { kernel_size: 1 }", "num_output must be"},
        {"Convolution", "convolution_param { num_output: 3 }", "kernel_size must be"},
        {"Convolution", "convolution_param { num_output: 3 kernel_size: 1 stride: 0 }", "stride must be"},
        {"Convolution", "convolution_param { num_output: 3 kernel_size: 1 group: 2 }", "multiples of group"},
        {"Convolution", "convolution_param { num_output: 3 kernel_size: [1, 1, 1] }", "two dimensions"},
        {"InnerProduct", "inner_product_param { num_output: 3 axis: 9 }", "axis 9 of 4"},
        {"Pooling", "pooling_param { kernel_size: 9 }", "the window must fit"},
        {"Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }", "pool must be"},
        {"Pooling", "pooling_param { kernel_size: 2 pad: 2 }", "pad must be smaller"},
        {"LRN", "lrn_param { local_size: 4 }", "local_size must be odd"},
        {"Reshape", "reshape_param { shape { dim: 0 dim: 7 } }", "number of elements"},
        {"Reshape", "reshape_param { shape { dim: -1 dim: -1 } }", "once -1"},
        {"Permute", "permute_param { order: 1 order: 1 }", "each once"},
        {"Slice", "slice_param { slice_point: 1 }", "one slice point between each two tops"},
        {"Upsample", "", "must have an upsample_param"},
        {"Reorg", "reorg_param { stride: 2 }", "multiple of stride"},
        {"ShuffleChannel", "shuffle_channel_param { group: 2 reverse: 1 } permute_param { order: 9 }", NULL},
        {"Log", "log_param { base: 1 }", "the base must be positive"},
        {"Tile", "", "tiles must be"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[600];
        struct loaded l;
        snprintf(text, sizeof text, INPUT "layer { name: \"l\" type: \"%s\" bottom: \"x\" top: \"y\" %s }",
                 cases[i].type, cases[i].param);
        load_net(&l, text, conv_blobs, NULL);
        if (!cases[i].says)
            expect_graph(&l, text);
        else
            expect_message(&l, cases[i].says);
        assert_int_equal(l.g == NULL, cases[i].says != NULL);
        unload(&l);
    }
}

/* ---- text ---- */

static void text_forms(void **state)
{
    struct loaded l;
    (void)state;
    load_net(&l,
             "# a comment: { [\n"
             "name: 'a' \"b\\n\\101\" ; unknown { deep: { a: [1, 2] b: \"}\" } more < x: 1 > } other: [ { a: 1 }, { a: "
             "2 } ]\n"
             "input: \"x\", input_shape: < dim: [1, 0x2, 03], dim: 4 >\n"
             "layer { name: \"l\" type: \"ReLU\" bottom: \"x\" top: \"y\" relu_param: { negative_slope: .5e0f } }",
             NULL, NULL);
    expect_graph(&l, "forms of text");
    assert_int_equal(l.g->inputs.v[0]->shape.dim[2], 3);
    assert_int_equal(count_ops(l.g, OP_leaky_relu), 1);
    unload(&l);
}

static void text_errors(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"layer {\n name: \"a\"\n", "line 3: '}' is missing at the end"},
        {"layer {\n name: \"a\n }", "line 2: a string does not end"},
        {"layer {\n name: a }", "line 2: a string in quotes is missing"},
        {"input: \"x\"\ninput_dim: 1.5", "input_dim must be an integer in range, and is 1.5"},
        {"input: \"x\"\ninput_dim: 99999999999999999999", "must be an integer in range"},
        {"layer {\n convolution_param {\n bias_term: maybe } }",
         "line 3: bias_term must be true or false, and is maybe"},
        {"layer {\n pooling_param {\n pool: MOST } }", "line 3: pool cannot be MOST"},
        {"layer {\n relu_param: 3 }", "relu_param must be a block"},
        {"layer {\n name: [\"a\"] }", "name cannot be a list"},
        {"input_dim: [1, 2", "the list of input_dim does not end"},
        {"layer {\n power_param { power: x } }", "power must be a number, and is x"},
        {"layer {\n } }", "the name of a field is missing in front of '}'"},
        {"layer {\n other: { a: 1 }", "'}' is missing"},
        {"layer {\n other: { a: ", "a value is missing at the end"},
        {"layer {\n other }", "a colon or a block must follow other"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(cases[i].text, NULL, cases[i].says);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_files_by_either),
        cmocka_unit_test(net_inside_the_caffemodel),
        cmocka_unit_test(first_version),
        cmocka_unit_test(phases),
        cmocka_unit_test(open_inputs),
        cmocka_unit_test(in_place_and_cuts),
        cmocka_unit_test(outputs),
        cmocka_unit_test(all_problems_at_once),
        cmocka_unit_test(cuts_are_suggested),
        cmocka_unit_test(weights),
        cmocka_unit_test(parameters),
        cmocka_unit_test(text_forms),
        cmocka_unit_test(text_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
