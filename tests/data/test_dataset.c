/* Folders of samples, made here: what they give for the inputs of a model, and which are refused. */
#include "tests/data/scene.h"

#include "compiler/base/parallel.h"

static void pictures_and_raw_bytes_are_the_same(void **state)
{
    static const char *const names[] = {"a", "b", "c"};
    struct scene *s = *state;
    put(s, "b.ppm", ppm, sizeof ppm - 1);
    put(s, "a.bin", planar, 6);
    put_npy(s, "c.npy", NUMBER_U8, 3, (const int[]){3, 1, 2}, planar);
    for (int norm = 0; norm < 2; norm++) {
        struct input_spec spec = colour;
        float wanted[6];
        spec.has_norm = norm;
        spec.mean = 0.5f, spec.std = 0.25f;
        for (int i = 0; i < 6; i++)
            wanted[i] = norm ? ((float)planar[i] / 255.0f - 0.5f) / 0.25f : (float)planar[i] / 255.0f;
        assert_true(open_set(s, "", SAMPLES_AUTO, &spec, 1));
        assert_int_equal(s->set.n, 3);
        for (int i = 0; i < 3; i++) {
            uint8_t bytes[6];
            expect_floats(s, i, 0, wanted);
            assert_true(ncc_data_has_bytes(&s->set, i, 0));
            assert_true(ncc_data_load_u8(&s->set, i, 0, bytes, s->error));
            assert_memory_equal(bytes, planar, 6);
            assert_string_equal(s->set.name[i], names[i]);
        }
    }
    assert_string_equal(ncc_data_file(&s->set, 1, 0), in(s, "b.ppm"));
    assert_int_equal(s->diags.n_errors + s->diags.n_warnings, 0);
}

static void bgr_swaps_only_pictures(void **state)
{
    struct scene *s = *state;
    struct input_spec spec = colour;
    uint8_t bytes[6];
    spec.order = ORDER_BGR;
    put(s, "a.bin", planar, 6);
    put(s, "b.ppm", ppm, sizeof ppm - 1);
    assert_true(open_set(s, "", SAMPLES_AUTO, &spec, 1));
    assert_true(ncc_data_load_u8(&s->set, 0, 0, bytes, s->error));
    assert_memory_equal(bytes, planar, 6);
    assert_true(ncc_data_load_u8(&s->set, 1, 0, bytes, s->error));
    assert_memory_equal(bytes, ((const uint8_t[]){5, 6, 3, 4, 1, 2}), 6);
}

static void pictures_are_resized_and_turned_grey(void **state)
{
    struct scene *s = *state;
    const struct input_spec grey = {.name = "g", .n_dims = 4, .dim = {1, 1, 1, 4}};
    put(s, "x.pgm", "P5 2 1 255\n\0\x64", 13);
    put(s, "y.ppm", "P6 1 1 255\n\x50\x50\x50", 14);
    assert_true(open_set(s, "", SAMPLES_IMAGE, &grey, 1));
    expect_floats(s, 0, 0, (const float[]){0, 25 / 255.0f, 75 / 255.0f, 100 / 255.0f});
    expect_floats(s, 1, 0, (const float[]){80 / 255.0f, 80 / 255.0f, 80 / 255.0f, 80 / 255.0f});
}

static void floats_are_taken_as_they_are(void **state)
{
    struct scene *s = *state;
    struct input_spec spec = {.name = "v", .n_dims = 2, .dim = {1, 3}};
    const float x[3] = {-0.5f, 0.5f, 3.0f};
    uint8_t bytes[3];
    put(s, "a.whatever", x, sizeof x);
    put_npy(s, "b.npy", NUMBER_F32, 1, (const int[]){3}, x);
    put_npy(s, "c.npy", NUMBER_I32, 2, (const int[]){1, 3}, (const int32_t[]){-5, 7, 70000});
    assert_true(open_set(s, "a.whatever", SAMPLES_AUTO, &spec, 1));
    expect_floats(s, 0, 0, x);
    assert_false(ncc_data_has_bytes(&s->set, 0, 0));
    assert_false(ncc_data_load_u8(&s->set, 0, 0, bytes, s->error));
    assert_true(open_set(s, "", SAMPLES_NPY, &spec, 1));
    expect_floats(s, 0, 0, x);
    expect_floats(s, 1, 0, (const float[]){-5, 7, 70000});
    spec.has_norm = true, spec.mean = 0.5f, spec.std = 0.5f;
    assert_true(open_set(s, "b.npy", SAMPLES_AUTO, &spec, 1));
    expect_floats(s, 0, 0, (const float[]){-2, 0, 5});
    assert_true(ncc_data_load_u8(&s->set, 0, 0, bytes, s->error));
    assert_memory_equal(bytes, ((const uint8_t[]){0, 128, 255}), 3);
}

