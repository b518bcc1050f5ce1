/* Checks of convolutions, pools and matrix products of the CPU. */
#include "kmodel/check_ops.h"
#include "kmodel/check_range.h"

/* What all operations with a sliding window share. The dimensions of a neutral operation are n, c, h, w, those of a
 * cpu_ operation n, h, w, c. */
struct slide {
    const struct ncc_km_range *in, *out;
    uint32_t datatype;
    int32_t n, c, h, w;
    int32_t out_c;
    const struct ncc_km_window *window;
};

static const char *check_slide(const struct ncc_kmodel *km, const struct slide *s)
{
    const int32_t in_shape[4] = {s->n, s->c, s->h, s->w};
    int32_t out_shape[4] = {s->n, s->out_c, 0, 0};
    uint64_t n_in, n_out;
    REQUIRE_CHECK(ncc_km_check_shape(in_shape, &n_in));
    REQUIRE_CHECK(ncc_km_check_slide(s->window, s->h, s->w, &out_shape[2], &out_shape[3]));
    REQUIRE_CHECK(ncc_km_check_shape(out_shape, &n_out));
    REQUIRE_CHECK(ncc_km_check_read(km, s->in, s->datatype, n_in));
    return ncc_km_check_write(km, s->out, s->datatype, n_out);
}

/* The payload holds a weight for every input channel of a group, output channel and tap, and a bias for every output
 * channel. */
static const char *check_weights(const struct ncc_kmodel_node *node, int32_t out_c, int32_t group_c,
                                 const struct ncc_km_window *window, uint32_t weight_size)
{
    const int32_t shape[4] = {out_c, group_c, window->filter_h, window->filter_w};
    uint64_t n;
    REQUIRE_CHECK(ncc_km_check_shape(shape, &n));
    return ncc_km_check_payload(node, n * weight_size + (uint64_t)out_c * 4);
}

static bool divides(int32_t groups, int32_t a, int32_t b)
{
    return groups >= 1 && a >= 1 && b >= 1 && a % groups == 0 && b % groups == 0;
}

static const char *check_out_shift(int32_t shift)
{
    REQUIRE(shift >= 0 && shift <= NCC_KM_MAX_SHIFT, "a shift is out of range");
    return NULL;
}

#define GROUPS_TEXT "the number of groups does not divide the channels"

const char *ncc_km_check_conv2d(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_conv2d *const op = node->body;
    const int32_t *const in = op->in_shape;
    REQUIRE(divides(op->groups, in[1], op->out_channels), GROUPS_TEXT);
    REQUIRE_CHECK(check_weights(node, op->out_channels, in[1] / op->groups, &op->window, sizeof(float)));
    return check_slide(
        km, &(struct slide){&op->in, &op->out, NCC_KM_F32, in[0], in[1], in[2], in[3], op->out_channels, &op->window});
}

const char *ncc_km_check_quantized_conv2d(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_quantized_conv2d *const op = node->body;
    const int32_t *const in = op->in_shape;
    REQUIRE(divides(op->groups, in[1], op->out_channels), GROUPS_TEXT);
    REQUIRE_CHECK(check_weights(node, op->out_channels, in[1] / op->groups, &op->window, 1));
    REQUIRE_CHECK(check_out_shift(op->out_shift));
    return check_slide(
        km, &(struct slide){&op->in, &op->out, NCC_KM_U8, in[0], in[1], in[2], in[3], op->out_channels, &op->window});
}

const char *ncc_km_check_cpu_conv2d(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_cpu_conv2d *const op = node->body;
    const int32_t *const in = op->in_shape;
    REQUIRE_CHECK(check_weights(node, op->out_channels, in[3], &op->window, sizeof(float)));
    return check_slide(
        km, &(struct slide){&op->in, &op->out, NCC_KM_F32, in[0], in[3], in[1], in[2], op->out_channels, &op->window});
}

const char *ncc_km_check_cpu_depthwise_conv2d(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_cpu_depthwise_conv2d *const op = node->body;
    const int32_t *const in = op->in_shape;
    REQUIRE_CHECK(check_weights(node, in[3], 1, &op->window, sizeof(float)));
    return check_slide(km,
                       &(struct slide){&op->in, &op->out, NCC_KM_F32, in[0], in[3], in[1], in[2], in[3], &op->window});
}

const char *ncc_km_check_cpu_quantized_conv2d(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_cpu_quantized_conv2d *const op = node->body;
    const int32_t *const in = op->in_shape;
    REQUIRE_CHECK(check_weights(node, op->out_channels, in[3], &op->window, 1));
    REQUIRE_CHECK(check_out_shift(op->out_shift));
    return check_slide(
        km, &(struct slide){&op->in, &op->out, NCC_KM_U8, in[0], in[3], in[1], in[2], op->out_channels, &op->window});
}

