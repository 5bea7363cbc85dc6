import CLinux
import Glibc
import NodeControl

/// What a kernel may leave behind: processes, its control groups, its private directory.
struct Remains {
  var directory: String
  var group: KernelGroup?

  /// Looks for more after this long where nothing that was killed has ended.
  static let lookMilliseconds: Int32 = 10
  static let looksMost = 200

  /// Kills this process's descendants that `dies` is true for until none is left, and removes the rest.
  func clear(killing dies: (Int32) -> Bool) {
    let tree = ProcessTree(root: getpid(), includesRoot: false)
    for _ in 0..<Self.looksMost {
      let left = tree.members().filter { ProcessRecord.now($0)?.isZombie == false && dies($0) }
      var ends = left.map { pollfd(fd: celltop_pidfd_open($0), events: Int16(POLLIN), revents: 0) }
      for pid in left { kill(pid, SIGKILL) }
      // A frozen process of a version 1 group ends only when it is let go on, and has no time to do anything else.
      group?.thaw()
      if !left.isEmpty { poll(&ends, nfds_t(ends.count), Self.lookMilliseconds) }
      for end in ends where end.fd >= 0 { close(end.fd) }
      while waitpid(-1, nil, WNOHANG) > 0 {}
      if left.isEmpty { break }
    }
    group?.remove()
    PrivateFile.remove(directory: directory)
  }
}
