#define _GNU_SOURCE
#include "process_shims.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

pid_t celltop_fork(void) { return fork(); }

int celltop_set_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

int celltop_set_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

static sigset_t set_of(const int *signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
  return set;
}

int celltop_mask_signals(const int *signals, int count, int blocking) {
  sigset_t set = set_of(signals, count);
  return sigprocmask(blocking ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

int celltop_unmask_all_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  return sigprocmask(SIG_SETMASK, &set, NULL);
}

int celltop_signalfd(const int *signals, int count) {
  sigset_t set = set_of(signals, count);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int celltop_next_signal(int descriptor) {
  struct signalfd_siginfo what;
  return read(descriptor, &what, sizeof what) == sizeof what ? (int)what.ssi_signo : -1;
}

int celltop_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int celltop_signal_thread(pid_t process, pid_t thread, int signal) {
  return (int)syscall(SYS_tgkill, process, thread, signal);
}

long celltop_set_affinity(pid_t thread, const uint64_t *words, size_t bytes) {
  return syscall(SYS_sched_setaffinity, thread, bytes, words);
}

long celltop_get_affinity(pid_t thread, uint64_t *words, size_t bytes) {
  return syscall(SYS_sched_getaffinity, thread, bytes, words);
}

int celltop_peek_exit(pid_t pid, int *status) {
  siginfo_t what;
  memset(&what, 0, sizeof what);
  if (waitid(P_PID, (id_t)pid, &what, WEXITED | WNOHANG | WNOWAIT) != 0) return -1;
  if (what.si_pid != pid) return 0;
  *status = what.si_code == CLD_EXITED ? (what.si_status & 0xff) << 8 : what.si_status & 0x7f;
  return 1;
}

int celltop_execute(char *const arguments[], char *const environment[]) {
  return execvpe(arguments[0], arguments, environment);
}

pid_t celltop_start_child(char *const arguments[], char *const environment[], int *reason) {
  pid_t parent = getpid();
  // The child writes here what kept it from becoming another program; it has this memory until then.
  volatile int refused = 0;
  // Whoever forks has its memory copied, and the child waits for a turn of the processor that its parent has.
  pid_t child = vfork();
  if (child == 0) {
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent) _exit(1);
    signal(SIGPIPE, SIG_DFL);
    celltop_unmask_all_signals();
    execvpe(arguments[0], arguments, environment);
    refused = errno;
    _exit(127);
  }
  *reason = child < 0 ? errno : refused;
  return child;
}

int celltop_socket_pair(int descriptors[2]) {
  return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, descriptors);
}

int celltop_connect_unix(const char *path) {
  struct sockaddr_un address;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(address.sun_path, path);
  int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (made < 0) return -1;
  if (connect(made, (struct sockaddr *)&address, sizeof address) != 0) {
    int why = errno;
    close(made);
    errno = why;
    return -1;
  }
  return made;
}

int celltop_status_signalled(int status) { return WIFSIGNALED(status); }
int celltop_status_signal(int status) { return WTERMSIG(status); }
int celltop_status_exit(int status) { return WEXITSTATUS(status); }

// As in <linux/sched/types.h>, first version; C libraries of Debian 12 have no declaration of it.
struct scheduling {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime;
  uint64_t deadline;
  uint64_t period;
};

void celltop_take_short_turns(void) {
  struct scheduling asked = {.size = sizeof asked, .policy = SCHED_OTHER, .flags = 1 /* SCHED_FLAG_RESET_ON_FORK */};
  asked.nice = getpriority(PRIO_PROCESS, 0);
  asked.runtime = 100 * 1000;
  // A kernel that knows nothing of it leaves everything as it is.
  (void)syscall(SYS_sched_setattr, 0, &asked, 0);
}

void celltop_give_way(int more) { (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + more); }

int64_t celltop_thread_processor_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void celltop_return_memory(void) { malloc_trim(0); }

void celltop_share_one_heap(void) { mallopt(M_ARENA_MAX, 1); }

int celltop_finish_output(void) {
  errno = 0;
  int flushed = fflush(stdout);
  int reason = errno;
  // What a full buffer could not write before is not tried again, and its reason is forgotten.
  if (flushed == 0 && !ferror(stdout)) return 0;
  return reason != 0 ? reason : EIO;
}
