/* Checks of the operations that move, cut or reduce: concat, pad, transpose, strided_slice, resize_image, reduce,
 * softmax. */
#include "kmodel/check_ops.h"
#include "kmodel/check_range.h"

const char *ncc_km_check_concat(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_concat *const op = node->body;
    REQUIRE_CHECK(ncc_km_check_payload(node, (uint64_t)op->n * (sizeof(struct ncc_km_range) + sizeof(int32_t))));
    const struct ncc_km_range *const in = (const void *)(op + 1);
    const int32_t *const dims = (const void *)(in + op->n);
    const uint64_t unit = (uint64_t)op->inner_size * op->outer_size;
    const uint32_t element_size = ncc_km_element_size(op->out.datatype);
    REQUIRE(element_size != 0, "an unknown datatype");
    REQUIRE(unit > 0 && unit <= UINT32_MAX, "the sizes of a concatenation are out of range");
    uint64_t total = 0;
    for (uint32_t i = 0; i < op->n; i++) {
        REQUIRE(dims[i] >= 1 && unit * (uint64_t)dims[i] <= UINT32_MAX, "a concatenated dimension is out of range");
        const uint64_t size = unit * (uint64_t)dims[i];
        REQUIRE(size % element_size == 0, "a concatenated input has a fraction of an element");
        REQUIRE_CHECK(ncc_km_check_read(km, &in[i], op->out.datatype, size / element_size));
        total += size;
    }
    return ncc_km_check_write(km, &op->out, op->out.datatype, total / element_size);
}

/* In and out have the datatype of `in`, whichever that is, and the number of elements of their shapes. */
static const char *check_moved(const struct ncc_kmodel *km, const struct ncc_km_range *in, const int32_t in_shape[4],
                               const struct ncc_km_range *out, const int32_t out_shape[4])
{
    uint64_t n_in, n_out;
    REQUIRE(ncc_km_element_size(in->datatype) != 0, "an unknown datatype");
    REQUIRE_CHECK(ncc_km_check_shape(in_shape, &n_in));
    REQUIRE_CHECK(ncc_km_check_shape(out_shape, &n_out));
    REQUIRE_CHECK(ncc_km_check_read(km, in, in->datatype, n_in));
    return ncc_km_check_write(km, out, in->datatype, n_out);
}

const char *ncc_km_check_pad(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_pad *const op = node->body;
    int32_t out_shape[4];
    for (int i = 0; i < 4; i++) {
        const int64_t dim = (int64_t)op->in_shape[i] + op->pads[i].before + op->pads[i].after;
        REQUIRE(dim >= 1 && dim <= INT32_MAX, "a padded dimension is out of range");
        out_shape[i] = (int32_t)dim;
    }
    return check_moved(km, &op->in, op->in_shape, &op->out, out_shape);
}

const char *ncc_km_check_transpose(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_transpose *const op = node->body;
    int32_t out_shape[4];
    unsigned seen = 0;
    for (int i = 0; i < 4; i++) {
        REQUIRE(op->perm[i] >= 0 && op->perm[i] < 4, "a transposition names a dimension that does not exist");
        seen |= 1u << op->perm[i];
        out_shape[i] = op->in_shape[op->perm[i]];
    }
    REQUIRE(seen == 0xF, "a transposition names a dimension twice");
    return check_moved(km, &op->in, op->in_shape, &op->out, out_shape);
}

/* How many indices begin, begin + stride .. before end there are; 0 if there is none or one lies outside 0..dim-1. */
static int64_t count_steps(int32_t dim, int32_t begin, int32_t end, int32_t stride)
{
    const int64_t distance = stride > 0 ? (int64_t)end - begin : (int64_t)begin - end;
    const int64_t step = stride > 0 ? stride : -(int64_t)stride;
    if (step == 0 || distance <= 0)
        return 0;
    const int64_t count = (distance + step - 1) / step;
    const int64_t last = begin + (count - 1) * stride;
    return begin >= 0 && begin < dim && last >= 0 && last < dim ? count : 0;
}

const char *ncc_km_check_strided_slice(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_strided_slice *const op = node->body;
    int32_t out_shape[4];
    for (int i = 0; i < 4; i++) {
        out_shape[i] = (int32_t)count_steps(op->in_shape[i], op->begin[i], op->end[i], op->strides[i]);
        REQUIRE(out_shape[i] > 0, "a slice is empty or leaves its input");
    }
    return check_moved(km, &op->in, op->in_shape, &op->out, out_shape);
}

const char *ncc_km_check_resize_image(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_resize_image *const op = node->body;
    const int32_t out_shape[4] = {op->in_shape[0], op->in_shape[1], op->out_h, op->out_w};
    REQUIRE(op->mode < NCC_KM_N_RESIZE, "an unknown way of resizing");
    return check_moved(km, &op->in, op->in_shape, &op->out, out_shape);
}

const char *ncc_km_check_reduce(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_reduce *const op = node->body;
    REQUIRE(op->op < NCC_KM_N_REDUCE, "an unknown way of reducing");
    REQUIRE(op->in.datatype == NCC_KM_F32, "only floats can be reduced");
    for (int i = 0; i < 4; i++)
        REQUIRE(op->out_shape[i] == op->in_shape[i] || op->out_shape[i] == 1, "a reduced dimension is not 1");
    return check_moved(km, &op->in, op->in_shape, &op->out, op->out_shape);
}

const char *ncc_km_check_softmax(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_softmax *const op = node->body;
    const int32_t shape[4] = {op->outer_size, op->inner_size, 1, 1};
    REQUIRE(op->in.datatype == NCC_KM_F32, "softmax takes floats");
    return check_moved(km, &op->in, shape, &op->out, shape);
}
