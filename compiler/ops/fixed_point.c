#include "compiler/ops/fixed_point.h"

#include <math.h>

struct fx ncc_fx_of(double real)
{
    int shift;
    if (real == 0 || !isfinite(real))
        return (struct fx){0, 0};
    int64_t mul = llround(ldexp(frexp(real, &shift), 31));
    if (mul == INT64_C(1) << 31) {
        mul /= 2;
        shift++;
    }
    return shift < -31 ? (struct fx){0, 0} : (struct fx){(int32_t)mul, shift};
}

/* ---- sums and powers of two ---- */

static int32_t sum(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static int32_t difference(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b);
}

/* x * 2^n, n > 0, limited to what 32 bits hold. */
static int32_t shifted_left(int32_t x, int n)
{
    const int32_t most = (int32_t)((UINT32_C(1) << (31 - n)) - 1);
    return x > most ? INT32_MAX : x < -most ? INT32_MIN : (int32_t)((uint32_t)x << n);
}

/* 31 for 0, too. */
static int leading_zeros(uint32_t x)
{
    int n = 0;
    while (n < 31 && !(x >> (31 - n) & 1))
        n++;
    return n;
}

/* ---- exp ---- */

/* exp(x) for -1/4 <= x < 0, Q0: four terms of the series around -1/8. */
static int32_t exp_of_quarter(int32_t x)
{
    const int32_t exp_of_eighth = 1895147668, third = 715827883; /* exp(-1/8), 1/3 in Q0 */
    const int32_t d = sum(x, 1 << 28), d2 = ncc_fx_high(d, d), d3 = ncc_fx_high(d2, d), d4 = ncc_fx_high(d2, d2);
    const int32_t cubes = ncc_fx_high(sum(ncc_fx_divide(d4, 2), d3), third);
    const int32_t rest = ncc_fx_divide(sum(cubes, d2), 1);
    return sum(exp_of_eighth, ncc_fx_high(exp_of_eighth, sum(d, rest)));
}

/* x = r - sum of powers of two, -1/4 <= r < 0; one product for each power. */
int32_t ncc_fx_exp(int32_t x, int bits)
{
    static const int32_t powers[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int fraction = 31 - bits;
    const int32_t quarter = (int32_t)(UINT32_C(1) << (fraction - 2));
    if (x == 0)
        return INT32_MAX;
    const int32_t r = (x & (quarter - 1)) - quarter, rest = difference(r, x);
    int32_t y = exp_of_quarter(shifted_left(r, bits));
    for (int power = -2; power < bits; power++)
        if (rest >> (fraction + power) & 1)
            y = ncc_fx_high(y, powers[power + 2]);
    return y;
}

/* ---- division ---- */

/* 2 / (1 + x), Q2, of x in Q0: three steps of Newton's method for half the denominator. */
static int32_t two_over_one_plus(int32_t x)
{
    const int64_t whole = (int64_t)x + INT32_MAX;
    const int32_t half = (int32_t)((whole + (whole >= 0 ? 1 : -1)) / 2), one = 1 << 29;
    int32_t y = sum(1515870810, ncc_fx_high(half, -1010580540)); /* 48/17 - 32/17 * half */
    for (int i = 0; i < 3; i++)
        y = sum(y, shifted_left(ncc_fx_high(y, difference(one, ncc_fx_high(half, y))), 2));
    return y;
}

int32_t ncc_fx_one_over_one_plus(int32_t x)
{
    return shifted_left(two_over_one_plus(x), 1); /* half of it is the same number in Q1 */
}

int32_t ncc_fx_reciprocal(int32_t x, int bits, int *exponent)
{
    const int headroom = leading_zeros((uint32_t)x);
    *exponent = bits - headroom;
    return ncc_fx_one_over_one_plus((int32_t)(((uint32_t)x << headroom) - (UINT32_C(1) << 31)));
}

/* ---- functions ---- */

int32_t ncc_fx_logistic(int32_t x)
{
    if (x == 0)
        return 1 << 30;
    const int32_t y = ncc_fx_one_over_one_plus(ncc_fx_exp(x > 0 ? -x : x, 4));
    return x > 0 ? y : difference(INT32_MAX, y);
}

/* tanh(|x|) = 2 / (1 + exp(-2 |x|)) - 1; doubling takes Q4 to Q5. */
int32_t ncc_fx_tanh(int32_t x)
{
    if (x == 0)
        return 0;
    const int32_t y = shifted_left(difference(two_over_one_plus(ncc_fx_exp(x > 0 ? -x : x, 5)), 1 << 29), 2);
    return x > 0 ? y : -y;
}

/* Newton's method, y += y (1 - x y^2) / 2, for x as a Q3 of 1/4 .. 1 in which an even power of two was put aside. */
struct fx ncc_fx_inverse_sqrt(int32_t x)
{
    int right = 11;
    if (x <= 1)
        return (struct fx){INT32_MAX, 0};
    for (; x >= 1 << 29; x /= 4)
        right++;
    const int pairs = (leading_zeros((uint32_t)x) - 1) / 2 - 1;
    right -= pairs;
    const int32_t of = (int32_t)((uint32_t)x << (2 * pairs)) >> 1, half = ncc_fx_divide(of, 1);
    int32_t y = 1 << 28; /* Q3 */
    for (int i = 0; i < 5; i++) {
        const int32_t cube = shifted_left(ncc_fx_high(ncc_fx_high(y, y), y), 6);
        y = shifted_left(difference(ncc_fx_high((1 << 28) + (1 << 27), y), ncc_fx_high(half, cube)), 3);
    }
    y = ncc_fx_high(y, 1518500250); /* sqrt(1/2) in Q0 */
    if (right < 0)
        return (struct fx){(int32_t)((uint32_t)y << -right), 0};
    return (struct fx){y, -right};
}
