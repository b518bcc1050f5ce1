/* Calculating with orders of dimensions; see layout.h. */
#include "compiler/import/layout.h"

struct ints ncc_layout_identity(int rank)
{
    struct ints p = {.n = rank};
    for (int i = 0; i < rank; i++)
        p.v[i] = i;
    return p;
}

struct ints ncc_layout_channels_first(int rank)
{
    struct ints p = ncc_layout_identity(rank);
    for (int i = 1; i < rank; i++)
        p.v[i] = i == 1 ? rank - 1 : i - 1;
    return p;
}

bool ncc_layout_equal(struct ints p, struct ints q)
{
    bool equal = p.n == q.n;
    for (int i = 0; equal && i < p.n; i++)
        equal = p.v[i] == q.v[i];
    return equal;
}

/* perm without the dimensions of 1. */
static struct ints essential(struct shape model, struct ints perm)
{
    struct ints e = {0};
    for (int i = 0; i < perm.n; i++)
        if (model.dim[perm.v[i]] != 1)
            e.v[e.n++] = perm.v[i];
    return e;
}

bool ncc_layout_same_order(struct shape model, struct ints p, struct ints q)
{
    return ncc_layout_equal(essential(model, p), essential(model, q));
}

struct shape ncc_layout_apply(struct shape model, struct ints perm)
{
    struct shape s = {.rank = perm.n};
    for (int i = 0; i < perm.n; i++)
        s.dim[i] = model.dim[perm.v[i]];
    return s;
}

struct shape ncc_layout_model_shape(struct form f)
{
    struct shape s = {.rank = f.perm.n};
    for (int i = 0; i < f.perm.n; i++)
        s.dim[f.perm.v[i]] = f.v->shape.dim[i];
    return s;
}

int ncc_layout_axis(struct ints perm, int axis)
{
    int i = 0;
    while (i < perm.n - 1 && perm.v[i] != axis)
        i++;
    return i;
}

struct ints ncc_layout_order(struct ints of_model, struct ints perm)
{
    struct ints out = {.n = perm.n};
    for (int i = 0; i < perm.n; i++)
        out.v[i] = of_model.v[perm.v[i]];
    return out;
}

struct ints ncc_layout_left_pad(struct ints perm, int rank)
{
    struct ints out = ncc_layout_identity(rank);
    const int more = rank - perm.n;
    for (int i = 0; i < perm.n; i++)
        out.v[more + i] = perm.v[i] + more;
    return out;
}

struct ints ncc_layout_transpose(struct ints perm, struct ints t)
{
    struct ints out = {.n = perm.n};
    for (int i = 0; i < perm.n; i++)
        out.v[i] = ncc_layout_axis(t, perm.v[i]);
    return out;
}

struct ints ncc_layout_drop(struct ints perm, const bool *gone)
{
    struct ints out = {0};
    for (int i = 0; i < perm.n; i++) {
        if (gone[perm.v[i]])
            continue;
        int axis = 0;
        for (int k = 0; k < perm.v[i]; k++)
            axis += !gone[k];
        out.v[out.n++] = axis;
    }
    return out;
}

/* The dimensions of a shape that are not 1, and to which group each belongs: the groups are the finest division
 * such that group g has as many elements on both sides of a reshape. */
struct grouped {
    int n;
    int axis[NCC_MAX_RANK], size[NCC_MAX_RANK], group[NCC_MAX_RANK];
};

static struct grouped without_ones(struct shape s)
{
    struct grouped g = {0};
    for (int i = 0; i < s.rank; i++) {
        if (s.dim[i] == 1)
            continue;
        g.axis[g.n] = i;
        g.size[g.n++] = s.dim[i];
    }
    return g;
}

static void find_groups(struct grouped *a, struct grouped *b)
{
    int i = 0, j = 0;
    for (int group = 0; i < a->n && j < b->n; group++) {
        int64_t left = a->size[i], right = b->size[j];
        a->group[i++] = group;
        b->group[j++] = group;
        while (left != right && (left < right ? i < a->n : j < b->n)) {
            if (left < right) {
                left *= a->size[i];
                a->group[i++] = group;
            } else {
                right *= b->size[j];
                b->group[j++] = group;
            }
        }
    }
}

/* Fills up an order of the dimensions that are not 1: to one of the usual perms if possible. */
static struct ints with_ones(struct shape s, struct ints order)
{
    const struct ints usual[2] = {ncc_layout_channels_first(s.rank), ncc_layout_identity(s.rank)};
    const int first = s.rank >= 4 ? 0 : 1;
    if (ncc_layout_equal(essential(s, usual[first]), order))
        return usual[first];
    if (ncc_layout_equal(essential(s, usual[!first]), order))
        return usual[!first];
    struct ints all = {0};
    for (int i = 0; i < s.rank; i++)
        if (s.dim[i] == 1)
            all.v[all.n++] = i;
    for (int i = 0; i < order.n; i++)
        all.v[all.n++] = order.v[i];
    return all;
}

static int index_of(const struct grouped *g, int axis)
{
    int i = 0;
    while (g->axis[i] != axis)
        i++;
    return i;
}

bool ncc_layout_reshape(struct shape from, struct ints p, struct shape to, struct ints *q)
{
    struct grouped a = without_ones(from), b = without_ones(to);
    find_groups(&a, &b);
    const struct ints in = essential(from, p);
    struct ints out = {0};
    for (int i = 0; i < in.n; i++) {
        const int k = index_of(&a, in.v[i]);
        const bool starts_group = k == 0 || a.group[k - 1] != a.group[k];
        if (!starts_group) {
            if (i == 0 || in.v[i - 1] != a.axis[k - 1])
                return false;
            continue;
        }
        /* The other members of the group must follow; they are checked above when it is their turn. */
        if (k + 1 < a.n && a.group[k + 1] == a.group[k] && (i + 1 >= in.n || in.v[i + 1] != a.axis[k + 1]))
            return false;
        for (int j = 0; j < b.n; j++)
            if (b.group[j] == a.group[k])
                out.v[out.n++] = b.axis[j];
    }
    *q = with_ones(to, out);
    return true;
}

const char *ncc_layout_shape_option(struct arena *a, const char *name, struct shape s)
{
    static const char *const of_map[4] = {"1", "CHANNELS", "HEIGHT", "WIDTH"};
    const char *text = ncc_arena_printf(a, "--input-shape %s=", name);
    if (s.rank == 0)
        return ncc_arena_printf(a, "%s1,3,HEIGHT,WIDTH", text);
    for (int i = 0; i < s.rank; i++) {
        const char *comma = i ? "," : "";
        if (s.dim[i] > 0)
            text = ncc_arena_printf(a, "%s%s%d", text, comma, s.dim[i]);
        else
            text = ncc_arena_printf(a, "%s%s%s", text, comma, s.rank == 4 ? of_map[i] : i ? "LENGTH" : "1");
    }
    return text;
}
