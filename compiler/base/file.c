/* Files. Everything that allocates from an arena, and may thus leave by longjmp, happens
 * while no descriptor is open and no temporary file exists. */
#include "compiler/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool complain(struct diags *d, const char *path, const char *rule, const char *remedy, int error)
{
    ncc_diag_error(d, FAULT_INPUT, (struct place){.file = path}, rule, remedy, error ? "%s" : NULL,
                   strerror(error));
    return false;
}

static bool complain_reading(struct diags *d, const char *path, const char *rule, int error)
{
    const char *remedy = error == ENOENT
                             ? "check the path; it is taken from the folder that ncc runs in, unless it begins with /"
                         : error == EACCES ? "make it readable for the user who runs ncc"
                                           : NULL;
    return complain(d, path, rule, remedy, error);
}

static bool complain_writing(struct diags *d, const char *path, int error)
{
    const char *remedy = error == ENOENT || error == ENOTDIR ? "make the folder first, or name a file in another one"
                         : error == ENOSPC                   ? "make room on the disk"
                                                             : "name a file in a folder that you may write to";
    return complain(d, path, "the file cannot be written", remedy, error);
}

static bool complain_kind(struct diags *d, const char *path, bool is_folder)
{
    return complain(d, path, is_folder ? "a file is needed, not a folder" : "a regular file is needed", NULL, 0);
}

/* 0 or errno. EIO stands for a file that is shorter than `size`. */
int ncc_file_read_part(const char *path, uint64_t at, void *to, size_t size)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return errno;
    int error = 0;
    for (size_t done = 0; done < size && !error;) {
        const ssize_t got = pread(file, (char *)to + done, size - done, (off_t)(at + done));
        if (got > 0)
            done += (size_t)got;
        else if (got == 0)
            error = EIO;
        else if (errno != EINTR)
            error = errno;
    }
    close(file);
    return error;
}

bool ncc_file_read(const char *path, size_t limit, struct arena *a, struct diags *d, struct bytes *out)
{
    struct stat info;
    *out = (struct bytes){0};
    if (stat(path, &info) != 0)
        return complain_reading(d, path, "the file cannot be read", errno);
    if (!S_ISREG(info.st_mode))
        return complain_kind(d, path, S_ISDIR(info.st_mode));
    if ((uint64_t)info.st_size > limit) {
        ncc_diag_error(d, FAULT_INPUT, (struct place){.file = path}, "the file is too large", NULL,
                       "%lld bytes, and at most %zu are accepted", (long long)info.st_size, limit);
        return false;
    }
    const size_t size = (size_t)info.st_size;
    uint8_t *data = ncc_arena_alloc(a, size + 1, 1, 16);
    const int error = ncc_file_read_part(path, 0, data, size);
    if (error)
        return complain_reading(d, path, "the file cannot be read", error);
    *out = (struct bytes){data, size};
    return true;
}

static int write_all(int file, const void *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        const ssize_t put = write(file, (const char *)data + at, size - at);
        if (put >= 0)
            at += (size_t)put;
        else if (errno != EINTR)
            return errno;
    }
    return fsync(file) == 0 ? 0 : errno;
}

/* Opens a new file under a name in `temporary` that nobody else uses: the digits at its end are counted up. */
static int open_new(char *temporary, size_t prefix, size_t size)
{
    enum { TRIES = 1000 };
    for (int i = 0; i < TRIES; i++) {
        snprintf(temporary + prefix, size - prefix, ".%ld.%d.tmp", (long)getpid(), i);
        const int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file >= 0 || errno != EEXIST)
            return file;
    }
    return -1;
}

static int write_and_rename(char *temporary, size_t prefix, size_t temporary_size, const char *path, const void *data,
                            size_t size)
{
    const int file = open_new(temporary, prefix, temporary_size);
    if (file < 0)
        return errno;
    int error = write_all(file, data, size);
    if (close(file) != 0 && !error)
        error = errno;
    if (!error && rename(temporary, path) != 0)
        error = errno;
    if (error)
        unlink(temporary);
    return error;
}

bool ncc_file_write(const char *path, const void *data, size_t size, struct diags *d)
{
    enum { SUFFIX = 48 };
    struct stat info;
    char real[PATH_MAX];
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) /* renaming over it would replace a device or pipe */
        return complain_kind(d, path, S_ISDIR(info.st_mode));
    const char *target = realpath(path, real) ? real : path; /* what a link points to is written, the link stays */
    const size_t prefix = strlen(target);
    char *temporary = NCC_NEW(d->arena, char, prefix + SUFFIX);
    memcpy(temporary, target, prefix);
    const int error = write_and_rename(temporary, prefix, prefix + SUFFIX, target, data, size);
    return error ? complain_writing(d, path, error) : true;
}

