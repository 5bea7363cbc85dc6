import CLinux
import Foundation
import Glibc

/// A pipe whose writing end is held: whoever reads the other as its input ends when this goes, or this process does.
final class HeldInput {
  let reading: Int32
  private var writing: Int32

  init() throws {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw ToolError("cannot make a pipe: \(String(cString: strerror(errno)))") }
    (reading, writing) = (ends[0], ends[1])
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  }

  func end() {
    guard writing >= 0 else { return }
    close(writing)
    close(reading)
    writing = -1
  }
}

/// Processes that do nothing until their input ends, in place of kernels.
final class IdleProcesses {
  private(set) var pids: [pid_t] = []
  private let input: HeldInput

  init(_ count: Int) throws {
    input = try HeldInput()
    for _ in 0..<count {
      pids.append(
        try ChildProcess.spawn(
          ["/bin/cat"], environment: ["PATH": "/usr/bin:/bin"], log: "/dev/null", input: input.reading))
    }
  }

  func end() {
    input.end()
    for pid in pids { waitpid(pid, nil, 0) }
    pids = []
  }
}

/// A server (`celltop serve`) in a process of its own, on a node that is made up; its socket, history and configuration lie in
/// `folder`, and it keeps to no other.
final class EngineProcess {
  let pid: pid_t
  let socket: String
  let history: String
  private let input: HeldInput
  private let log: String
  private var isOver = false

  /// Starts it; `isListening` says when it can be connected to.
  ///
  /// - Throws: `ToolError` where it cannot be started.
  ///
  /// - Parameter log: where it writes its log, with the turns of its engine that take long; nil for a file in `folder`.
  init(folder: String, cores: Int, policy: String, hasHistory: Bool, log kept: String? = nil) throws {
    socket = folder + "/engine.sock"
    log = kept ?? folder + "/engine-\(UInt32.random(in: 0...UInt32.max)).log"
    input = try HeldInput()
    // All gates are one user's here.
    let configuration = folder + "/config.toml"
    try """
    [limits]
    connections = 100000
    connections_per_user = 100000
    notebooks_per_user = 100000
    """.write(toFile: configuration, atomically: true, encoding: .utf8)
    var environment = ProcessInfo.processInfo.environment
    history = folder + "/history.sqlite"
    (environment["CELLTOP_CONFIG"], environment["CELLTOP_HISTORY"]) = (configuration, history)
    for name in ["NOTIFY_SOCKET", "JOURNAL_STREAM", "CELLTOP_SOCKET"] { environment[name] = nil }
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    let arguments = [own, "serve", "--socket", socket, "--made-up-cores", "\(cores)", "--policy", policy]
    pid = try ChildProcess.spawn(
      arguments + (hasHistory ? [] : ["--no-history"]) + (kept == nil ? [] : ["--slow-turns", "3"]),
      environment: environment, log: log, input: input.reading)
  }

  /// Whether it listens.
  ///
  /// - Throws: `ToolError` with its last words where it has ended.
  func isListening() throws -> Bool {
    let made = celltop_connect_unix(socket)
    if made >= 0 {
      close(made)
      return true
    }
    guard waitpid(pid, nil, WNOHANG) == 0 else {
      isOver = true
      let words = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
      throw ToolError("the server to be measured did not start: \(words.suffix(400))")
    }
    return false
  }

  /// Waits until it listens, a minute at the most.
  ///
  /// - Throws: `ToolError` where it does not.
  func awaitListening() throws {
    let deadline = monotonicSeconds() + 60
    while try !isListening() {
      guard monotonicSeconds() < deadline else { throw ToolError("the server to be measured does not listen") }
      usleep(10_000)
    }
  }

  /// Ends it in order.
  func end() {
    guard !isOver else { return }
    isOver = true
    input.end()
    waitpid(pid, nil, 0)
  }

  /// Kills it as a crash would: nothing is closed, nothing said.
  func kill() {
    guard !isOver else { return }
    isOver = true
    Glibc.kill(pid, SIGKILL)
    waitpid(pid, nil, 0)
    input.end()
  }
}
