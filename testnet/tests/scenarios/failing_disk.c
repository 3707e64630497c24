/* Preloaded into one node of a scenario: files under DISK_UNDER fail as long as there is a file DISK_FAULT, in the way
   that its first letter says: f, the disk is full; s, it does not sync; r, it is read-only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* The fault there is now; system calls of its own, so that it does not come back here. */
static int fault(char kind) {
  const char *name = getenv("DISK_FAULT");
  char found = 0;
  int saved = errno;
  int file = name ? (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0) : -1;
  if (file >= 0) {
    if (syscall(SYS_read, file, &found, 1) != 1) found = 0;
    syscall(SYS_close, file);
  }
  errno = saved;
  return found == kind;
}

static int named(const char *path) {
  const char *under = getenv("DISK_UNDER");
  return under && path && strncmp(path, under, strlen(under)) == 0;
}

static int opened(int file) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  int saved = errno;
  long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  errno = saved;
  if (length < 0) return 0;
  path[length] = 0;
  return named(path);
}

static int fails(int error) {
  errno = error;
  return -1;
}

#define IS_FULL(file) (fault('f') && opened(file))

ssize_t write(int file, const void *bytes, size_t count) {
  REAL(write);
  return IS_FULL(file) ? fails(ENOSPC) : real(file, bytes, count);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
  REAL(writev);
  return IS_FULL(file) ? fails(ENOSPC) : real(file, parts, count);
}
ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
  REAL(pwrite);
  return IS_FULL(file) ? fails(ENOSPC) : real(file, bytes, count, at);
}
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
  REAL(pwrite64);
  return IS_FULL(file) ? fails(ENOSPC) : real(file, bytes, count, at);
}
int fsync(int file) {
  REAL(fsync);
  return fault('s') && opened(file) ? fails(EIO) : real(file);
}
int fdatasync(int file) {
  REAL(fdatasync);
  return fault('s') && opened(file) ? fails(EIO) : real(file);
}

static int refused(const char *path, int flags) {
  return (flags & (O_WRONLY | O_RDWR | O_CREAT)) && named(path) && fault('r');
}

#define OPENS(name) \
  int name(const char *path, int flags, ...) { \
    REAL(name); \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = (flags & O_CREAT) ? (mode_t)va_arg(rest, int) : 0; \
    va_end(rest); \
    return refused(path, flags) ? fails(EROFS) : real(path, flags, mode); \
  }
OPENS(open)
OPENS(open64)

int chmod(const char *path, mode_t mode) {
  REAL(chmod);
  return named(path) && fault('r') ? fails(EROFS) : real(path, mode);
}
int mkdir(const char *path, mode_t mode) {
  REAL(mkdir);
  /* What is there already is said first. */
  return named(path) && fault('r') && access(path, F_OK) ? fails(EROFS) : real(path, mode);
}
int rename(const char *from, const char *to) {
  REAL(rename);
  return named(to) && fault('r') ? fails(EROFS) : real(from, to);
}
