/* Where the element (c, y, x) of a uint8 tensor lies in KPU RAM (doc/kpu.md section 3).
 *
 * Rows are cut into lines of 64 bytes. Narrow maps put `group` channels side by side into a line:
 *
 *     W 1..16    group 4   | c0 16 bytes | c1 16 bytes | c2 16 bytes | c3 16 bytes |   1 line per row
 *     W 17..32   group 2   |        c0 32 bytes        |        c1 32 bytes        |   1 line per row
 *     W 33..64   group 1   |                      c0 64 bytes                      |   1 line per row
 *     W > 64     group 1   | c0 64 bytes | ... | c0 64 bytes |             ceil(W/64) lines per row
 *
 * Channel groups are outermost, then rows, then the lines of a row. Bytes beyond W and unused channel slots hold
 * anything. */
#ifndef NCC_KPU_LAYOUT_H
#define NCC_KPU_LAYOUT_H

#include "kpu/limits.h"

#include <stdint.h>

struct ncc_kpu_layout {
    int group;     /* channels per line: 1, 2 or 4 */
    int row_lines; /* lines per row */
    int pitch;     /* bytes between the channels of a line: 64 / group */
};

/* The layout of maps that are `w` wide, w >= 1. */
static inline struct ncc_kpu_layout ncc_kpu_layout_of(int w)
{
    const int group = w <= 16 ? 4 : w <= 32 ? 2 : 1;
    return (struct ncc_kpu_layout){group, (int)(((int64_t)w + NCC_KPU_LINE_SIZE - 1) / NCC_KPU_LINE_SIZE),
                                   NCC_KPU_LINE_SIZE / group};
}

/* The width of rows that fill their lines. */
static inline int ncc_kpu_whole_lines(int w)
{
    return ncc_kpu_layout_of(w).row_lines * NCC_KPU_LINE_SIZE;
}

/* Channel groups of c channels. */
static inline int ncc_kpu_groups(int c, int w)
{
    const int group = ncc_kpu_layout_of(w).group;
    return c / group + (c % group != 0);
}

/* Lines that a tensor occupies. */
static inline int64_t ncc_kpu_lines(int c, int h, int w)
{
    return (int64_t)ncc_kpu_layout_of(w).row_lines * h * ncc_kpu_groups(c, w);
}

/* Bytes that a tensor occupies, a multiple of 64. */
static inline int64_t ncc_kpu_bytes(int c, int h, int w)
{
    return ncc_kpu_lines(c, h, w) * NCC_KPU_LINE_SIZE;
}

/* Byte address of element (c, y, x) from the start of a tensor whose maps are h x w. */
static inline int64_t ncc_kpu_address(int c, int y, int x, int h, int w)
{
    const struct ncc_kpu_layout l = ncc_kpu_layout_of(w);
    const int64_t line = (int64_t)l.row_lines * h * (c / l.group) + (int64_t)l.row_lines * y;
    return NCC_KPU_LINE_SIZE * line + (int64_t)l.pitch * (c % l.group) + x;
}

/* The element whose byte is `at` bytes from the start of such a tensor. A byte that holds anything has a column from w on,
 * or a channel that the tensor has not. */
struct ncc_kpu_element {
    int c, y, x;
};
static inline struct ncc_kpu_element ncc_kpu_element_at(int64_t at, int h, int w)
{
    const struct ncc_kpu_layout l = ncc_kpu_layout_of(w);
    const int64_t line = at / NCC_KPU_LINE_SIZE, group_lines = (int64_t)l.row_lines * h;
    const int byte = (int)(at % NCC_KPU_LINE_SIZE), in_group = (int)(line % group_lines);
    return (struct ncc_kpu_element){(int)(line / group_lines) * l.group + byte / l.pitch, in_group / l.row_lines,
                                    in_group % l.row_lines * NCC_KPU_LINE_SIZE + byte % l.pitch};
}

#endif
