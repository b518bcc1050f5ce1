/* Loads every sample once: finds the ones that are damaged, and the range of the values. */
#include "compiler/base/parallel.h"
#include "compiler/data/recognize.h"

#include <math.h>
#include <string.h>

/* Of one input of one sample. */
struct result {
    bool good;
    float min, max;
    char error[NCC_DATA_ERROR];
};

struct scan {
    const struct dataset *set;
    struct result *result; /* [sample][input] */
    float *const *keep;    /* [sample][input]: where the values go, or NULL: nobody wants them */
    float **buffer;        /* of each thread, for the largest input; without `keep` */
};

static void scan_one(void *ctx, int i, int thread)
{
    const struct scan *s = ctx;
    const int input = i % s->set->n_inputs;
    struct result *r = &s->result[i];
    float *x = s->keep ? s->keep[i] : s->buffer[thread];
    r->good = ncc_data_load(s->set, i / s->set->n_inputs, input, x, r->error);
    if (!r->good)
        return;
    r->min = r->max = x[0];
    for (size_t k = 1, n = ncc_data_size(&s->set->inputs[input]); k < n; k++) {
        r->min = x[k] < r->min ? x[k] : r->min;
        r->max = x[k] > r->max ? x[k] : r->max;
    }
}

static struct result *scan_all(const struct dataset *set, float *const *keep, struct arena *a)
{
    const int threads = ncc_parallel_threads();
    struct scan s = {
        .set = set,
        .result = NCC_NEW(a, struct result, (size_t)set->n * (size_t)set->n_inputs),
        .keep = keep,
        .buffer = NCC_NEW(a, float *, threads),
    };
    size_t size = 0;
    for (int i = 0; i < set->n_inputs; i++)
        if (size < ncc_data_size(&set->inputs[i]))
            size = ncc_data_size(&set->inputs[i]);
    for (int i = 0; i < threads && !keep; i++)
        s.buffer[i] = NCC_NEW(a, float, size);
    ncc_parallel_for(set->n * set->n_inputs, scan_one, &s);
    return s.result;
}

/* Of one input over all samples. */
struct summary {
    float min, max;
    bool has_pictures, has_bytes, has_numbers;
    const char *odd; /* the first file with floats that no byte stands for, or NULL */
};

/* The byte's 0..1 that the model's x comes from. */
static float undo_norm(const struct input_spec *input, float x)
{
    return x * input->std + input->mean;
}

static bool leaves_unit(float x)
{
    return x < -0.002f || x > 1.002f; /* half a byte beyond the ends */
}

static struct summary sum_up(const struct dataset *set, int input, const struct result *result)
{
    const struct input_spec *spec = &set->inputs[input];
    struct summary all = {.min = result[input].min, .max = result[input].max};
    for (int i = 0; i < set->n; i++) {
        const struct result *r = &result[i * set->n_inputs + input];
        const struct data_source *source = &set->source[i * set->n_inputs + input];
        const bool is_bytes = !source->is_picture && source->type == NUMBER_U8;
        const bool is_numbers = !source->is_picture && !is_bytes;
        all.min = fminf(all.min, r->min);
        all.max = fmaxf(all.max, r->max);
        all.has_pictures |= source->is_picture;
        all.has_bytes |= is_bytes;
        all.has_numbers |= is_numbers;
        if (!all.odd && is_numbers && spec->is_u8 && spec->has_norm && !spec->bytes_only &&
            (leaves_unit(undo_norm(spec, r->min)) || leaves_unit(undo_norm(spec, r->max))))
            all.odd = source->path;
    }
    return all;
}

static const char *kind_text(const struct summary *s)
{
    if (s->has_pictures + s->has_bytes + s->has_numbers > 1)
        return "mixed";
    return s->has_pictures ? "picture" : s->has_bytes ? "uint8" : "float";
}

static void warn(const struct summary *s, const struct dataset *set, int input, bool calibrating, struct diags *d)
{
    const struct place file = {.file = ncc_data_file(set, 0, input), .node = set->inputs[input].name};
    if (s->odd)
        ncc_diag_warn(d, (struct place){.file = s->odd, .node = file.node},
                      "floats for a uint8 input with mean and std should lie in 0..1, which are the bytes 0..255",
                      "scale the files, or leave out mean and std", "%g..%g after mean and std", (double)s->min,
                      (double)s->max);
    if (calibrating && s->min == s->max)
        ncc_diag_warn(d, file, "all values of all samples are equal", NULL, "%g", (double)s->min);
    if (calibrating && (s->min < -1000 || s->max > 1000))
        ncc_diag_warn(d, file, "the values are unusually large",
                      "check that the files are what the model was trained on", "%g..%g", (double)s->min,
                      (double)s->max);
}

static const char *describe_input(const struct dataset *set, int input, const struct summary *s, struct arena *a)
{
    const struct input_spec *spec = &set->inputs[input];
    const char *shape = ncc_data_shape_text(spec, a);
    const bool skip_one = spec->n_dims > 1 && spec->dim[0] == 1;
    return ncc_arena_printf(a, "%s, min %.3g, max %.3g, %s", skip_one ? shape + strlen("1x") : shape, (double)s->min,
                            (double)s->max, kind_text(s));
}

static bool tell_problems(const struct dataset *set, const struct result *result, struct diags *d)
{
    struct problems problems = {.diags = d};
    for (int i = 0; i < set->n * set->n_inputs; i++)
        if (!result[i].good)
            ncc_data_problem(&problems, set->source[i].path, "the sample cannot be loaded", NULL, "%s",
                             result[i].error);
    ncc_data_problems_end(&problems);
    return problems.n == 0;
}

bool ncc_data_describe(const struct dataset *set, bool calibrating, float *const *keep, struct arena *a,
                       struct diags *d, const char **text)
{
    enum { FEW = 10 };
    const struct result *result = scan_all(set, keep, a);
    if (!tell_problems(set, result, d))
        return false;
    *text = ncc_arena_printf(a, set->n == 1 ? "%d sample" : "%d samples", set->n);
    for (int i = 0; i < set->n_inputs; i++) {
        const struct summary s = sum_up(set, i, result);
        const char *line = describe_input(set, i, &s, a);
        *text = set->n_inputs == 1 ? ncc_arena_printf(a, "%s, %s", *text, line)
                                   : ncc_arena_printf(a, "%s; %s: %s", *text, set->inputs[i].name, line);
        warn(&s, set, i, calibrating, d);
    }
    if (calibrating && set->n < FEW)
        ncc_diag_warn(d, (struct place){.file = NULL}, "few samples: ranges may be wrong for other inputs",
                      "give 50 to 100 samples like those that the chip will see", "%d", set->n);
    return true;
}
