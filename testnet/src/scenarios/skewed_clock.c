/* Preloaded into a node: shifts the time of day by the milliseconds in the file CLOCK_SKEW_FILE, and no other clock. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long long skew(void) {
  const char *path = getenv("CLOCK_SKEW_FILE");
  char text[32];
  ssize_t length;
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return 0;
  length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return 0;
  text[length] = 0;
  return atoll(text);
}

int clock_gettime(clockid_t clock, struct timespec *out) {
  static int (*real)(clockid_t, struct timespec *);
  long long nanoseconds;
  int result;
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  result = real(clock, out);
  if (result != 0 || clock != CLOCK_REALTIME) return result;
  long long milliseconds = skew();
  nanoseconds = out->tv_nsec + milliseconds % 1000 * 1000000;
  out->tv_sec += milliseconds / 1000;
  if (nanoseconds < 0) {
    out->tv_sec -= 1;
    nanoseconds += 1000000000;
  } else if (nanoseconds >= 1000000000) {
    out->tv_sec += 1;
    nanoseconds -= 1000000000;
  }
  out->tv_nsec = nanoseconds;
  return result;
}
