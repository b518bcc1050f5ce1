/* What the files of this folder share: demands that several operators make on their inputs. */
#ifndef NCC_OPS_SUPPORT_H
#define NCC_OPS_SUPPORT_H

#include "compiler/ir/infer.h"
#include "compiler/ops/attrs.h"

/* The attribute rows of a descriptor. */
#define NCC_ATTRS(type, table) .attrs_size = sizeof(struct type), .attrs = table

/* Each returns whether it holds, and gives the reason of the refusal if not. Absent inputs hold. */
bool ncc_infer_need_dtype(struct infer *i, int input, enum dtype t);
bool ncc_infer_need_all_f32(struct infer *i);
bool ncc_infer_need_rank(struct infer *i, int input, int rank);
bool ncc_infer_need_axis(struct infer *i, int axis, int rank);
/* A list attribute has one entry per dimension of input 0. */
bool ncc_infer_need_list(struct infer *i, const char *name, const struct ints *list);
/* An optional bias: [n] of dtype t. */
bool ncc_infer_need_bias(struct infer *i, int input, int n, enum dtype t);
bool ncc_infer_need_kpu(struct infer *i, int input);    /* a canvas */
bool ncc_infer_need_canvas(struct infer *i, int input); /* the shape of one */

/* Output size along one dimension of a sliding window; 0 when it is not a valid one. */
int ncc_infer_window_size(int64_t in, int64_t before, int64_t after, int64_t kernel, int64_t stride, int64_t dilation);

/* A window of output 0, inside of its canvas, and memory. */
bool ncc_infer_set_window(struct infer *i, int top, int left, int h, int w, int outside);

extern const char *const ncc_outside_names[];

#endif
