/* Preloaded into one node of a scenario: shifts the time of day by SKEW_SECONDS, and no other clock. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *out) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, out);
  const char *skew = getenv("SKEW_SECONDS");
  if (result == 0 && clock == CLOCK_REALTIME && skew) out->tv_sec += atol(skew);
  return result;
}
