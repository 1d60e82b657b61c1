/* An LD_PRELOAD library that records what processes do to the files below a directory, and can make it fail.

   DISK_ROOT is the directory, DISK_RECORD the file that operations are appended to (recording.py reads it),
   DISK_FAULTS a file with what is to fail (failing.py writes it; none: nothing fails). Children inherit all of it,
   also those that are given an environment of their own.

   An operation and its record happen under one flock of DISK_RECORD, so that the order in the record is the order in
   which things happened, over all processes. Every record opens that file anew: programs close descriptors that
   they do not know. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE, TRUNCATE, CREATE, MKDIR, LINK, RENAME, UNLINK, SYNC };

struct head { /* what recording.py calls HEAD */
    uint32_t kind, pid;
    uint64_t inode, offset;
    uint32_t first, second, data; /* bytes of both paths and of the data that follow */
} __attribute__((packed));

struct faults { /* what failing.py calls FAULTS */
    uint32_t error, kinds; /* errno; one bit for each kind that fails */
    int64_t after;         /* matching operations that still succeed */
    int64_t bytes;         /* that may still be written; negative: any number */
    int64_t failed;        /* how many have failed */
    char part[256];        /* of the paths that fail; empty: all of them */
} __attribute__((packed));

static char root[PATH_MAX], record[PATH_MAX], faults[PATH_MAX], preload[PATH_MAX];
static size_t root_length;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void)
{
    const char *given[] = {getenv("DISK_ROOT"), getenv("DISK_RECORD"), getenv("DISK_FAULTS"), getenv("LD_PRELOAD")};
    char *kept[] = {root, record, faults, preload};
    for (int i = 0; i < 4; i++)
        if (given[i])
            snprintf(kept[i], PATH_MAX, "%s", given[i]);
    root_length = strlen(root);
}

static int below(const char *path)
{
    return root_length && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* The path of a descriptor, as the kernel knows it now. */
static int path_of(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return 1;
}

/* An absolute path; whether it is below the root. */
static int resolve(int directory, const char *given, char *path)
{
    char base[PATH_MAX];
    int known = errno, found = 0;
    if (given[0] == '/')
        found = snprintf(path, PATH_MAX, "%s", given) < PATH_MAX;
    else if (directory == AT_FDCWD ? getcwd(base, sizeof base) != NULL : path_of(directory, base))
        found = snprintf(path, PATH_MAX, "%s/%s", base, given) < PATH_MAX;
    errno = known;
    return found && below(path);
}

static int watched(int fd, char *path)
{
    int known = errno, found = root_length && path_of(fd, path) && below(path);
    errno = known;
    return found;
}

static int lock(void)
{
    int known = errno, fd = syscall(SYS_openat, AT_FDCWD, record, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    while (fd >= 0 && flock(fd, LOCK_EX) && errno == EINTR)
        ;
    errno = known;
    return fd;
}

/* Append what has just happened where it has, and let others go on; returns what the caller is to return. */
static long note(int fd, long result, int kind, uint64_t inode, uint64_t offset, const char *first, const char *second,
                 const void *data, size_t size)
{
    int known = errno;
    struct head head = {kind, getpid(), inode, offset, strlen(first), strlen(second), size};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)first, head.first}, {(void *)second, head.second},
                            {(void *)data, size}};
    if (fd >= 0) {
        if (result >= 0 && syscall(SYS_writev, fd, parts, 4) != (long)(sizeof head + head.first + head.second + size))
            abort(); /* a record with a gap proves nothing */
        syscall(SYS_close, fd);
    }
    errno = known;
    return result;
}

/* Whether an operation is to fail, with errno set; `size` becomes what a write may still write. */
static int fails(int kind, const char *path, size_t *size)
{
    struct faults wanted;
    int known = errno, fd = faults[0] ? syscall(SYS_openat, AT_FDCWD, faults, O_RDWR | O_CLOEXEC) : -1, failing = 0;
    errno = known;
    if (fd < 0)
        return 0;
    if (syscall(SYS_pread64, fd, &wanted, sizeof wanted, 0) == sizeof wanted && wanted.kinds >> kind & 1 &&
        strstr(path, wanted.part)) {
        failing = wanted.after-- <= 0;
        if (failing && size && wanted.bytes > 0) { /* the last bytes that there is room for */
            *size = *size < (size_t)wanted.bytes ? *size : (size_t)wanted.bytes;
            wanted.bytes -= *size;
            failing = 0;
        }
        wanted.failed += failing;
        syscall(SYS_pwrite64, fd, &wanted, sizeof wanted, 0);
    }
    syscall(SYS_close, fd);
    errno = failing ? (int)wanted.error : known;
    return failing;
}

static uint64_t inode_of(int fd)
{
    struct stat info;
    return fstat(fd, &info) ? 0 : info.st_ino;
}

static uint64_t inode_at(const char *path)
{
    struct stat info;
    int known = errno, found = !lstat(path, &info);
    errno = known;
    return found ? info.st_ino : 0;
}

static ssize_t put(int fd, const void *data, size_t size, off_t offset)
{
    char path[PATH_MAX];
    int is_watched = watched(fd, path), locked = is_watched ? lock() : -1;
    long done = is_watched && fails(WRITE, path, &size) ? -1
                : offset < 0                             ? syscall(SYS_write, fd, data, size)
                                                         : syscall(SYS_pwrite64, fd, data, size, offset);
    if (!is_watched)
        return done;
    int known = errno;
    uint64_t at = offset >= 0 ? offset : lseek(fd, 0, SEEK_CUR) - (done > 0 ? done : 0);
    errno = known;
    return note(locked, done, WRITE, inode_of(fd), at, path, "", data, done > 0 ? done : 0);
}

