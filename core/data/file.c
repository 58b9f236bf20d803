/* file.c: files read whole, and written whole or not at all. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX   ((size_t)2 << 30) /* bytes */
#define FILE_FIRST ((size_t)1 << 16) /* bytes of room where a size is not told */

/* ---- reading ---- */

static bool file_failed(const char *path, Error *err)
{
    return error(err, "%s: %s", path, strerror(errno ? errno : EIO));
}

/* Room for what the file says it holds, and one byte more, in which its end is seen. */
static bool file_room(const char *path, int fd, size_t *room, Error *err)
{
    struct stat info;
    if (fstat(fd, &info)) return file_failed(path, err);
    if (S_ISDIR(info.st_mode)) return error(err, "%s: is a directory", path);
    if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode))
        return error(err, "%s: is neither a file nor a pipe", path);
    if (info.st_size > (off_t)FILE_MAX)
        return error(err, "%s: %lld bytes are more than the 2 GiB that can be read",
                     path, (long long)info.st_size);
    *room = (size_t)info.st_size + 1;
    if (*room < FILE_FIRST) *room = FILE_FIRST;
    return true;
}

static bool file_grow(const char *path, char **bytes, size_t *room, Error *err)
{
    if (*room > FILE_MAX)
        return error(err, "%s: more than the 2 GiB that can be read", path);
    char *const more = realloc(*bytes, *room * 2);
    if (!more)
        return error(err, "%s: out of memory: %zu bytes were wanted", path, *room * 2);
    *bytes = more;
    *room *= 2;
    return true;
}

static bool file_fill(const char *path, int fd, char **bytes, size_t *length,
                      Error *err)
{
    size_t room = 0;
    if (!file_room(path, fd, &room, err)) return false;
    *bytes = malloc(room);
    if (!*bytes)
        return error(err, "%s: out of memory: %zu bytes were wanted", path, room);
    for (;;) {
        const ssize_t got = read(fd, *bytes + *length, room - *length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return file_failed(path, err);
        if (got == 0) break;
        *length += (size_t)got;
        if (*length == room && !file_grow(path, bytes, &room, err)) return false;
    }
    if (*length == 0) return error(err, "%s: is empty", path);
    (*bytes)[*length] = '\0'; /* there is room: it grows when full */
    return true;
}

bool file_read(const char *path, char **bytes, size_t *length, Error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return file_failed(path, err);
    char *got = NULL;
    size_t count = 0;
    const bool ok = file_fill(path, fd, &got, &count, err);
    close(fd);
    if (!ok) {
        free(got);
        return false;
    }
    *bytes = got;
    *length = count;
    return true;
}

/* ---- writing ---- */

/* A rename would put a file in the place of a device or a directory, so ask before. */
static bool file_replaceable(const char *path, Error *err)
{
    struct stat info;
    if (stat(path, &info))
        return true; /* nothing there; if there is more to it, open tells */
    if (S_ISDIR(info.st_mode)) return error(err, "%s: is a directory", path);
    if (!S_ISREG(info.st_mode)) return error(err, "%s: is not a regular file", path);
    return true;
}

/* The rename itself is safe on disk when the folder is. Some file systems cannot sync
 * one: the file is then as safe as they make it. */
static void file_sync_folder(const char *path)
{
    char *const folder = strdup(path);
    if (!folder) return;
    char *const slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = '\0';
    const int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(folder);
}

bool file_begin(const char *path, Draft *draft, Error *err)
{
    *draft = (Draft){0};
    if (!file_replaceable(path, err)) return false;
    draft->path = strdup(path);
    if (!draft->path ||
        asprintf(&draft->part, "%s.%ld.part", path, (long)getpid()) < 0) {
        free(draft->path);
        return error(err, "%s: out of memory", path);
    }
    draft->out = fopen(draft->part, "wbe");
    if (draft->out) {
        errno = 0;
        return true;
    }
    (void)file_failed(draft->part, err);
    free(draft->path);
    free(draft->part);
    return false;
}

bool file_end(Draft *draft, bool keep, Error *err)
{
    bool ok = keep;
    if (ok && (ferror(draft->out) || fflush(draft->out) || fsync(fileno(draft->out))))
        ok = file_failed(draft->part, err);
    if (fclose(draft->out) && ok) ok = file_failed(draft->part, err);
    if (ok && rename(draft->part, draft->path)) ok = file_failed(draft->path, err);
    if (ok)
        file_sync_folder(draft->path);
    else
        (void)unlink(draft->part);
    free(draft->path);
    free(draft->part);
    return ok;
}

bool file_write(const char *path, bool (*body)(void *context, FILE *out, Error *err),
                void *context, Error *err)
{
    Draft draft;
    if (!file_begin(path, &draft, err)) return false;
    const bool written = body(context, draft.out, err);
    return file_end(&draft, written, err);
}
