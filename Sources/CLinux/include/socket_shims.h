#pragma once
// What Swift cannot see of Linux's sockets and descriptors.
#include <stdint.h>
#include <sys/types.h>

/// The credentials of a Unix socket's other end; 0, or -1 with errno.
int celltop_peer_credentials(int fd, pid_t *pid, uid_t *uid);
/// A non-blocking, close-on-exec event counter; or -1 with errno.
int celltop_eventfd(void);
/// Adds one to an event counter, waking whoever polls it.
void celltop_eventfd_signal(int fd);
/// Resets an event counter to zero.
void celltop_eventfd_clear(int fd);
/// Listens on a Unix stream socket at `path`, non-blocking, close-on-exec, mode 0600; or -1 with errno.
int celltop_unix_listen(const char *path);
/// Accepts a connection, non-blocking, close-on-exec; or -1 with errno.
int celltop_accept(int fd);
/// Microseconds of a clock that never falls and counts the time asleep.
int64_t celltop_boottime_us(void);
/// Sends without raising SIGPIPE; as send(2).
ssize_t celltop_send(int fd, const void *bytes, size_t count);
/// One descriptor that is ready: bit 0 of `what` says that it can be read (or has ended), bit 1 that it can be written.
struct celltop_ready {
  int fd;
  int what;
};
/// epoll_create1(2), close-on-exec; or -1 with errno.
int celltop_epoll(void);
/// epoll_ctl(2), level-triggered: watches `fd` (adds it where `adds` is not 0, else changes it) for reading, for writing.
int celltop_epoll_watch(int epoll, int fd, int adds, int reads, int writes);
/// epoll_ctl(2): watches `fd` no more.
int celltop_epoll_forget(int epoll, int fd);
/// epoll_wait(2), for `milliseconds` at the most, -1 for ever; how many of at most 256 are ready, or -1 with errno.
int celltop_epoll_wait(int epoll, struct celltop_ready *ready, int most, int milliseconds);
