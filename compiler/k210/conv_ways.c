/* A convolution in the cheapest of the ways that mean the same. */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

static struct value *as_it_is(struct lowering *l, const void *job, int unused, const char **why)
{
    (void)unused;
    return ncc_lower_conv_as_is(l, job, why);
}

/* 0: the stride that it has. */
static struct value *space_first(struct lowering *l, const void *job, int stride, const char **why)
{
    struct conv_job j = *(const struct conv_job *)job;
    j.stride = stride ? stride : j.stride;
    return ncc_lower_space_first(l, &j, why);
}

static struct value *group_ranges(struct lowering *l, const void *job, int n, const char **why)
{
    return ncc_lower_group_ranges(l, job, n, why);
}

/* Does it read nothing but the pixels that are picked? */
static bool only_picks(const struct conv_job *j)
{
    return j->stride > 1 && j->kh == 1 && j->kw == 1 && !j->pad_top && !j->pad_left && !j->depthwise && !j->diagonal &&
           !j->copy && !j->tied;
}

/* The pick in blocks of channels, and the products of what is left. */
static struct value *picked_first(struct lowering *l, const void *job, int unused, const char **why)
{
    (void)unused;
    const struct conv_job *j = job;
    struct conv_job pick = *j, rest = *j;
    pick.name = ncc_name(l->g, j->name, "pick");
    pick.out_c = j->x->shape.dim[1];
    pick.act.n = 0;
    pick.copy = true;
    rest.x = ncc_lower_identity(l, &pick, why);
    rest.stride = 1;
    return rest.x ? ncc_lower_conv_as_is(l, &rest, why) : NULL;
}

static struct value *diagonal(struct lowering *l, const void *job, int unused, const char **why)
{
    (void)unused;
    return ncc_lower_diagonal(l, job, why);
}

static struct value *pieces(struct lowering *l, const void *job, int least, const char **why)
{
    return ncc_lower_depthwise_pieces(l, job, least, why);
}

static struct value *lines(struct lowering *l, const void *job, int unused, const char **why)
{
    (void)unused;
    return ncc_lower_depthwise_lines(l, job, why);
}

/* Kernels that one depthwise layer does not have. */
static bool is_large(const struct conv_job *j)
{
    return (j->kh - 1) * j->dil_h > 2 || (j->kw - 1) * j->dil_w > 2 || (j->kh > 1 && j->dil_h > 1) || (j->kw > 1 && j->dil_w > 1);
}

/* Do the channels of n equal parts begin on lines of their own, in the input and in the result? The result may be
 * narrower than the input, and then has at most 4 channels in a line. */
static bool parts_fill_lines(const struct conv_job *j, int n)
{
    const int in_c = j->x->shape.dim[1];
    return in_c / n % ncc_kpu_layout_of(j->x->shape.dim[3]).group == 0 && j->out_c / n % 4 == 0;
}

enum { MAX_WAYS = 13, MAX_PARTS = 64 };

/* Smaller blocks of many channels have never been the quickest, and take long to try. */
static int least_block(int c)
{
    int block = 8;
    while (block * MAX_PARTS < c)
        block *= 2;
    return block;
}

bool ncc_lower_is_single(const struct conv_job *j)
{
    return !j->depthwise && !j->diagonal && !j->copy && !j->tied && j->stride == 1 && !j->pool && j->out_h == 1 &&
           j->out_w == 1;
}

struct value *ncc_lower_conv(struct lowering *l, const struct conv_job *j, const char **why)
{
    struct lower_way ways[MAX_WAYS] = {{as_it_is, 0}};
    int n = 1;
    if (!j->depthwise && j->stride > 1 && (j->kh > 1 || j->kw > 1))
        ways[n++] = (struct lower_way){space_first, 0};
    if (only_picks(j))
        ways[n++] = (struct lower_way){picked_first, 0};
    /* The stride of a single output is free. */
    for (int stride = 2; ncc_lower_is_single(j) && is_large(j) && stride <= 4; stride *= 2)
        ways[n++] = (struct lower_way){space_first, stride};
    if (j->depthwise && is_large(j)) {
        ways[0].build = diagonal;
        ways[n++] = (struct lower_way){as_it_is, 0}; /* two taps at a distance of two are in one layer's reach */
        if (j->one_scale && j->stride == 1 && !j->pool) /* then blocks are never quicker */
            ways[n++] = (struct lower_way){lines, 0};
        else if (least_block(j->out_c) < 2 * j->out_c)
            ways[n++] = (struct lower_way){pieces, least_block(j->out_c)};
    }
    for (int parts = 2; parts <= j->groups && n < MAX_WAYS; parts++)
        if (j->groups % parts == 0 && parts_fill_lines(j, parts))
            ways[n++] = (struct lower_way){group_ranges, parts};
    return ncc_lower_cheapest(l, ways, n, j, why);
}
