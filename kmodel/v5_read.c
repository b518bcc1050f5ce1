/* Finds the parts of a kmodel v5. Nothing is trusted; offsets are 64-bit sums. */
#include "kmodel/kmodel_v5.h"

#include "kmodel/check_range.h"

#include <string.h>

#define ASSERT_THAT(name, condition) typedef char assert_v5_##name[(condition) ? 1 : -1]
ASSERT_THAT(size_of_header, sizeof(struct ncc_km5_header) == 32);
ASSERT_THAT(size_of_module, sizeof(struct ncc_km5_module_header) == 48);
ASSERT_THAT(size_of_pool, sizeof(struct ncc_km5_pool) == 8);
ASSERT_THAT(size_of_function, sizeof(struct ncc_km5_function_header) == 32);
ASSERT_THAT(size_of_range, sizeof(struct ncc_km5_range) == 12);
ASSERT_THAT(size_of_section, sizeof(struct ncc_km5_section_header) == 32);

/* More than any compiler makes; finding part i again walks over those before it. */
enum { MAX_RANK = 8, MAX_MODULES = 64, MAX_FUNCTIONS = 4096, MAX_SECTIONS = 64 };

/* Inside of one part of the file, from `at` to `end`. */
struct cursor {
    const uint8_t *data;
    uint64_t at, end;
};

/* `n` pieces of `size` bytes each; NULL: they do not lie inside, or not at a multiple of 4. */
static const void *take(struct cursor *c, uint64_t n, size_t size)
{
    if (n > UINT32_MAX || n * size > c->end - c->at || c->at % 4 != 0)
        return NULL;
    const void *const p = c->data + c->at;
    c->at += n * size;
    return p;
}

/* Ranges and, behind them, as many shapes. */
static bool take_tensors(struct cursor *c, uint32_t n, const struct ncc_km5_range **ranges, const uint32_t **shapes)
{
    *ranges = take(c, n, sizeof **ranges);
    *shapes = (const uint32_t *)(const void *)(c->data + c->at);
    if (*ranges == NULL)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t *const rank = take(c, 1, sizeof *rank);
        if (rank == NULL || *rank > MAX_RANK || take(c, *rank, sizeof *rank) == NULL)
            return false;
    }
    return true;
}

static const char *read_function(struct cursor *c, struct ncc_km5_function *out)
{
    struct cursor own = *c;
    out->header = take(&own, 1, sizeof *out->header);
    REQUIRE(out->header != NULL, "a function ends beyond its module");
    REQUIRE(out->header->size >= sizeof *out->header && out->header->size <= c->end - c->at,
            "a function ends beyond its module");
    own.end = c->at + out->header->size;
    REQUIRE(take_tensors(&own, out->header->n_inputs, &out->inputs, &out->input_shapes) &&
                take_tensors(&own, out->header->n_outputs, &out->outputs, &out->output_shapes),
            "the inputs and outputs of a function end beyond it");
    c->at = own.end;
    return NULL;
}

static const char *read_section(struct cursor *c, struct ncc_km5_section *out)
{
    out->header = take(c, 1, sizeof *out->header);
    out->body = NULL;
    REQUIRE(out->header != NULL, "a section ends beyond its module");
    if (out->header->flags & 1)
        return NULL;
    const uint64_t size = (uint64_t)out->header->body_start + out->header->body_size;
    REQUIRE(size <= c->end - c->at, "a section ends beyond its module");
    out->body = c->data + c->at + out->header->body_start;
    c->at += size;
    return NULL;
}

static const char *read_module(struct cursor *c, struct ncc_km5_module *out)
{
    struct cursor own = *c;
    const struct ncc_km5_module_header *const h = out->header = take(&own, 1, sizeof *h);
    REQUIRE(h != NULL, "a module ends beyond the file");
    REQUIRE(h->n_functions <= MAX_FUNCTIONS && h->n_sections <= MAX_SECTIONS,
            "a module has more functions or sections than any compiler makes");
    REQUIRE(h->header_size == sizeof *h, "a module has a header of unknown layout");
    REQUIRE(h->size >= sizeof *h && h->size <= c->end - c->at, "a module ends beyond the file");
    own.end = c->at + h->size;
    out->pools = take(&own, h->n_pools, sizeof *out->pools);
    REQUIRE(out->pools != NULL && take(&own, h->n_shared_pools, sizeof *out->pools) != NULL,
            "the memory pools of a module end beyond it");
    out->functions_off = (size_t)own.at;
    for (uint32_t i = 0; i < h->n_functions; i++) {
        struct ncc_km5_function f;
        REQUIRE_CHECK(read_function(&own, &f));
    }
    out->sections_off = (size_t)own.at;
    for (uint32_t i = 0; i < h->n_sections; i++) {
        struct ncc_km5_section s;
        REQUIRE_CHECK(read_section(&own, &s));
    }
    out->end_off = (size_t)own.end;
    c->at = own.end;
    return NULL;
}

