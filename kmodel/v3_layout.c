/* Proves that the structs of kmodel_v3.h have the layout of the file, and holds the table of layers. */
#include "kmodel/kmodel_v3.h"

#define ASSERT_THAT(name, condition) typedef char assert_v3_##name[(condition) ? 1 : -1]

ASSERT_THAT(size_of_header, sizeof(struct ncc_km3_header) == 28);
ASSERT_THAT(size_of_output, sizeof(struct ncc_km3_output) == 8);
ASSERT_THAT(size_of_entry, sizeof(struct ncc_km3_entry) == 8);
ASSERT_THAT(size_of_part, sizeof(struct ncc_km3_part) == 8);
ASSERT_THAT(size_of_scale, sizeof(struct ncc_km3_scale) == 8);

#define NCC_KM3_LAYER(number, name, size, payload) ASSERT_THAT(size_of_##name, sizeof(struct ncc_km3_##name) == (size));
#define NCC_KM3_OTHER(number, name)
#include "kmodel/layers_v3.def"
#undef NCC_KM3_LAYER
#undef NCC_KM3_OTHER

/* Members follow one another in the order of the table in doc/kmodel.md, all of 4 bytes; the ends prove the rest. */
ASSERT_THAT(quantized_add, offsetof(struct ncc_km3_quantized_add, out_shift) == 52);
ASSERT_THAT(quantized_max_pool2d, offsetof(struct ncc_km3_quantized_max_pool2d, kernel_w) == 36);
ASSERT_THAT(average_pool2d, offsetof(struct ncc_km3_average_pool2d, act) == 60);
ASSERT_THAT(requantize, offsetof(struct ncc_km3_requantize, table) == 16);
ASSERT_THAT(k210_upload, offsetof(struct ncc_km3_k210_upload, map) == 12);

#define NCC_KM3_LAYER(number, name, size, payload)                                                                     \
    case number:                                                                                                       \
        return #name;
#define NCC_KM3_OTHER(number, name) NCC_KM3_LAYER(number, name, 0, 0)
const char *ncc_kmodel_v3_name(uint32_t type)
{
    switch (type) {
#include "kmodel/layers_v3.def"
    default:
        return NULL;
    }
}
#undef NCC_KM3_LAYER
#undef NCC_KM3_OTHER

#define NCC_KM3_LAYER(number, name, size, payload)                                                                     \
    case number:                                                                                                       \
        return size;
#define NCC_KM3_OTHER(number, name)
uint32_t ncc_kmodel_v3_body_size(uint32_t type)
{
    switch (type) {
#include "kmodel/layers_v3.def"
    default:
        return 0;
    }
}
#undef NCC_KM3_LAYER

#define NCC_KM3_LAYER(number, name, size, payload)                                                                     \
    case number:                                                                                                       \
        return payload;
bool ncc_kmodel_v3_has_payload(uint32_t type)
{
    switch (type) {
#include "kmodel/layers_v3.def"
    default:
        return false;
    }
}
#undef NCC_KM3_LAYER
#undef NCC_KM3_OTHER
