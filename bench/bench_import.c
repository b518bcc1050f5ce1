/* How long the import of a model takes, of each format, in milliseconds of processor time and as a ratio to reading the
 * file and adding up its bytes. */
#include "bench/measure.h"
#include "bench/synthetic_model.h"

#include "compiler/base/file.h"
#include "compiler/steps.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void run_import(void *path)
{
    static const struct step import[] = {{"import", ncc_step_import, true}};
    struct ncc_compile_options o;
    struct compilation c;
    ncc_compile_defaults(&o);
    o.model = path;
    ncc_compilation_open(&c, &o, stdout, stderr);
    if (ncc_compilation_run(&c, import, 1) != NCC_EXIT_DONE)
        exit(1);
    ncc_compilation_close(&c);
}

static volatile uint64_t sum_of_bytes;

static void run_read(void *path)
{
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct diags diags;
    struct bytes file;
    uint64_t sum = 0;
    if (setjmp(out.env))
        exit(1);
    ncc_diag_init(&diags, &a);
    if (!ncc_file_read(path, (size_t)1 << 28, &a, &diags, &file))
        exit(1);
    for (size_t i = 0; i < file.size; i++)
        sum += file.data[i];
    sum_of_bytes = sum;
    ncc_arena_release(&a);
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = data ? fopen(path, "wb") : NULL;
    if (!f || fwrite(data, 1, size, f) != size || fclose(f)) {
        perror(path);
        exit(1);
    }
}

enum format { TFLITE, ONNX, CAFFE };

static void bench_import(const char *folder, enum format format, int n, int width)
{
    static const char *const names[] = {"TFLite", "ONNX", "Caffe"};
    static const char *const extensions[] = {"tflite", "onnx", "caffemodel"};
    char path[512], beside[512], *text = NULL;
    size_t size = 0;
    uint8_t *model = format == TFLITE ? bench_tflite_make(n, width, &size)
                     : format == ONNX ? bench_onnx_make(n, width, &size)
                                      : bench_caffe_make(n, width, &size, &text);
    snprintf(path, sizeof path, "%s/model.%s", folder, extensions[format]);
    snprintf(beside, sizeof beside, "%s/model.prototxt", folder);
    write_file(path, model, size);
    if (text)
        write_file(beside, text, strlen(text));
    const struct bench_ratio r =
        bench_compare((struct bench_job){run_import, path}, (struct bench_job){run_read, path}, BENCH_CPU);
    printf("%-8s %3d matrices of %4dx%-4d %9.2f MiB %9.2f ms %9.2f ms %7.2f\n", names[format], n, width, width,
           (double)size / (1 << 20), r.seconds * 1e3, r.reference * 1e3, r.ratio);
    unlink(path);
    unlink(beside);
    free(text);
    free(model);
}

int main(void)
{
    char folder[] = P_tmpdir "/bench_import_XXXXXX";
    bench_heading("bench_import");
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    printf("%-34s %13s %12s %12s %7s\n", "", "file", "import", "reading it", "ratio");
    for (int format = TFLITE; format <= CAFFE; format++) {
        bench_import(folder, format, 1, 1024);
        bench_import(folder, format, 16, 256);
        bench_import(folder, format, 256, 64);
    }
    rmdir(folder);
    return 0;
}
