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
