/* One check per operation. Private to kmodel/. A check returns NULL, or the sentence to report; the body's fixed
 * part is known to be in the file. */
#ifndef NCC_KMODEL_CHECK_OPS_H
#define NCC_KMODEL_CHECK_OPS_H

#include "kmodel/kmodel.h"

#define NCC_KM_OP(number, name, size, payload)                                                                         \
    const char *ncc_km_check_##name(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node);
#include "kmodel/opcodes.def"
#undef NCC_KM_OP

#endif
