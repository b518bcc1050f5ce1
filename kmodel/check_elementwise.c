/* Checks of the operations that take one element, or one pair, at a time. */
#include "kmodel/check_ops.h"
#include "kmodel/check_range.h"

/* Every dimension of an operand is that of the output or 1. */
static const char *check_operand(const struct ncc_kmodel *km, const struct ncc_km_range *r, uint32_t datatype,
                                 const int32_t shape[4], const int32_t out_shape[4])
{
    uint64_t n;
    REQUIRE_CHECK(ncc_km_check_shape(shape, &n));
    for (int i = 0; i < 4; i++)
        REQUIRE(shape[i] == out_shape[i] || shape[i] == 1, "an operand cannot be broadcast to the output's shape");
    return ncc_km_check_read(km, r, datatype, n);
}

const char *ncc_km_check_binary(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_binary *const op = node->body;
    uint64_t n;
    REQUIRE(op->op < NCC_KM_N_BINARY, "an unknown binary operator");
    REQUIRE_CHECK(ncc_km_check_shape(op->out_shape, &n));
    REQUIRE_CHECK(check_operand(km, &op->a, NCC_KM_F32, op->a_shape, op->out_shape));
    REQUIRE_CHECK(check_operand(km, &op->b, NCC_KM_F32, op->b_shape, op->out_shape));
    return ncc_km_check_write(km, &op->out, NCC_KM_F32, n);
}

static bool is_shift(int32_t shift)
{
    return shift >= 0 && shift <= NCC_KM_MAX_SHIFT;
}

const char *ncc_km_check_quantized_binary(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_quantized_binary *const op = node->body;
    uint64_t n;
    REQUIRE(op->op < NCC_KM_N_BINARY, "an unknown binary operator");
    REQUIRE(is_shift(op->a_shift) && is_shift(op->b_shift) && is_shift(op->out_shift), "a shift is out of range");
    REQUIRE_CHECK(ncc_km_check_shape(op->out_shape, &n));
    REQUIRE_CHECK(check_operand(km, &op->a, NCC_KM_U8, op->a_shape, op->out_shape));
    REQUIRE_CHECK(check_operand(km, &op->b, NCC_KM_U8, op->b_shape, op->out_shape));
    return ncc_km_check_write(km, &op->out, NCC_KM_U8, n);
}

const char *ncc_km_check_dequantize(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_dequantize *const op = node->body;
    return ncc_km_check_elementwise(km, &op->in, NCC_KM_U8, &op->out, NCC_KM_F32);
}

const char *ncc_km_check_quantize(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_quantize *const op = node->body;
    return ncc_km_check_elementwise(km, &op->in, NCC_KM_F32, &op->out, NCC_KM_U8);
}

const char *ncc_km_check_memory_copy(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_memory_copy *const op = node->body;
    return ncc_km_check_elementwise(km, &op->in, op->in.datatype, &op->out, op->in.datatype);
}

const char *ncc_km_check_unary(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_unary *const op = node->body;
    REQUIRE(op->op < NCC_KM_N_UNARY, "an unknown unary operator");
    return ncc_km_check_elementwise(km, &op->in, NCC_KM_F32, &op->out, NCC_KM_F32);
}

const char *ncc_km_check_table_lookup1d(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_table_lookup1d *const op = node->body;
    REQUIRE_CHECK(ncc_km_check_read(km, &op->table, NCC_KM_U8, 256));
    return ncc_km_check_elementwise(km, &op->in, NCC_KM_U8, &op->out, NCC_KM_U8);
}

/* What a byte code takes from and leaves on the stack, and how many bytes of operand follow it. */
struct nnil_effect {
    bool known;
    int pops, pushes, operand_size;
};

static struct nnil_effect effect_of(uint8_t code)
{
    if (code >= NCC_KM_NNIL_UNARY && code < NCC_KM_NNIL_UNARY + NCC_KM_N_UNARY)
        return (struct nnil_effect){true, 1, 1, 0};
    if (code >= NCC_KM_NNIL_BINARY && code < NCC_KM_NNIL_BINARY + NCC_KM_N_BINARY)
        return (struct nnil_effect){true, 2, 1, 0};
    switch (code) {
    case NCC_KM_NNIL_NOP:
        return (struct nnil_effect){true, 0, 0, 0};
    case NCC_KM_NNIL_DUP:
        return (struct nnil_effect){true, 1, 2, 0};
    case NCC_KM_NNIL_POP:
        return (struct nnil_effect){true, 1, 0, 0};
    case NCC_KM_NNIL_LDA_0:
    case NCC_KM_NNIL_LDC_0:
    case NCC_KM_NNIL_LDC_1:
        return (struct nnil_effect){true, 0, 1, 0};
    case NCC_KM_NNIL_LDC_R4:
        return (struct nnil_effect){true, 0, 1, 4};
    case NCC_KM_NNIL_CLAMP:
        return (struct nnil_effect){true, 3, 1, 0};
    case NCC_KM_NNIL_RET:
        return (struct nnil_effect){true, 1, 0, 0};
    default:
        return (struct nnil_effect){0};
    }
}

/* The code has no jumps, so one walk over it sees every stack depth that running will see. */
static const char *check_code(const uint8_t *code, uint32_t size)
{
    int depth = 0;
    for (uint32_t pc = 0; pc < size;) {
        const struct nnil_effect effect = effect_of(code[pc]);
        REQUIRE(effect.known, "an unknown byte code");
        REQUIRE(depth >= effect.pops, "the byte code takes more from its stack than there is");
        depth += effect.pushes - effect.pops;
        REQUIRE(depth <= NCC_KM_NNIL_STACK, "the byte code needs more stack than there is");
        if (code[pc] == NCC_KM_NNIL_RET)
            return NULL;
        pc += 1 + (uint32_t)effect.operand_size;
    }
    return "the byte code does not end with a return";
}

const char *ncc_km_check_nnil_unary_method(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_nnil_unary_method *const op = node->body;
    uint32_t size;
    const uint8_t *const code = ncc_kmodel_payload(node, &size);
    REQUIRE_CHECK(check_code(code, size));
    return ncc_km_check_elementwise(km, &op->in, NCC_KM_F32, &op->out, NCC_KM_F32);
}
