#include "compiler/ir/type.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[N_DTYPES] = {
    [DT_F32] = {"f32", 4}, [DT_F16] = {"f16", 2}, [DT_U8] = {"u8", 1},   [DT_I8] = {"i8", 1},
    [DT_I16] = {"i16", 2}, [DT_I32] = {"i32", 4}, [DT_I64] = {"i64", 8}, [DT_BOOL] = {"bool", 1},
};

size_t ncc_dtype_size(enum dtype t)
{
    return dtypes[t].size;
}

const char *ncc_dtype_name(enum dtype t)
{
    return dtypes[t].name;
}

bool ncc_dtype_parse(const char *name, enum dtype *out)
{
    for (int i = 0; i < N_DTYPES; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            *out = (enum dtype)i;
            return true;
        }
    }
    return false;
}

struct shape ncc_shape_make(int rank, const int *dims)
{
    struct shape s = {.rank = rank};
    for (int i = 0; i < rank; i++)
        s.dim[i] = dims[i];
    return s;
}

struct shape ncc_shape_4(int n, int c, int h, int w)
{
    return (struct shape){.rank = 4, .dim = {n, c, h, w}};
}

bool ncc_shape_equal(struct shape a, struct shape b)
{
    if (a.rank != b.rank)
        return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dim[i] != b.dim[i])
            return false;
    return true;
}

int64_t ncc_shape_count(struct shape s)
{
    int64_t n = 1;
    bool too_large = false;
    for (int i = 0; i < s.rank; i++) {
        if (s.dim[i] == 0)
            return 0;
        too_large = too_large || n > NCC_MAX_ELEMENTS / s.dim[i];
        n = too_large ? 1 : n * s.dim[i];
    }
    return too_large ? -1 : n;
}

const char *ncc_shape_text(struct shape s, char *buf)
{
    if (s.rank == 0)
        return strcpy(buf, "scalar");
    int at = 0;
    for (int i = 0; i < s.rank; i++)
        at += snprintf(buf + at, 80 - (size_t)at, i ? "x%d" : "%d", s.dim[i]);
    return buf;
}

struct shape ncc_shape_left_pad(struct shape s, int n)
{
    if (s.rank >= n)
        return s;
    struct shape out = {.rank = n};
    for (int i = 0; i < n; i++)
        out.dim[i] = i < n - s.rank ? 1 : s.dim[i - (n - s.rank)];
    return out;
}

bool ncc_shape_broadcast(struct shape a, struct shape b, struct shape *out)
{
    const int rank = a.rank > b.rank ? a.rank : b.rank;
    a = ncc_shape_left_pad(a, rank);
    b = ncc_shape_left_pad(b, rank);
    out->rank = rank;
    for (int i = 0; i < rank; i++) {
        if (a.dim[i] != b.dim[i] && a.dim[i] != 1 && b.dim[i] != 1)
            return false;
        out->dim[i] = a.dim[i] == 1 ? b.dim[i] : a.dim[i];
    }
    return true;
}
