/* Runs a kmodel in the simulator, several samples at once, each thread with a simulator and memory of its own. */
#include "tools/commands.h"
#include "tools/trace.h"

#include <ncc/inspect.h>
#include <ncc/samples.h>
#include <ncc/stream.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_INPUTS = 64, WORK_ALIGN = 256 };

/* What a thread needs; made when it gets its first sample. */
struct worker {
    struct ncc_sim *sim;
    struct ncc_model model;   /* with --stream only that of the first worker, which is only looked at */
    struct ncc_stream stream; /* with --stream */
    void *work;
    void *inputs[MAX_INPUTS];
    struct trace trace;
};

struct inference {
    const struct settings *s;
    void *file;
    size_t file_size;
    struct ncc_sample_input inputs[MAX_INPUTS];
    char names[MAX_INPUTS][16];
    int n_inputs;
    struct ncc_samples *samples;
    struct worker *workers;
    atomic_bool failed;
};

/* Makes a folder and those above it. */
static bool make_folder(const char *path)
{
    char part[4096];
    const size_t length = strlen(path);
    if (length == 0 || length >= sizeof part) {
        fprintf(stderr, "error: the name of the folder is empty or too long\n");
        return false;
    }
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i])
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            break;
    }
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return true;
    fprintf(stderr, "%s: error: the folder cannot be made\n    found: %s\n    try: a folder for the results, not a file\n",
            path, strerror(errno));
    return false;
}

/* ---- one sample ---- */

/* The file as a source: as if it were in flash. */
static enum ncc_status read_part(void *ctx, size_t off, void *to, size_t size)
{
    memcpy(to, (const uint8_t *)ctx + off, size);
    return NCC_OK;
}

static enum ncc_status open_worker(const struct inference *in, struct worker *w, size_t work_size)
{
    const struct ncc_device *kpu = ncc_sim_device(w->sim);
    const struct ncc_source source = {.ctx = in->file, .size = in->file_size, .read = read_part};
    return in->s->compile.stream ? ncc_stream_open(&w->stream, &source, w->work, work_size, kpu)
                                 : ncc_model_open(&w->model, in->file, in->file_size, w->work, work_size, kpu);
}

static size_t work_size_of(const struct inference *in)
{
    const struct ncc_source source = {.ctx = in->file, .size = in->file_size, .read = read_part};
    return in->s->compile.stream ? ncc_stream_work_size(&source) : ncc_model_work_size(in->file, in->file_size);
}

static bool prepare(struct inference *in, struct worker *w)
{
    const size_t work_size = work_size_of(in);
    w->sim = ncc_sim_new();
    w->work = aligned_alloc(WORK_ALIGN, (work_size + WORK_ALIGN - 1) / WORK_ALIGN * WORK_ALIGN);
    bool good = w->sim && w->work;
    for (int i = 0; good && i < in->n_inputs; i++) {
        w->inputs[i] = malloc(ncc_model_input(&in->workers[0].model, (uint32_t)i).size);
        good = w->inputs[i] != NULL;
    }
    if (!good) {
        fputs("error: there is not enough memory\n", stderr);
        return false;
    }
    ncc_sim_allow_untested(w->sim, in->s->compile.allow_untested);
    const enum ncc_status status = open_worker(in, w, work_size);
    if (status) {
        fprintf(stderr, "%s: error: %s\n", in->s->operand[0], ncc_status_text(status));
        return false;
    }
    if (in->s->trace)
        ncc_trace_attach(&w->trace, &w->model, w->sim);
    return true;
}

static bool path_of(const struct inference *in, int sample, const char *suffix, char path[4096])
{
    const int length =
        snprintf(path, 4096, "%s/%s%s", in->s->operand[1], ncc_samples_name(in->samples, sample), suffix);
    return length > 0 && length < 4096;
}

static const void *result(const struct inference *in, const struct worker *w, uint32_t i)
{
    return in->s->compile.stream ? ncc_stream_output_data(&w->stream, i) : ncc_model_output_data(&w->model, i);
}

