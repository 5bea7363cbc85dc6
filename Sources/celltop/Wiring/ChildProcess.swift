import Foundation

/// Starts programs with a clean signal state, in a process group of their own, away from the terminal.
///
/// Foundation's `Process` hands this program's blocked signals on, so that a child could not be ended by SIGTERM.
enum ChildProcess {
  /// `POSIX_SPAWN_SETSID` of glibc's <spawn.h>, which Swift does not see.
  private static let setSession: Int32 = 0x80

  /// Starts `arguments[0]`; its output goes to the file `log`.
  ///
  /// - Parameters:
  ///   - input: what it reads as its standard input; nil for nothing.
  ///   - leadsSession: whether it is in a session of its own, so that a terminal's end does not reach it.
  /// - Returns: its process number, which is that of its group, too.
  /// - Throws: `ToolError` with the system's reason: where the log cannot be written, too.
  static func spawn(
    _ arguments: [String], environment: [String: String], log: String, input: Int32? = nil, leadsSession: Bool = false
  ) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let input {
      posix_spawn_file_actions_adddup2(&actions, input, 0)
    } else {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    // Opened here: what fails in the child is told of the program.
    let output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard output >= 0 else { throw ToolError("cannot write the log \(log): \(String(cString: strerror(errno)))") }
    defer { close(output) }
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, output, 2)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setpgroup(&attributes, 0)
    let apart = leadsSession ? Self.setSession : POSIX_SPAWN_SETPGROUP
    let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | apart
    posix_spawnattr_setflags(&attributes, Int16(flags))

    var argv = arguments.map { strdup($0) }
    argv.append(nil)
    var envp = environment.sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") }
    envp.append(nil)
    defer { for pointer in argv + envp { free(pointer) } }
    var pid: pid_t = 0
    let error = posix_spawn(&pid, arguments[0], &actions, &attributes, argv, envp)
    guard error == 0 else {
      throw ToolError("cannot start \(arguments[0]): \(String(cString: strerror(error)))")
    }
    return pid
  }

  /// Runs a short program to its end; its status as waitpid(2) gives it, and what it wrote. Nil where it does not start.
  static func output(_ arguments: [String], environment: [String: String]) -> (status: Int32, text: String)? {
    let log = FileManager.default.temporaryDirectory.path + "/celltop-output-\(UUID().uuidString)"
    defer { unlink(log) }
    guard let pid = try? spawn(arguments, environment: environment, log: log) else { return nil }
    var status: Int32 = 0
    waitpid(pid, &status, 0)
    return (status, (try? String(contentsOfFile: log, encoding: .utf8)) ?? "")
  }
}
