/* What a value is: shape, element type, quantisation, and where in memory it lives. */
#ifndef NCC_IR_TYPE_H
#define NCC_IR_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NCC_MAX_RANK 6
#define NCC_MAX_ELEMENTS ((int64_t)1 << 28) /* of one tensor; larger shapes are refused at import */

enum dtype { DT_F32, DT_F16, DT_U8, DT_I8, DT_I16, DT_I32, DT_I64, DT_BOOL, N_DTYPES };

struct shape {
    int rank;               /* 0 (scalar) .. NCC_MAX_RANK */
    int dim[NCC_MAX_RANK];  /* each >= 0; n, c, h, w where it is a map */
};

/* Where the bytes of a value live. Before k210 lowering every value is MEM_MAIN. */
enum memory { MEM_MAIN, MEM_KPU };

/* A KPU tensor is a canvas 1 x C x H x W (the value's shape), of which a window holds the
 * meaning. Ranges are observed and values compared only inside the window.
 *
 *     . . . . . .     H = 5, W = 6
 *     . V V V V .     window = { .top = 1, .left = 1, .h = 3, .w = 4 }
 *     . V V V V .
 *     . V V V V .
 *     . . . . . .     outside: OUT_ZERO (real zero), OUT_LOWEST (code 0), OUT_JUNK
 *
 * A value in main memory has window.h == 0: all of it means something. */
enum outside { OUT_JUNK, OUT_ZERO, OUT_LOWEST };
struct window {
    int top, left, h, w;
    enum outside outside;
};

/* real = (q - zero_point) * scale. n_channels = 0: not quantised; 1: one pair for the whole
 * tensor; C: one pair per channel (dimension 1), for zero-copy concatenations and weights.
 * The zero point is a double, since that of a model's uint8 input follows from mean and std
 * and need not be whole; everywhere else it is. */
struct quant {
    int n_channels;
    const double *scale;
    const double *zero_point;
};

/* lo <= hi when known. */
struct range {
    bool known;
    float lo, hi;
};

size_t ncc_dtype_size(enum dtype t);        /* bytes per element */
const char *ncc_dtype_name(enum dtype t);   /* "f32", "u8", ... */
bool ncc_dtype_parse(const char *name, enum dtype *out);

struct shape ncc_shape_make(int rank, const int *dims);
struct shape ncc_shape_4(int n, int c, int h, int w);
bool ncc_shape_equal(struct shape a, struct shape b);
/* Product of the dimensions; 1 for a scalar, -1 when it exceeds NCC_MAX_ELEMENTS. */
int64_t ncc_shape_count(struct shape s);
/* "1x3x240x320", "scalar"; buf needs 80 bytes; returns buf. */
const char *ncc_shape_text(struct shape s, char *buf);
/* NumPy broadcasting of two shapes (aligned at the last dimension); false when impossible. */
bool ncc_shape_broadcast(struct shape a, struct shape b, struct shape *out);
/* s with dimensions of 1 put in front up to rank n. */
struct shape ncc_shape_left_pad(struct shape s, int n);

#endif
