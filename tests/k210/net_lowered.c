#include "tests/k210/net.h"

#include "compiler/ir/text.h"

#include <stdio.h>

struct graph *net_lowered(struct net *n, const struct k210_options *options, bool legalise)
{
    struct graph *g = ncc_graph_copy(n->g, &n->arena, &n->diags);
    assert_true(!legalise || ncc_k210_legalise(g, options, &n->scratch));
    net_force_on_kpu(g);
    assert_true(ncc_k210_lower(g, options, &n->scratch));
    return g;
}

/* A layer writes at most one copy to main memory. */
static const char *downloaded_twice(const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next) {
        int count = 0;
        for (const struct use *u = n->out[0]->uses; u && n->op == OP_kpu_conv; u = u->next)
            count += u->node->op == OP_kpu_download;
        if (count > 1)
            return n->name;
    }
    return NULL;
}

static bool means_the_same(struct net *n, const struct graph *g, uint64_t seed, char *why)
{
    const struct tensor *want = net_evaluate(&n->arena, n->g, seed, false);
    for (int poison = 0; poison < 2; poison++) {
        const struct tensor *got = net_evaluate(&n->arena, g, seed, poison);
        const char *promise = net_broken_promise(g, got);
        if (promise)
            snprintf(why, 200, "not zero around %.100s", promise);
        if (promise || !net_same(n->g, want, g, got, 1e-5, why))
            return false;
    }
    return true;
}

static bool is_sound(struct net *n, const struct graph *g, uint64_t seed, char *why)
{
    if (!ncc_graph_verify(g, "lower")) {
        ncc_diag_print(&n->diags, stderr);
        snprintf(why, 200, "the lowered graph is broken");
        return false;
    }
    const char *illegal = net_illegal_layer(g), *twice = downloaded_twice(g);
    if (illegal)
        snprintf(why, 200, "%.150s", illegal);
    else if (twice)
        snprintf(why, 200, "downloaded twice: %.100s", twice);
    return !illegal && !twice && means_the_same(n, g, seed, why);
}

void net_expect_same(struct net *n, const struct graph *g, uint64_t seed, const char *name)
{
    char why[200] = "";
    if (is_sound(n, g, seed, why))
        return;
    fprintf(stderr, "---- network ----\n%s---- lowered ----\n%s", ncc_text_print(n->g, false, &n->arena),
            ncc_text_print(g, false, &n->arena));
    fail_msg("%s: %s", name, why);
}
