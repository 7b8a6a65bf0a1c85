/* Faults on demand, preloaded into a child process: the n-th write, truncation or sync of a
 * file whose path holds "faulty" fails. A write that fails may leave half of its bytes. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int nth, code, sticky, half, count, fired;

void fault_arm(int n, int error, int stays, int torn)
{
    nth = n;
    code = error;
    sticky = stays;
    half = torn;
    count = 0;
    if (n)
        fired = 0;
}

/* The disk is well again; what fired so far is remembered. */
void fault_heal(void) { nth = 0; }

int fault_fired(void) { return fired; }

static int due(int file)
{
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    if (!strstr(path, "faulty"))
        return 0;
    count++;
    if (!nth || !(sticky ? count >= nth : count == nth))
        return 0;
    fired++;
    return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL return errno = code, -1

ssize_t pwrite64(int file, const void *data, size_t size, off64_t at)
{
    if (due(file)) {
        if (half)
            NEXT(pwrite64)(file, data, size / 2, at);
        FAIL;
    }
    return NEXT(pwrite64)(file, data, size, at);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t at)
{
    return pwrite64(file, data, size, at);
}

ssize_t write(int file, const void *data, size_t size)
{
    if (due(file))
        FAIL;
    return NEXT(write)(file, data, size);
}

int fsync(int file)
{
    if (due(file))
        FAIL;
    return NEXT(fsync)(file);
}

int fdatasync(int file)
{
    if (due(file))
        FAIL;
    return NEXT(fdatasync)(file);
}

int ftruncate64(int file, off64_t size)
{
    if (due(file))
        FAIL;
    return NEXT(ftruncate64)(file, size);
}

int ftruncate(int file, off_t size)
{
    return ftruncate64(file, size);
}