static bool save_arrays(const struct inference *in, const struct worker *w, int sample)
{
    const struct ncc_model *m = &in->workers[0].model;
    bool good = true;
    for (uint32_t i = 0; i < ncc_model_n_outputs(m) && good; i++) {
        char path[4096], suffix[24];
        const struct ncc_model_tensor t = ncc_model_output(m, i);
        const bool is_u8 = t.element == NCC_U8;
        const int n = (int)(t.size / (is_u8 ? 1 : sizeof(float)));
        snprintf(suffix, sizeof suffix, ".%u.npy", (unsigned)i);
        good = path_of(in, sample, suffix, path) &&
               ncc_npy_save(path, is_u8, 1, &n, result(in, w, i), stderr);
    }
    return good;
}

/* All outputs, one after another. */
static bool save_bytes(const struct inference *in, const struct worker *w, int sample)
{
    const struct ncc_model *m = &in->workers[0].model;
    char path[4096];
    size_t size = 0;
    for (uint32_t i = 0; i < ncc_model_n_outputs(m); i++)
        size += ncc_model_output(m, i).size;
    uint8_t *all = malloc(size + 1), *to = all;
    for (uint32_t i = 0; all && i < ncc_model_n_outputs(m); i++) {
        const size_t part = ncc_model_output(m, i).size;
        memcpy(to, result(in, w, i), part);
        to += part;
    }
    const bool good = all && path_of(in, sample, ".bin", path) && ncc_raw_save(path, all, size, stderr);
    free(all);
    return good;
}

static bool run_one(struct inference *in, struct worker *w, int sample)
{
    for (int i = 0; i < in->n_inputs; i++)
        if (!ncc_samples_load(in->samples, sample, i, w->inputs[i]))
            return false;
    w->trace.folder = in->s->trace;
    w->trace.sample = ncc_samples_name(in->samples, sample);
    const void *const *inputs = (const void *const *)w->inputs;
    const enum ncc_status status =
        in->s->compile.stream ? ncc_stream_run(&w->stream, inputs) : ncc_model_run(&w->model, inputs);
    if (status) {
        fprintf(stderr, "%s: error: %s\n    found: %s\n", in->s->operand[0], ncc_status_text(status),
                ncc_sim_error(w->sim));
        if (!in->s->compile.allow_untested)
            fputs("    try: --allow-untested, if the layer is one that nobody has shown to run on the chip\n", stderr);
        return false;
    }
    return (in->s->npy ? save_arrays : save_bytes)(in, w, sample) && !w->trace.failed;
}

static void infer_sample(void *ctx, int sample, int thread)
{
    struct inference *in = ctx;
    struct worker *w = &in->workers[1 + thread];
    if (in->failed)
        return;
    if (!(w->sim || prepare(in, w)) || !run_one(in, w, sample))
        in->failed = true;
}

/* ---- all samples ---- */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void print_summary(const struct inference *in, double spent)
{
    struct ncc_estimate e = {0};
    const int n = ncc_samples_count(in->samples);
    ncc_estimate(in->file, in->file_size, in->s->compile.firmware, &e);
    printf("%-16s %d, results in %s\n", "samples", n, in->s->operand[1]);
    if (in->s->compile.stream)
        printf("%-16s read node by node, in %zu bytes of work memory; the file has %zu\n", "model", work_size_of(in),
               in->file_size);
    printf("%-16s %.2f ms per sample\n", "simulation", 1e3 * spent / n);
    printf("%-16s %.2f ms per sample with the %s runtime: KPU %.2f, copies %.2f, CPU %.2f\n", "estimated time",
           (e.kpu_us + e.copy_us + e.cpu_us) / 1e3, e.runtime, e.kpu_us / 1e3, e.copy_us / 1e3, e.cpu_us / 1e3);
}

static bool describe_inputs(struct inference *in, const struct ncc_model *m)
{
    const struct ncc_compile_options *o = &in->s->compile;
    const uint32_t n = ncc_model_n_inputs(m);
    if (n > MAX_INPUTS) {
        fprintf(stderr, "%s: error: more than %d inputs\n", in->s->operand[0], MAX_INPUTS);
        return false;
    }
    in->n_inputs = (int)n;
    for (uint32_t i = 0; i < n; i++) {
        const struct ncc_model_tensor t = ncc_model_input(m, i);
        snprintf(in->names[i], sizeof in->names[i], "input %u", (unsigned)i);
        in->inputs[i] = (struct ncc_sample_input){.name = in->names[i],
                                                  .rank = 4,
                                                  .dim = {t.shape[0], t.shape[1], t.shape[2], t.shape[3]},
                                                  .is_u8 = t.element == NCC_U8,
                                                  .has_norm = o->has_norm,
                                                  .mean = o->mean,
                                                  .std = o->std,
                                                  .by_channel = o->by_channel,
                                                  .bgr = o->bgr};
    }
    return true;
}

