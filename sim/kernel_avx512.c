/* For x86 with AVX-512 and its 8-bit dot product (VNNI). That instruction multiplies unsigned by signed bytes, so the
 * weights are stored less 128; conv.c adds 128 times the sum of inputs. */
#include "sim/kernel_plain.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
enum { BLOCK = 8, LANES = 16 };

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}

/* BLOCK output channels at 16 * n_vectors positions. */
TARGET SIM_INLINE void dot_tile(const struct sim_dot *d, const int n_vectors)
{
    __m512i sum[BLOCK][2];
#pragma GCC unroll 8 /* all loops over `sum`, or it does not stay in registers */
    for (int c = 0; c < BLOCK; c++)
        sum[c][0] = sum[c][1] = _mm512_setzero_si512();
    const uint32_t *w = d->w;
    for (int u = 0; u < d->n_units; u++) {
        const uint32_t *row = d->x + u * d->unit_stride;
        for (int t = 0; t < d->n_taps; t++, w += BLOCK) {
            const uint32_t *x = row + d->tap_off[t];
            __m512i xv[2];
            for (int v = 0; v < n_vectors; v++)
                xv[v] = _mm512_loadu_si512(x + v * LANES);
#pragma GCC unroll 8
            for (int c = 0; c < BLOCK; c++) {
                const __m512i wc = _mm512_set1_epi32((int)w[c]);
                for (int v = 0; v < n_vectors; v++)
                    sum[c][v] = _mm512_dpbusd_epi32(sum[c][v], xv[v], wc);
            }
        }
    }
#pragma GCC unroll 8
    for (int c = 0; c < BLOCK; c++)
        for (int v = 0; v < n_vectors; v++)
            _mm512_storeu_si512(d->acc + c * SIM_MAX_TILE + v * LANES, sum[c][v]);
}

TARGET static void dot(const struct sim_dot *d)
{
    if (d->n > LANES)
        dot_tile(d, 2);
    else
        dot_tile(d, 1);
}

/* The upper halves of inputs are 0, so that products of pairs of 16 bits are the products. Inlined with a constant
 * number of taps, so that the weights stay in registers; sums of even and odd taps apart wait less for each other. */
TARGET SIM_INLINE void depthwise_taps(const struct sim_taps *taps, const int n_taps, const int32_t *x, int n,
                                      int32_t *acc)
{
    __m512i w[SIM_MAX_TAPS];
    const int32_t *tap[SIM_MAX_TAPS];
#pragma GCC unroll 9
    for (int t = 0; t < n_taps; t++) {
        w[t] = _mm512_set1_epi32(taps->w[t]);
        tap[t] = x + taps->tap_off[t];
    }
    for (int i = 0; i < n; i += LANES) {
        __m512i sum[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
#pragma GCC unroll 9
        for (int t = 0; t < n_taps; t++)
            sum[t & 1] = _mm512_dpwssd_epi32(sum[t & 1], _mm512_loadu_si512(tap[t] + i), w[t]);
        _mm512_storeu_si512(acc + i, _mm512_add_epi32(sum[0], sum[1]));
    }
}

TARGET static void depthwise(const struct sim_taps *taps, const int32_t *x, int n, int32_t *acc)
{
    if (taps->n_taps == SIM_MAX_TAPS)
        depthwise_taps(taps, SIM_MAX_TAPS, x, n, acc);
    else
        depthwise_taps(taps, 1, x, n, acc);
}

/* A table of 16 words in two registers. */
struct table {
    __m512i low, high;
};

TARGET SIM_INLINE struct table load_table(const int64_t *t)
{
    return (struct table){_mm512_loadu_si512(t), _mm512_loadu_si512(t + 8)};
}

TARGET SIM_INLINE __m512i look_up(struct table t, __m512i index)
{
    return _mm512_permutex2var_epi64(t.low, index, t.high);
}

/* The last segment that starts below v, by bisection over the sorted table; 0 when there is none. */
TARGET SIM_INLINE __m512i segment_of(struct table x_start, __m512i v)
{
    __m512i index = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int bit = 8; bit; bit >>= 1) {
        const __m512i candidate = _mm512_or_si512(index, _mm512_set1_epi64(bit));
        const __mmask8 below = _mm512_cmplt_epi64_mask(look_up(x_start, candidate), v);
        index = _mm512_mask_mov_epi64(index, below, candidate);
    }
    return index;
}