ssize_t write(int fd, const void *data, size_t size) { return put(fd, data, size, -1); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return put(fd, data, size, offset); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return put(fd, data, size, offset); }

/* Short, where there are several pieces: as the callers of writev must expect. */
ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    char path[PATH_MAX];
    if (!watched(fd, path))
        return syscall(SYS_writev, fd, pieces, count);
    while (count > 1 && !pieces->iov_len)
        pieces++, count--;
    return put(fd, pieces->iov_base, pieces->iov_len, -1);
}

int ftruncate(int fd, off_t size)
{
    char path[PATH_MAX];
    if (!watched(fd, path))
        return syscall(SYS_ftruncate, fd, size);
    int locked = lock();
    long done = fails(TRUNCATE, path, NULL) ? -1 : syscall(SYS_ftruncate, fd, size);
    return note(locked, done, TRUNCATE, inode_of(fd), size, path, "", "", 0);
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

static int synced(int fd, long call)
{
    char path[PATH_MAX];
    if (!watched(fd, path))
        return syscall(call, fd);
    int locked = lock();
    long done = fails(SYNC, path, NULL) ? -1 : syscall(call, fd);
    return note(locked, done, SYNC, inode_of(fd), 0, path, "", "", 0);
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

static int opened(int directory, const char *given, int flags, mode_t mode)
{
    char path[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !resolve(directory, given, path))
        return syscall(SYS_openat, directory, given, flags, mode);
    int locked = lock(), is_new = !inode_at(path), kind = is_new ? CREATE : TRUNCATE;
    int changes = is_new || flags & O_TRUNC;
    int fd = changes && fails(kind, path, NULL) ? -1 : syscall(SYS_openat, directory, given, flags, mode);
    if (!changes) {
        syscall(SYS_close, locked);
        return fd;
    }
    return note(locked, fd, kind, fd < 0 ? 0 : inode_of(fd), 0, path, "", "", 0);
}

#define MODE(flags) ({ va_list rest; va_start(rest, flags); mode_t m = va_arg(rest, unsigned); va_end(rest); m; })
int open(const char *path, int flags, ...) { return opened(AT_FDCWD, path, flags, MODE(flags)); }
int open64(const char *path, int flags, ...) { return opened(AT_FDCWD, path, flags | O_LARGEFILE, MODE(flags)); }
int openat(int at, const char *path, int flags, ...) { return opened(at, path, flags, MODE(flags)); }
int openat64(int at, const char *path, int flags, ...) { return opened(at, path, flags | O_LARGEFILE, MODE(flags)); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_TRUNC | O_WRONLY, mode); }

int mkdirat(int at, const char *given, mode_t mode)
{
    char path[PATH_MAX];
    if (!resolve(at, given, path))
        return syscall(SYS_mkdirat, at, given, mode);
    int locked = lock();
    long done = fails(MKDIR, path, NULL) ? -1 : syscall(SYS_mkdirat, at, given, mode);
    return note(locked, done, MKDIR, inode_at(path), 0, path, "", "", 0);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int unlinkat(int at, const char *given, int flags)
{
    char path[PATH_MAX];
    if (!resolve(at, given, path))
        return syscall(SYS_unlinkat, at, given, flags);
    int locked = lock();
    long done = fails(UNLINK, path, NULL) ? -1 : syscall(SYS_unlinkat, at, given, flags);
    return note(locked, done, UNLINK, 0, 0, path, "", "", 0);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

static int moved(int kind, long call, int at, const char *given, int to, const char *target, int flags)
{
    char path[PATH_MAX], second[PATH_MAX];
    int from_below = resolve(at, given, path), to_below = resolve(to, target, second);
    if (!from_below && !to_below)
        return syscall(call, at, given, to, target, flags);
    int locked = lock();
    long done = fails(kind, second, NULL) ? -1 : syscall(call, at, given, to, target, flags);
    return note(locked, done, kind, inode_at(second), 0, path, second, "", 0);
}
int renameat(int at, const char *path, int to, const char *target)
{
    return moved(RENAME, SYS_renameat2, at, path, to, target, 0);
}
int rename(const char *path, const char *target) { return renameat(AT_FDCWD, path, AT_FDCWD, target); }
int linkat(int at, const char *path, int to, const char *target, int flags)
{
    return moved(LINK, SYS_linkat, at, path, to, target, flags);
}
int link(const char *path, const char *target) { return linkat(AT_FDCWD, path, AT_FDCWD, target, 0); }

/* Whoever is started with an environment of its own is watched as well. */
int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *how,
                char *const arguments[], char *const environment[])
{
    static const char *names[] = {"LD_PRELOAD", "DISK_ROOT", "DISK_RECORD", "DISK_FAULTS"};
    const char *values[] = {preload, root, record, faults};
    size_t count = 0;
    while (environment && environment[count])
        count++;
    char **all = malloc((count + 5) * sizeof *all), text[4][PATH_MAX + 16];
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environment[i], "LD_PRELOAD=", 11) && strncmp(environment[i], "DISK_", 5))
            all[kept++] = environment[i];
    for (int i = 0; i < 4; i++) {
        snprintf(text[i], sizeof text[i], "%s=%s", names[i], values[i]);
        all[kept++] = text[i];
    }
    all[kept] = NULL;
    int result = REAL(posix_spawn)(pid, path, actions, how, arguments, all);
    free(all);
    return result;
}
