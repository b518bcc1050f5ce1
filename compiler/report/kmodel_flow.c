/* A replay of the nodes over the two memories.
 *
 * Every write makes a value. A memory is a list of pieces, each a run of bytes that belong to the value written there
 * last; pieces do not overlap. A read finds the pieces, so the values, so the nodes that wrote them. A value lives from
 * its write to its last read.
 */
#include "compiler/report/kmodel_flow.h"

#include <string.h>

enum { INPUT = -1 }; /* the writer of the model's inputs */

struct flow_value {
    int64_t size;
    int writer, last_use;
    bool is_kpu;
    bool from_kpu;  /* in main memory: depends on the result of a KPU layer */
    bool to_upload; /* in main memory: what depends on it is uploaded again */
};

struct piece {
    uint32_t from, to; /* bytes, `to` excluded */
    int value;
};

struct pieces {
    struct piece *v;
    int n, cap;
};

struct replay {
    struct arena *arena;
    struct {
        struct flow_value *v;
        int n, cap;
    } values;
    struct {
        int *v;
        int n, cap;
    } reads;          /* values, node after node */
    int *first_read;  /* [node], of its reads; one more at the end */
    int *main_result; /* [node]: the value in main memory, or -1 */
    struct pieces main, kpu;
};

static struct pieces *memory_of(struct replay *r, const struct ncc_km_range *range)
{
    return range->memory_type == NCC_KM_MAIN ? &r->main : range->memory_type == NCC_KM_KPU ? &r->kpu : NULL;
}

/* Takes the bytes from the pieces that held them. A value that is read for the last time by the node that
 * overwrites it lends its place, so it does not count at that step. */
static void cut(struct replay *r, struct pieces *memory, uint32_t from, uint32_t to, int step)
{
    int kept = 0;
    const int n = memory->n;
    struct pieces rest = {0};
    for (int i = 0; i < n; i++) {
        const struct piece p = memory->v[i];
        if (p.to <= from || p.from >= to) {
            memory->v[kept++] = p;
            continue;
        }
        struct flow_value *v = &r->values.v[p.value];
        if (v->last_use == step && step > v->writer)
            v->last_use--;
        if (p.from < from)
            NCC_PUSH(r->arena, &rest, ((struct piece){p.from, from, p.value}));
        if (p.to > to)
            NCC_PUSH(r->arena, &rest, ((struct piece){to, p.to, p.value}));
    }
    memory->n = kept;
    for (int i = 0; i < rest.n; i++)
        NCC_PUSH(r->arena, memory, rest.v[i]);
}

static int write_range(struct replay *r, const struct ncc_km_range *range, int step)
{
    struct pieces *memory = memory_of(r, range);
    const int index = r->values.n;
    const int birth = step == INPUT ? 0 : step;
    NCC_PUSH(r->arena, &r->values, ((struct flow_value){range->size, step, birth, memory == &r->kpu, false, false}));
    cut(r, memory, range->start, range->start + range->size, step);
    NCC_PUSH(r->arena, memory, ((struct piece){range->start, range->start + range->size, index}));
    return index;
}

static void read_range(struct replay *r, const struct ncc_km_range *range, int step)
{
    const struct pieces *memory = memory_of(r, range);
    for (int i = 0; memory && i < memory->n; i++) {
        const struct piece *p = &memory->v[i];
        if (p->to <= range->start || p->from >= range->start + range->size)
            continue;
        r->values.v[p->value].last_use = step;
        NCC_PUSH(r->arena, &r->reads, p->value);
    }
}

static void play(struct replay *r, const struct kmodel_view *km)
{
    const struct kmodel_node *nodes = km->nodes;
    const int n = km->n_nodes;
    for (int i = 0; i < km->n_inputs; i++)
        write_range(r, &km->inputs[i], INPUT);
    for (int i = 0; i < n; i++) {
        r->first_read[i] = r->reads.n;
        for (int k = 0; k < nodes[i].n_read; k++)
            read_range(r, &nodes[i].read[k], i);
        r->main_result[i] = -1;
        for (int k = 0; k < nodes[i].n_write; k++) {
            const int value = write_range(r, &nodes[i].write[k], i);
            if (!r->values.v[value].is_kpu)
                r->main_result[i] = value;
        }
    }
    r->first_read[n] = r->reads.n;
    for (int i = 0; i < km->n_outputs; i++)
        read_range(r, &km->outputs[i], n - 1);
}