const char *ncc_kmodel_v5_open(const void *data, size_t size, struct ncc_kmodel_v5 *out)
{
    *out = (struct ncc_kmodel_v5){data, size, data};
    const struct ncc_km5_header *const h = data;
    REQUIRE(size >= 2 * sizeof(uint32_t) && h->identifier == NCC_KM_IDENTIFIER && h->version == NCC_KM5_VERSION,
            "it is not a kmodel of version 5");
    REQUIRE(size >= sizeof *h, "it ends inside of its header");
    REQUIRE(h->header_size == sizeof *h,
            "its header has the layout of development builds before 1.0.0, which is not known");
    REQUIRE(h->n_modules <= MAX_MODULES, "it has more modules than any compiler makes");
    struct cursor c = {data, sizeof *h, size};
    for (uint32_t i = 0; i < h->n_modules; i++) {
        struct ncc_km5_module m;
        REQUIRE_CHECK(read_module(&c, &m));
    }
    REQUIRE(h->entry_module < h->n_modules, "the module to begin with is missing");
    const struct ncc_km5_module entry = ncc_kmodel_v5_module(out, h->entry_module);
    REQUIRE(h->entry_function < entry.header->n_functions, "the function to begin with is missing");
    return NULL;
}

struct ncc_km5_module ncc_kmodel_v5_module(const struct ncc_kmodel_v5 *km, uint32_t i)
{
    struct cursor c = {km->data, sizeof *km->header, km->size};
    struct ncc_km5_module m;
    do
        read_module(&c, &m);
    while (i-- > 0);
    return m;
}

struct ncc_km5_function ncc_kmodel_v5_function(const struct ncc_kmodel_v5 *km, const struct ncc_km5_module *m,
                                               uint32_t i)
{
    struct cursor c = {km->data, m->functions_off, m->end_off};
    struct ncc_km5_function f;
    do
        read_function(&c, &f);
    while (i-- > 0);
    return f;
}

struct ncc_km5_section ncc_kmodel_v5_section(const struct ncc_kmodel_v5 *km, const struct ncc_km5_module *m, uint32_t i)
{
    struct cursor c = {km->data, m->sections_off, m->end_off};
    struct ncc_km5_section s;
    do
        read_section(&c, &s);
    while (i-- > 0);
    return s;
}

/* Offsets and sizes of doc/kmodel.md section C.2. */
bool ncc_kmodel_v5_k210_next(const uint8_t *text, size_t size, size_t *off, struct ncc_km5_k210_node *out)
{
    enum { IN = 4, OUT = 16, SHAPE = 28, BATCHES = 52, WORDS = 56 };
    static const size_t sizes[NCC_KM5_N_K210_OPS] = {
        [NCC_KM5_UPLOAD] = 44, [NCC_KM5_DOWNLOAD] = 44, [NCC_KM5_CONV2D] = 152, [NCC_KM5_COPY] = 76};
    if (*off >= size)
        return false;
    const uint8_t *const p = text + *off;
    if (*p >= NCC_KM5_N_K210_OPS || sizes[*p] > size - *off)
        return false;
    *out = (struct ncc_km5_k210_node){.op = (enum ncc_km5_k210_op) * p};
    if (out->op == NCC_KM5_CONV2D) {
        memcpy(out->shape, p + BATCHES, sizeof *out->shape);
        memcpy(out->words, p + WORDS, sizeof out->words);
    } else {
        memcpy(&out->in, p + IN, sizeof out->in);
        memcpy(&out->out, p + OUT, sizeof out->out);
        memcpy(out->shape, p + SHAPE, sizeof out->shape);
    }
    *off += sizes[*p];
    return true;
}
