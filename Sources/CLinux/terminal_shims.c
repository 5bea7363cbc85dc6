#define _GNU_SOURCE
#include "include/terminal_shims.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

int celltop_replace(int from, int to) { return dup3(from, to, O_CLOEXEC); }
int celltop_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

// One terminal a process: the state of the guard is global because a signal handler has nothing else.
static const int fatal_signals[] = {SIGSEGV, SIGABRT, SIGILL, SIGBUS, SIGFPE, SIGTRAP};
enum { fatal_count = sizeof fatal_signals / sizeof fatal_signals[0] };

static struct {
  volatile sig_atomic_t armed;
  int fd;
  int saved_stderr;
  size_t count;
  char bytes[1024];
  struct termios modes;
  struct sigaction before[fatal_count];
} guard;

static void restore_and_pass_on(int number, siginfo_t *info, void *context) {
  (void)context;
  int saved_errno = errno;
  if (guard.armed) {
    guard.armed = 0;
    if (guard.saved_stderr >= 0) dup2(guard.saved_stderr, STDERR_FILENO);
    size_t done = 0;
    while (done < guard.count) {
      ssize_t written = write(guard.fd, guard.bytes + done, guard.count - done);
      if (written <= 0) break;
      done += (size_t)written;
    }
    tcsetattr(guard.fd, TCSANOW, &guard.modes);
  }
  // Swift's backtracer asks questions where its input is a terminal, and would wait for half a minute.
  int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0) dup2(nothing, STDIN_FILENO);
  for (int i = 0; i < fatal_count; i++) {
    if (fatal_signals[i] == number) sigaction(number, &guard.before[i], NULL);
  }
  // A fault repeats itself on return, and so reaches the old action with its own address. Anything else is sent again; and
  // once more with the default action, for the old one may return: Swift's, which prints where the process was, takes
  // every signal for a fault that repeats, and a process that was sent one would go on without its screen.
  int faults_again = info->si_code > 0 && number != SIGTRAP && number != SIGABRT;
  if (!faults_again) {
    sigset_t this_one;
    sigemptyset(&this_one);
    sigaddset(&this_one, number);
    pthread_sigmask(SIG_UNBLOCK, &this_one, NULL);
    raise(number);
    signal(number, SIG_DFL);
    raise(number);
  }
  errno = saved_errno;
}

int celltop_guard_terminal(int fd, const char *bytes, size_t count, const struct termios *modes, int saved_stderr) {
  if (count > sizeof guard.bytes) return -1;
  if (guard.armed) celltop_unguard_terminal();
  guard.fd = fd;
  guard.saved_stderr = saved_stderr;
  guard.count = count;
  memcpy(guard.bytes, bytes, count);
  guard.modes = *modes;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = restore_and_pass_on;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < fatal_count; i++) {
    if (sigaction(fatal_signals[i], &action, &guard.before[i]) != 0) {
      for (int j = 0; j < i; j++) sigaction(fatal_signals[j], &guard.before[j], NULL);
      return -1;
    }
  }
  guard.armed = 1;
  return 0;
}

void celltop_unguard_terminal(void) {
  if (!guard.armed) return;
  guard.armed = 0;
  for (int i = 0; i < fatal_count; i++) sigaction(fatal_signals[i], &guard.before[i], NULL);
}
