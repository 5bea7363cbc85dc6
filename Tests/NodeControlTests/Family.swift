import Glibc
import Testing

@testable import NodeControl

/// A real shell with children of its own, killed at the end.
final class Family {
  let pid: Int32
  private let input: Int32

  /// - Parameters:
  ///   - command: what the shell does; by default it has two children that wait.
  ///   - blocked: a signal that it blocks.
  init(command: String = "sleep 600 & sleep 600 & wait", blocks blocked: Int32? = nil) {
    let words: [String] = ["sh", "-c", command]
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    arguments.append(nil)
    var ends: [Int32] = [-1, -1]
    pipe(&ends)
    _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
    // Whoever waits for the end of the tests' output waits for nobody here.
    for descriptor in [1, 2] as [Int32] {
      posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
    }
    // Whatever signals the tests' own process blocks, the shell blocks this one at most.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    var mask = sigset_t()
    sigemptyset(&mask)
    if let blocked { sigaddset(&mask, blocked) }
    posix_spawnattr_setsigmask(&attributes, &mask)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var made: pid_t = 0
    posix_spawnp(&made, "sh", &actions, &attributes, arguments, environ)
    posix_spawn_file_actions_destroy(&actions)
    posix_spawnattr_destroy(&attributes)
    for argument in arguments { free(argument) }
    close(ends[0])
    input = ends[1]
    pid = made
  }

  deinit {
    for member in ProcessTree(root: pid).members() { kill(member, SIGKILL) }
    close(input)
    waitpid(pid, nil, 0)
  }

  /// A line to the shell's standard input.
  func say(_ line: String) { _ = (line + "\n").withCString { write(input, $0, strlen($0)) } }

  /// Polls until the condition holds; false where it does not within `seconds`.
  func until(seconds: Int = 10, _ condition: () -> Bool) -> Bool {
    for _ in 0..<(seconds * 1000) {
      if condition() { return true }
      poll(nil, 0, 1)
    }
    return false
  }
}
