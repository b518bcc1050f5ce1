/* The header is parsed as the Python dictionary that it is, as far as arrays of plain numbers need it: three keys in
 * any order, each exactly once. */
#include "compiler/data/npy.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} types[N_NUMBER_TYPES] = {
    [NUMBER_F32] = {"<f4", 4}, [NUMBER_F64] = {"<f8", 8}, [NUMBER_U8] = {"|u1", 1},
    [NUMBER_I8] = {"|i1", 1},  [NUMBER_I32] = {"<i4", 4}, [NUMBER_I64] = {"<i8", 8},
};

size_t ncc_npy_type_size(enum number_type type)
{
    return types[type].size;
}

struct text {
    const char *at, *end;
    char *error;
};

static bool refuse(const struct text *t, const char *why)
{
    snprintf(t->error, NCC_NPY_ERROR, "%s", why);
    return false;
}

static void skip_space(struct text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\n' || *t->at == '\t' || *t->at == '\r'))
        t->at++;
}

/* Takes one character, after space, if it comes next. */
static bool take(struct text *t, char wanted)
{
    skip_space(t);
    if (t->at == t->end || *t->at != wanted)
        return false;
    t->at++;
    return true;
}

static bool take_word(struct text *t, const char *word)
{
    const size_t length = strlen(word);
    skip_space(t);
    if ((size_t)(t->end - t->at) < length || memcmp(t->at, word, length) != 0)
        return false;
    t->at += length;
    return true;
}

/* A quoted string without escapes, at most size - 1 long. */
static bool take_string(struct text *t, char *to, size_t size)
{
    skip_space(t);
    if (t->at == t->end || (*t->at != '\'' && *t->at != '"'))
        return false;
    const char quote = *t->at++;
    const char *close = memchr(t->at, quote, (size_t)(t->end - t->at));
    if (!close || (size_t)(close - t->at) >= size)
        return false;
    memcpy(to, t->at, (size_t)(close - t->at));
    to[close - t->at] = '\0';
    t->at = close + 1;
    return true;
}

static bool take_type(struct text *t, struct npy *out)
{
    char name[16];
    if (!take_string(t, name, sizeof name))
        return refuse(t, "the type of the elements is not a plain number");
    for (int i = 0; i < N_NUMBER_TYPES; i++)
        if (strcmp(name, types[i].name) == 0) {
            out->type = (enum number_type)i;
            return true;
        }
    snprintf(t->error, NCC_NPY_ERROR, "elements of type '%s'; accepted are <f4, <f8, |u1, |i1, <i4 and <i8", name);
    return false;
}

static bool take_order(struct text *t)
{
    if (take_word(t, "False"))
        return true;
    return refuse(t, take_word(t, "True") ? "Fortran order; save numpy.ascontiguousarray(array)"
                                          : "the header is damaged: fortran_order");
}

static bool take_dim(struct text *t, int64_t *dim)
{
    skip_space(t);
    if (t->at == t->end || *t->at < '0' || *t->at > '9')
        return false;
    for (*dim = 0; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++)
        if (__builtin_mul_overflow(*dim, 10, dim) || __builtin_add_overflow(*dim, *t->at - '0', dim))
            return false;
    return true;
}

static bool take_shape(struct text *t, struct npy *out)
{
    if (!take(t, '('))
        return refuse(t, "the header is damaged: shape");
    out->n = 1;
    while (!take(t, ')')) {
        int64_t dim;
        if (!take_dim(t, &dim))
            return refuse(t, "the header is damaged: shape");
        if (out->n_dims == NCC_NPY_MAX_DIMS)
            return refuse(t, "more than 8 dimensions");
        out->dim[out->n_dims++] = dim;
        if (__builtin_mul_overflow(out->n, (uint64_t)dim, &out->n))
            return refuse(t, "the shape is absurd");
        if (!take(t, ',')) {
            if (out->n_dims == 1 || !take(t, ')'))
                return refuse(t, "the header is damaged: shape");
            break;
        }
    }
    return true;
}

static bool take_entry(struct text *t, struct npy *out, bool seen[3])
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    char key[16];
    if (!take_string(t, key, sizeof key) || !take(t, ':'))
        return refuse(t, "the header is damaged");
    int which = 0;
    while (which < 3 && strcmp(key, keys[which]) != 0)
        which++;
    if (which == 3 || seen[which])
        return refuse(t, "the header is damaged: unexpected key");
    seen[which] = true;
    return which == 0 ? take_type(t, out) : which == 1 ? take_order(t) : take_shape(t, out);
}

