#include "compiler/data/labels.h"

#include "compiler/base/file.h"
#include "compiler/data/npy.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 64 << 20 };

struct labels {
    const char *path;
    const struct dataset *set;
    int *label;
    struct arena *arena;
    struct diags *diags;
    int n;
};

static int refuse(const struct labels *l, const char *rule, const char *found)
{
    ncc_diag_error(l->diags, FAULT_INPUT, (struct place){.file = l->path}, rule,
                   "lines 'sample,class', lines 'class' in the order of the samples, or an .npy array", "%s", found);
    return 0;
}

static void set_label(struct labels *l, int sample, int class)
{
    l->n += l->label[sample] < 0;
    l->label[sample] = class;
}

/* ---- .npy ---- */

static int read_array(struct labels *l, struct bytes file)
{
    struct npy npy;
    char error[NCC_NPY_ERROR];
    if (!ncc_npy_parse(file.data, file.size, file.size, &npy, error))
        return refuse(l, "the labels cannot be read", error);
    if (npy.n != (uint64_t)l->set->n)
        return refuse(l, "there must be one label for each sample",
                      ncc_arena_printf(l->arena, "%llu labels, %d samples", (unsigned long long)npy.n, l->set->n));
    float *class = NCC_NEW(l->arena, float, npy.n);
    ncc_npy_convert(npy.type, file.data + npy.data, (size_t)npy.n, class);
    for (int i = 0; i < l->set->n; i++)
        if (class[i] >= 0 && class[i] < 1e9f)
            set_label(l, i, (int)class[i]);
    return l->n ? l->n : refuse(l, "no sample has a label", "all are negative");
}

/* ---- text ---- */

static bool read_class(const char *text, int *class)
{
    char *end;
    const long value = strtol(text, &end, 10);
    end += strspn(end, " \t\r");
    *class = (int)value;
    return end != text && !*end && value >= 0 && value < 1000000000;
}

static int compare(const void *a, const void *b)
{
    const char *const *const *x = a, *const *const *y = b;
    return strcmp(**x, **y);
}

/* The samples' names in order, to search in. */
static const char ***sorted_names(const struct labels *l)
{
    const char ***at = NCC_NEW(l->arena, const char **, l->set->n);
    for (int i = 0; i < l->set->n; i++)
        at[i] = &l->set->name[i];
    qsort(at, (size_t)l->set->n, sizeof *at, compare);
    return at;
}

static int sample_of(const struct labels *l, const char ***sorted, const char *file)
{
    const char *stem = ncc_file_stem(file, l->arena), **key = &stem;
    const char ***found = bsearch(&key, sorted, (size_t)l->set->n, sizeof *sorted, compare);
    if (!found) { /* a name with dots that is no file's */
        key = &file;
        found = bsearch(&key, sorted, (size_t)l->set->n, sizeof *sorted, compare);
    }
    return found ? (int)(*found - l->set->name) : -1;
}

static int read_lines(struct labels *l, char *text)
{
    const char ***sorted = sorted_names(l);
    int line = 0, in_order = 0;
    for (char *next; text; text = next) {
        next = strchr(text, '\n');
        if (next)
            *next++ = 0;
        line++;
        if (!text[strspn(text, " \t\r")])
            continue;
        char *last = strrchr(text, ',');
        int class, sample;
        if (!read_class(last ? last + 1 : text, &class)) {
            if (line == 1)
                continue;
            return refuse(l, "a label must be a whole number of at least 0",
                          ncc_arena_printf(l->arena, "line %d: %s", line, text));
        }
        if (last) {
            *strchr(text, ',') = 0;
            sample = sample_of(l, sorted, text);
        } else {
            sample = in_order++;
            if (sample >= l->set->n)
                return refuse(l, "there must be one label for each sample",
                              ncc_arena_printf(l->arena, "more than %d labels", l->set->n));
        }
        if (sample >= 0)
            set_label(l, sample, class);
    }
    return l->n ? l->n
                : refuse(l, "no sample has a label",
                         ncc_arena_printf(l->arena, "%d lines; the first sample is '%s'", line, l->set->name[0]));
}

int ncc_data_labels(const char *path, const struct dataset *set, int *label, struct arena *a, struct diags *d)
{
    struct labels l = {path, set, label, a, d, 0};
    struct bytes file;
    for (int i = 0; i < set->n; i++)
        label[i] = -1;
    if (!ncc_file_read(path, MAX_FILE, a, d, &file))
        return 0;
    if (!strcmp(ncc_file_extension(path), "npy"))
        return read_array(&l, file);
    if (memchr(file.data, 0, file.size))
        return refuse(&l, "the labels must be text", "a zero byte");
    return read_lines(&l, ncc_arena_copy(a, (const char *)file.data, file.size));
}