static void arrays_hold_several_samples(void **state)
{
    struct scene *s = *state;
    float x[18];
    for (int i = 0; i < 18; i++)
        x[i] = (float)i;
    put_npy(s, "many.npy", NUMBER_F32, 4, (const int[]){3, 3, 1, 2}, x);
    put_npy(s, "one.npy", NUMBER_F32, 4, (const int[]){1, 3, 1, 2}, x);
    assert_true(open_set(s, "", SAMPLES_AUTO, &colour, 1));
    assert_int_equal(s->set.n, 4);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(s->set.name[i], ncc_arena_printf(&s->arena, "many_000%d", i));
        expect_floats(s, i, 0, x + 6 * i);
    }
    assert_string_equal(s->set.name[3], "one");
}

static void norm_by_channel(void **state)
{
    struct scene *s = *state;
    const float x[6] = {1, 2, 3, 4, 5, 6}, want[6] = {0, 1, 2, 4, -4, -5};
    struct input_spec spec = colour;
    spec.has_norm = true;
    spec.is_u8 = false;
    spec.by_channel = (struct ncc_channel_norm){3, {1, 2, 1}, {1, 0.5f, -1}};
    put_npy(s, "norm.npy", NUMBER_F32, 4, (const int[]){1, 3, 1, 2}, x);
    assert_true(open_set(s, "norm.npy", SAMPLES_AUTO, &spec, 1));
    expect_floats(s, 0, 0, want);
}

