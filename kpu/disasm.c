/* Text without stdio: a small writer that counts on when its buffer is full. */
#include "kpu/disasm.h"

#include "kpu/layer.h"

struct text {
    char *out;
    size_t size, used;
};

static void put_char(struct text *t, char c)
{
    if (t->used + 1 < t->size)
        t->out[t->used] = c;
    t->used++;
}

static void put(struct text *t, const char *s)
{
    while (*s)
        put_char(t, *s++);
}

static void put_padded(struct text *t, const char *s, size_t width)
{
    const size_t end = t->used + width;
    put(t, s);
    while (t->used < end)
        put_char(t, ' ');
}

static void put_int(struct text *t, int64_t value)
{
    char digits[21];
    int n = 0;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        digits[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        digits[n++] = '-';
    while (n)
        put_char(t, digits[--n]);
}

static void put_hex(struct text *t, uint64_t value)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        put_char(t, "0123456789abcdef"[value >> shift & 15]);
}

static void put_named(struct text *t, const char *name, int64_t value)
{
    put(t, name);
    put_int(t, value);
}

static void put_size(struct text *t, int c, int h, int w)
{
    put_int(t, c);
    put_named(t, "x", h);
    put_named(t, "x", w);
}

static size_t finish(struct text *t)
{
    t->out[t->used < t->size ? t->used : t->size - 1] = '\0';
    return t->used;
}

/* conv 3x3, 3x240x320 at line 0 -> 16x120x160 at line 3600, pool left top of 2x2, 1 load of 432 bytes */
static void put_summary(struct text *t, const struct ncc_kpu_regs *r, const struct ncc_kpu_shape *s)
{
    put(t, s->depthwise ? "depthwise conv " : "conv ");
    put(t, s->kernel == 3 ? "3x3, " : "1x1, ");
    put_size(t, s->in_c, s->in_h, s->in_w);
    put_named(t, " at line ", r->image_src_addr);
    put(t, " -> ");
    put_size(t, s->out_c, (int)r->o_col_high + 1, (int)r->o_row_wid + 1);
    put_named(t, " at line ", r->image_dst_addr);
    if (s->pool != NCC_KPU_POOL_NONE) {
        put(t, ", pool ");
        put(t, ncc_kpu_pool_info(s->pool)->name);
    }
    put_named(t, ", ", r->load_time + 1);
    put_named(t, r->load_time ? " loads of " : " load of ", r->para_size);
    put(t, " bytes\n");
}

static void put_words(struct text *t, const uint64_t words[NCC_KPU_WORDS], const struct ncc_kpu_regs *r)
{
    int n;
    const struct ncc_kpu_field *f = ncc_kpu_fields(&n);
    for (int w = 0, i = 0; w < NCC_KPU_WORDS; w++) {
        put_hex(t, words[w]);
        put(t, "  ");
        put_padded(t, ncc_kpu_word_name(w), 21);
        for (; i < n && f[i].word == w; i++) {
            const int64_t value = ncc_kpu_field_get(r, &f[i]);
            if (value == 0)
                continue;
            put_char(t, ' ');
            put(t, f[i].name);
            put_named(t, "=", value);
        }
        put_char(t, '\n');
    }
}

static void put_verdict(struct text *t, const char *kind, const char *found)
{
    if (!found)
        return;
    put(t, kind);
    put(t, found);
    put_char(t, '\n');
}

size_t ncc_kpu_disasm(const uint64_t words[NCC_KPU_WORDS], int weight_size, char *out, size_t size)
{
    struct text t = {out, size, 0};
    struct ncc_kpu_regs regs;
    struct ncc_kpu_shape shape;
    ncc_kpu_unpack(words, &regs);
    if (!ncc_kpu_shape_of(&regs, &shape))
        put_summary(&t, &regs, &shape);
    put_words(&t, words, &regs);
    if (ncc_kpu_reserved_word(words) >= 0)
        put_verdict(&t, "refused: reserved bits are set in word ", ncc_kpu_word_name(ncc_kpu_reserved_word(words)));
    const char *refused = (weight_size == 2 ? ncc_kpu_regs_check_16 : ncc_kpu_regs_check)(&regs);
    put_verdict(&t, "refused: ", refused);
    if (!refused)
        put_verdict(&t, "untested: ", (weight_size == 2 ? ncc_kpu_regs_untested_16 : ncc_kpu_regs_untested)(&regs));
    return finish(&t);
}

size_t ncc_kpu_disasm_table(const struct ncc_kpu_table *table, char *out, size_t size)
{
    struct text t = {out, size, 0};
    for (int i = 0; i < NCC_KPU_SEGMENTS; i++) {
        const struct ncc_kpu_segment *s = &table->seg[i];
        const bool hidden = i + 1 < NCC_KPU_SEGMENTS && s->x_start >= table->seg[i + 1].x_start;
        const bool filler = s->x_start >= NCC_KPU_ACC_MAX - NCC_KPU_SEGMENTS; /* the vendor's compilers end tables so */
        if (hidden || filler)
            continue;
        put_named(&t, "segment ", i);
        put_named(&t, ": x > ", s->x_start);
        put_named(&t, ", y = ", s->bias);
        put_named(&t, " + (x - start) * ", s->y_mul);
        put_named(&t, " >> ", s->shift);
        put_char(&t, '\n');
    }
    return finish(&t);
}
