#include "compiler/plan/value_sets.h"

#include <limits.h>

int ncc_sets_find(const struct sets *s, int id, int64_t *offset)
{
    int root = id;
    int64_t total = 0;
    for (; s->member[root].parent != root; root = s->member[root].parent)
        total += s->member[root].from_parent;
    *offset = total;
    while (s->member[id].parent != root && id != root) {
        struct member *m = &s->member[id];
        const int64_t rest = total - m->from_parent;
        id = m->parent;
        m->parent = root;
        m->from_parent = total;
        total = rest;
    }
    return root;
}

void ncc_sets_add(struct sets *s, const struct value *v, bool written)
{
    if (s->member[v->id].value)
        return;
    s->member[v->id] = (struct member){.value = v, .parent = v->id, .next_written = -1};
    s->set[v->id] = (struct set){.hi = ncc_plan_value_size(v), .first_written = -1, .last_written = -1,
                                 .birth = INT_MAX, .death = 0, .constant = ncc_is_const(v)};
    if (written)
        s->set[v->id].first_written = s->set[v->id].last_written = v->id;
}

/* Would a written value of set y, moved by `shift`, lie on one of set x? */
static bool collide(const struct sets *s, int x, int y, int64_t shift)
{
    for (int i = s->set[x].first_written; i >= 0; i = s->member[i].next_written) {
        int64_t at;
        ncc_sets_find(s, i, &at);
        const int64_t end = at + ncc_plan_value_size(s->member[i].value);
        for (int k = s->set[y].first_written; k >= 0; k = s->member[k].next_written) {
            int64_t other;
            ncc_sets_find(s, k, &other);
            other += shift;
            if (other < end && at < other + ncc_plan_value_size(s->member[k].value))
                return true;
        }
    }
    return false;
}

static int64_t least(int64_t x, int64_t y)
{
    return x < y ? x : y;
}

static int64_t most(int64_t x, int64_t y)
{
    return x > y ? x : y;
}

void ncc_sets_unite(struct sets *s, int x, int y, int64_t shift)
{
    struct set *a = &s->set[x];
    const struct set *b = &s->set[y];
    s->member[y].parent = x;
    s->member[y].from_parent = shift;
    a->lo = least(a->lo, b->lo + shift);
    a->hi = most(a->hi, b->hi + shift);
    a->birth = (int)least(a->birth, b->birth);
    a->death = (int)most(a->death, b->death);
    a->n_reads += b->n_reads;
    a->input |= b->input;
    a->output |= b->output;
    a->constant |= b->constant;
    if (b->first_written < 0)
        return;
    if (a->first_written < 0)
        a->first_written = b->first_written;
    else
        s->member[a->last_written].next_written = b->first_written;
    a->last_written = b->last_written;
}

bool ncc_sets_join(struct sets *s, const struct value *x, const struct value *y, int64_t offset)
{
    int64_t at_x, at_y;
    const int root_x = ncc_sets_find(s, x->id, &at_x), root_y = ncc_sets_find(s, y->id, &at_y);
    const int64_t shift = at_x + offset - at_y;
    if (root_x == root_y)
        return shift == 0;
    if (collide(s, root_x, root_y, shift))
        return false;
    ncc_sets_unite(s, root_x, root_y, shift);
    return true;
}