static void grey_arrays_need_no_channels(void **state)
{
    struct scene *s = *state;
    const struct input_spec grey = {.name = "g", .n_dims = 4, .dim = {1, 1, 2, 2}};
    const float x[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    put_npy(s, "a.npy", NUMBER_F32, 2, (const int[]){2, 2}, x);
    put_npy(s, "b.npy", NUMBER_F32, 3, (const int[]){3, 2, 2}, x);
    put_npy(s, "c.npy", NUMBER_F32, 4, (const int[]){2, 2, 2, 1}, x);
    assert_true(open_set(s, "", SAMPLES_AUTO, &grey, 1));
    assert_int_equal(s->set.n, 6);
    expect_floats(s, 0, 0, x);
    expect_floats(s, 3, 0, x + 8);
    expect_floats(s, 5, 0, x + 4);
}

static void channels_last_are_transposed(void **state)
{
    struct scene *s = *state;
    float x[12];
    for (int i = 0; i < 12; i++)
        x[i] = (float)i;
    put_npy(s, "a.npy", NUMBER_F32, 3, (const int[]){1, 2, 3}, x);
    put_npy(s, "b.npy", NUMBER_F32, 4, (const int[]){2, 1, 2, 3}, x);
    put_npy(s, "c.npy", NUMBER_U8, 4, (const int[]){1, 1, 2, 3}, ((const uint8_t[]){1, 3, 5, 2, 4, 6}));
    assert_true(open_set(s, "", SAMPLES_AUTO, &colour, 1));
    assert_int_equal(s->set.n, 4);
    expect_floats(s, 0, 0, (const float[]){0, 3, 1, 4, 2, 5});
    expect_floats(s, 1, 0, (const float[]){0, 3, 1, 4, 2, 5});
    expect_floats(s, 2, 0, (const float[]){6, 9, 7, 10, 8, 11});
    uint8_t bytes[6];
    assert_true(ncc_data_load_u8(&s->set, 3, 0, bytes, s->error));
    assert_memory_equal(bytes, planar, 6);
    assert_int_equal(s->diags.first->severity, SEV_NOTE);
    expect_message(s, 0, "a.npy | channels come last in the array: it is transposed to n, c, h, w | 4 samples");
    assert_null(s->diags.first->next);
    const struct input_spec square = {.name = "s", .n_dims = 4, .dim = {1, 2, 2, 2}};
    put_npy(s, "d.npy", NUMBER_F32, 3, (const int[]){2, 2, 2}, x);
    assert_true(open_set(s, "d.npy", SAMPLES_AUTO, &square, 1));
    expect_floats(s, 0, 0, x); /* n, c, h, w goes first when both fit */
}

static void tells_all_problems_at_once(void **state)
{
    struct scene *s = *state;
    put(s, "bad.npy", "\x93NUMPY", 6);
    put(s, "short.bin", planar, 5);
    put_npy(s, "shape.npy", NUMBER_U8, 2, (const int[]){2, 3}, planar);
    put_npy(s, "none.npy", NUMBER_U8, 4, (const int[]){0, 3, 1, 2}, planar);
    put(s, "good.bin", planar, 6);
    assert_false(open_set(s, "", SAMPLES_AUTO, &colour, 1));
    assert_int_equal(s->diags.n_errors, 4);
    expect_message(s, 0, "bad.npy | the .npy file cannot be read | not an .npy file");
    expect_message(s, 1,
                   "none.npy | the shape of the array does not fit the input | 0x3x1x2; input 'image' is 1x3x1x2");
    expect_message(s, 2, "shape.npy | the shape of the array does not fit the input | 2x3; input 'image' is 1x3x1x2");
    expect_message(s, 3,
                   "short.bin | the size of the file does not fit the input | "
                   "5 bytes; input 'image' of 1x3x1x2 takes 6 as uint8 or 24 as float32");
}

static void counts_what_exceeds_ten(void **state)
{
    struct scene *s = *state;
    for (int i = 0; i < 14; i++)
        put(s, ncc_arena_printf(&s->arena, "%02d.bin", i), planar, 3);
    assert_false(open_set(s, "", SAMPLES_AUTO, &colour, 1));
    assert_int_equal(s->diags.n_errors, 11);
    expect_message(s, 9, "09.bin");
    expect_message(s, 10, "more samples have problems | 4 more");
}

static void refuses_equal_names(void **state)
{
    struct scene *s = *state;
    make_folder(s, "day");
    make_folder(s, "night");
    put(s, "day/a.bin", planar, 6);
    put(s, "night/a.ppm", ppm, sizeof ppm - 1);
    put(s, "night/b.bin", planar, 6);
    assert_false(open_set(s, "", SAMPLES_AUTO, &colour, 1));
    assert_int_equal(s->diags.n_errors, 1);
    expect_message(s, 0,
                   ncc_arena_printf(&s->arena, "%s | two samples have the same name | 'a' is also %s",
                                    in(s, "night/a.ppm"), in(s, "day/a.bin")));
}

static void refuses_empty_folders(void **state)
{
    struct scene *s = *state;
    assert_false(open_set(s, "", SAMPLES_AUTO, &colour, 1));
    expect_message(s, 0, "there are no samples | 0 files");
    put(s, "readme.txt", "x", 1);
    assert_false(open_set(s, "", SAMPLES_AUTO, &colour, 1));
    expect_message(s, 1, "there are no samples | 1 files, none with a sample's extension");
    put(s, "a.bin", planar, 6);
    assert_false(open_set(s, "", SAMPLES_IMAGE, &colour, 1));
    assert_int_equal(s->diags.n_errors, 3);
    assert_true(open_set(s, "", SAMPLES_AUTO, &colour, 1));
    expect_message(s, 3, "files with other extensions are left out | 1, the first is");
    assert_false(open_set(s, "none", SAMPLES_AUTO, &colour, 1));
    assert_int_equal(s->diags.n_errors, 4);
}

static void refuses_unsuitable_inputs(void **state)
{
    struct scene *s = *state;
    struct input_spec spec = {.name = "flat", .n_dims = 2, .dim = {1, 6}};
    put(s, "a.ppm", ppm, sizeof ppm - 1);
    assert_false(open_set(s, "", SAMPLES_AUTO, &spec, 1));
    expect_message(s, 0, "a picture needs an input of 1x1xHxW or 1x3xHxW | input 'flat' is 1x6");
    spec = colour;
    spec.has_norm = true;
    assert_false(open_set(s, "", SAMPLES_AUTO, &spec, 1));
    expect_message(s, 1, "std not 0");
    spec = (struct input_spec){.name = "x", .n_dims = 3, .dim = {1 << 20, 1 << 20, 1 << 30}};
    assert_false(open_set(s, "", SAMPLES_AUTO, &spec, 1));
    expect_message(s, 2, "the shape of the input is absurd");
    assert_false(open_set(s, "", SAMPLES_AUTO, &colour, 0));
    assert_int_equal(s->diags.n_errors, 4);
}

static void several_inputs_take_folders(void **state)
{
    struct scene *s = *state;
    const float x[2] = {7, 8};
    make_folder(s, "s1"), make_folder(s, "s1-x"), make_folder(s, "s1/sub");
    put(s, "s1/0.ppm", ppm, sizeof ppm - 1);
    put(s, "s1/z.bin", x, sizeof x);
    put(s, "s1/sub/0.bin", planar, 6);
    put(s, "s1/sub/1.bin", x, sizeof x);
    put(s, "s1-x/0.ppm", ppm, sizeof ppm - 1);
    put(s, "s1-x/1.bin", x, sizeof x);
    assert_true(open_set(s, "", SAMPLES_AUTO, pair, 2));
    assert_int_equal(s->set.n, 3);
    assert_string_equal(s->set.name[0], "s1-x");
    assert_string_equal(s->set.name[1], "s1");
    assert_string_equal(s->set.name[2], "sub");
    for (int i = 0; i < 3; i++) {
        uint8_t bytes[6];
        expect_floats(s, i, 1, x);
        assert_true(ncc_data_load_u8(&s->set, i, 0, bytes, s->error));
        assert_memory_equal(bytes, planar, 6);
    }
    assert_true(open_set(s, "s1-x", SAMPLES_AUTO, pair, 2));
    assert_int_equal(s->set.n, 1);
    assert_string_equal(s->set.name[0], "s1-x");
}

static void several_inputs_need_complete_folders(void **state)
{
    struct scene *s = *state;
    make_folder(s, "p"), make_folder(s, "p/one"), make_folder(s, "q"), make_folder(s, "q/one"), make_folder(s, "r");
    for (const char *const *folder = (const char *[]){"p/one", "q/one", "r", NULL}; *folder; folder++) {
        put(s, ncc_arena_printf(&s->arena, "%s/0.bin", *folder), planar, 6);
        put(s, ncc_arena_printf(&s->arena, "%s/1.bin", *folder), planar, 2);
    }
    assert_false(open_set(s, "", SAMPLES_AUTO, pair, 2));
    expect_message(s, 0, "two samples have the same name | 'one'");
    put(s, "q/one/2.bin", planar, 2);
    put(s, "r/1.bin", planar, 3);
    assert_false(open_set(s, "", SAMPLES_AUTO, pair, 2));
    expect_message(s, 1, "q/one | a sample's folder needs one file for each input | 3 files, 2 inputs");
    expect_message(s, 2, "r/1.bin | the size of the file does not fit the input");
    put_npy(s, "r/1.npy", NUMBER_F32, 2, (const int[]){2, 2}, ((const float[]){1, 2, 3, 4}));
    assert_int_equal(remove(in(s, "r/1.bin")), 0);
    assert_false(open_set(s, "r", SAMPLES_AUTO, pair, 2));
    expect_message(s, 3, "may hold only one sample | it holds 2");
    assert_false(open_set(s, "p/one/0.bin", SAMPLES_AUTO, pair, 2));
    expect_message(s, 4, "a model with several inputs needs folders");
}

static void files_that_change_are_noticed(void **state)
{
    struct scene *s = *state;
    float x[6];
    put(s, "a.bin", planar, 6);
    put(s, "b.ppm", ppm, sizeof ppm - 1);
    assert_true(open_set(s, "", SAMPLES_AUTO, &colour, 1));
    put(s, "a.bin", planar, 2);
    assert_false(ncc_data_load(&s->set, 0, 0, x, s->error));
    assert_int_equal(remove(in(s, "b.ppm")), 0);
    assert_false(ncc_data_load(&s->set, 1, 0, x, s->error));
}

struct many {
    const struct dataset *set;
    int wrong;
};

static void load_in_thread(void *ctx, int i, int thread)
{
    (void)thread;
    struct many *m = ctx;
    uint8_t bytes[6];
    char error[NCC_DATA_ERROR];
    if (!ncc_data_load_u8(m->set, i % m->set->n, 0, bytes, error) || memcmp(bytes, planar, 6) != 0)
        __atomic_add_fetch(&m->wrong, 1, __ATOMIC_RELAXED);
}

static void loads_in_several_threads(void **state)
{
    struct scene *s = *state;
    put(s, "a.ppm", ppm, sizeof ppm - 1);
    put(s, "b.bin", planar, 6);
    assert_true(open_set(s, "", SAMPLES_AUTO, &colour, 1));
    struct many m = {.set = &s->set};
    setenv("NCC_THREADS", "4", 1);
    ncc_parallel_for(500, load_in_thread, &m);
    unsetenv("NCC_THREADS");
    assert_int_equal(m.wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pictures_and_raw_bytes_are_the_same),
        TEST(bgr_swaps_only_pictures),
        TEST(pictures_are_resized_and_turned_grey),
        TEST(floats_are_taken_as_they_are),
        TEST(arrays_hold_several_samples),
        TEST(norm_by_channel),
        TEST(grey_arrays_need_no_channels),
        TEST(channels_last_are_transposed),
        TEST(tells_all_problems_at_once),
        TEST(counts_what_exceeds_ten),
        TEST(refuses_equal_names),
        TEST(refuses_empty_folders),
        TEST(refuses_unsuitable_inputs),
        TEST(several_inputs_take_folders),
        TEST(several_inputs_need_complete_folders),
        TEST(files_that_change_are_noticed),
        TEST(loads_in_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