/* As plain_round_shift. */
TARGET SIM_INLINE __m512i round_shift(__m512i v, __m512i shift)
{
    const __m512i one = _mm512_set1_epi64(1);
    const __m512i quotient = _mm512_srav_epi64(v, shift);
    const __m512i fraction = _mm512_sub_epi64(v, _mm512_sllv_epi64(quotient, shift));
    const __m512i half = _mm512_max_epi64(_mm512_sllv_epi64(one, _mm512_sub_epi64(shift, one)), one);
    const __m512i raised = _mm512_add_epi64(fraction, _mm512_and_si512(quotient, one));
    const __m512i sign = _mm512_or_si512(_mm512_srai_epi64(v, 63), one);
    return _mm512_mask_add_epi64(quotient, _mm512_cmpgt_epi64_mask(raised, half), quotient, sign);
}

/* Eight positions at a time, in 64 bits. */
TARGET static void post_wide(const struct sim_post *p)
{
    const struct table x_start = load_table(p->act->x_start), param = load_table(p->act->param);
    const __m512i constant = _mm512_set1_epi64(p->constant), mul = _mm512_set1_epi64(p->bn.mul);
    const __m512i add = _mm512_set1_epi64(p->bn.add), byte = _mm512_set1_epi64(0xff);
    const __m128i shift = _mm_cvtsi32_si128(p->bn.shift);
    for (int i = 0; i < p->n; i += 8) {
        const __m512i dot = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const void *)(p->dot + i)));
        const __m512i acc = _mm512_add_epi64(_mm512_add_epi64(dot, _mm512_loadu_si512(p->x_term + i)), constant);
        const __m512i v = _mm512_add_epi64(_mm512_sra_epi64(_mm512_mullo_epi64(acc, mul), shift), add);
        const __m512i s = segment_of(x_start, v);
        const __m512i par = look_up(param, s);
        const __m512i above = _mm512_sub_epi64(v, look_up(x_start, s));
        const __m512i product = _mm512_mullo_epi64(above, _mm512_srai_epi64(par, 16));
        const __m512i rounded = round_shift(product, _mm512_and_si512(_mm512_srli_epi64(par, 8), byte));
        const __m512i y = _mm512_add_epi64(rounded, _mm512_and_si512(par, byte));
        const __m512i positive = _mm512_max_epi64(y, _mm512_setzero_si512());
        _mm_storel_epi64((void *)(p->out + i), _mm512_cvtusepi64_epi8(positive));
    }
}

/* segment_of for 16 positions of 32 bits; the whole table is one register. */
TARGET SIM_INLINE __m512i narrow_segment_of(__m512i x_start, int top, __m512i v)
{
    __m512i index = _mm512_setzero_si512();
    for (int bit = top; bit; bit >>= 1) {
        const __m512i candidate = _mm512_or_si512(index, _mm512_set1_epi32(bit));
        const __mmask16 below = _mm512_cmplt_epi32_mask(_mm512_permutexvar_epi32(candidate, x_start), v);
        index = _mm512_mask_mov_epi32(index, below, candidate);
    }
    return index;
}

/* Output codes from the lower halves of 64-bit lanes: distance from the segment's start, and its parameters. */
TARGET SIM_INLINE __m128i codes(__m512i above, __m512i param)
{
    const __m512i byte = _mm512_set1_epi64(0xff);
    const __m512i product = _mm512_mul_epi32(above, _mm512_srai_epi32(param, 16));
    const __m512i rounded = round_shift(product, _mm512_and_si512(_mm512_srli_epi64(param, 8), byte));
    const __m512i y = _mm512_add_epi64(rounded, _mm512_and_si512(param, byte));
    return _mm512_cvtusepi64_epi8(_mm512_max_epi64(y, _mm512_setzero_si512()));
}

