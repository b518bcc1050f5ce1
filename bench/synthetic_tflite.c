/* A FlatBuffers writer of the simplest kind: from front to back, a vtable for every table, and four bytes for every
 * field, which is enough for all fields used here; an offset is written when what it points to comes next.
 *
 *     vtable  u16 its size, u16 size of the table, u16 place of each field (0: absent), to a multiple of 4
 *     table   i32 distance back to the vtable, fields of 4 bytes
 *     vector  u32 count, elements
 */
#include "bench/synthetic_model.h"

#include "bench/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FULLY_CONNECTED = 9, VERSION = 3 };

struct writer {
    uint8_t *data; /* zeroed */
    size_t size;
};

static void put_u16(struct writer *w, size_t at, size_t v)
{
    w->data[at] = (uint8_t)v;
    w->data[at + 1] = (uint8_t)(v >> 8);
}

static void put_u32(struct writer *w, size_t at, size_t v)
{
    put_u16(w, at, v & 0xffff);
    put_u16(w, at + 2, v >> 16);
}

/* A table of n fields, all 0, to which the field at `from` points. Fields whose bits are set in `absent` are left
 * out. Returns the place of field 0. */
static size_t table(struct writer *w, size_t from, int n, unsigned absent)
{
    const size_t vtable = w->size, vtable_size = 4 * (((size_t)n + 3) / 2), at = vtable + vtable_size;
    put_u32(w, from, at - from);
    put_u16(w, vtable, 4 + 2 * (size_t)n);
    put_u16(w, vtable + 2, 4 + 4 * (size_t)n);
    for (int i = 0; i < n; i++)
        put_u16(w, vtable + 4 + 2 * (size_t)i, absent >> i & 1 ? 0 : 4 + 4 * (size_t)i);
    put_u32(w, at, vtable_size);
    w->size = at + 4 + 4 * (size_t)n;
    return at + 4;
}

/* A vector of n elements of `size` bytes, to be filled in; returns the place of the first. */
static size_t vector(struct writer *w, size_t from, size_t n, size_t size)
{
    const size_t at = w->size + 4;
    put_u32(w, from, w->size - from);
    put_u32(w, w->size, n);
    w->size = at + (n * size + 3) / 4 * 4;
    return at;
}

static void numbers(struct writer *w, size_t from, int a, int b)
{
    const size_t at = vector(w, from, 2, 4);
    put_u32(w, at, (size_t)a);
    put_u32(w, at + 4, (size_t)b);
}

static void one_number(struct writer *w, size_t from, int a)
{
    put_u32(w, vector(w, from, 1, 4), (size_t)a);
}

/* Tensor: shape, type (absent: float32), buffer, name. */
static void add_tensor(struct writer *w, size_t from, int rows, int columns, int buffer, int number)
{
    char name[16];
    const int length = snprintf(name, sizeof name, "t%d", number);
    const size_t t = table(w, from, 4, 2);
    put_u32(w, t + 8, (size_t)buffer);
    numbers(w, t, rows, columns);
    const size_t at = vector(w, t + 12, (size_t)length, 1);
    memcpy(w->data + at, name, (size_t)length);
    w->size += length % 4 == 0 ? 4 : 0; /* a 0 follows */
}

/* Tensors 0..n are the values, n + 1 .. 2 * n the weights, whose buffers are 1..n; buffer 0 is empty. */
static void add_subgraph(struct writer *w, size_t from, int n, int width)
{
    const size_t g = table(w, from, 4, 0); /* tensors, inputs, outputs, operators */
    const size_t tensors = vector(w, g, 2 * (size_t)n + 1, 4);
    for (int i = 0; i < 2 * n + 1; i++)
        add_tensor(w, tensors + 4 * (size_t)i, i <= n ? 1 : width, width, i <= n ? 0 : i - n, i);
    one_number(w, g + 4, 0);
    one_number(w, g + 8, n);
    const size_t operators = vector(w, g + 12, (size_t)n, 4);
    for (int i = 0; i < n; i++) {
        const size_t o = table(w, operators + 4 * (size_t)i, 3, 0); /* opcode, inputs, outputs */
        numbers(w, o + 4, i, n + 1 + i);
        one_number(w, o + 8, i + 1);
    }
}

static void add_buffers(struct writer *w, size_t from, int n, int width)
{
    const size_t bytes = (size_t)width * (size_t)width * sizeof(float), buffers = vector(w, from, (size_t)n + 1, 4);
    float *weights = bench_floats((size_t)width * (size_t)width);
    table(w, buffers, 1, 1);
    for (int i = 0; i < n; i++) {
        const size_t b = table(w, buffers + 4 * (size_t)(i + 1), 1, 0);
        memcpy(w->data + vector(w, b, bytes, 1), weights, bytes);
    }
    free(weights);
}

uint8_t *bench_tflite_make(int n, int width, size_t *size)
{
    const size_t most = (size_t)n * ((size_t)width * (size_t)width * sizeof(float) + 512) + 1024;
    struct writer w = {calloc(most, 1), 8};
    if (!w.data)
        return NULL;
    memcpy(w.data + 4, "TFL3", 4);
    const size_t model = table(&w, 0, 5, 1 << 3); /* version, operator codes, subgraphs, description, buffers */
    put_u32(&w, model, VERSION);
    const size_t code = table(&w, vector(&w, model + 4, 1, 4), 1, 0);
    put_u32(&w, code, FULLY_CONNECTED);
    add_subgraph(&w, vector(&w, model + 8, 1, 4), n, width);
    add_buffers(&w, model + 16, n, width);
    *size = w.size;
    return w.data;
}
