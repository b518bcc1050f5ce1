#include "compiler/ops/resize.h"
#include "compiler/ops/on_codes.h"

#include <string.h>

static const char *const modes[] = {"nearest", "bilinear", NULL};
static const struct attr_desc attrs_table[] = {
    ATTR_WORDS(struct resize_attrs, mode, modes, RESIZE_NEAREST),
    ATTR(struct resize_attrs, out_h, ATTR_INT, 0),
    ATTR(struct resize_attrs, out_w, ATTR_INT, 0),
    ATTR(struct resize_attrs, align_corners, ATTR_BOOL, 0),
    ATTR(struct resize_attrs, half_pixel, ATTR_BOOL, 0),
    {0},
};

static bool infer(struct infer *i)
{
    const struct resize_attrs *p = i->node->attrs;
    if (!ncc_infer_need_rank(i, 0, 4))
        return false;
    const int *x = i->in[0]->shape.dim;
    if (p->out_h < 1 || p->out_w < 1 || x[2] < 1 || x[3] < 1)
        return ncc_infer_refuse(i, "input and result must not be empty");
    if (p->align_corners && p->half_pixel)
        return ncc_infer_refuse(i, "align_corners and half_pixel must not both be set");
    if (p->mode == RESIZE_BILINEAR && i->in[0]->dtype != DT_F32 && i->in[0]->dtype != DT_U8)
        return ncc_infer_refuse(i, "bilinear needs f32 or u8");
    i->out[0].shape = ncc_shape_4(x[0], x[1], p->out_h, p->out_w);
    return true;
}

/* One dimension. The quotient is a float, as it is on the chip (doc/kmodel.md B.3); half pixels, which the chip's
 * kernel does not have, are exact. */
struct scaling {
    const struct resize_attrs *p;
    int in, out;
    float scale;
};

static struct scaling scaling_of(const struct resize_attrs *p, int in, int out)
{
    const bool corners = p->align_corners && out > 1;
    return (struct scaling){p, in, out, corners ? (float)(in - 1) / (float)(out - 1) : (float)in / (float)out};
}

static int nearest(struct scaling s, int at)
{
    const float x = ((float)at + (s.p->half_pixel ? 0.5f : 0.0f)) * s.scale;
    const int index = (int)floorf(s.p->align_corners ? x + 0.5f : x);
    return index < s.in ? index : s.in - 1;
}

static struct resize_between between(struct scaling s, int at)
{
    const double x = s.p->half_pixel ? (at + 0.5) * s.in / s.out - 0.5 : (double)((float)at * s.scale);
    const double inside = x > 0 ? x : 0;
    const int first = (int)inside < s.in ? (int)inside : s.in - 1;
    return (struct resize_between){first, first + 1 < s.in ? first + 1 : s.in - 1, (float)(inside - first)};
}

int ncc_resize_nearest(const struct resize_attrs *p, int in, int out, int at)
{
    return nearest(scaling_of(p, in, out), at);
}

struct resize_between ncc_resize_between(const struct resize_attrs *p, int in, int out, int at)
{
    return between(scaling_of(p, in, out), at);
}

static void nearest_row(const char *row, size_t size, const int *columns, int n, char *to)
{
    for (int x = 0; x < n; x++, to += size)
        memcpy(to, row + (size_t)columns[x] * size, size);
}

/* Four neighbours; products and sums in the order of the runtime's kernel, so that what is cut off is the same. */
static inline float mix(float a, float b, float c, float d, float down, float right)
{
    const float wa = (1.0f - down) * (1.0f - right), wb = down * (1.0f - right);
    const float wc = (1.0f - down) * right, wd = down * right;
    return a * wa + b * wb + c * wc + d * wd;
}

/* u8 is cut, not rounded, as the runtime does. */
#define BILINEAR_ROW(type)                                                                                             \
    static void bilinear_##type(const type *up, const type *low, float down, const struct resize_between *columns,     \
                                int n, type *to)                                                                       \
    {                                                                                                                  \
        for (int x = 0; x < n; x++) {                                                                                  \
            const struct resize_between c = columns[x];                                                                \
            to[x] = (type)mix((float)up[c.first], (float)low[c.first], (float)up[c.second], (float)low[c.second],      \
                              down, c.part);                                                                           \
        }                                                                                                              \
    }
BILINEAR_ROW(float)
BILINEAR_ROW(uint8_t)

/* Columns are worked out anew in blocks, which saves asking for memory. */
#define BLOCK 256
struct block {
    int first, n;
    int nearest[BLOCK];
    struct resize_between between[BLOCK];
};

static void make_block(struct block *b, struct scaling s, int first, int out_w)
{
    b->first = first;
    b->n = out_w - first < BLOCK ? out_w - first : BLOCK;
    for (int i = 0; i < b->n; i++) {
        b->nearest[i] = nearest(s, first + i);
        b->between[i] = between(s, first + i);
    }
}