static bool take_dictionary(struct text *t, struct npy *out)
{
    bool seen[3] = {false};
    if (!take(t, '{'))
        return refuse(t, "the header is damaged");
    while (!take(t, '}')) {
        if (!take_entry(t, out, seen))
            return false;
        if (!take(t, ',')) {
            if (!take(t, '}'))
                return refuse(t, "the header is damaged");
            break;
        }
    }
    skip_space(t);
    if (t->at != t->end)
        return refuse(t, "the header is damaged: text behind its end");
    return seen[0] && seen[1] && seen[2] ? true : refuse(t, "the header is incomplete");
}

bool ncc_npy_parse(const void *head, size_t head_size, uint64_t file_size, struct npy *out,
                   char error[static NCC_NPY_ERROR])
{
    const uint8_t *byte = head;
    struct text t = {.error = error};
    *out = (struct npy){0};
    if (head_size < 10 || memcmp(head, "\x93NUMPY", 6) != 0)
        return refuse(&t, "not an .npy file: it does not start with \\x93NUMPY");
    const unsigned major = byte[6];
    if (major < 1 || major > 3)
        return refuse(&t, "the version is not 1, 2 or 3");
    const size_t start = major == 1 ? 10 : 12;
    if (head_size < start)
        return refuse(&t, "the file ends within the header");
    uint64_t length = byte[8] | (unsigned)byte[9] << 8;
    if (major > 1)
        length |= (uint64_t)byte[10] << 16 | (uint64_t)byte[11] << 24;
    if (length > head_size - start)
        return refuse(&t, length > NCC_NPY_MAX_HEADER - start ? "the header is absurdly long"
                                                              : "the file ends within the header");
    t.at = (const char *)head + start;
    t.end = t.at + length;
    if (!take_dictionary(&t, out))
        return false;
    out->data = start + length;
    uint64_t data_size;
    if (__builtin_mul_overflow(out->n, (uint64_t)types[out->type].size, &data_size))
        return refuse(&t, "the shape is absurd");
    if (data_size == file_size - out->data)
        return true;
    snprintf(error, NCC_NPY_ERROR, "%llu bytes of data, the shape needs %llu",
             (unsigned long long)(file_size - out->data), (unsigned long long)data_size);
    return false;
}

#define CONVERT(c_type)                                                                                                \
    for (size_t i = 0; i < n; i++) {                                                                                   \
        c_type value;                                                                                                  \
        memcpy(&value, from + i * sizeof value, sizeof value);                                                         \
        to[i] = (float)value;                                                                                          \
    }                                                                                                                  \
    break

void ncc_npy_convert(enum number_type type, const uint8_t *from, size_t n, float *to)
{
    switch (type) {
    case NUMBER_F32:
        CONVERT(float);
    case NUMBER_F64:
        CONVERT(double);
    case NUMBER_U8:
        CONVERT(uint8_t);
    case NUMBER_I8:
        CONVERT(int8_t);
    case NUMBER_I32:
        CONVERT(int32_t);
    case NUMBER_I64:
        CONVERT(int64_t);
    case N_NUMBER_TYPES:
        break;
    }
}

/* The preamble and header, padded such that the elements start at a multiple of 64 bytes. Its size. */
static size_t write_header(char *to, size_t room, enum number_type type, int n_dims, const int *dim, size_t *n)
{
    size_t at = 10;
    *n = 1;
    memcpy(to, "\x93NUMPY\1", 8); /* with the NUL, which is the minor version */
    at += (size_t)snprintf(to + at, room - at, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[type].name);
    for (int i = 0; i < n_dims; i++) {
        at += (size_t)snprintf(to + at, room - at, i > 0 ? ", %d" : "%d", dim[i]);
        *n *= (size_t)dim[i];
    }
    at += (size_t)snprintf(to + at, room - at, n_dims == 1 ? ",), }" : "), }");
    while ((at + 1) % 64 != 0)
        to[at++] = ' ';
    to[at++] = '\n';
    to[8] = (char)((at - 10) & 0xff);
    to[9] = (char)((at - 10) >> 8);
    return at;
}

bool ncc_npy_write(const char *path, enum number_type type, int n_dims, const int *dim, const void *data,
                   struct diags *d)
{
    char head[320]; /* 10 + 55 + 8 dimensions of up to 12 characters, then padding up to 64 */
    size_t n;
    const size_t head_size = write_header(head, sizeof head, type, n_dims, dim, &n);
    const size_t data_size = n * types[type].size;
    char *file = NCC_NEW(d->arena, char, head_size + data_size);
    memcpy(file, head, head_size);
    if (data_size > 0)
        memcpy(file + head_size, data, data_size);
    return ncc_file_write(path, file, head_size + data_size, d);
}
