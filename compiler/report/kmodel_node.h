/* A kmodel of any version that is run node by node, seen alike: what its nodes read, write and cost. Inside of
 * compiler/report only.
 */
#ifndef NCC_REPORT_KMODEL_NODE_H
#define NCC_REPORT_KMODEL_NODE_H

#include "compiler/base/arena.h"
#include "compiler/ir/type.h"
#include "kmodel/kmodel_v3.h"
#include "kpu/timing.h"

struct kmodel_node {
    const char *op; /* "kpu_conv2d" ... */
    struct ncc_km_range *read;
    int n_read;
    struct ncc_km_range write[2]; /* a KPU layer may write both memories: KPU RAM first */
    int n_write;
    struct shape in, out; /* of the first operand and of the result; what the file does not tell has one dimension */

    double cpu_us; /* of a CPU kernel */
    double kpu_us; /* of a layer */
    double upload_us, download_us;
    struct ncc_kpu_shape layer; /* of a layer */
    const uint64_t *words;      /* of a layer, else NULL */
    const uint8_t *act;         /* its activation table */
    int weight_size;            /* bytes of each of its weights */
};

struct kmodel_view {
    int version;
    const char *target;
    struct kmodel_node *nodes; /* in the order in which they run */
    int n_nodes;
    const struct ncc_km_range *inputs, *outputs;
    struct shape *input_shapes;
    int n_inputs, n_outputs;
    int64_t constants_size, main_mem_size;
};

/* The views of kmodels that have passed their checks, with times under a runtime. The file must outlive the view. */
struct kmodel_view ncc_report_view_v4(const struct ncc_kmodel *km, enum ncc_kpu_runtime runtime, struct arena *a);
struct kmodel_view ncc_report_view_v3(const struct ncc_kmodel_v3 *km, enum ncc_kpu_runtime runtime, struct arena *a);

/* Bytes of one element. */
size_t ncc_report_element_size(const struct ncc_km_range *r);

#endif
