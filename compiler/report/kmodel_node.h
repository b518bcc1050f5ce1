/* What a node of a kmodel reads, writes and costs. Inside of compiler/report only. */
#ifndef NCC_REPORT_KMODEL_NODE_H
#define NCC_REPORT_KMODEL_NODE_H

#include "compiler/base/arena.h"
#include "compiler/ir/type.h"
#include "kmodel/kmodel.h"
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
    struct ncc_kpu_shape layer; /* of a kpu_conv2d */
};

/* Describes a node of a kmodel that has passed ncc_kmodel_check, with its times under a runtime. */
struct kmodel_node ncc_report_kmodel_node(const struct ncc_kmodel_node *node, enum ncc_kpu_runtime runtime,
                                          struct arena *a);

/* Bytes of one element. */
size_t ncc_report_element_size(const struct ncc_km_range *r);

#endif