/* ---- crossings ---- */

static bool is_upload(const struct kmodel_node *k)
{
    return k->upload_us > 0;
}

static void trace_forwards(struct replay *r, const struct kmodel_node *nodes, int n)
{
    for (int i = 0; i < n; i++) {
        if (r->main_result[i] < 0)
            continue;
        bool from = nodes[i].kpu_us > 0;
        for (int k = r->first_read[i]; k < r->first_read[i + 1]; k++)
            from = from || r->values.v[r->reads.v[k]].from_kpu;
        r->values.v[r->main_result[i]].from_kpu = from;
    }
}

static void trace_backwards(struct replay *r, const struct kmodel_node *nodes, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        const int result = r->main_result[i];
        if (!is_upload(&nodes[i]) && (nodes[i].kpu_us > 0 || result < 0 || !r->values.v[result].to_upload))
            continue;
        for (int k = r->first_read[i]; k < r->first_read[i + 1]; k++)
            r->values.v[r->reads.v[k]].to_upload = true;
    }
}

static int count_crossings(struct replay *r, const struct kmodel_node *nodes, int n)
{
    int count = 0;
    trace_forwards(r, nodes, n);
    trace_backwards(r, nodes, n);
    for (int i = 0; i < n; i++) {
        bool from_kpu = false;
        for (int k = r->first_read[i]; k < r->first_read[i + 1]; k++)
            from_kpu = from_kpu || r->values.v[r->reads.v[k]].from_kpu;
        count += is_upload(&nodes[i]) && from_kpu;
        count += nodes[i].kpu_us > 0 && r->main_result[i] >= 0 && r->values.v[r->main_result[i]].to_upload;
    }
    return count;
}

/* ---- memory ---- */

/* The largest sum of living values at any step. */
static int64_t bound_of(const struct replay *r, bool kpu, int n)
{
    int64_t *change = NCC_NEW(r->arena, int64_t, n + 2), live = 0, bound = 0;
    for (int i = 0; i < r->values.n; i++) {
        const struct flow_value *v = &r->values.v[i];
        if (v->is_kpu != kpu)
            continue;
        change[v->writer == INPUT ? 0 : v->writer] += v->size;
        change[v->last_use + 1] -= v->size;
    }
    for (int i = 0; i <= n; i++) {
        live += change[i];
        bound = live > bound ? live : bound;
    }
    return bound;
}

static int64_t end_of(const struct ncc_km_range *r)
{
    return r->memory_type == NCC_KM_KPU ? (int64_t)r->start + r->size : 0;
}

static int64_t kpu_peak(const struct kmodel_view *km)
{
    const struct kmodel_node *nodes = km->nodes;
    int64_t peak = 0;
    for (int i = 0; i < km->n_inputs; i++)
        peak = end_of(&km->inputs[i]) > peak ? end_of(&km->inputs[i]) : peak;
    for (int i = 0; i < km->n_nodes; i++) {
        for (int k = 0; k < nodes[i].n_read; k++)
            peak = end_of(&nodes[i].read[k]) > peak ? end_of(&nodes[i].read[k]) : peak;
        for (int k = 0; k < nodes[i].n_write; k++)
            peak = end_of(&nodes[i].write[k]) > peak ? end_of(&nodes[i].write[k]) : peak;
    }
    return peak;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct kmodel_flow ncc_report_kmodel_flow(const struct kmodel_view *km, struct arena *a)
{
    const int n = km->n_nodes;
    struct replay r = {.arena = a, .first_read = NCC_NEW(a, int, n + 1), .main_result = NCC_NEW(a, int, n)};
    play(&r, km);
    struct kmodel_flow f = {.crossings = count_crossings(&r, km->nodes, n), .kpu_peak = kpu_peak(km)};
    /* Values that are overwritten in part count whole, so the sum may exceed what there is. */
    f.kpu_bound = least(bound_of(&r, true, n), f.kpu_peak);
    f.main_bound = least(bound_of(&r, false, n), km->main_mem_size);
    return f;
}