/* Output row y of a map, columns of one block. */
static void resize_row(const struct eval_args *a, struct scaling vertical, int64_t map, int y, const struct block *b)
{
    const struct resize_attrs *p = a->node->attrs;
    const int h = a->in[0]->shape.dim[2], w = a->in[0]->shape.dim[3];
    const int64_t from = map * h * w, to = (map * p->out_h + y) * p->out_w + b->first;
    const size_t size = ncc_dtype_size(a->in[0]->dtype);
    if (p->mode == RESIZE_NEAREST) {
        nearest_row((const char *)a->in[0]->data + (size_t)(from + (int64_t)nearest(vertical, y) * w) * size, size,
                    b->nearest, b->n, (char *)a->out[0]->data + (size_t)to * size);
        return;
    }
    const struct resize_between rows = between(vertical, y);
    const int64_t up = from + (int64_t)rows.first * w, low = from + (int64_t)rows.second * w;
    if (a->out[0]->dtype == DT_F32) {
        const float *x = a->in[0]->data;
        bilinear_float(x + up, x + low, rows.part, b->between, b->n, (float *)a->out[0]->data + to);
    } else {
        const uint8_t *x = a->in[0]->data;
        bilinear_uint8_t(x + up, x + low, rows.part, b->between, b->n, (uint8_t *)a->out[0]->data + to);
    }
}

static void eval(const struct eval_args *a)
{
    const struct resize_attrs *p = a->node->attrs;
    const int *in = a->in[0]->shape.dim;
    const struct scaling vertical = scaling_of(p, in[2], p->out_h), horizontal = scaling_of(p, in[3], p->out_w);
    struct block b;
    for (int first = 0; first < p->out_w; first += BLOCK) {
        make_block(&b, horizontal, first, p->out_w);
        for (int64_t map = 0; map < (int64_t)in[0] * in[1]; map++)
            for (int y = 0; y < p->out_h; y++)
                resize_row(a, vertical, map, y, &b);
    }
}

/* ---- bilinear on codes: places in units of 1/1024 ---- */

enum { UNIT = 1024 };

struct place_between {
    int first, second;
    int32_t part;
};

static struct place_between place_between(const struct resize_attrs *p, int in, int out, int at)
{
    const bool corners = p->align_corners && out > 1;
    const int32_t step = corners ? (UNIT * (in - 1) + (out - 1) / 2) / (out - 1) : (UNIT * in + out / 2) / out;
    const int32_t x = at * step + (p->half_pixel ? step / 2 - UNIT / 2 : 0);
    const int first = x / UNIT > 0 ? x / UNIT : 0, second = (x + UNIT - 1) / UNIT;
    return (struct place_between){first, second < in ? second : in - 1, x - first * UNIT};
}

/* Of codes, half away from code 0. */
static int32_t mix_codes(struct grid g, const float *up, const float *low, struct place_between c, int32_t down)
{
    const int64_t sum = ((int64_t)(ncc_step_of(g, up[c.first]) + g.zero) * (UNIT - down) +
                         (int64_t)(ncc_step_of(g, low[c.first]) + g.zero) * down) * (UNIT - c.part) +
                        ((int64_t)(ncc_step_of(g, up[c.second]) + g.zero) * (UNIT - down) +
                         (int64_t)(ncc_step_of(g, low[c.second]) + g.zero) * down) * c.part;
    return (int32_t)((sum + (sum > 0 ? UNIT * UNIT / 2 : -UNIT * UNIT / 2)) / (UNIT * UNIT));
}

static bool eval_codes(const struct code_args *c)
{
    const struct eval_args *a = c->real;
    const struct resize_attrs *p = a->node->attrs;
    const int *in = a->in[0]->shape.dim;
    const int limit = INT32_MAX / UNIT / 2;
    if (p->mode != RESIZE_BILINEAR || !ncc_same_grid(c->in[0], c->out) || in[2] > limit || in[3] > limit)
        return false;
    float *to = a->out[0]->data;
    for (int64_t map = 0; map < (int64_t)in[0] * in[1]; map++) {
        const float *from = (const float *)a->in[0]->data + map * in[2] * in[3];
        for (int y = 0; y < p->out_h; y++) {
            const struct place_between rows = place_between(p, in[2], p->out_h, y);
            for (int x = 0; x < p->out_w; x++)
                *to++ = ncc_real_of(c, mix_codes(c->in[0], from + (int64_t)rows.first * in[3],
                                                 from + (int64_t)rows.second * in[3],
                                                 place_between(p, in[3], p->out_w, x), rows.part));
        }
    }
    return true;
}

const struct op_desc ncc_op_resize = {
    .name = "resize",
    .doc = "maps enlarged or reduced, by the nearest pixel or bilinear",
    .tflite = "RESIZE_NEAREST_NEIGHBOR,RESIZE_BILINEAR",
    .onnx = "Resize,Upsample",
    .caffe = "Upsample,Interp",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT,
    NCC_ATTRS(resize_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
    .eval_codes = eval_codes,
};
