/* Packages for flashing (.kfpkg): zip files with binaries, kmodels and flash-list.json, which says where they go. */
#ifndef NCC_BASE_PACKAGE_H
#define NCC_BASE_PACKAGE_H

#include "compiler/base/file.h"

struct package_entry {
    const char *name;
    struct bytes data; /* 16-byte aligned, one zero byte behind the end */
};

struct package {
    struct package_entry *v;
    int n;
};

/* Does the file begin as a zip does? */
bool ncc_package_is(struct bytes file);

/* Unpacks all entries of the zip in `file`, which was read from `path`, into the arena. Damaged zips, and what unpacks
 * to more than `limit` bytes in all: a diagnostic and false. */
bool ncc_package_read(const char *path, struct bytes file, size_t limit, struct arena *a, struct diags *d,
                      struct package *out);

#endif
