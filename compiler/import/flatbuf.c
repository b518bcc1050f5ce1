/* A bounds-checked reader of FlatBuffers. Offsets are size_t and lie inside the file before they are used, so that
 * sums of two of them cannot overflow. */
#include "compiler/import/flatbuf.h"

#include <limits.h>
#include <string.h>

struct fb ncc_fb_open(struct bytes file)
{
    return (struct fb){.data = file.data, .size = file.size, .budget = (int64_t)file.size * 64 + ((int64_t)1 << 24)};
}

void ncc_fb_fail(struct fb *f, size_t at, const char *error)
{
    if (f->error)
        return;
    f->error = error;
    f->error_off = at;
}

bool ncc_fb_spend(struct fb *f, int64_t n)
{
    if (f->budget < n)
        ncc_fb_fail(f, 0, "it describes far more than its size can hold");
    else
        f->budget -= n;
    return !f->error;
}

static uint64_t little_endian(const uint8_t *p, int size)
{
    uint64_t v = 0;
    for (int i = size - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* Whether bytes at .. at + size lie in the file. */
static bool inside(struct fb *f, size_t at, size_t size)
{
    if (f->error)
        return false;
    if (at <= f->size && size <= f->size - at)
        return true;
    ncc_fb_fail(f, at, "something reaches beyond the end of the file");
    return false;
}

/* Follows the reference that is stored at `at`; 0 on error. */
static size_t follow(struct fb *f, size_t at)
{
    if (!inside(f, at, 4))
        return 0;
    const size_t distance = (size_t)little_endian(f->data + at, 4);
    if (distance == 0 || distance >= f->size - at) {
        ncc_fb_fail(f, at, "a reference leads out of the file");
        return 0;
    }
    return at + distance;
}

static struct fb_table table_at(struct fb *f, size_t at)
{
    const struct fb_table none = {0};
    if (at == 0 || !inside(f, at, 4) || !ncc_fb_spend(f, 1))
        return none;
    const int64_t back = (int32_t)little_endian(f->data + at, 4);
    const int64_t vtable = (int64_t)at - back;
    if (vtable < 0 || vtable > (int64_t)f->size) {
        ncc_fb_fail(f, at, "a table's description lies outside the file");
        return none;
    }
    if (!inside(f, (size_t)vtable, 4))
        return none;
    const struct fb_table t = {
        .at = at,
        .vtable = (size_t)vtable,
        .vtable_size = (int)little_endian(f->data + vtable, 2),
        .size = (int)little_endian(f->data + vtable + 2, 2),
    };
    if (t.vtable_size < 4 || t.size < 4) {
        ncc_fb_fail(f, t.vtable, "a table's description is damaged");
        return none;
    }
    if (!inside(f, t.vtable, (size_t)t.vtable_size) || !inside(f, t.at, (size_t)t.size))
        return none;
    return t;
}

/* Where a field of `size` bytes is; 0 when it is absent or broken. */
static size_t field_at(struct fb *f, struct fb_table t, int field, int size)
{
    const int entry = 4 + 2 * field;
    if (f->error || t.at == 0 || entry + 2 > t.vtable_size)
        return 0;
    const int offset = (int)little_endian(f->data + t.vtable + entry, 2);
    if (offset == 0)
        return 0;
    if (offset < 4 || offset + size > t.size) {
        ncc_fb_fail(f, t.at, "a field lies outside its table");
        return 0;
    }
    return t.at + (size_t)offset;
}

bool ncc_fb_has_identifier(struct bytes file, const char *identifier)
{
    return file.size >= 8 && memcmp(file.data + 4, identifier, 4) == 0;
}

struct fb_table ncc_fb_root(struct fb *f)
{
    return table_at(f, follow(f, 0));
}

int64_t ncc_fb_int(struct fb *f, struct fb_table t, int field, int size, bool is_signed, int64_t missing)
{
    const size_t at = field_at(f, t, field, size);
    if (at == 0)
        return missing;
    uint64_t v = little_endian(f->data + at, size);
    if (is_signed && size < 8 && v >> (8 * size - 1))
        v |= UINT64_MAX << (8 * size);
    return (int64_t)v;
}

static float float_of(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

float ncc_fb_float(struct fb *f, struct fb_table t, int field, float missing)
{
    const size_t at = field_at(f, t, field, 4);
    return at ? float_of((uint32_t)little_endian(f->data + at, 4)) : missing;
}

struct fb_table ncc_fb_table(struct fb *f, struct fb_table t, int field)
{
    const size_t at = field_at(f, t, field, 4);
    return at ? table_at(f, follow(f, at)) : (struct fb_table){0};
}

struct fb_vector ncc_fb_vector(struct fb *f, struct fb_table t, int field, int item_size)
{
    const struct fb_vector none = {.item_size = item_size};
    const size_t reference = field_at(f, t, field, 4);
    const size_t at = reference ? follow(f, reference) : 0;
    if (at == 0 || !inside(f, at, 4))
        return none;
    const uint64_t n = little_endian(f->data + at, 4);
    if (n > INT_MAX || n * (uint64_t)item_size > f->size - at - 4) {
        ncc_fb_fail(f, at, "a list is longer than the file");
        return none;
    }
    /* Bytes are not walked through here, but where they are used, and paid for there. */
    if (!ncc_fb_spend(f, item_size == 1 ? 1 : (int64_t)n + 1))
        return none;
    return (struct fb_vector){.data = f->data + at + 4, .n = (int)n, .item_size = item_size};
}

const char *ncc_fb_string(struct fb *f, struct fb_table t, int field, struct arena *a)
{
    const struct fb_vector v = ncc_fb_vector(f, t, field, 1);
    if (v.n == 0 || !ncc_fb_spend(f, v.n))
        return "";
    return ncc_arena_copy(a, (const char *)v.data, strnlen((const char *)v.data, (size_t)v.n));
}

struct fb_table ncc_fb_vector_table(struct fb *f, struct fb_vector v, int i)
{
    return table_at(f, follow(f, (size_t)(v.data - f->data) + 4 * (size_t)i));
}

int32_t ncc_fb_vector_i32(struct fb_vector v, int i)
{
    return (int32_t)little_endian(v.data + 4 * (size_t)i, 4);
}

int64_t ncc_fb_vector_i64(struct fb_vector v, int i)
{
    return (int64_t)little_endian(v.data + 8 * (size_t)i, 8);
}

float ncc_fb_vector_float(struct fb_vector v, int i)
{
    return float_of((uint32_t)little_endian(v.data + 4 * (size_t)i, 4));
}
