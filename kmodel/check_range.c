/* Checks of ranges, shapes and windows. Everything is computed in 64 bits from 32-bit fields. */
#include "kmodel/check_range.h"
#include "kpu/layout.h"

uint32_t ncc_km_element_size(uint32_t datatype)
{
    return datatype == NCC_KM_F32 ? 4 : datatype == NCC_KM_U8 ? 1 : 0;
}

static const char *check_extent(const struct ncc_kmodel *km, const struct ncc_km_range *r, uint32_t datatype,
                                uint64_t n)
{
    const uint32_t element_size = ncc_km_element_size(datatype);
    const uint32_t capacity = r->memory_type == NCC_KM_MAIN ? km->header->main_mem_size : km->header->constants_size;
    REQUIRE(r->datatype == datatype, "a tensor has another datatype than the operation needs");
    REQUIRE(n <= UINT32_MAX && r->size == n * element_size, "a tensor's size is not that of its shape");
    REQUIRE((uint64_t)r->start + r->size <= capacity, "a tensor lies outside its memory");
    REQUIRE(r->start % element_size == 0, "a float tensor does not start at a multiple of 4");
    return NULL;
}

const char *ncc_km_check_read(const struct ncc_kmodel *km, const struct ncc_km_range *r, uint32_t datatype, uint64_t n)
{
    REQUIRE(r->memory_type == NCC_KM_MAIN || r->memory_type == NCC_KM_CONST,
            "an input is neither in main memory nor among the constants");
    return check_extent(km, r, datatype, n);
}

const char *ncc_km_check_write(const struct ncc_kmodel *km, const struct ncc_km_range *r, uint32_t datatype, uint64_t n)
{
    REQUIRE(r->memory_type == NCC_KM_MAIN, "an output is not in main memory");
    return check_extent(km, r, datatype, n);
}

const char *ncc_km_check_elementwise(const struct ncc_kmodel *km, const struct ncc_km_range *in, uint32_t in_type,
                                     const struct ncc_km_range *out, uint32_t out_type)
{
    REQUIRE(ncc_km_element_size(in_type) != 0 && ncc_km_element_size(out_type) != 0, "an unknown datatype");
    const uint64_t n = in->size / ncc_km_element_size(in_type);
    REQUIRE(n > 0, "a tensor is empty");
    REQUIRE_CHECK(ncc_km_check_read(km, in, in_type, n));
    return ncc_km_check_write(km, out, out_type, n);
}

const char *ncc_km_check_kpu(const struct ncc_km_range *r, const int32_t shape[4])
{
    uint64_t n;
    REQUIRE_CHECK(ncc_km_check_shape(shape, &n));
    REQUIRE(r->memory_type == NCC_KM_KPU, "a tensor of the KPU is not in KPU RAM");
    REQUIRE(r->datatype == NCC_KM_U8, "a tensor in KPU RAM is not uint8");
    REQUIRE(r->start % NCC_KPU_LINE_SIZE == 0, "a tensor in KPU RAM does not start at a multiple of 64");
    /* The layout is at most 64 times the elements, so below 2^37 a batch and below 2^43 in all: no overflow. */
    REQUIRE(n <= NCC_KPU_RAM_SIZE, "a tensor is larger than KPU RAM");
    const int64_t size = (int64_t)shape[0] * ncc_kpu_bytes(shape[1], shape[2], shape[3]);
    REQUIRE(r->size == size, "a tensor's size in KPU RAM is not that of its shape");
    REQUIRE(r->start + size <= NCC_KPU_RAM_SIZE, "a tensor lies outside KPU RAM");
    return NULL;
}

const char *ncc_km_check_shape(const int32_t shape[4], uint64_t *n)
{
    uint64_t product = 1;
    for (int i = 0; i < 4; i++) {
        REQUIRE(shape[i] >= 1, "a dimension is less than 1");
        product *= (uint64_t)shape[i];
        REQUIRE(product <= INT32_MAX, "a shape has 2^31 elements or more");
    }
    *n = product;
    return NULL;
}

static bool is_between(int32_t v, int32_t low, int32_t high)
{
    return v >= low && v <= high;
}

const char *ncc_km_check_window(const struct ncc_km_window *w)
{
    enum { LIMIT = 32767 };
    REQUIRE(is_between(w->filter_h, 1, LIMIT) && is_between(w->filter_w, 1, LIMIT), "a filter size is out of range");
    REQUIRE(is_between(w->stride_h, 1, LIMIT) && is_between(w->stride_w, 1, LIMIT), "a stride is out of range");
    REQUIRE(is_between(w->dilation_h, 1, LIMIT) && is_between(w->dilation_w, 1, LIMIT), "a dilation is out of range");
    REQUIRE(is_between(w->pad_h.before, -LIMIT, LIMIT) && is_between(w->pad_h.after, -LIMIT, LIMIT) &&
                is_between(w->pad_w.before, -LIMIT, LIMIT) && is_between(w->pad_w.after, -LIMIT, LIMIT),
            "a padding is out of range");
    return NULL;
}

/* 0: the window does not fit even once. */
static int64_t positions(int32_t in, struct ncc_km_padding pad, int32_t filter, int32_t stride, int32_t dilation)
{
    const int64_t room = (int64_t)in + pad.before + pad.after - ((int64_t)(filter - 1) * dilation + 1);
    return room < 0 ? 0 : room / stride + 1;
}

const char *ncc_km_check_slide(const struct ncc_km_window *w, int32_t in_h, int32_t in_w, int32_t *out_h,
                               int32_t *out_w)
{
    REQUIRE_CHECK(ncc_km_check_window(w));
    const int64_t h = positions(in_h, w->pad_h, w->filter_h, w->stride_h, w->dilation_h);
    const int64_t wide = positions(in_w, w->pad_w, w->filter_w, w->stride_w, w->dilation_w);
    REQUIRE(h > 0 && wide > 0, "the window is larger than the padded input");
    REQUIRE(h <= INT32_MAX && wide <= INT32_MAX, "the output is too large");
    *out_h = (int32_t)h;
    *out_w = (int32_t)wide;
    return NULL;
}

const char *ncc_km_check_payload(const struct ncc_kmodel_node *node, uint64_t size)
{
    uint32_t present;
    ncc_kmodel_payload(node, &present);
    REQUIRE(size <= present, "the body is shorter than its weights, biases or lists need");
    return NULL;
}
