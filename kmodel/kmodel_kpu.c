/* Finds bn words, activation table and weights in the body of a kpu_conv2d (doc/kmodel.md section B.4). */
#include "kmodel/kmodel.h"
#include "kpu/layer.h"

bool ncc_kmodel_kpu_parts(const struct ncc_kmodel_node *node, struct ncc_km_kpu_parts *out)
{
    const struct ncc_km_kpu_conv2d *const body = node->body;
    struct ncc_kpu_regs regs;
    struct ncc_kpu_shape shape;
    ncc_kpu_unpack(body->words, &regs);
    if (ncc_kpu_shape_of(&regs, &shape) != NULL)
        return false;
    /* Skips have 32 bits and weights at most 24, so the sums are far from overflow. */
    const uint64_t n_bn = (uint64_t)shape.out_c;
    const uint64_t weights_size = (uint64_t)ncc_kpu_n_weights(&shape);
    const uint64_t bn_off = sizeof *body + (uint64_t)regs.bwsx_base_addr;
    const uint64_t act_off = bn_off + n_bn * sizeof(uint64_t) + (uint64_t)regs.active_addr;
    const uint64_t weights_off = act_off + NCC_KM_ACT_SIZE + (uint64_t)regs.para_start_addr;
    if (weights_off + weights_size > node->body_size)
        return false;
    const uint8_t *const bytes = node->body;
    *out = (struct ncc_km_kpu_parts){
        .bn = bytes + bn_off,
        .act = bytes + act_off,
        .weights = bytes + weights_off,
        .n_bn = (uint32_t)n_bn,
        .weights_size = (uint32_t)weights_size,
        .bn_off = node->body_off + (size_t)bn_off,
        .act_off = node->body_off + (size_t)act_off,
        .weights_off = node->body_off + (size_t)weights_off,
    };
    return true;
}
