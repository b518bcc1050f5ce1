/* Files: read whole, write whole or not at all. */
#ifndef NCC_BASE_FILE_H
#define NCC_BASE_FILE_H

#include "compiler/base/diag.h"

struct bytes {
    const uint8_t *data;
    size_t size;
};

/* Reads a regular file of at most `limit` bytes into the arena (16-byte aligned, one zero
 * byte behind the end). Missing file, directory, unreadable or too large: a diagnostic and false. */
bool ncc_file_read(const char *path, size_t limit, struct arena *a, struct diags *d, struct bytes *out);

/* Reads exactly `size` bytes from offset `at`. 0 or errno; EIO when the file ends before. Thread-safe. */
int ncc_file_read_part(const char *path, uint64_t at, void *to, size_t size);

/* Writes to a temporary name in the same folder, then renames; on failure a diagnostic,
 * no output file, the temporary removed, and false. */
bool ncc_file_write(const char *path, const void *data, size_t size, struct diags *d);

/* Tells what can be told before the work is done for which there is to be a file: its folder is missing or is not
 * ours to write to, or something that is no regular file has its name. Then a diagnostic, and false. */
bool ncc_file_expect_writable(const char *path, struct diags *d);

/* The same of a file or folder that is to be read later. */
bool ncc_file_expect_there(const char *path, struct diags *d);

/* Regular files below a folder, recursively, in byte order of their path relative to it;
 * hidden ones (.name) are left out. If `path` is a file, the list is that file.
 * Missing path or unreadable folder: a diagnostic and false. */
struct paths {
    const char **v;
    int n, cap;
};
bool ncc_file_list(const char *path, struct arena *a, struct diags *d, struct paths *out);

/* Part of a path: "a/b/c.jpg" -> "c.jpg", "c", "jpg" ("" without a dot). */
const char *ncc_file_base(const char *path);
const char *ncc_file_stem(const char *path, struct arena *a);
const char *ncc_file_extension(const char *path);

#endif
