/* The parts of ncc_inspect(), one per kind of file. Inside of compiler/report only. */
#ifndef NCC_REPORT_INSPECT_H
#define NCC_REPORT_INSPECT_H

#include <ncc/inspect.h>

#include "compiler/base/file.h"
#include "compiler/report/kmodel_flow.h"
#include "compiler/report/report.h"
#include "kmodel/kmodel_v5.h"

/* What stays the same while one file is looked at. */
struct inspecting {
    const struct ncc_inspect_options *options;
    struct arena *arena;
    struct diags *diags;
    FILE *out;
};

/* The report on a kmodel of version 3 or 4. */
struct report ncc_inspect_report(const struct kmodel_view *km, const char *name, int64_t file_bytes,
                                 enum ncc_firmware firmware, struct arena *a);

/* Opens and checks a kmodel of version 3 or 4 and makes its view. NULL, or why it is none, and the node at fault. */
const char *ncc_inspect_open(struct bytes file, enum ncc_firmware firmware, struct kmodel_view *out,
                             struct ncc_km_fault *fault, struct arena *a);

/* Print such a kmodel, or one of version 5, as text or JSON. */
void ncc_inspect_print(const struct inspecting *i, const struct kmodel_view *km, const char *name, int64_t file_bytes);
void ncc_inspect_print_v5(const struct inspecting *i, const struct ncc_kmodel_v5 *km, const char *name);

/* The twelve words of a layer with its activation table (or NULL), field by field; weight_size as in kmodel_node. */
void ncc_inspect_print_words(const uint64_t words[12], int weight_size, const uint8_t *act, FILE *out);

/* "conv 3x3 depthwise, max 2x2 stride 2" */
const char *ncc_inspect_layer_text(const struct ncc_kpu_shape *s, struct arena *a);

#endif
