/* The best order of a segment: a search through the sets of units that are done.
 *
 * States are taken from a heap in the order of the peak on the way there, so the first complete one is the best. Two
 * things keep the number of states small. A state that was reached before was reached with a peak as low. And a
 * unit that can be done without a higher peak, and leaves no more alive than before, is done at once, alone: moving
 * it to the front of any order makes no step of that order worse.
 */
#include "compiler/plan/order.h"

#include <string.h>

enum { MAX_STATES = 20000 };

struct state {
    int64_t key;  /* peak so far, at least the floor */
    int64_t live[N_DIMS];
    int parent, unit, depth;
};

struct space {
    const struct order_search *s;
    struct walk *walk;
    struct state *state;
    uint64_t *bits; /* n_words per state */
    int n_words, n_states, max_states;
    int loaded; /* the state where the walk stands */
    int *heap, n_heap;
    int *table; /* hash table of states, index + 1 */
    uint32_t mask;
};

static uint64_t *bits_of(const struct space *p, int state)
{
    return p->bits + (size_t)state * (size_t)p->n_words;
}

/* ---- heap ---- */

static bool comes_before(const struct space *p, int x, int y)
{
    const struct state *a = &p->state[x], *b = &p->state[y];
    if (a->key != b->key)
        return a->key < b->key;
    return a->depth != b->depth ? a->depth > b->depth : x < y;
}

static void push(struct space *p, int state)
{
    int i = p->n_heap++;
    for (; i > 0 && comes_before(p, state, p->heap[(i - 1) / 2]); i = (i - 1) / 2)
        p->heap[i] = p->heap[(i - 1) / 2];
    p->heap[i] = state;
}

static int pop(struct space *p)
{
    const int top = p->heap[0], last = p->heap[--p->n_heap];
    int i = 0;
    for (int child; (child = 2 * i + 1) < p->n_heap; i = child) {
        if (child + 1 < p->n_heap && comes_before(p, p->heap[child + 1], p->heap[child]))
            child++;
        if (!comes_before(p, p->heap[child], last))
            break;
        p->heap[i] = p->heap[child];
    }
    p->heap[i] = last;
    return top;
}

/* ---- states ---- */

static uint32_t hash(const uint64_t *bits, int n)
{
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < n; i++)
        h = (h ^ bits[i]) * 0xff51afd7ed558ccdu;
    return (uint32_t)(h ^ h >> 32);
}

/* The slot of the table where a state with these bits is, or belongs. */
static uint32_t find_slot(const struct space *p, const uint64_t *bits)
{
    uint32_t slot = hash(bits, p->n_words) & p->mask;
    while (p->table[slot] && memcmp(bits_of(p, p->table[slot] - 1), bits, (size_t)p->n_words * sizeof *bits))
        slot = (slot + 1) & p->mask;
    return slot;
}

/* A state may be pushed again with a lower peak; the stale entry is then found closed when it comes up. */
static void add_state(struct space *p, const struct state *next)
{
    uint64_t *bits = bits_of(p, p->n_states); /* the one behind the last is free */
    memcpy(bits, bits_of(p, next->parent), (size_t)p->n_words * sizeof *bits);
    const int bit = next->unit - p->s->segment->begin;
    bits[bit / 64] |= (uint64_t)1 << (bit % 64);
    const uint32_t slot = find_slot(p, bits);
    if (p->table[slot] && p->state[p->table[slot] - 1].key <= next->key)
        return;
    p->state[p->n_states] = *next;
    p->table[slot] = p->n_states + 1;
    push(p, p->n_states++);
}

static void load(struct space *p, int state)
{
    const struct segment *s = p->s->segment;
    const uint64_t *bits = bits_of(p, state);
    const bool is_next = state > 0 && p->state[state].parent == p->loaded; /* the common case: no need to go back */
    p->loaded = state;
    if (is_next) {
        ncc_plan_walk_do(p->walk, p->state[state].unit);
        return;
    }
    ncc_plan_walk_back(p->walk, s, p->state[0].live);
    for (int i = 0; i < s->end - s->begin; i++) {
        if (bits[i / 64] >> (i % 64) & 1)
            ncc_plan_walk_do(p->walk, s->begin + i);
    }
}

