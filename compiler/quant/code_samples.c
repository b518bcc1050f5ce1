#include "compiler/quant/code_samples.h"

#include "compiler/quant/code_rows.h"

#include <stdlib.h>

/* The real sample goes into memory of its own first. */
static bool feed_codes(void *ctx, int sample, int input, struct tensor *to)
{
    const struct code_samples *s = ctx;
    const struct value *v = s->codes->inputs.v[input];
    if (to->dtype != DT_U8)
        return ncc_samples_feed(&s->real, sample, input, to);
    const int64_t n = ncc_shape_count(v->shape), run = ncc_code_run(v);
    float *x = malloc((size_t)n * sizeof *x + 1);
    struct tensor real = {DT_F32, v->shape, x};
    const bool good = x && ncc_samples_feed(&s->real, sample, input, &real);
    for (int64_t i = 0; good && i < n; i += run)
        ncc_row_codes(ncc_code_pair(&v->quant, (int)(i / run)), x + i, run, (uint8_t *)to->data + i);
    free(x);
    return good;
}

struct samples ncc_code_samples(struct code_samples *s)
{
    return (struct samples){.feed = feed_codes, .ctx = s, .n = s->real.n};
}
