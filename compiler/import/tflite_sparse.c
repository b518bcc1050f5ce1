/* Constants in fewer bytes than their elements have, made dense: sparse ones, and codes of four bits.
 *
 * A sparse tensor is a tree whose levels are its dimensions, in the order of traversal; dimensions that are cut into
 * blocks have two levels, the second one within the block. A dense level has all children. A sparse one has, of each
 * parent p, the children number segments[p] to segments[p + 1] - 1, and indices[c] says which index child c has. The
 * leaves are the elements that are stored. */
#include "compiler/import/tflite.h"

#include <string.h>

enum { MAX_LEVELS = 2 * NCC_MAX_RANK };

struct numbers {
    struct fb_vector v;
    int kind; /* 1: int32, 2: uint16, 3: uint8 */
};

struct level {
    int axis, block; /* of the dense tensor; the factor of the index on the way down */
    int size;
    bool is_sparse;
    struct numbers segments, indices;
};

struct expanding {
    struct tflite *m;
    const struct tf_tensor *t;
    struct level level[MAX_LEVELS];
    int n_levels;
    int64_t stride[NCC_MAX_RANK]; /* of the dense tensor, in elements */
    size_t item_size;
    uint8_t *to;
};

static int64_t number_at(struct numbers n, int64_t i)
{
    if (i < 0 || i >= n.v.n)
        return -1;
    if (n.kind == 1)
        return ncc_fb_vector_i32(n.v, (int)i);
    const uint8_t *p = n.v.data + i * n.v.item_size;
    return n.kind == 2 ? p[0] | p[1] << 8 : p[0];
}

static struct numbers read_numbers(struct fb *f, struct fb_table t, int kind_field, int field)
{
    static const int sizes[4] = {4, 4, 2, 1};
    const int kind = (int)ncc_fb_int(f, t, kind_field, 1, false, 0);
    if (kind < 1 || kind > 3)
        return (struct numbers){{0}, 0};
    return (struct numbers){ncc_fb_vector(f, ncc_fb_table(f, t, field), F_numbers_values, sizes[kind]), kind};
}

static bool damaged(struct expanding *e)
{
    ncc_diag_error(e->m->diags, FAULT_INPUT, (struct place){.file = e->m->file, .node = e->t->name},
                   "the description of a sparse constant must fit its shape and its elements", "export the model again",
                   NULL);
    return false;
}

static bool read_levels(struct expanding *e)
{
    struct fb *f = &e->m->fb;
    const struct tf_tensor *t = e->t;
    const int rank = t->stored.rank;
    const struct fb_vector order = ncc_fb_vector(f, t->sparsity, F_sparsity_order, 4);
    const struct fb_vector blocks = ncc_fb_vector(f, t->sparsity, F_sparsity_blocks, 4);
    const struct fb_vector dims = ncc_fb_vector(f, t->sparsity, F_sparsity_dims, 4);
    e->n_levels = dims.n;
    if (order.n != dims.n || dims.n != rank + blocks.n || dims.n > MAX_LEVELS)
        return damaged(e);
    int inner[NCC_MAX_RANK] = {1, 1, 1, 1, 1, 1}; /* elements of a block along each axis */
    for (int i = 0; i < dims.n; i++) {
        struct level *l = &e->level[i];
        const struct fb_table d = ncc_fb_vector_table(f, dims, i);
        const int k = ncc_fb_vector_i32(order, i);
        l->axis = k < rank ? k : k - rank < blocks.n ? ncc_fb_vector_i32(blocks, k - rank) : -1;
        l->block = k >= rank;
        l->is_sparse = ncc_fb_int(f, d, F_dim_format, 1, false, 0) == 1;
        l->size = ncc_fb_i32(f, d, F_dim_size, 0);
        l->segments = read_numbers(f, d, F_dim_segments_kind, F_dim_segments);
        l->indices = read_numbers(f, d, F_dim_indices_kind, F_dim_indices);
        if (k < 0 || l->axis < 0 || l->axis >= rank || (l->block && inner[l->axis] != 1))
            return damaged(e);
        if (l->block && l->is_sparse)
            return damaged(e); /* blocks are dense */
        inner[l->axis] = l->block ? l->size : inner[l->axis];
    }
    for (int i = 0; i < dims.n; i++) /* an index of the outer level steps over whole blocks */
        e->level[i].block = e->level[i].block ? 1 : inner[e->level[i].axis];
    return !f->error;
}

