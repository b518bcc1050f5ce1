#include "kmodel/sink.h"

#include <string.h>

/* Reserves `size` bytes and tells where they are; NULL while counting and after a failure. */
static uint8_t *take(struct ncc_km_sink *s, size_t size)
{
    if (s->failed || size > UINT32_MAX - s->pos) {
        s->failed = true;
        return NULL;
    }
    const size_t off = s->pos;
    s->pos += size;
    if (s->buf == NULL)
        return NULL;
    if (s->pos > s->cap) {
        s->failed = true;
        return NULL;
    }
    return s->buf + off;
}

void ncc_km_put(struct ncc_km_sink *s, const void *data, size_t size)
{
    uint8_t *const to = take(s, size);
    if (to == NULL || size == 0)
        return;
    if (data == NULL)
        s->failed = true;
    else
        memcpy(to, data, size);
}

void ncc_km_put_zeros(struct ncc_km_sink *s, size_t size)
{
    uint8_t *const to = take(s, size);
    if (to != NULL && size > 0)
        memset(to, 0, size);
}

uint32_t ncc_km_gap(size_t pos, uint32_t alignment)
{
    const uint32_t over = (uint32_t)(pos % alignment);
    return over == 0 ? 0 : alignment - over;
}

void ncc_km_patch(struct ncc_km_sink *s, size_t off, const void *data, size_t size)
{
    if (!s->failed && s->buf != NULL)
        memcpy(s->buf + off, data, size);
}
