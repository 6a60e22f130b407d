/* Keeps a record of everything that a process asks of the disk for one file: to be preloaded (LD_PRELOAD).

   Invariant: entries stand in the order in which the calls were made; a sync is entered after it returned, a write before it is made.
   So whatever stands before a sync in the record was durable when the sync stands there, and nothing is durable that does not.

   POWER_RECORD names the record, POWER_FILE the end of the path of the file that is watched. Where POWER_LIAR is set, syncs return at
   once, do nothing and are not entered, and no descriptor counts as synchronous: the disk of POWER_LIAR only claims to have stored.

   The file may be made elsewhere and renamed to its path; from the next sync of a directory on the name is durable as well.

   An entry is five little-endian 64-bit numbers, and `length` bytes: kind, synchronous, offset, size, length.  */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE = 2, SYNC = 3, MARK = 4, NAME = 5, NAMES_SYNC = 6 };
enum { DESCRIPTORS_MAX = 1024 };

static char watched[DESCRIPTORS_MAX];     /* 1: the file's; 2: and every write waits for the disk; 3: a directory's */
static pthread_mutex_t recording = PTHREAD_MUTEX_INITIALIZER;
static int record = -1;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int what_is(int fd) { return fd >= 0 && fd < DESCRIPTORS_MAX ? watched[fd] : 0; }

static int is_watched(int fd) { return what_is(fd) == 1 || what_is(fd) == 2; }

static void put(const void *from, size_t length) {
    const char *at = from;
    while (length > 0) {
        ssize_t done = NEXT(write)(record, at, length);
        if (done <= 0) abort();
        at += done;
        length -= (size_t)done;
    }
}

static void enter(uint64_t kind, int fd, uint64_t offset, uint64_t size, const struct iovec *parts, int count) {
    uint64_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    uint64_t head[5] = {kind, what_is(fd) == 2, offset, size, length};
    pthread_mutex_lock(&recording);
    if (record < 0) {
        const char *path = getenv("POWER_RECORD");
        record = NEXT(open)(path ? path : "/dev/null", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    put(head, sizeof head);
    for (int i = 0; i < count; i++) put(parts[i].iov_base, parts[i].iov_len);
    pthread_mutex_unlock(&recording);
}

static void enter_bytes(int fd, off_t offset, const void *bytes, size_t length) {
    struct iovec part = {(void *)bytes, length};
    enter(WRITE, fd, (uint64_t)offset, 0, &part, 1);
}

/* Called by the workload: from here on `bytes` are promised. */
void power_mark(const void *bytes, uint64_t length) {
    struct iovec part = {(void *)bytes, length};
    enter(MARK, -1, 0, 0, &part, 1);
}

static int is_ours(const char *path) {
    const char *wanted = getenv("POWER_FILE");
    size_t length = wanted ? strlen(wanted) : 0, have = strlen(path);
    return length > 0 && have >= length && strcmp(path + have - length, wanted) == 0;
}

static void watch(int fd, const char *path, int flags) {
    if (fd < 0 || fd >= DESCRIPTORS_MAX) return;
    int ours = is_ours(path);
    int synchronous = (flags & O_DSYNC) != 0 && !getenv("POWER_LIAR");
    watched[fd] = (char)(ours ? 1 + synchronous : flags & O_DIRECTORY ? 3 : 0);
    if (ours && (flags & O_TRUNC)) enter(TRUNCATE, fd, 0, 0, NULL, 0);
}

#define OPENING(name, before, arguments)                                                        \
    int name before {                                                                           \
        mode_t mode = 0;                                                                        \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                    \
            va_list more;                                                                       \
            va_start(more, flags);                                                              \
            mode = va_arg(more, mode_t);                                                        \
            va_end(more);                                                                       \
        }                                                                                       \
        int fd = NEXT(name) arguments;                                                          \
        watch(fd, path, flags);                                                                 \
        return fd;                                                                              \
    }
OPENING(open, (const char *path, int flags, ...), (path, flags, mode))
OPENING(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENING(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPENING(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))

int close(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS_MAX) watched[fd] = 0;
    return NEXT(close)(fd);
}

/* What no store of ours does today is refused, lest the record be silently incomplete. */
int dup(int fd) {
    if (is_watched(fd)) abort();
    return NEXT(dup)(fd);
}

int msync(void *at, size_t length, int flags) {
    if (!getenv("POWER_LIAR")) abort(); /* A file that is written through its mapping is not seen here. */
    return NEXT(msync)(at, length, flags);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    if (is_watched(fd)) enter_bytes(fd, lseek(fd, 0, SEEK_CUR), bytes, length);
    return NEXT(write)(fd, bytes, length);
}

#define PLACED(name, offset_type)                                                               \
    ssize_t name(int fd, const void *bytes, size_t length, offset_type offset) {                \
        if (is_watched(fd)) enter_bytes(fd, (off_t)offset, bytes, length);                      \
        return NEXT(name)(fd, bytes, length, offset);                                           \
    }
PLACED(pwrite, off_t)
PLACED(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (is_watched(fd)) enter(WRITE, fd, (uint64_t)lseek(fd, 0, SEEK_CUR), 0, parts, count);
    return NEXT(writev)(fd, parts, count);
}

#define PLACED_PARTS(name, offset_type)                                                         \
    ssize_t name(int fd, const struct iovec *parts, int count, offset_type offset) {            \
        if (is_watched(fd)) enter(WRITE, fd, (uint64_t)offset, 0, parts, count);                \
        return NEXT(name)(fd, parts, count, offset);                                            \
    }
PLACED_PARTS(pwritev, off_t)
PLACED_PARTS(pwritev64, off64_t)

#define CUTTING(name, size_type)                                                                \
    int name(int fd, size_type size) {                                                          \
        if (is_watched(fd)) enter(TRUNCATE, fd, 0, (uint64_t)size, NULL, 0);                    \
        return NEXT(name)(fd, size);                                                            \
    }
CUTTING(ftruncate, off_t)
CUTTING(ftruncate64, off64_t)

#define SYNCING(name)                                                                           \
    int name(int fd) {                                                                          \
        if (what_is(fd) && getenv("POWER_LIAR")) return 0;                                      \
        int answer = NEXT(name)(fd);                                                            \
        if (is_watched(fd) && answer == 0) enter(SYNC, fd, 0, 0, NULL, 0);                      \
        if (what_is(fd) == 3 && answer == 0) enter(NAMES_SYNC, fd, 0, 0, NULL, 0);              \
        return answer;                                                                          \
    }
SYNCING(fsync)
SYNCING(fdatasync)

int rename(const char *from, const char *to) {
    if (is_ours(to)) enter(NAME, -1, 0, 0, NULL, 0);
    return NEXT(rename)(from, to);
}
