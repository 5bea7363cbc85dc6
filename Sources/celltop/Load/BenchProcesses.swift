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

/// An engine in a process of its own, on a node that is made up; its socket and history lie in `folder`.
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
  init(folder: String, cores: Int, policy: String, hasHistory: Bool) throws {
    socket = folder + "/engine.sock"
    history = folder + "/history.sqlite"
    log = folder + "/engine-\(UInt32.random(in: 0...UInt32.max)).log"
    input = try HeldInput()
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    var arguments = [own, "bench", "engine", socket, "--cores", "\(cores)", "--policy", policy]
    if hasHistory { arguments += ["--history", history] }
    pid = try ChildProcess.spawn(
      arguments, environment: ProcessInfo.processInfo.environment, log: log, input: input.reading)
  }

  /// Whether it listens.
  ///
  /// - Throws: `ToolError` with its last words where it has ended.
  func isListening() throws -> Bool {
    let words = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
    if words.hasPrefix("listening") { return true }
    guard waitpid(pid, nil, WNOHANG) == 0 else {
      isOver = true
      throw ToolError("the engine to be measured did not start: \(words.suffix(400))")
    }
    return false
  }

  /// Waits until it listens, a minute at the most.
  ///
  /// - Throws: `ToolError` where it does not.
  func awaitListening() throws {
    let deadline = monotonicSeconds() + 60
    while try !isListening() {
      guard monotonicSeconds() < deadline else { throw ToolError("the engine to be measured does not listen") }
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
