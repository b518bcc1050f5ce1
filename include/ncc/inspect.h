/* What is in a kmodel, ours or anybody's.
 *
 * Versions 3 and 4 are shown in full. Of version 5, modules, functions and sections, and the layers of a K210 module; its
 * byte code is not decoded. Of a package for flashing (.kfpkg), its files and the kmodels among them. */
#ifndef NCC_INSPECT_H
#define NCC_INSPECT_H

#include <ncc/compiler.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ncc_inspect_options {
    bool json;   /* one object: inputs, outputs, memory, layers with estimated time */
    bool disasm; /* the twelve words of every KPU layer, field by field */
    enum ncc_firmware firmware; /* that the times are for */
};

/* Prints header, memory map, layers and estimated times of the file to `out`. What is damaged is reported on `err` with
 * the node and the reason (NCC_EXIT_INPUT). */
enum ncc_exit ncc_inspect(const char *path, const struct ncc_inspect_options *options, FILE *out, FILE *err);

/* Estimated microseconds of one run on the chip at 400 MHz. */
struct ncc_estimate {
    double kpu_us, copy_us, cpu_us;
    const char *runtime; /* that it is for: "v4", "v3", "ncc" */
};

/* The estimate for the kmodel whose file is the `size` bytes at `model` (8-byte aligned). False: it is none that
 * ncc_model_open() would open. */
bool ncc_estimate(const void *model, size_t size, enum ncc_firmware firmware, struct ncc_estimate *out);

/* Does the file begin like a kmodel (versions 3 to 5) or a package? */
bool ncc_kmodel_recognise(const char *path);

/* The bytes of a kmodel, or of the first kmodel in a package: to be freed, aligned for ncc_model_open(). NULL: there is
 * none, and `err` says why. The contents are not looked at. */
void *ncc_kmodel_load(const char *path, size_t *size, FILE *err);

#ifdef __cplusplus
}
#endif
#endif
