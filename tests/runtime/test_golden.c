/* The published kmodels of versions 3 and 4 on the simulator, against what the field's own runtime made of the same
 * inputs. */
#include <ncc/runtime.h>
#include <ncc/sim.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A file in a block of exactly its size; NULL when it is not there. */
static uint8_t *load(const char *path, size_t *size)
{
    FILE *const f = fopen(path, "rb");
    if (f == NULL)
        return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *const data = malloc(*size);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

static const char *zoo(void)
{
    const char *const path = getenv("NCC_ZOO");
    return path != NULL ? path : NCC_SOURCE_DIR "/../shared/zoo";
}

static void compare_f32(const float *got, const float *want, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(got[i] - want[i]) <= 1e-6f * fmaxf(fabsf(want[i]), 1e-6f)))
            fail_msg("%s: element %zu is %.9g, not %.9g", path, i, (double)got[i], (double)want[i]);
}

static void compare_outputs(const struct ncc_model *m, const char *name, int sample)
{
    for (uint32_t k = 0; k < ncc_model_n_outputs(m); k++) {
        char path[512];
        size_t size;
        snprintf(path, sizeof path, "%s/golden/kmodel__%s/out%u_s%d.bin", zoo(), name, (unsigned)k, sample);
        uint8_t *const want = load(path, &size);
        if (want == NULL)
            fail_msg("%s is missing", path);
        const struct ncc_model_tensor t = ncc_model_output(m, k);
        assert_int_equal(t.size, size);
        const void *const got = ncc_model_output_data(m, k);
        if (t.element == NCC_U8)
            assert_memory_equal(got, want, size);
        else
            compare_f32(got, (const float *)(const void *)want, size / sizeof(float), path);
        free(want);
    }
}

static void run_sample(struct ncc_model *m, struct ncc_sim *sim, const char *name, int sample)
{
    char path[512];
    size_t size;
    snprintf(path, sizeof path, "%s/golden/kmodel__%s/in0_s%d.bin", zoo(), name, sample);
    uint8_t *const input = load(path, &size);
    if (input == NULL)
        fail_msg("%s is missing", path);
    assert_int_equal(ncc_model_input(m, 0).size, size);
    ncc_sim_scramble(sim, (uint64_t)sample + 7);
    const void *const inputs[] = {input};
    const enum ncc_status status = ncc_model_run(m, inputs);
    if (status)
        fail_msg("%s: %s: %s", name, ncc_status_text(status), ncc_sim_error(sim));
    compare_outputs(m, name, sample);
    free(input);
}

static void run_golden(const char *name)
{
    char path[512];
    size_t size;
    snprintf(path, sizeof path, "%s/kmodel/%s.kmodel", zoo(), name);
    uint8_t *const file = load(path, &size);
    if (file == NULL) {
        print_message("skipped: %s is missing\n", path);
        skip();
    }
    const size_t work_size = ncc_model_work_size(file, size);
    void *const work = malloc(work_size);
    struct ncc_sim *const sim = ncc_sim_new();
    assert_true(work != NULL && sim != NULL);
    struct ncc_model m;
    const enum ncc_status status = ncc_model_open(&m, file, size, work, work_size, ncc_sim_device(sim));
    if (status)
        fail_msg("%s: node %d (%s): %s", name, (int)m.fault.node, m.fault.op, m.fault.text);
    for (int sample = 0; sample < 2; sample++)
        run_sample(&m, sim, name, sample);
    ncc_sim_free(sim);
    free(work);
    free(file);
}

#define GOLDEN(id, name)                                                                                               \
    static void id(void **state)                                                                                       \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        run_golden(name);                                                                                              \
    }
GOLDEN(iris, "nncase_iris_r0_v4")
GOLDEN(mobilenet, "canmv_mb-0.25_v4")
GOLDEN(rfb, "nncase_RFB-320_r0_v4")
GOLDEN(model5, "nncase_model5_v4")
GOLDEN(slim, "nncase_slim-320_v4")
GOLDEN(landmark, "nncase_ulffd_landmark_r0_v4")
GOLDEN(yolo, "nncase_yolo_v4")
GOLDEN(v3_attributes, "canmv_ld5_v3")
GOLDEN(v3_plates, "canmv_lp_detect_v3")
GOLDEN(v3_masks, "ksd_detect_5_v3")
GOLDEN(v3_faces, "ksd_detect_v3")
GOLDEN(v3_yolo, "ksd_yolo_v3")
GOLDEN(v3_mnist, "maixpy_mnist_v3")
GOLDEN(v3_iris, "nncase_iris_r1_v3")

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iris),     cmocka_unit_test(mobilenet),     cmocka_unit_test(rfb),
        cmocka_unit_test(model5),   cmocka_unit_test(slim),          cmocka_unit_test(landmark),
        cmocka_unit_test(yolo),     cmocka_unit_test(v3_attributes), cmocka_unit_test(v3_plates),
        cmocka_unit_test(v3_masks), cmocka_unit_test(v3_faces),      cmocka_unit_test(v3_yolo),
        cmocka_unit_test(v3_mnist), cmocka_unit_test(v3_iris),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
