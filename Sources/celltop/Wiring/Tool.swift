import ArgumentParser
import CLinux
import Canvas
import Console
import Domain
import Foundation
import History
import NodeInventory
import Session
import Terminal

/// What the commands share: errors, progress, folders, sizes.
enum Tool {
  /// Runs a command's body; an error is told in one line on standard error, and the exit status is 1 (2 for wrong use).
  ///
  /// - Parameters:
  ///   - tell: says what went wrong and the exit status, in place of standard error.
  ///   - status: the exit status for an error that is no wrong use.
  static func reporting(
    tell: (String, Int32) throws -> Void = { text, _ in Tool.complain(text) },
    status: (any Error) -> Int32 = { _ in 1 },
    _ body: () throws -> Void
  ) throws {
    do {
      try body()
    } catch let error as ValidationError {
      try tell(error.message, 2)
      throw ExitCode(2)
    } catch let error as ExitCode {
      throw error
    } catch {
      let status = status(error)
      try tell("\(error)", status)
      throw ExitCode(status)
    }
  }

  /// What went wrong, on standard error; names in it come from outside.
  static func complain(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable(at: 4000) }
    progress("celltop: " + lines.joined(separator: "\n"))
  }

  /// A line on standard error. A terminal that is gone takes nothing, which is no reason to leave the rest undone.
  static func progress(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8)) }

  /// Writes out what was printed, and ends with status 1 where it cannot be: whoever reads it would take a part for all of it. A
  /// reader that went away knows it.
  static func finishPrinting() {
    let reason = celltop_finish_output()
    guard reason != 0, reason != EPIPE else { return }
    complain("cannot write to standard output: \(String(cString: strerror(reason))); what was printed is not whole")
    Foundation.exit(1)
  }

  /// A folder for sockets and the like, for this user alone: in `XDG_RUNTIME_DIR`, else in `/tmp`. A socket's path may
  /// have no more than 107 bytes (unix(7)), so that a long one is passed over.
  static func runtimeFolder() -> String {
    let given = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"] ?? ""
    return given.hasPrefix("/") && given.utf8.count < 70 ? given + "/celltop" : "/tmp/celltop-\(getuid())"
  }

  /// - Throws: `ToolError` where input or output is no terminal, before anything is started.
  static func demandTerminal() throws {
    guard isatty(STDIN_FILENO) != 0, isatty(STDOUT_FILENO) != 0 else {
      throw ToolError("the console needs a terminal, and input or output is none")
    }
  }

  /// The folder of what the console keeps, and of its log; not made yet where there is none.
  static func stateFolder() -> String {
    let environment = ProcessInfo.processInfo.environment
    let given = environment["XDG_STATE_HOME"] ?? ""
    return (given.hasPrefix("/") ? given : (environment["HOME"] ?? "/tmp") + "/.local/state") + "/celltop"
  }

  /// Where standard error goes while a screen is up, and what a server says that a console has started.
  ///
  /// - Throws: `ToolError` where nothing can be written there.
  static func logPath() throws -> String {
    let folder = stateFolder()
    func fail(_ why: String) -> ToolError {
      ToolError(
        "cannot write the console's log (\(why)). Mend the permissions, or set XDG_STATE_HOME to a folder that you may write into"
      )
    }
    do throws(Folder.Failure) { try Folder.make(folder) } catch { throw fail("\(error)") }
    let path = folder + "/celltop.log"
    let log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard log >= 0 else { throw fail("\(path): \(String(cString: strerror(errno)))") }
    close(log)
    return path
  }

  /// What the configuration file says of the node; nothing where there is none.
  ///
  /// - Throws: `SettingsError`, or `ToolError` where `CELLTOP_CONFIG` names a file that cannot be read.
  static func settings(environment: [String: String]) throws -> NodeSettings {
    guard let (text, path) = try configuration(environment: environment) else { return NodeSettings() }
    return try NodeSettings(parsing: text, path: path)
  }

  /// What the configuration file says of the server; the defaults where there is none.
  ///
  /// - Throws: `SessionError`, or `ToolError` as above.
  static func serverSettings(environment: [String: String]) throws -> ServerSettings {
    guard let (text, path) = try configuration(environment: environment) else { return ServerSettings() }
    return try ServerSettings(parsing: text, path: path)
  }

  private static func configuration(environment: [String: String]) throws -> (text: String, path: String)? {
    let path = NodeSettings.standardPath(environment: environment)
    guard let bytes = FileManager.default.contents(atPath: path) else {
      if FileManager.default.fileExists(atPath: path) || environment["CELLTOP_CONFIG"]?.isEmpty == false {
        throw ToolError("cannot read the configuration \(path.printable(at: 200))")
      }
      return nil
    }
    return (String(decoding: bytes, as: UTF8.self), path)
  }

  /// `120x40` as a size.
  static func size(_ text: String) throws -> Size {
    let parts = text.split(separator: "x").compactMap { Int($0) }
    guard parts.count == 2, (1...1000).contains(parts[0]), (1...1000).contains(parts[1]) else {
      throw ValidationError("cannot read the size '\(text.printable(at: 20))'. Write it like 120x40")
    }
    return Size(columns: parts[0], rows: parts[1])
  }

  /// The panes' names, for people.
  static var panes: String { Pane.allCases.map { "\($0)" }.joined(separator: ", ") }

  /// The pane of that name.
  static func pane(_ name: String) throws -> Pane {
    guard let pane = Pane.allCases.first(where: { "\($0)" == name }) else {
      throw ValidationError("there is no pane '\(name.printable(at: 40))': --pane is one of \(panes)")
    }
    return pane
  }

  static func clock(_ seconds: Int64) -> String {
    func two(_ n: Int64) -> String { n < 10 ? "0\(n)" : "\(n)" }
    return "\(seconds / 3600):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
  }

  /// What the console is told of a recorded session.
  static func facts(of summary: SessionSummary, hasLive: Bool = false) -> SessionFacts {
    let began = Date(timeIntervalSince1970: Double(summary.beganMicroseconds) / 1e6)
    var facts = SessionFacts(
      mode: .replay, number: summary.id, user: NSUserName(), beganWallMicroseconds: summary.beganMicroseconds,
      utcOffsetSeconds: TimeZone.current.secondsFromGMT(for: began), isReadOnly: true)
    facts.hasLive = hasLive
    return facts
  }

  /// Prints a screen, or writes it as a picture.
  static func print(_ state: ConsoleState, size: Size, theme: Theme, svg: String?) throws {
    let form = PrintedForm(.fromEnvironment())
    let grid = state.screen(size: size, glyphs: theme.glyphs(for: svg == nil ? form.repertoire : .utf8))
    if let svg {
      do {
        try renderSVG(grid, theme: theme.resolved(for: .trueColor)).write(
          toFile: svg, atomically: true, encoding: .utf8)
      } catch {
        throw ToolError("cannot write the picture \(svg.printable(at: 200)): \(error.localizedDescription)")
      }
    } else if let depth = form.depth {
      Swift.print(renderANSI(grid, theme: theme.resolved(for: depth)))
    } else {
      Swift.print(grid.text)
    }
  }
}
