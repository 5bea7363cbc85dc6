import Foundation
import Testing

/// A terminal under tmux with a home of its own: what a person would see and type.
final class TmuxStage {
  let folder = "/tmp/celltop-e2e-" + UUID().uuidString.prefix(8)
  private let socket: String
  let columns: Int
  let rows: Int

  init(columns: Int = 200, rows: Int = 50) throws {
    self.columns = columns
    self.rows = rows
    socket = "celltop-e2e-" + folder.suffix(8)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  /// A test that fails ends its terminal too, and with it whatever runs there.
  deinit {
    let end = Process()
    end.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    end.arguments = ["tmux", "-L", socket, "kill-server"]
    (end.standardOutput, end.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    if (try? end.run()) != nil { end.waitUntilExit() }
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// What the program is told of the world: nothing of the real home is read or written.
  var environment: [String: String] {
    [
      "HOME": String(folder), "XDG_RUNTIME_DIR": folder + "/run", "XDG_DATA_HOME": folder + "/data",
      "XDG_STATE_HOME": folder + "/state", "CELLTOP_PYTHON": Checkout.python, "LC_ALL": "C.UTF-8",
      "TERM": "tmux-256color", "CELLTOP_CGROUPS": "off",
    ]
  }

  private func tmux(_ arguments: String...) async throws -> String {
    let result = try await Checkout.run("tmux", ["-L", socket, "-f", "/dev/null"] + arguments)
    return result.output
  }

  /// Starts a command; when it ends the screen shows `RC=` and its status, and the terminal stays.
  func start(_ command: String) async throws {
    let exports = environment.sorted { $0.key < $1.key }.map { "\($0.key)='\($0.value)'" }.joined(separator: " ")
    let script = folder + "/start.sh"
    let text = """
      # SwiftPM sets it where its output is no terminal.
      unset NO_COLOR COLORTERM CELLTOP_THEME CELLTOP_CONFIG CELLTOP_HISTORY CELLTOP_SOCKET XDG_CONFIG_HOME
      before=$(stty -g)
      export \(exports)
      \(command)
      echo RC=$?
      [ "$(stty -g)" = "$before" ] && echo TTY=same || echo TTY=changed
      exec cat
      """
    try text.write(toFile: script, atomically: true, encoding: .utf8)
    _ = try await tmux(
      "set-option", "-g", "default-terminal", "tmux-256color", ";", "new-session", "-d", "-x", "\(columns)", "-y",
      "\(rows)", "bash \(script)")
  }

  /// Types keys, as tmux names them.
  func type(_ keys: String...) async throws {
    for key in keys { _ = try await tmux("send-keys", key) }
  }

  /// Sends bytes as a terminal does: a mouse's reports, for one. They arrive together.
  func send(raw text: String) async throws {
    let bytes = text.utf8.map { String($0, radix: 16) }
    let result = try await Checkout.run("tmux", ["-L", socket, "send-keys", "-H"] + bytes)
    try #require(result.status == 0, "\(result.errors)")
  }

  /// What tmux knows of the terminal, by one of its formats (tmux(1), FORMATS).
  func fact(_ format: String) async throws -> String {
    try await tmux("display-message", "-p", "#{\(format)}").trimmingCharacters(in: .newlines)
  }

  /// What was last copied.
  func clipboard() async throws -> String { try await tmux("show-buffer") }

  /// Lets programs copy by OSC 52; after `start`.
  func allowCopying() async throws { _ = try await tmux("set-option", "-s", "set-clipboard", "on") }

  /// Gives the window another size, as a person who drags its corner does.
  func resize(columns: Int, rows: Int) async throws {
    _ = try await tmux("resize-window", "-x", "\(columns)", "-y", "\(rows)")
  }

  /// The screen as text.
  func screen() async throws -> String { try await tmux("capture-pane", "-p") }

  /// The same with the colours, as escape sequences.
  ///
  /// - Parameter again: done before each look, for what is shown for a moment only.
  func waitStyled(_ what: String, again: () throws -> Void = {}, _ condition: (String) -> Bool) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(300)
    var last = ""
    while clock.now < deadline {
      try again()
      last = try await tmux("capture-pane", "-p", "-e")
      if condition(last) { return }
      poll(nil, 0, 100)
    }
    throw NeverSeen(description: "never seen: \(what). The screen was:\n\(last)")
  }

  /// What was never seen, and the last screen.
  struct NeverSeen: Error, CustomStringConvertible {
    var description: String
  }

  /// Polls the screen until it satisfies `condition`; throws with the last screen where it never does.
  @discardableResult
  func wait(
    _ what: String, seconds: Double = 300,
    _ condition: (String) -> Bool
  ) async throws -> String {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(seconds)
    var last = ""
    while clock.now < deadline {
      last = try await screen()
      if condition(last) { return last }
      poll(nil, 0, 100)
    }
    throw NeverSeen(description: "never seen within \(seconds) s: \(what). The screen was:\n\(last)")
  }

  /// Ends the terminal and everything in it.
  func end() async throws { _ = try await tmux("kill-server") }

  /// Processes whose environment names this stage's folder, by command.
  func processes(_ name: String) -> [Int32] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { entry in
      guard let pid = Int32(entry),
        let command = try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/cmdline")),
        String(decoding: command, as: UTF8.self).contains(name),
        let variables = try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/environ")),
        String(decoding: variables, as: UTF8.self).contains(folder)
      else { return nil }
      return pid
    }
  }

  /// The kernels themselves: gates and keepers carry the kernel's command in their own.
  func kernels() -> [Int32] {
    let gates = Set(processes("celltop-gate -f") + processes("celltop-gate\0"))
    return processes("ipykernel_launcher").filter { !gates.contains($0) }
  }

  /// Polls until `condition` holds; false where it never does.
  func eventually(seconds: Double = 20, _ condition: () -> Bool) async -> Bool {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(seconds)
    while clock.now < deadline {
      if condition() { return true }
      poll(nil, 0, 50)
    }
    return condition()
  }
}
