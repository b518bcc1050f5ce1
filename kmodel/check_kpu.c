/* Checks of the operations that concern the KPU. */
#include "kmodel/check_ops.h"
#include "kmodel/check_range.h"
#include "kpu/arith.h"
#include "kpu/layer.h"

const char *ncc_km_check_kpu_upload(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_kpu_upload *const op = node->body;
    uint64_t n;
    REQUIRE_CHECK(ncc_km_check_shape(op->in_shape, &n));
    REQUIRE_CHECK(ncc_km_check_read(km, &op->in, NCC_KM_U8, n));
    return ncc_km_check_kpu(&op->out, op->in_shape);
}

/* Batch n reads and writes n tensors further on. The first and the last batch bound all others; with several, no input
 * may be overwritten before its turn. */
static const char *check_batches(struct ncc_kpu_regs regs, const struct ncc_kpu_shape *shape, int32_t batches)
{
    REQUIRE(batches >= 1, "there are no batches");
    REQUIRE_CHECK(ncc_kpu_regs_check(&regs));
    if (batches == 1)
        return NULL;
    const int64_t in_lines = ncc_kpu_in_lines(shape), out_lines = ncc_kpu_out_lines(shape);
    const int64_t in_end = regs.image_src_addr + batches * in_lines;
    const int64_t out_end = regs.image_dst_addr + batches * out_lines;
    REQUIRE(in_end <= regs.image_dst_addr || out_end <= regs.image_src_addr, "batches overwrite each other's inputs");
    regs.image_src_addr = in_end - in_lines;
    regs.image_dst_addr = out_end - out_lines;
    return ncc_kpu_regs_check(&regs);
}

static const char *check_parts(const struct ncc_kmodel_node *node)
{
    struct ncc_km_kpu_parts parts;
    struct ncc_kpu_table table;
    REQUIRE(ncc_kmodel_kpu_parts(node, &parts), "the parameters of the layer do not lie inside its body");
    REQUIRE(parts.bn_off % 8 == 0 && parts.act_off % 8 == 0, "the parameters of the layer are not 8-byte aligned");
    ncc_kpu_table_unpack(parts.act, &table);
    return ncc_kpu_table_check(&table);
}

const char *ncc_km_check_kpu_conv2d(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_kpu_conv2d *const op = node->body;
    struct ncc_kpu_regs regs;
    struct ncc_kpu_shape shape;
    ncc_kpu_unpack(op->words, &regs);
    REQUIRE_CHECK(ncc_kpu_shape_of(&regs, &shape));
    REQUIRE_CHECK(check_batches(regs, &shape, op->batches));
    REQUIRE_CHECK(check_parts(node));
    if (op->main_out.size == 0)
        return NULL;
    const int32_t out_shape[4] = {op->batches, shape.out_c, ncc_kpu_out_h(&shape), ncc_kpu_out_w(&shape)};
    uint64_t n;
    REQUIRE_CHECK(ncc_km_check_shape(out_shape, &n));
    return ncc_km_check_write(km, &op->main_out, NCC_KM_U8, n);
}
