/* Checks a whole file: inputs, outputs, then every node by its operation. */
#include "kmodel/check_ops.h"
#include "kmodel/check_range.h"

static const char *check_input(const struct ncc_kmodel *km, uint32_t i)
{
    const struct ncc_km_range *const r = &km->inputs[i];
    if (r->memory_type == NCC_KM_KPU)
        return ncc_km_check_kpu(r, km->input_shapes[i]);
    uint64_t n;
    REQUIRE_CHECK(ncc_km_check_shape(km->input_shapes[i], &n));
    REQUIRE(ncc_km_element_size(r->datatype) != 0, "an input of the model has an unknown datatype");
    return ncc_km_check_write(km, r, r->datatype, n);
}

static const char *check_output(const struct ncc_kmodel *km, uint32_t i)
{
    const struct ncc_km_range *const r = &km->outputs[i];
    const uint32_t element_size = ncc_km_element_size(r->datatype);
    REQUIRE(element_size != 0, "an output of the model has an unknown datatype");
    return ncc_km_check_read(km, r, r->datatype, r->size / element_size);
}

const char *ncc_kmodel_check_ends(const struct ncc_kmodel *km)
{
    for (uint32_t i = 0; i < km->header->n_inputs; i++)
        REQUIRE_CHECK(check_input(km, i));
    for (uint32_t i = 0; i < km->header->n_outputs; i++)
        REQUIRE_CHECK(check_output(km, i));
    return NULL;
}

#define NCC_KM_OP(number, name, size, payload)                                                                         \
    case number:                                                                                                       \
        return ncc_km_check_##name(km, node);
const char *ncc_kmodel_check_node(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    switch (node->opcode) {
#include "kmodel/opcodes.def"
    default:
        return "an unknown operation";
    }
}
#undef NCC_KM_OP

enum ncc_status ncc_kmodel_check(const struct ncc_kmodel *km, struct ncc_km_fault *where)
{
    *where = (struct ncc_km_fault){.node = NCC_KM_NO_NODE, .text = ncc_kmodel_check_ends(km)};
    struct ncc_kmodel_node node = {0};
    while (where->text == NULL && ncc_kmodel_next(km, &node))
        *where = (struct ncc_km_fault){node.index, node.opcode, ncc_kmodel_check_node(km, &node)};
    if (where->text != NULL)
        return NCC_MALFORMED;
    *where = (struct ncc_km_fault){.node = NCC_KM_NO_NODE};
    return NCC_OK;
}
