import Glibc
import Testing

@testable import NodeControl

/// A real shell with children of its own, killed at the end.
final class Family {
  let pid: Int32
  private let input: Int32

  /// - Parameters:
  ///   - command: what the shell does; by default it has two children that wait.
  ///   - joining: files into which the shell writes its number first, to join control groups.
  init(command: String = "sleep 600 & sleep 600 & wait", joining: [String] = []) {
    let join = joining.map { "echo $$ > '\($0)'; " }.joined()
    let words: [String] = ["sh", "-c", join + command]
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    arguments.append(nil)
    var ends: [Int32] = [-1, -1]
    pipe(&ends)
    fcntl(ends[1], F_SETFD, FD_CLOEXEC)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
    var made: pid_t = 0
    posix_spawnp(&made, "sh", &actions, nil, arguments, environ)
    posix_spawn_file_actions_destroy(&actions)
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
