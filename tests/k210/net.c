#include "tests/k210/net.h"

#include "compiler/ir/text.h"
#include "compiler/k210/rules.h"
#include "compiler/ops/attrs.h"
#include "kpu/layer.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- memory ---- */

void net_open(struct net *n)
{
    *n = (struct net){0};
    n->arena = ncc_arena_make(&n->out);
    n->scratch = ncc_arena_make(&n->out);
}

void net_close(struct net *n)
{
    ncc_arena_release(&n->scratch);
    ncc_arena_release(&n->arena);
}

void net_parse(struct net *n, const char *text)
{
    ncc_diag_init(&n->diags, &n->arena);
    n->g = ncc_text_parse(text, "test", &n->arena, &n->diags);
    if (!n->g) {
        ncc_diag_print(&n->diags, stderr);
        fail_msg("not a graph:\n%s", text);
    }
}

/* ---- random numbers ---- */

uint64_t net_seed(const char *test)
{
    const char *text = getenv("NCC_SEED");
    const uint64_t seed = text ? strtoull(text, NULL, 0) : 1;
    print_message("%s: NCC_SEED=%llu\n", test, (unsigned long long)seed);
    return seed;
}

/* Steele, Lea, Flood: splitmix64. Neighbouring states give unrelated numbers. */
static uint64_t bits(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

int net_int(uint64_t *state, int lo, int hi)
{
    return lo + (int)(bits(state) % (uint64_t)(hi - lo + 1));
}

double net_real(uint64_t *state, double lo, double hi)
{
    return lo + (hi - lo) * (double)(bits(state) >> 11) * 0x1p-53;
}

double net_normal(uint64_t *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += net_real(state, 0, 1);
    return sum;
}

/* ---- placing ---- */

void net_force_on_kpu(struct graph *g)
{
    char found[120];
    for (struct node *n = g->first; n; n = n->next)
        n->on_kpu = !n->barred && ncc_k210_rule_broken(n, found) == NULL;
}

int net_count(const struct graph *g, enum op op)
{
    int count = 0;
    for (const struct node *n = g->first; n; n = n->next)
        count += n->op == op;
    return count;
}

static bool shows_input(const struct value *v)
{
    while (v->def && (v->def->op == OP_reshape || v->def->op == OP_transpose || v->def->op == OP_slice ||
                      v->def->op == OP_concat || v->def->op == OP_pad))
        v = v->def->in[0];
    return !v->def && !v->data;
}

int net_count_crossings(const struct graph *g)
{
    int count = 0;
    for (const struct node *n = g->first; n; n = n->next)
        count += n->op == OP_kpu_upload && !shows_input(n->in[0]);
    return count;
}

const char *net_illegal_layer(const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next) {
        if (n->op != OP_kpu_conv)
            continue;
        const struct kpu_conv_attrs *a = n->attrs;
        const struct shape *x = &n->in[0]->shape;
        const struct ncc_kpu_shape s = {x->dim[1], x->dim[2],    x->dim[3], n->in[1]->shape.dim[0],
                                        a->kernel, a->depthwise, a->pool};
        const char *text = ncc_kpu_shape_check(&s, false);
        if (text)
            return text;
    }
    return NULL;
}
