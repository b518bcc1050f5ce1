/* What a version of the file has to answer for the runtime. Private to runtime/.
 *
 * runtime.c finds the version and asks; format_v3.c and format_v4.c answer. Functions that take a model rely on
 * check().
 */
#ifndef NCC_RUNTIME_FORMAT_H
#define NCC_RUNTIME_FORMAT_H

#include <ncc/runtime.h>

#include "kmodel/kmodel.h"

struct ncc_file_format {
    /* Finds the parts of the file, and how much memory it asks for. */
    enum ncc_status (*open)(const void *file, size_t size, size_t *main_size);
    /* The rest of what running relies on, after open(). */
    enum ncc_status (*check)(const void *file, size_t size, struct ncc_km_fault *where, bool *needs_device);
    const char *(*op_name)(uint32_t opcode);

    uint32_t (*n_inputs)(const struct ncc_model *m);
    uint32_t (*n_outputs)(const struct ncc_model *m);
    struct ncc_model_tensor (*input)(const struct ncc_model *m, uint32_t i);
    struct ncc_model_tensor (*output)(const struct ncc_model *m, uint32_t i);
    const void *(*output_data)(const struct ncc_model *m, uint32_t i);
    enum ncc_status (*run)(struct ncc_model *m, const void *const *inputs);
};

extern const struct ncc_file_format ncc_format_v3, ncc_format_v4;

#endif