/* Opens the file once without memory to run it in: only to see whether it is sound, and what it takes. */
static bool open_model(struct inference *in)
{
    struct ncc_model *m = &in->workers[0].model;
    const enum ncc_status status = ncc_model_open(m, in->file, in->file_size, NULL, 0, NULL);
    const struct ncc_fault *fault = ncc_model_fault(m);
    if (status == NCC_BAD_ARGUMENT && !*fault->text)
        return describe_inputs(in, m);
    fprintf(stderr, "%s: ", in->s->operand[0]);
    if (fault->node >= 0)
        fprintf(stderr, "node '%d' (%s): ", (int)fault->node, fault->op);
    fprintf(stderr, "error: %s\n", *fault->text ? fault->text : ncc_status_text(status));
    return false;
}

static bool infer_all(struct inference *in)
{
    const struct ncc_compile_options *o = &in->s->compile;
    if (!open_model(in))
        return false;
    in->samples = ncc_samples_open(o->dataset, o->dataset_format, in->inputs, in->n_inputs, stderr);
    if (!in->samples || !make_folder(in->s->operand[1]) || (in->s->trace && !make_folder(in->s->trace)))
        return false;
    const double start = seconds();
    ncc_samples_each(in->samples, "simulating", o->quiet, infer_sample, in);
    if (!in->failed && !o->quiet)
        print_summary(in, seconds() - start);
    return !in->failed;
}

static void release(struct inference *in)
{
    for (int i = 0; in->workers && i <= ncc_samples_threads(); i++) {
        struct worker *w = &in->workers[i];
        ncc_sim_free(w->sim);
        free(w->work);
        for (int k = 0; k < in->n_inputs; k++)
            free(w->inputs[k]);
        ncc_trace_release(&w->trace);
    }
    ncc_samples_close(in->samples);
    free(in->workers);
    free(in->file);
}

static enum ncc_exit infer_kmodel(const struct settings *s)
{
    struct inference in = {.s = s};
    bool good = false;
    in.workers = calloc((size_t)ncc_samples_threads() + 1, sizeof *in.workers); /* the first is only looked at */
    in.file = ncc_kmodel_load(s->operand[0], &in.file_size, stderr);
    if (in.workers && in.file)
        good = infer_all(&in);
    release(&in);
    return good ? NCC_EXIT_DONE : NCC_EXIT_INPUT;
}

enum ncc_exit ncc_command_infer(struct settings *s)
{
    if (!s->compile.dataset) {
        fputs("ncc infer: there are no samples to run\n    try: --dataset PATH\n", stderr);
        return NCC_EXIT_USAGE;
    }
    const bool kmodel = ncc_kmodel_recognise(s->operand[0]);
    if ((s->trace || s->compile.stream) && !kmodel) {
        fprintf(stderr, "ncc infer: %s is for kmodels\n", s->trace ? "--trace" : "--stream");
        return NCC_EXIT_USAGE;
    }
    if (s->trace && s->compile.stream) {
        fputs("ncc infer: --trace does not go with --stream: the results are the same without\n", stderr);
        return NCC_EXIT_USAGE;
    }
    if (kmodel)
        return infer_kmodel(s);
    s->compile.model = s->operand[0];
    const bool is_new = access(s->operand[1], F_OK) != 0;
    if (!make_folder(s->operand[1]))
        return NCC_EXIT_INPUT;
    const enum ncc_exit status = ncc_evaluate(&s->compile, s->operand[1], s->npy, stdout, stderr);
    if (status != NCC_EXIT_DONE && is_new)
        rmdir(s->operand[1]); /* unless results of some samples are in it */
    return status;
}
