#include "compiler/import/onnx.h"

#include <string.h>

static uint32_t hash(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h;
}

/* The slot of a name, or the free one where it would be. */
static int *slot_of(const struct ox_scope *s, const char *name)
{
    uint32_t i = hash(name) & (uint32_t)(s->n_slots - 1);
    while (s->slots[i] && strcmp(s->tensors[s->slots[i] - 1].name, name) != 0)
        i = (i + 1) & (uint32_t)(s->n_slots - 1);
    return &s->slots[i];
}

struct ox_tensor *ncc_onnx_find(const struct ox_scope *s, const char *name)
{
    for (; s && name && *name; s = s->outer) {
        const int i = *slot_of(s, name);
        if (i)
            return &s->tensors[i - 1];
    }
    return NULL;
}

/* The tensor of this name in this very scope; new if need be. */
static struct ox_tensor *add(struct ox_scope *s, const char *name)
{
    int *slot = slot_of(s, name);
    if (!*slot) {
        s->tensors[s->n] = (struct ox_tensor){.name = name};
        *slot = ++s->n;
    }
    return &s->tensors[*slot - 1];
}

static size_t count_names(const Onnx__GraphProto *p)
{
    size_t n = p->n_initializer + p->n_input;
    for (size_t i = 0; i < p->n_node; i++)
        n += p->node[i]->n_output;
    return n;
}

static bool is_named(const char *name)
{
    return name && *name;
}

bool ncc_onnx_scope(struct onnx *m, const Onnx__GraphProto *p, struct ox_scope *outer, struct ox_scope *s)
{
    const size_t n = count_names(p);
    *s = (struct ox_scope){.outer = outer, .p = p, .tensors = NCC_NEW(m->arena, struct ox_tensor, n), .n_slots = 16};
    while ((size_t)s->n_slots < 2 * n)
        s->n_slots *= 2;
    s->slots = NCC_NEW(m->arena, int, s->n_slots);
    for (size_t i = 0; i < p->n_initializer; i++)
        if (is_named(p->initializer[i]->name))
            add(s, p->initializer[i]->name)->init = p->initializer[i];
    for (size_t i = 0; i < p->n_input; i++)
        if (is_named(p->input[i]->name))
            add(s, p->input[i]->name)->info = p->input[i];
    for (size_t i = 0; i < p->n_node; i++) {
        for (size_t k = 0; k < p->node[i]->n_output; k++) {
            const char *name = p->node[i]->output[k];
            if (!is_named(name))
                continue;
            struct ox_tensor *t = add(s, name);
            if (t->is_made || t->init || t->info) {
                ncc_diag_error(m->diags, FAULT_INPUT, (struct place){m->file, p->node[i]->name, p->node[i]->op_type},
                               "a tensor must be made only once", "the file is damaged: export the model again", "'%s'",
                               name);
                return false;
            }
            t->is_made = true;
        }
    }
    for (size_t i = 0; i < p->n_value_info + p->n_output; i++) {
        const Onnx__ValueInfoProto *info = i < p->n_value_info ? p->value_info[i] : p->output[i - p->n_value_info];
        const int *slot = is_named(info->name) ? slot_of(s, info->name) : NULL;
        if (slot && *slot && !s->tensors[*slot - 1].info)
            s->tensors[*slot - 1].info = info;
    }
    s->nodes = ncc_onnx_order(m, s);
    return true;
}
