/* Who reads what whom has written: the data flow of a kmodel, found from the addresses, since the format has no other.
 * Inside of compiler/report only.
 */
#ifndef NCC_REPORT_KMODEL_FLOW_H
#define NCC_REPORT_KMODEL_FLOW_H

#include "compiler/report/kmodel_node.h"

struct kmodel_flow {
    int crossings;                           /* ncc(1) defines them */
    int64_t kpu_peak, kpu_bound, main_bound; /* bytes; as in struct plan_memory */
};

struct kmodel_flow ncc_report_kmodel_flow(const struct kmodel_view *km, struct arena *a);

#endif