/* Level `at`, below its parent `number`; `index` is where the dense tensor's dimensions stand. */
static bool descend(struct expanding *e, int at, int64_t number, int64_t *index)
{
    if (at == e->n_levels) {
        int64_t place = 0;
        for (int i = 0; i < e->t->stored.rank; i++) {
            if (index[i] >= e->t->stored.dim[i])
                return true; /* a block may reach over the edge */
            place += index[i] * e->stride[i];
        }
        if (number < 0 || (size_t)(number + 1) * e->item_size > e->t->data.size)
            return damaged(e);
        memcpy(e->to + (size_t)place * e->item_size, e->t->data.data + (size_t)number * e->item_size, e->item_size);
        return true;
    }
    const struct level *l = &e->level[at];
    const int64_t first = l->is_sparse ? number_at(l->segments, number) : 0;
    const int64_t end = l->is_sparse ? number_at(l->segments, number + 1) : l->size;
    if (first < 0 || end < first || !ncc_fb_spend(&e->m->fb, end - first))
        return damaged(e);
    const int64_t was = index[l->axis];
    for (int64_t c = first; c < end; c++) {
        const int64_t i = l->is_sparse ? number_at(l->indices, c) : c;
        index[l->axis] = was + i * l->block;
        if (i < 0 || index[l->axis] > INT32_MAX || !descend(e, at + 1, l->is_sparse ? c : number * l->size + c, index))
            return i >= 0 ? false : damaged(e);
    }
    index[l->axis] = was;
    return true;
}

bool ncc_tflite_expand(struct tflite *m, struct tf_tensor *t, size_t item_size)
{
    struct expanding e = {.m = m, .t = t, .item_size = item_size};
    const int64_t n = ncc_shape_count(t->stored);
    int64_t stride = 1, index[NCC_MAX_RANK] = {0};
    for (int i = t->stored.rank - 1; i >= 0; i--) {
        e.stride[i] = stride;
        stride *= t->stored.dim[i];
    }
    if (!ncc_fb_spend(&m->fb, n) || !read_levels(&e))
        return false;
    e.to = ncc_arena_alloc(m->arena, (size_t)n, item_size, 64);
    memset(e.to, 0, (size_t)n * item_size);
    if (!descend(&e, 0, 0, index))
        return false;
    t->data = (struct bytes){e.to, (size_t)n * item_size};
    return true;
}

/* Two codes in a byte, the first in the low half. */
bool ncc_tflite_unpack_halves(struct tflite *m, struct tf_tensor *t)
{
    const int64_t n = ncc_shape_count(t->stored);
    if ((size_t)(n + 1) / 2 != t->data.size) {
        ncc_diag_error(m->diags, FAULT_INPUT, (struct place){.file = m->file, .node = t->name},
                       "a constant must have as many bytes as its shape says", "export the model again",
                       "%zu bytes instead of %zu", t->data.size, (size_t)(n + 1) / 2);
        return false;
    }
    int8_t *codes = NCC_NEW(m->arena, int8_t, n);
    for (int64_t i = 0; i < n; i++) {
        const int half = t->data.data[i / 2] >> (i % 2 * 4) & 15;
        codes[i] = (int8_t)(half > 7 ? half - 16 : half);
    }
    t->data = (struct bytes){(const uint8_t *)codes, (size_t)n};
    t->type = TF_I8;
    return true;
}
