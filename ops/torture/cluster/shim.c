/* Lies to a process about the disk and the clock: loaded by LD_PRELOAD into what is under test.
 *
 * A page that the harness writes (ops/torture/cluster/shim.py has the same layout) says what is
 * wrong now: fsync fails or takes long, writing fails, the wall clock is off. With `twins` set,
 * every fsync copies the whole file to a twin, which then is all that a power loss leaves of it.
 * Only files below `prefix` are concerned. Only CLOCK_REALTIME is moved: monotonic stays true.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct page {
    volatile int64_t clock_offset_ns;
    volatile int32_t fsync_errno;
    volatile int32_t fsync_delay_us;
    volatile int32_t write_errno;
    volatile int32_t twins;
    char prefix[240];
    char twin_folder[240];
};

static struct page *page;

__attribute__((constructor)) static void open_page(void) {
    const char *path = getenv("TORTURE_SHIM");
    if (path == NULL)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(struct page), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        page = mapped;
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (real == NULL) \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name);

/* The path of an open file below `prefix`, from there on; NULL for any other. */
static const char *concerned(int fd, char *buffer, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, buffer, size - 1);
    if (length <= 0)
        return NULL;
    buffer[length] = 0;
    size_t prefix = strlen(page->prefix);
    if (prefix == 0 || strncmp(buffer, page->prefix, prefix) != 0 || buffer[prefix] != '/')
        return NULL;
    return buffer + prefix + 1;
}

/* Through the descriptor that there is: closing another would drop SQLite's locks on the file. */
static void copy_to_twin(int fd, const char *name) {
    char path[1024], block[65536];
    size_t length = (size_t)snprintf(path, sizeof path, "%s/", page->twin_folder);
    for (const char *each = name; *each && length < sizeof path - 1; each++)
        path[length++] = *each == '/' ? '%' : *each;
    path[length] = 0;
    int twin = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (twin < 0)
        return;
    flock(twin, LOCK_EX);
    off_t offset = 0;
    ssize_t got;
    while ((got = pread(fd, block, sizeof block, offset)) > 0) {
        static ssize_t (*real)(int, const void *, size_t, off_t);
        if (real == NULL)
            real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
        if (real(twin, block, (size_t)got, offset) != got)
            break;
        offset += got;
    }
    if (ftruncate(twin, offset) != 0) { /* the twin is longer than its file: power loss is late */ }
    close(twin);
}

static int synced(int fd, int (*real)(int)) {
    char buffer[1024];
    const char *name = NULL;
    if (page != NULL && (page->fsync_errno || page->fsync_delay_us || page->twins))
        name = concerned(fd, buffer, sizeof buffer);
    if (name == NULL)
        return real(fd);
    if (page->fsync_delay_us)
        usleep((useconds_t)page->fsync_delay_us);
    if (page->fsync_errno) {
        errno = page->fsync_errno;
        return -1;
    }
    int done = real(fd);
    if (done == 0 && page->twins)
        copy_to_twin(fd, name);
    return done;
}

int fsync(int fd) {
    REAL(fsync)
    return synced(fd, real);
}

int fdatasync(int fd) {
    REAL(fdatasync)
    return synced(fd, real);
}

static int refused(int fd) {
    char buffer[1024];
    if (page == NULL || page->write_errno == 0 || concerned(fd, buffer, sizeof buffer) == NULL)
        return 0;
    errno = page->write_errno;
    return 1;
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write)
    return refused(fd) ? -1 : real(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    REAL(pwrite)
    return refused(fd) ? -1 : real(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    REAL(pwrite64)
    return refused(fd) ? -1 : real(fd, data, size, offset);
}

static int64_t offset_ns(void) {
    return page == NULL ? 0 : page->clock_offset_ns;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    REAL(clock_gettime)
    int done = real(clock, time);
    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t moved = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec + offset_ns();
        time->tv_sec = moved / 1000000000;
        time->tv_nsec = moved % 1000000000;
    }
    return done;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec precise;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
        return -1;
    time->tv_sec = precise.tv_sec;
    time->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *where) {
    struct timespec precise;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
        return -1;
    if (where != NULL)
        *where = precise.tv_sec;
    return precise.tv_sec;
}
