#define _GNU_SOURCE
#include "socket_shims.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int celltop_peer_credentials(int fd, pid_t *pid, uid_t *uid) {
  struct ucred credentials;
  socklen_t length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -1;
  *pid = credentials.pid;
  *uid = credentials.uid;
  return 0;
}

int celltop_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void celltop_eventfd_signal(int fd) {
  uint64_t one = 1;
  ssize_t written = write(fd, &one, sizeof one);
  (void)written;
}

void celltop_eventfd_clear(int fd) {
  uint64_t count;
  ssize_t taken = read(fd, &count, sizeof count);
  (void)taken;
}

static int address(const char *path, struct sockaddr_un *to) {
  memset(to, 0, sizeof *to);
  to->sun_family = AF_UNIX;
  if (strlen(path) >= sizeof to->sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(to->sun_path, path);
  return 0;
}

static int closing(int fd) {
  int why = errno;
  close(fd);
  errno = why;
  return -1;
}

int celltop_unix_listen(const char *path) {
  struct sockaddr_un to;
  if (address(path, &to) != 0) return -1;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  // The file takes its rights from the socket (Linux). A umask is the whole process's: a child that is started at that moment,
  // or a folder made by another thread, would have it too.
  if (fchmod(fd, 0600) != 0 || bind(fd, (struct sockaddr *)&to, sizeof to) != 0 || listen(fd, 256) != 0) return closing(fd);
  return fd;
}

int celltop_accept(int fd) { return accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); }

int64_t celltop_boottime_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

ssize_t celltop_send(int fd, const void *bytes, size_t count) { return send(fd, bytes, count, MSG_NOSIGNAL); }

int celltop_epoll(void) { return epoll_create1(EPOLL_CLOEXEC); }

int celltop_epoll_watch(int epoll, int fd, int adds, int reads, int writes) {
  struct epoll_event event = {.events = (reads ? EPOLLIN : 0) | (writes ? EPOLLOUT : 0), .data.fd = fd};
  return epoll_ctl(epoll, adds ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
}

int celltop_epoll_forget(int epoll, int fd) { return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL); }

int celltop_epoll_wait(int epoll, struct celltop_ready *ready, int most, int milliseconds) {
  struct epoll_event events[256];
  int count = epoll_wait(epoll, events, most < 256 ? most : 256, milliseconds);
  for (int i = 0; i < count; i++) {
    ready[i].fd = events[i].data.fd;
    ready[i].what = (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? 1 : 0) | (events[i].events & EPOLLOUT ? 2 : 0);
  }
  return count;
}
