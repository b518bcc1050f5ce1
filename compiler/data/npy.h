/* NumPy's .npy files: a header that is a Python dictionary in text, then the elements.
 *
 *     0      6        8                 8 + L        header, padded by spaces, ends in a newline
 *     +------+--------+--------+--------+-------------------------------------------------+----------
 *     | \x93 | major, | header's length | {'descr': '<f4', 'fortran_order': False,        | elements,
 *     | NUMPY| minor  | u16, from       |  'shape': (1, 3, 240, 320), }                   | last index
 *     |      |        | major 2 on u32  |                                                 | fastest
 *     +------+--------+-----------------+-------------------------------------------------+----------
 *
 * Read: versions 1 to 3, little-endian, C order. Written: version 1.
 */
#ifndef NCC_DATA_NPY_H
#define NCC_DATA_NPY_H

#include "compiler/base/file.h"

enum number_type { NUMBER_F32, NUMBER_F64, NUMBER_U8, NUMBER_I8, NUMBER_I32, NUMBER_I64, N_NUMBER_TYPES };

enum { NCC_NPY_MAX_DIMS = 8, NCC_NPY_MAX_HEADER = 65536, NCC_NPY_ERROR = 200 };

struct npy {
    enum number_type type;
    int n_dims; /* 0: a single element */
    int64_t dim[NCC_NPY_MAX_DIMS];
    uint64_t n;    /* elements, the product of dim */
    uint64_t data; /* byte offset of the first element in the file */
};

/* Bytes of an element. */
size_t ncc_npy_type_size(enum number_type type);

/* Reads the header at the start of a file that is `file_size` bytes long; `head` are its first head_size bytes,
 * and NCC_NPY_MAX_HEADER of them (or all) are enough. The file must end with the last element.
 * False: `error` says what is wrong. */
bool ncc_npy_parse(const void *head, size_t head_size, uint64_t file_size, struct npy *out,
                   char error[static NCC_NPY_ERROR]);

/* n elements at `from`, which need not be aligned, as floats. */
void ncc_npy_convert(enum number_type type, const uint8_t *from, size_t n, float *to);

/* Writes an array of at most NCC_NPY_MAX_DIMS dimensions, as ncc_file_write does. */
bool ncc_npy_write(const char *path, enum number_type type, int n_dims, const int *dim, const void *data,
                   struct diags *d);

#endif
