/* Reading FlatBuffers from bytes that nobody vouches for.
 *
 *     table:  int32 distance back to its vtable | fields ...
 *     vtable: uint16 bytes of the vtable | uint16 bytes of the table | uint16 offset of field 0 | field 1 | ...
 *     reference: uint32 distance forward from itself to a table, vector or string
 *     vector: uint32 count | elements ...        string: the same with chars, and a 0 behind
 *
 * All little-endian. Every access is checked against the file's end; nothing is assumed to be aligned. The
 * first mistake is kept in `error`, and from then on all reads give defaults, so that callers may read on and look
 * at the end of a stage. Several references may lead to the same bytes, so a small file can describe much: opening
 * a table or vector costs from `budget`, which is proportional to the file.
 */
#ifndef NCC_IMPORT_FLATBUF_H
#define NCC_IMPORT_FLATBUF_H

#include "compiler/base/file.h"

struct fb {
    const uint8_t *data;
    size_t size;
    int64_t budget;
    const char *error; /* NULL: all well so far; else what is wrong, in words */
    size_t error_off;  /* byte offset where it was met */
};

/* at == 0: absent, and all its fields have their defaults. */
struct fb_table {
    size_t at, vtable;
    int vtable_size, size;
};

struct fb_vector {
    const uint8_t *data; /* not aligned */
    int n, item_size;
};

struct fb ncc_fb_open(struct bytes file);

/* Notes the first mistake. */
void ncc_fb_fail(struct fb *f, size_t at, const char *error);

/* Takes `n` units of work from the budget; false, and an error, when it is used up. */
bool ncc_fb_spend(struct fb *f, int64_t n);

/* Whether the four characters behind the root reference are `identifier`. */
bool ncc_fb_has_identifier(struct bytes file, const char *identifier);

struct fb_table ncc_fb_root(struct fb *f);

/* Fields by number; `missing` (or an absent table, an empty vector, an empty string) when the field is not there. */
int64_t ncc_fb_int(struct fb *f, struct fb_table t, int field, int size, bool is_signed, int64_t missing);
float ncc_fb_float(struct fb *f, struct fb_table t, int field, float missing);
struct fb_table ncc_fb_table(struct fb *f, struct fb_table t, int field);
struct fb_vector ncc_fb_vector(struct fb *f, struct fb_table t, int field, int item_size);
const char *ncc_fb_string(struct fb *f, struct fb_table t, int field, struct arena *a);

static inline int ncc_fb_i32(struct fb *f, struct fb_table t, int field, int missing)
{
    return (int)ncc_fb_int(f, t, field, 4, true, missing);
}
static inline int ncc_fb_i8(struct fb *f, struct fb_table t, int field, int missing)
{
    return (int)ncc_fb_int(f, t, field, 1, true, missing);
}
static inline bool ncc_fb_bool(struct fb *f, struct fb_table t, int field, bool missing)
{
    return ncc_fb_int(f, t, field, 1, false, missing) != 0;
}

/* Element i of a vector, 0 <= i < n: of references to tables, of numbers. */
struct fb_table ncc_fb_vector_table(struct fb *f, struct fb_vector v, int i);
int32_t ncc_fb_vector_i32(struct fb_vector v, int i);
int64_t ncc_fb_vector_i64(struct fb_vector v, int i);
float ncc_fb_vector_float(struct fb_vector v, int i);

#endif
