#include "compiler/base/package.h"

#include <string.h>
#include <zip.h>

enum { ALIGN = 16, MAX_ENTRIES = 4096 };

bool ncc_package_is(struct bytes file)
{
    return file.size >= 4 && memcmp(file.data, "PK\3\4", 4) == 0;
}

struct unpacking {
    const char *path;
    zip_t *zip;
    size_t left; /* bytes that may still be unpacked */
    struct arena *arena;
    struct diags *diags;
};

static bool fail(const struct unpacking *u, const char *name, const char *what, const char *found)
{
    ncc_diag_error(u->diags, FAULT_INPUT, (struct place){.file = u->path, .node = name, .op = name ? "entry" : NULL},
                   what, NULL, found ? "%s" : NULL, found);
    return false;
}

static bool unpack(struct unpacking *u, zip_uint64_t index, struct package_entry *e)
{
    zip_stat_t info;
    if (zip_stat_index(u->zip, index, 0, &info) != 0 || !(info.valid & ZIP_STAT_SIZE) || !(info.valid & ZIP_STAT_NAME))
        return fail(u, NULL, "an entry of the package cannot be read", zip_strerror(u->zip));
    const char *name = ncc_arena_printf(u->arena, "%s", info.name);
    if (info.size > u->left)
        return fail(u, name, "the package unpacks to more than is allowed", NULL);
    u->left -= (size_t)info.size;
    uint8_t *data = ncc_arena_alloc(u->arena, (size_t)info.size + 1, 1, ALIGN);
    zip_file_t *f = zip_fopen_index(u->zip, index, 0);
    const zip_int64_t n = f ? zip_fread(f, data, info.size) : -1;
    const bool closed = f && zip_fclose(f) == 0; /* compares the checksum */
    if (n < 0 || (zip_uint64_t)n != info.size || !closed)
        return fail(u, name, "an entry of the package cannot be unpacked", zip_strerror(u->zip));
    data[info.size] = 0;
    *e = (struct package_entry){name, {data, (size_t)info.size}};
    return true;
}

static bool unpack_all(struct unpacking *u, struct package *out)
{
    const zip_int64_t n = zip_get_num_entries(u->zip, 0);
    if (n < 0 || n > MAX_ENTRIES)
        return fail(u, NULL, "the package has too many entries", NULL);
    *out = (struct package){NCC_NEW(u->arena, struct package_entry, n), 0};
    for (; out->n < n; out->n++)
        if (!unpack(u, (zip_uint64_t)out->n, &out->v[out->n]))
            return false;
    return true;
}

bool ncc_package_read(const char *path, struct bytes file, size_t limit, struct arena *a, struct diags *d,
                      struct package *out)
{
    struct unpacking u = {.path = path, .left = limit, .arena = a, .diags = d};
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(file.data, file.size, 0, &error);
    u.zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
    if (!u.zip) {
        fail(&u, NULL, "the package cannot be opened", zip_error_strerror(&error));
        if (source)
            zip_source_free(source);
        zip_error_fini(&error);
        return false;
    }
    const bool good = unpack_all(&u, out);
    zip_discard(u.zip);
    zip_error_fini(&error);
    return good;
}
