/* Element-wise operators: what their files have in common.
 *
 * A file defines `apply`, an inline function of one element, and lets these macros make the
 * loops around it, so that the compiler can turn them into vector code. Functions of the
 * mathematical library stay with the plain loop: their calls are what takes the time. */
#ifndef NCC_OPS_ELEMENTWISE_H
#define NCC_OPS_ELEMENTWISE_H

#include "compiler/base/cpu.h"
#include "compiler/ir/broadcasting.h"
#include "compiler/ops/support.h"

/* One f32 operand. */
bool ncc_infer_unary(struct infer *i);
/* The result's shape from those of two operands. */
bool ncc_infer_broadcast(struct infer *i);
/* Two f32 operands that broadcast. */
bool ncc_infer_binary(struct infer *i);
/* Two operands of the same type, f32 or any integers. Sums and products of integers keep their low bits. */
bool ncc_infer_binary_or_int(struct infer *i);

#define NCC_UNARY  .min_in = 1, .max_in = 1, .n_out = 1, .infer = ncc_infer_unary, .scalar = apply
#define NCC_BINARY .min_in = 2, .max_in = 2, .n_out = 1, .scalar2 = apply

/* Works in place too: x may be y. */
#define NCC_UNARY_FAST                                                                                                 \
    NCC_FOR_EACH_CPU static void eval_fast(const struct eval_args *a)                                                  \
    {                                                                                                                  \
        const int64_t n = ncc_shape_count(a->out[0]->shape);                                                           \
        const void *attrs = a->node->attrs;                                                                            \
        const float *x = a->in[0]->data;                                                                               \
        float *y = a->out[0]->data;                                                                                    \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = apply(attrs, x[i]);                                 \
    }

/* Rows in which each operand is an array or one number. Integers take the plain way. */
#define NCC_BINARY_FAST                                                                                                \
    static void eval_fast(const struct eval_args *args)                                                                \
    {                                                                                                                  \
        if (args->out[0]->dtype != DT_F32) {                                                                           \
            ncc_op_desc(args->node->op)->eval(args);                                                                   \
            return;                                                                                                    \
        }                                                                                                              \
        const struct broadcast s = ncc_broadcast_make(args->in[0]->shape, args->in[1]->shape, args->out[0]->shape);    \
        const int64_t n = s.dim[s.rank - 1], n_all = ncc_shape_count(args->out[0]->shape);                             \
        const bool a_runs = s.a[s.rank - 1] != 0, b_runs = s.b[s.rank - 1] != 0;                                       \
        const void *attrs = args->node->attrs;                                                                         \
        float *y = args->out[0]->data;                                                                                 \
        for (int64_t row = 0; row * n < n_all; row++, y += n) {                                                        \
            int64_t a_off, b_off;                                                                                      \
            ncc_broadcast_row(&s, row, &a_off, &b_off);                                                                \
            const float *a = (const float *)args->in[0]->data + a_off;                                                 \
            const float *b = (const float *)args->in[1]->data + b_off;                                                 \
            if (a_runs && b_runs) {                                                                                    \
                _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = apply(attrs, a[i], b[i]);                   \
            } else if (a_runs) {                                                                                       \
                const float bx = b[0];                                                                                 \
                _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = apply(attrs, a[i], bx);                     \
            } else {                                                                                                   \
                const float ax = a[0];                                                                                 \
                for (int64_t i = 0; i < n; i++)                                                                        \
                    y[i] = apply(attrs, ax, b_runs ? b[i] : b[0]);                                                     \
            }                                                                                                          \
        }                                                                                                              \
    }

/* The definition of an operator that also works on integers, through `apply_int`. */
#define NCC_BINARY_EVAL                                                                                                \
    static void eval(const struct eval_args *a)                                                                        \
    {                                                                                                                  \
        ncc_elementwise_binary(a, apply, apply_int);                                                                   \
    }

#endif
