#pragma once
// What Swift cannot see of a terminal on Linux: variadic calls, and headers that the Glibc module leaves out.
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

/// TIOCGWINSZ: 0, or -1 with errno.
static inline int celltop_window_size(int fd, struct winsize *size) { return ioctl(fd, TIOCGWINSZ, size); }
/// TIOCSWINSZ: 0, or -1 with errno.
static inline int celltop_set_window_size(int fd, const struct winsize *size) { return ioctl(fd, TIOCSWINSZ, size); }
static inline int celltop_signalfd_of(const sigset_t *set) { return signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK); }
/// A copy of a descriptor, not below 3 and closed on exec.
static inline int celltop_duplicate(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 3); }
/// Makes one descriptor lead where another does; closed on exec. -1 where that fails.
int celltop_replace(int from, int to);
/// A file that has no name, in memory; -1 where there is none.
int celltop_memory_file(const char *name);
/// Opens a log for appending, readable by its owner only.
static inline int celltop_open_log(const char *path) {
  return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}
static inline int celltop_openpty(int *primary, int *secondary, const struct winsize *size) {
  return openpty(primary, secondary, NULL, NULL, size);
}
static inline int celltop_set_nonblocking(int fd) { return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

// Restoring the terminal when the process crashes. A handler for a fatal signal may only touch what was prepared and
// call async-signal-safe functions, which Swift cannot promise; so the state and the handler are C (terminal_shims.c).

/// Prepares what a fatal signal (SEGV, ABRT, ILL, BUS, FPE, TRAP) does first: write these bytes to the terminal, set
/// its modes, put standard error back (saved_stderr, or -1). Then the action that was there before has its turn.
/// Returns 0, or -1 when there are too many bytes (1024 at most) or a handler cannot be installed.
int celltop_guard_terminal(int fd, const char *bytes, size_t count, const struct termios *modes, int saved_stderr);
/// Takes the guard away and puts back the actions that were there before.
void celltop_unguard_terminal(void);
