#include "compiler/k210/repeat.h"
#include "compiler/k210/cost.h"
#include "compiler/ops/attrs.h"

/* Operands of one concatenation; each is 16 bytes of the kmodel. */
enum { MAX_COPIES = 256 };

static struct value *beside(struct graph *g, const char *name, struct value *const *in, int n, int axis)
{
    const struct concat_attrs a = {axis};
    return n == 1 ? in[0] : ncc_op(g, OP_concat, name, &a, in, n);
}

/* Runs of each row: 2 for each doubling, and one for each power of two that the count is made of. */
static int runs_when_doubled(int count)
{
    int runs = 0, parts = 0;
    for (; count > 0; count /= 2) {
        runs += count > 1 ? 2 : 0;
        parts += count % 2;
    }
    return runs + (parts > 1 ? parts : 0);
}

/* Doubling moves each byte about twice. */
static bool is_better_doubled(const struct value *v, int axis, int count)
{
    double run = (double)ncc_dtype_size(v->dtype);
    for (int i = axis; i < v->shape.rank; i++)
        run *= v->shape.dim[i];
    const double byte = ncc_cost_instructions(COST_concat, false, NCC_KPU_RUNTIME_V4);
    return NCC_COST_RUN_INSTRUCTIONS * (count - runs_when_doubled(count)) > byte * run * count;
}

static struct value *doubled(struct graph *g, const char *name, struct value *v, int axis, int count)
{
    struct value *part[32];
    int n = 0;
    for (; count > 0; count /= 2) {
        if (count % 2)
            part[n++] = v;
        if (count > 1)
            v = beside(g, ncc_name(g, name, "twice"), (struct value *[]){v, v}, 2, axis);
    }
    return beside(g, name, part, n, axis);
}

struct value *ncc_k210_repeated(struct graph *g, const char *name, struct value *v, int axis, int count)
{
    if (count > MAX_COPIES || is_better_doubled(v, axis, count))
        return doubled(g, name, v, axis, count);
    struct value *in[MAX_COPIES];
    for (int i = 0; i < count; i++)
        in[i] = v;
    return beside(g, name, in, count, axis);
}
