/* Channels that do not lie where they are counted: a value may stand on a canvas whose channels are in another order or
 * have others between them. Concatenations whose parts do not fill whole lines, slices that start inside a line, and
 * shuffles are such values; none of them takes a layer.
 *
 *     concat of 3 and 5 channels, 4 to a line    canvas  a0 a1 a2 --  b0 b1 b2 b3  b4
 *                                                slot    0  1  2      4  5  6  7   8
 *
 * A regular convolution reads it as it is, with its weights put where the channels are. For all other readers the
 * channels are moved together once, by a layer that copies codes.
 */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

#include <string.h>

void ncc_lower_set_spread(struct lowering *l, const struct value *v, struct value *canvas, const int *slot)
{
    const int c = v->shape.dim[1];
    bool dense = canvas->shape.dim[1] == c;
    for (int i = 0; i < c; i++)
        dense = dense && slot[i] == i;
    struct form *f = &l->forms[v->id];
    if (dense)
        f->kpu = canvas;
    else
        *f = (struct form){.spread = canvas, .slot = slot};
}

struct value *ncc_lower_spread(struct lowering *l, struct value *v, const int **slot)
{
    const struct form *f = &l->forms[v->id];
    *slot = f->spread ? f->slot : NULL;
    return f->spread ? f->spread : ncc_lower_canvas(l, v);
}

const float *ncc_lower_slotted(struct lowering *l, const float *w, int out_c, int taps, int in_c, const int *slot,
                               int n_slots)
{
    if (!slot)
        return w;
    const size_t n = (size_t)taps;
    float *to = ncc_lower_weights(l, (size_t)out_c *(size_t)n_slots *n);
    if (l->trying)
        return to;
    for (size_t o = 0; o < (size_t)out_c; o++)
        for (size_t c = 0; c < (size_t)in_c; c++)
            memcpy(to + (o * (size_t)n_slots + (size_t)slot[c]) * n, w + (o * (size_t)in_c + c) * n, n * sizeof *w);
    return to;
}

struct value *ncc_lower_packed(struct lowering *l, const struct value *v)
{
    const struct form *f = &l->forms[v->id];
    const int c = v->shape.dim[1], n = f->spread->shape.dim[1];
    float *w = ncc_lower_weights(l, (size_t)c *(size_t)n);
    for (int i = 0; i < c; i++)
        w[(size_t)i * (size_t)n + (size_t)f->slot[i]] = 1;
    const char *why;
    const struct window *win = &f->spread->window;
    const struct conv_job j = {.name = ncc_name(l->g, v->name, "packed"),
                               .x = f->spread,
                               .out_c = c,
                               .w = w,
                               .kh = 1,
                               .kw = 1,
                               .dil_h = 1,
                               .dil_w = 1,
                               .stride = 1,
                               .out_h = win->h,
                               .out_w = win->w,
                               .pooled_h = win->h,
                               .pooled_w = win->w,
                               .copy = true};
    return ncc_lower_conv_as_is(l, &j, &why);
}
