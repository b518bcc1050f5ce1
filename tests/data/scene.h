/* What the tests of data sets share: a folder that is filled with samples, opened as a set, and what is told of it. */
#ifndef NCC_TESTS_DATA_SCENE_H
#define NCC_TESTS_DATA_SCENE_H

#include "compiler/base/file.h"
#include "compiler/data/dataset.h"
#include "compiler/data/npy.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

struct scene {
    struct exit out;
    struct arena arena;
    struct diags diags;
    char folder[64];
    struct dataset set;
    char error[NCC_DATA_ERROR];
};

static inline int begin(void **state)
{
    static struct scene s;
    s.out = (struct exit){0};
    s.arena = ncc_arena_make(&s.out);
    ncc_diag_init(&s.diags, &s.arena);
    strcpy(s.folder, "test_dataset.XXXXXX");
    *state = &s;
    return setjmp(s.out.env) || !mkdtemp(s.folder);
}

static inline int end(void **state)
{
    struct scene *s = *state;
    const int status = system(ncc_arena_printf(&s->arena, "rm -rf '%s'", s->folder));
    ncc_arena_release(&s->arena);
    return status;
}

static inline const char *in(struct scene *s, const char *name)
{
    return ncc_arena_printf(&s->arena, "%s/%s", s->folder, name);
}

static inline void make_folder(struct scene *s, const char *name)
{
    assert_int_equal(mkdir(in(s, name), 0755), 0);
}

static inline void put(struct scene *s, const char *name, const void *data, size_t size)
{
    assert_true(ncc_file_write(in(s, name), data, size, &s->diags));
}

static inline void put_npy(struct scene *s, const char *name, enum number_type type, int n_dims, const int *dim,
                           const void *data)
{
    assert_true(ncc_npy_write(in(s, name), type, n_dims, dim, data, &s->diags));
}

static const struct input_spec colour = {.name = "image", .n_dims = 4, .dim = {1, 3, 1, 2}, .is_u8 = true};
static const uint8_t planar[6] = {1, 2, 3, 4, 5, 6};  /* of `colour` */
static const char ppm[] = "P6 2 1 255\n\1\3\5\2\4\6"; /* the same as a picture */

static inline bool open_set(struct scene *s, const char *name, enum sample_format format,
                            const struct input_spec *inputs, int n_inputs)
{
    return ncc_data_open(*name ? in(s, name) : s->folder, format, inputs, n_inputs, &s->arena, &s->diags, &s->set);
}

/* The n-th message from the first, as text. */
static inline const char *message(struct scene *s, int n)
{
    const struct diag *at = s->diags.first;
    for (; at && n > 0; n--)
        at = at->next;
    return at ? ncc_arena_printf(&s->arena, "%s | %s | %s", at->place.file ? at->place.file : "", at->rule,
                                 at->found ? at->found : "")
              : "";
}

static inline void expect_message(struct scene *s, int n, const char *part)
{
    if (!strstr(message(s, n), part))
        fail_msg("message %d is '%s', not '%s'", n, message(s, n), part);
}

static inline void expect_floats(struct scene *s, int sample, int input, const float *wanted)
{
    float got[64];
    s->error[0] = '\0';
    const bool good = ncc_data_load(&s->set, sample, input, got, s->error);
    assert_string_equal(s->error, "");
    assert_true(good);
    for (size_t i = 0; i < ncc_data_size(&s->set.inputs[input]); i++)
        if (fabsf(got[i] - wanted[i]) > 1e-6f)
            fail_msg("element %zu is %g, not %g", i, (double)got[i], (double)wanted[i]);
}

static const struct input_spec pair[2] = {{.name = "a", .n_dims = 4, .dim = {1, 3, 1, 2}},
                                          {.name = "b", .n_dims = 1, .dim = {2}}};

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
