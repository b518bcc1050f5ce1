/* The file as a whole: equal graphs give equal bytes, fused clamps and free concatenations give no nodes, and the C
 * form holds the same bytes. */
#include "tests/k210/compiled.h"

#include "compiler/emit/emit.h"
#include "kmodel/kmodel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t n_kernels(const char *text)
{
    struct net n;
    struct compiled c;
    struct ncc_kmodel km;
    net_open(&n);
    net_parse(&n, text);
    assert_true(compile_planned(&n, n.g, &c));
    assert_int_equal(ncc_kmodel_open(c.file.data, c.file.size, &km), NCC_OK);
    const uint32_t count = km.header->n_nodes;
    net_close(&n);
    return count;
}

static void nodes_that_cost_nothing(void **unused)
{
    (void)unused;
#define X "input %x f32 1x3x6x7\n"
    assert_int_equal(n_kernels(X "%a = sigmoid(%x)\n%y = reshape(%a) shape=[1,126]\noutput %y\n"), 1);
    assert_int_equal(n_kernels(X "%a = add(%x, %x)\n%y = relu(%a)\noutput %y\n"), 1);
    assert_int_equal(n_kernels(X "%a = add(%x, %x)\n%y = clip(%a) max=1\noutput %y\n"), 1);
    assert_int_equal(n_kernels(X "%a = add(%x, %x)\n%y = relu(%a)\noutput %a\noutput %y\n"), 2);
    assert_int_equal(n_kernels(X "%a = add(%x, %x)\n%y = relu(%a)\n%z = relu(%y)\noutput %z\n"), 2);
    assert_int_equal(n_kernels(X "%a = sigmoid(%x)\n%y = relu(%a)\noutput %y\n"), 2);
    assert_int_equal(n_kernels(X "%a = sigmoid(%x)\n%b = tanh(%x)\n%y = concat(%a, %b) axis=1\noutput %y\n"), 2);
    assert_int_equal(n_kernels(X "%a = sigmoid(%x)\n%b = tanh(%x)\n%y = concat(%a, %b) axis=2\noutput %y\n"), 3);
}

static void same_graph_same_bytes(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("emit");
    const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4, .output_quantize_threshold = 1024};
    for (int i = 0; i < 60; i++) {
        struct net n[2];
        struct bytes file[2];
        for (int k = 0; k < 2; k++) {
            uint64_t state = seed * 1000003 + (uint64_t)i;
            setenv("NCC_THREADS", k ? "1" : "2", 1);
            net_open(&n[k]);
            net_random(&n[k], &state, i);
            file[k] = compile_net(&n[k], &options, true, state, "network").file;
        }
        if (file[0].size != file[1].size || memcmp(file[0].data, file[1].data, file[0].size))
            fail_msg("network %d: two compilations differ", i);
        net_close(&n[0]);
        net_close(&n[1]);
    }
}

static void c_array(void **unused)
{
    (void)unused;
    struct net n;
    net_open(&n);
    uint8_t data[300];
    for (int i = 0; i < 300; i++)
        data[i] = (uint8_t)(i * 7);
    const struct bytes text = ncc_emit_c_array((struct bytes){data, sizeof data}, "my_model", &n.arena);
    char *copy = ncc_arena_copy(&n.arena, (const char *)text.data, text.size);
    assert_non_null(strstr(copy, "const unsigned char my_model[300] __attribute__((aligned(256))) = {"));
    assert_non_null(strstr(copy, "const size_t my_model_size = 300;"));
    const char *p = strchr(copy, '{') + 1;
    for (int i = 0; i < 300; i++) {
        char *end;
        assert_int_equal(strtol(p, &end, 16), data[i]);
        assert_int_equal(*end, ',');
        p = end + 1;
    }
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nodes_that_cost_nothing),
                                       cmocka_unit_test(same_graph_same_bytes), cmocka_unit_test(c_array)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
