/* Shifting the results of an integer layer whose table is a straight line, by numbers of codes that need
 * not be whole. */
#include "compiler/k210/k210.h"
#include "compiler/ops/attrs.h"
#include "kpu/arith.h"

#include <math.h>

/* The least v that gives this code or more; NCC_KPU_ACC_MAX where none does. Tables rise. */
static int64_t first_of(const struct ncc_kpu_table *t, int code)
{
    int64_t below = NCC_KPU_ACC_MIN, from = NCC_KPU_ACC_MAX;
    while (from - below > 1) {
        const int64_t v = below + (from - below) / 2;
        if (ncc_kpu_table_apply(t, v) >= code)
            from = v;
        else
            below = v;
    }
    return from;
}

bool ncc_k210_shift_results(struct graph *g, struct node *layer, const double *codes)
{
    enum { LOW = 64, HIGH = 192 };
    struct ncc_kpu_table table;
    ncc_kpu_table_unpack(layer->in[3]->data, &table);
    const int64_t low = first_of(&table, LOW), high = first_of(&table, HIGH);
    if (ncc_kpu_table_apply(&table, low) < LOW || ncc_kpu_table_apply(&table, high) < HIGH)
        return false;
    const double v_of_code = (double)(high - low) / (HIGH - LOW);
    const struct value *old = layer->in[2];
    const int n = (int)ncc_shape_count(old->shape);
    int64_t *words = NCC_NEW(g->arena, int64_t, n);
    for (int c = 0; c < n; c++) {
        struct ncc_kpu_bn bn = ncc_kpu_bn_unpack((uint64_t)((const int64_t *)old->data)[c]);
        const double add = bn.add + rint(codes[c] * v_of_code);
        if (fabs(add) > INT32_MAX / 2)
            return false;
        bn.add = (int32_t)add;
        words[c] = (int64_t)ncc_kpu_bn_pack(bn);
    }
    ncc_node_set_input(layer, 2, ncc_const(g, old->name, DT_I64, old->shape, words), g->arena);
    return true;
}
