/* What the checks of all operations are made of: ranges, shapes, windows. Private to kmodel/.
 *
 * A check returns NULL, or the sentence to report. */
#ifndef NCC_KMODEL_CHECK_RANGE_H
#define NCC_KMODEL_CHECK_RANGE_H

#include "kmodel/kmodel.h"

/* Leaves the calling check with `text` unless the condition holds, or with the text of a failed inner check. */
#define REQUIRE(condition, text)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return text;                                                                                               \
    } while (0)
#define REQUIRE_CHECK(call)                                                                                            \
    do {                                                                                                               \
        const char *const inner_text = (call);                                                                         \
        if (inner_text != NULL)                                                                                        \
            return inner_text;                                                                                         \
    } while (0)

/* No shift of the integer kernels may be larger: (int64_t)a * b + 2^(shift - 1) must not overflow. */
#define NCC_KM_MAX_SHIFT 62

/* 4 or 1; 0 for no datatype. */
uint32_t ncc_km_element_size(uint32_t datatype);

/* A range that kernels read (constants or main memory) or write (main memory only): of the datatype, exactly n elements
 * long, aligned, inside its memory. */
const char *ncc_km_check_read(const struct ncc_kmodel *km, const struct ncc_km_range *r, uint32_t datatype, uint64_t n);
const char *ncc_km_check_write(const struct ncc_kmodel *km, const struct ncc_km_range *r, uint32_t datatype,
                               uint64_t n);

/* The same for a pair with the same number of elements, as many as `in` holds. */
const char *ncc_km_check_elementwise(const struct ncc_kmodel *km, const struct ncc_km_range *in, uint32_t in_type,
                                     const struct ncc_km_range *out, uint32_t out_type);

/* A range of KPU RAM that holds batches x c x h x w bytes in KPU layout. */
const char *ncc_km_check_kpu(const struct ncc_km_range *r, const int32_t shape[4]);

/* *n = product of the dimensions; all at least 1, the product below 2^31. */
const char *ncc_km_check_shape(const int32_t shape[4], uint64_t *n);

/* The members of a window are in range (small enough for the kernels' sums). */
const char *ncc_km_check_window(const struct ncc_km_window *w);

/* The same, and the size of its output over in_h x in_w, at least 1 x 1. */
const char *ncc_km_check_slide(const struct ncc_km_window *w, int32_t in_h, int32_t in_w, int32_t *out_h,
                               int32_t *out_w);

/* The payload holds at least `size` bytes. */
const char *ncc_km_check_payload(const struct ncc_kmodel_node *node, uint64_t size);

#endif