const char *ncc_km_check_cpu_quantized_depthwise_conv2d(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_cpu_quantized_depthwise_conv2d *const op = node->body;
    const int32_t *const in = op->in_shape;
    REQUIRE_CHECK(check_weights(node, in[3], 1, &op->window, 1));
    REQUIRE_CHECK(check_out_shift(op->out_shift));
    return check_slide(km,
                       &(struct slide){&op->in, &op->out, NCC_KM_U8, in[0], in[3], in[1], in[2], in[3], &op->window});
}

const char *ncc_km_check_reduce_window2d(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_reduce_window2d *const op = node->body;
    const int32_t *const in = op->in_shape;
    REQUIRE(op->op < NCC_KM_N_REDUCE, "an unknown way of reducing");
    return check_slide(km,
                       &(struct slide){&op->in, &op->out, NCC_KM_F32, in[0], in[1], in[2], in[3], in[1], &op->window});
}

const char *ncc_km_check_cpu_reduce_window2d(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_cpu_reduce_window2d *const op = node->body;
    const int32_t *const in = op->in_shape;
    REQUIRE(op->op < NCC_KM_N_REDUCE, "an unknown way of reducing");
    return check_slide(km,
                       &(struct slide){&op->in, &op->out, NCC_KM_F32, in[0], in[3], in[1], in[2], in[3], &op->window});
}

/* A transposed convolution is one from its output to its input, so the window must slide over the output as often as
 * the input is large. */
const char *ncc_km_check_conv2d_transpose(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_conv2d_transpose *const op = node->body;
    const int32_t *const in = op->in_shape, *const out = op->out_shape;
    uint64_t n_in, n_out;
    int32_t h, w;
    REQUIRE(divides(op->groups, in[1], out[1]), GROUPS_TEXT);
    REQUIRE_CHECK(ncc_km_check_shape(in, &n_in));
    REQUIRE_CHECK(ncc_km_check_shape(out, &n_out));
    REQUIRE_CHECK(ncc_km_check_slide(&op->window, out[2], out[3], &h, &w));
    REQUIRE(in[0] == out[0] && h == in[2] && w == in[3], "input and output of a transposed convolution do not agree");
    REQUIRE_CHECK(check_weights(node, out[1], in[1] / op->groups, &op->window, sizeof(float)));
    REQUIRE_CHECK(ncc_km_check_read(km, &op->in, NCC_KM_F32, n_in));
    return ncc_km_check_write(km, &op->out, NCC_KM_F32, n_out);
}

/* a_rows x a_cols times a_cols x b_cols, with a bias for every column. */
static const char *check_product(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node, uint32_t datatype,
                                 const struct ncc_km_range ranges[3], int32_t a_rows, int32_t a_cols, int32_t b_cols)
{
    const int32_t a_shape[4] = {1, 1, a_rows, a_cols}, b_shape[4] = {1, 1, a_cols, b_cols};
    const int32_t out_shape[4] = {1, 1, a_rows, b_cols};
    uint64_t n_a, n_b, n_out;
    REQUIRE_CHECK(ncc_km_check_shape(a_shape, &n_a));
    REQUIRE_CHECK(ncc_km_check_shape(b_shape, &n_b));
    REQUIRE_CHECK(ncc_km_check_shape(out_shape, &n_out));
    REQUIRE_CHECK(ncc_km_check_payload(node, (uint64_t)b_cols * 4));
    REQUIRE_CHECK(ncc_km_check_read(km, &ranges[0], datatype, n_a));
    REQUIRE_CHECK(ncc_km_check_read(km, &ranges[1], datatype, n_b));
    return ncc_km_check_write(km, &ranges[2], datatype, n_out);
}

const char *ncc_km_check_matmul(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_matmul *const op = node->body;
    const struct ncc_km_range ranges[3] = {op->a, op->b, op->out};
    return check_product(km, node, NCC_KM_F32, ranges, op->a_rows, op->a_cols, op->b_cols);
}

const char *ncc_km_check_quantized_matmul(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_quantized_matmul *const op = node->body;
    const struct ncc_km_range ranges[3] = {op->a, op->b, op->out};
    REQUIRE_CHECK(check_out_shift(op->out_shift));
    return check_product(km, node, NCC_KM_U8, ranges, op->a_rows, op->a_cols, op->b_cols);
}