/* The codes of 16 positions, exactly: products of even and odd lanes apart, in 64 bits. */
TARGET static __m128i exact_codes(const struct sim_act *act, __m512i segment, __m512i above)
{
    const __m512i param = _mm512_permutexvar_epi32(segment, _mm512_loadu_si512(act->narrow_param));
    const __m128i even = codes(above, param);
    const __m128i odd = codes(_mm512_srli_epi64(above, 32), _mm512_srli_epi64(param, 32));
    return _mm_unpacklo_epi8(even, odd);
}

struct narrow_bn {
    __m512i mul, add;
    __m128i right, left; /* the shift, and 32 less it */
};

/* Batch norm of 16 positions: products of even and odd lanes apart, those of odd lanes shifted to the upper halves. */
TARGET SIM_INLINE __m512i narrow_bn_apply(const struct narrow_bn *bn, __m512i acc)
{
    const __m512i even = _mm512_srl_epi64(_mm512_mul_epi32(acc, bn->mul), bn->right);
    const __m512i odd = _mm512_sll_epi64(_mm512_mul_epi32(_mm512_srli_epi64(acc, 32), bn->mul), bn->left);
    return _mm512_add_epi32(_mm512_mask_mov_epi32(even, 0xaaaa, odd), bn->add);
}

/* Sixteen positions at a time, in 32 bits. The table's line is evaluated in floating point first; few vectors have a
 * value for which that is not certain. */
TARGET static void post_narrow(const struct sim_post *p)
{
    const struct sim_act *act = p->act;
    const __m512i x_start = _mm512_loadu_si512(act->narrow_start), byte = _mm512_set1_epi32(255);
    const __m512 slope = _mm512_loadu_ps(act->guess_slope), bias = _mm512_loadu_ps(act->guess_bias);
    const __m512 certain = _mm512_set1_ps(0.5f - SIM_GUESS_MARGIN);
    const __m512i constant = _mm512_set1_epi32((int32_t)(uint32_t)p->constant);
    const struct narrow_bn bn = {_mm512_set1_epi64(p->bn.mul), _mm512_set1_epi32(p->bn.add),
                                 _mm_cvtsi32_si128(p->bn.shift), _mm_cvtsi32_si128(32 - p->bn.shift)};
    for (int i = 0; i < p->n; i += LANES) {
        const __m512i terms = _mm512_add_epi32(_mm512_loadu_si512(p->x_low + i), constant);
        const __m512i acc = _mm512_add_epi32(_mm512_loadu_si512(p->dot + i), terms);
        const __m512i v = narrow_bn_apply(&bn, acc);
        const __m512i segment = narrow_segment_of(x_start, act->narrow_top, v);
        const __m512i above = _mm512_sub_epi32(v, _mm512_permutexvar_epi32(segment, x_start));
        const __m512 guess = _mm512_fmadd_ps(_mm512_cvtepi32_ps(above), _mm512_permutexvar_ps(segment, slope),
                                             _mm512_permutexvar_ps(segment, bias));
        const __m512 whole = _mm512_roundscale_ps(guess, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        const __m512 off = _mm512_abs_ps(_mm512_sub_ps(guess, whole));
        __m128i out = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_min_ps(whole, _mm512_cvtepi32_ps(byte))));
        if (_mm512_cmp_ps_mask(off, certain, _CMP_NLT_UQ))
            out = exact_codes(act, segment, above);
        _mm_storeu_si128((void *)(p->out + i), out);
    }
}

TARGET static void post(const struct sim_post *p)
{
    if (p->narrow)
        post_narrow(p);
    else
        post_wide(p);
}

#else

static bool has_avx512(void)
{
    return false;
}

enum { BLOCK = 1 };
#define dot       NULL
#define depthwise NULL
#define post      NULL

#endif

const struct ncc_sim_kernel ncc_sim_kernel_avx512 = {
    .name = "avx512",
    .available = has_avx512,
    .unit = 4,
    .w_offset = 128,
    .w_flip = 0x80808080,
    .block = BLOCK,
    .tile = SIM_MAX_TILE,
    .dot = dot,
    .depthwise = depthwise,
    .post = post,
};
