/* Proves that the structs of kmodel.h have the layout of the file, and holds the table of operations. */
#include "kmodel/kmodel.h"

/* C99 has no static assertion: an array of negative size does not compile. */
#define ASSERT_THAT(name, condition) typedef char assert_##name[(condition) ? 1 : -1]
#define ASSERT_OFFSET(type, member, offset)                                                                            \
    ASSERT_THAT(type##_##member, offsetof(struct ncc_km_##type, member) == (offset))

ASSERT_THAT(size_of_header, sizeof(struct ncc_km_header) == 40);
ASSERT_THAT(size_of_range, sizeof(struct ncc_km_range) == 16);
ASSERT_THAT(size_of_node, sizeof(struct ncc_km_node) == 8);
ASSERT_THAT(size_of_float, sizeof(float) == 4);

#define NCC_KM_OP(number, name, size, payload) ASSERT_THAT(size_of_##name, sizeof(struct ncc_km_##name) == (size));
#include "kmodel/opcodes.def"
#undef NCC_KM_OP

ASSERT_OFFSET(binary, op, 48);
ASSERT_OFFSET(binary, act, 100);
ASSERT_OFFSET(window, filter_h, 16);
ASSERT_OFFSET(window, dilation_w, 36);
ASSERT_OFFSET(concat, inner_size, 16);
ASSERT_OFFSET(conv2d, groups, 48);
ASSERT_OFFSET(conv2d, window, 56);
ASSERT_OFFSET(conv2d, act, 96);
ASSERT_OFFSET(dequantize, zero_point, 32);
ASSERT_OFFSET(matmul, b_cols, 56);
ASSERT_OFFSET(pad, pads, 48);
ASSERT_OFFSET(pad, value, 84);
ASSERT_OFFSET(quantize, scale, 36);
ASSERT_OFFSET(reduce, in_shape, 36);
ASSERT_OFFSET(reduce, out_shape, 52);
ASSERT_OFFSET(reduce, init, 68);
ASSERT_OFFSET(reduce_window2d, window, 52);
ASSERT_OFFSET(reduce_window2d, init, 92);
ASSERT_OFFSET(resize_image, out_h, 48);
ASSERT_OFFSET(resize_image, align_corners, 60);
ASSERT_OFFSET(softmax, beta, 40);
ASSERT_OFFSET(transpose, perm, 48);
ASSERT_OFFSET(strided_slice, end, 64);
ASSERT_OFFSET(strided_slice, begin_mask, 96);
ASSERT_OFFSET(unary, op, 32);
ASSERT_OFFSET(quantized_conv2d, window, 56);
ASSERT_OFFSET(quantized_conv2d, in_offset, 96);
ASSERT_OFFSET(quantized_matmul, a_offset, 60);
ASSERT_OFFSET(quantized_binary, a_offset, 100);
ASSERT_OFFSET(quantized_binary, out_offset, 124);
ASSERT_OFFSET(table_lookup1d, out, 32);
ASSERT_OFFSET(conv2d_transpose, groups, 64);
ASSERT_OFFSET(conv2d_transpose, window, 68);
ASSERT_OFFSET(conv2d_transpose, act, 108);
ASSERT_OFFSET(cpu_conv2d, window, 52);
ASSERT_OFFSET(cpu_conv2d, act, 92);
ASSERT_OFFSET(cpu_depthwise_conv2d, window, 48);
ASSERT_OFFSET(cpu_depthwise_conv2d, act, 88);
ASSERT_OFFSET(cpu_reduce_window2d, window, 52);
ASSERT_OFFSET(cpu_quantized_conv2d, in_offset, 92);
ASSERT_OFFSET(cpu_quantized_depthwise_conv2d, in_offset, 88);
ASSERT_OFFSET(kpu_upload, in_shape, 32);
ASSERT_OFFSET(kpu_conv2d, words, 24);

#define NCC_KM_OP(number, name, size, payload)                                                                         \
    case number:                                                                                                       \
        return #name;
const char *ncc_kmodel_op_name(uint32_t opcode)
{
    switch (opcode) {
#include "kmodel/opcodes.def"
    default:
        return NULL;
    }
}
#undef NCC_KM_OP

#define NCC_KM_OP(number, name, size, payload)                                                                         \
    case number:                                                                                                       \
        return size;
uint32_t ncc_kmodel_op_body_size(uint32_t opcode)
{
    switch (opcode) {
#include "kmodel/opcodes.def"
    default:
        return 0;
    }
}
#undef NCC_KM_OP

#define NCC_KM_OP(number, name, size, payload)                                                                         \
    case number:                                                                                                       \
        return payload;
bool ncc_kmodel_op_has_payload(uint32_t opcode)
{
    switch (opcode) {
#include "kmodel/opcodes.def"
    default:
        return false;
    }
}
#undef NCC_KM_OP