/* ---- steps ---- */

/* The state after a unit; false when that is of no interest. */
static bool step(const struct space *p, int from, int unit, struct state *next, bool *forced)
{
    const struct order_search *s = p->s;
    const struct state *now = &p->state[from];
    const struct change c = ncc_plan_walk_change(p->walk, unit);
    const int other = !s->dim;
    const bool capped = s->cap < INT64_MAX;
    const int64_t top = now->live[s->dim] + c.rise[s->dim];
    if (top >= s->best || (capped && now->live[other] + c.rise[other] > s->cap))
        return false;
    *forced = top <= now->key && c.net[s->dim] <= 0 && (!capped || c.net[other] <= 0);
    *next = (struct state){.key = top > now->key ? top : now->key, .parent = from, .unit = unit,
                           .depth = now->depth + 1};
    for (int d = 0; d < N_DIMS; d++)
        next->live[d] = now->live[d] + c.net[d];
    return true;
}

static void expand(struct space *p, int from)
{
    const struct segment *s = p->s->segment;
    struct state next;
    bool forced = false;
    load(p, from);
    *p->s->work -= s->end - s->begin;
    for (int i = s->begin; i < s->end; i++) {
        if (!p->walk->done[i] && p->walk->waits[i] == 0 && step(p, from, i, &next, &forced) && forced) {
            add_state(p, &next);
            return;
        }
    }
    for (int i = s->begin; i < s->end && p->n_states < p->max_states; i++) {
        if (!p->walk->done[i] && p->walk->waits[i] == 0 && step(p, from, i, &next, &forced))
            add_state(p, &next);
    }
}

static void open_space(struct space *p, struct arena *scratch)
{
    const int n = p->s->segment->end - p->s->segment->begin;
    const int64_t affordable = *p->s->work / n;
    p->n_words = (n + 63) / 64;
    const int all = n < 10 ? 16 << n : MAX_STATES; /* subsets, with room for states that are reached again */
    p->max_states = affordable < all ? (int)affordable : all;
    const int room = p->max_states + 2;
    p->state = NCC_NEW(scratch, struct state, room);
    p->bits = NCC_NEW(scratch, uint64_t, (size_t)room * (size_t)p->n_words);
    p->heap = NCC_NEW(scratch, int, room);
    for (p->mask = 1; p->mask < (uint32_t)(2 * room); p->mask *= 2)
        continue;
    p->table = NCC_NEW(scratch, int, p->mask);
    p->mask--;
    p->state[0] = (struct state){.key = p->s->floor, .parent = -1, .unit = -1};
    memcpy(p->state[0].live, p->walk->live, sizeof p->walk->live);
    p->n_states = 1;
    p->table[find_slot(p, p->bits)] = 1;
    push(p, 0);
}

static void trace_back(struct space *p, int state, struct route *out)
{
    for (; p->state[state].parent >= 0; state = p->state[state].parent)
        out->order[p->state[state].depth - 1] = p->state[state].unit;
    ncc_plan_walk_back(p->walk, p->s->segment, p->state[0].live);
    for (int i = 0; i < p->s->segment->end - p->s->segment->begin; i++)
        ncc_plan_walk_do(p->walk, out->order[i]);
    memcpy(out->peak, p->walk->peak, sizeof out->peak);
}

bool ncc_plan_order_search(struct walk *w, const struct order_search *s, struct arena *scratch, struct route *out,
                           bool *proven)
{
    struct space p = {.s = s, .walk = w};
    int goal = -1;
    *proven = false;
    open_space(&p, scratch);
    while (p.n_heap > 0 && goal < 0 && p.n_states < p.max_states) {
        const int now = pop(&p);
        if (p.table[find_slot(&p, bits_of(&p, now))] != now + 1)
            continue; /* reached again since, with a lower peak */
        if (p.state[now].depth == s->segment->end - s->segment->begin)
            goal = now;
        else
            expand(&p, now);
    }
    *proven = goal >= 0 || (p.n_heap == 0 && p.n_states < p.max_states);
    if (goal >= 0)
        trace_back(&p, goal, out);
    ncc_plan_walk_back(w, s->segment, p.state[0].live);
    return goal >= 0;
}
