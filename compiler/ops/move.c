#include "compiler/ops/move.h"

#include <string.h>

void ncc_move_strides(struct shape s, int64_t stride[NCC_MAX_RANK])
{
    int64_t n = 1;
    for (int i = s.rank - 1; i >= 0; i--) {
        stride[i] = n;
        n *= s.dim[i];
    }
}

#define MOVE_RUN(type)                                                                                                 \
    for (int i = 0; i < n; i++)                                                                                        \
    ((type *)to)[i * to_stride] = ((const type *)from)[i * from_stride]

static void move_run(size_t size, int n, void *to, int64_t to_stride, const void *from, int64_t from_stride)
{
    if (to_stride == 1 && from_stride == 1)
        memcpy(to, from, (size_t)n * size);
    else if (size == 1)
        MOVE_RUN(uint8_t);
    else if (size == 2)
        MOVE_RUN(uint16_t);
    else if (size == 4)
        MOVE_RUN(uint32_t);
    else
        MOVE_RUN(uint64_t);
}

void ncc_move(const struct move *m, size_t element_size, void *to, const void *from)
{
    const int last = m->rank - 1;
    int index[NCC_MAX_RANK] = {0};
    int64_t to_off = 0, from_off = 0;
    if (m->rank == 0) {
        memcpy(to, from, element_size);
        return;
    }
    for (int i = 0; i <= last; i++)
        if (m->dim[i] == 0)
            return;
    for (;;) {
        move_run(element_size, m->dim[last], (char *)to + to_off * (int64_t)element_size, m->to_stride[last],
                 (const char *)from + from_off * (int64_t)element_size, m->from_stride[last]);
        int k = last - 1;
        for (; k >= 0; k--) { /* the next row, like an odometer */
            to_off += m->to_stride[k];
            from_off += m->from_stride[k];
            if (++index[k] < m->dim[k])
                break;
            to_off -= m->to_stride[k] * m->dim[k];
            from_off -= m->from_stride[k] * m->dim[k];
            index[k] = 0;
        }
        if (k < 0)
            return;
    }
}