bool ncc_file_expect_writable(const char *path, struct diags *d)
{
    struct stat info;
    char real[PATH_MAX];
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return complain_kind(d, path, S_ISDIR(info.st_mode));
    const char *target = realpath(path, real) ? real : path, *base = ncc_file_base(target);
    const char *folder = base == target ? "." : ncc_arena_printf(d->arena, "%.*s", (int)(base - target), target);
    return access(folder, W_OK) == 0 || complain_writing(d, path, errno);
}

/* A folder that is being listed, and those around it, by which links in circles are found. */
struct folder {
    const char *path;
    dev_t device;
    ino_t inode;
    const struct folder *around;
};

struct listing {
    struct arena *arena;
    struct diags *diags;
    struct paths *out;
};

/* Names of a folder, each NUL terminated, one after another; a first call with size = 0 tells how many bytes they
 * take. Names that have appeared between the two calls and do not fit are left out. 0 or errno. */
static int read_names(const char *path, char *names, size_t size, size_t *used)
{
    *used = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return errno;
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(folder))) {
        const size_t length = strlen(entry->d_name) + 1;
        if (entry->d_name[0] == '.')
            continue;
        if (size > 0 && length > size - *used)
            break;
        if (size > 0)
            memcpy(names + *used, entry->d_name, length);
        *used += length;
    }
    const int error = entry ? 0 : errno;
    closedir(folder);
    return error;
}

static bool list_path(struct listing *l, const char *path, const struct folder *around);

static bool list_folder(struct listing *l, const struct folder *self)
{
    size_t size, used;
    int error = read_names(self->path, NULL, 0, &size);
    char *names = NCC_NEW(l->arena, char, size);
    used = size;
    if (!error && size > 0)
        error = read_names(self->path, names, size, &used);
    if (error)
        return complain_reading(l->diags, self->path, "the folder cannot be read", error);
    const char *slash = self->path[strlen(self->path) - 1] == '/' ? "" : "/";
    bool good = true;
    for (size_t at = 0; at < used; at += strlen(names + at) + 1)
        good &= list_path(l, ncc_arena_printf(l->arena, "%s%s%s", self->path, slash, names + at), self);
    return good;
}

static bool look_at(const char *path, struct diags *d, struct stat *info)
{
    return stat(path, info) == 0 || complain_reading(d, path, "the file or folder cannot be read", errno);
}

bool ncc_file_expect_there(const char *path, struct diags *d)
{
    struct stat info;
    return look_at(path, d, &info);
}

static bool list_path(struct listing *l, const char *path, const struct folder *around)
{
    struct stat info;
    if (!look_at(path, l->diags, &info))
        return false;
    if (S_ISDIR(info.st_mode)) {
        for (const struct folder *at = around; at; at = at->around)
            if (at->device == info.st_dev && at->inode == info.st_ino)
                return complain(l->diags, path, "the folder links to one that contains it", NULL, 0);
        return list_folder(l, &(struct folder){path, info.st_dev, info.st_ino, around});
    }
    if (S_ISREG(info.st_mode))
        NCC_PUSH(l->arena, l->out, path);
    else if (!around)
        return complain(l->diags, path, "a regular file or a folder is needed", NULL, 0);
    return true;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool ncc_file_list(const char *path, struct arena *a, struct diags *d, struct paths *out)
{
    struct listing l = {.arena = a, .diags = d, .out = out};
    *out = (struct paths){0};
    if (!list_path(&l, ncc_arena_copy(a, path, strlen(path)), NULL))
        return false;
    if (out->n > 1)
        qsort(out->v, (size_t)out->n, sizeof *out->v, compare_paths);
    return true;
}

const char *ncc_file_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The dot that starts the extension, or NULL; a leading dot belongs to the name. */
static const char *find_dot(const char *base)
{
    const char *dot = strrchr(base, '.');
    return dot == base ? NULL : dot;
}

const char *ncc_file_stem(const char *path, struct arena *a)
{
    const char *base = ncc_file_base(path);
    const char *dot = find_dot(base);
    return ncc_arena_copy(a, base, dot ? (size_t)(dot - base) : strlen(base));
}

const char *ncc_file_extension(const char *path)
{
    const char *dot = find_dot(ncc_file_base(path));
    return dot ? dot + 1 : "";
}
