import CLinux
import Canvas
import Glibc
import Testing

@testable import Terminal

/// A terminal made for a test: a pair of descriptors, and what was written on it.
final class Pty {
  let primary: Int32
  let secondary: Int32
  private(set) var output: [UInt8] = []

  init(columns: UInt16 = 80, rows: UInt16 = 24) {
    var first: Int32 = -1
    var second: Int32 = -1
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    precondition(celltop_openpty(&first, &second, &size) == 0, "no pty")
    _ = celltop_set_nonblocking(first)
    primary = first
    secondary = second
  }

  /// Reads all that has been written up to now. The kernel hands it on in its own time, so a mark is written after it
  /// and waited for.
  @discardableResult
  func collect() -> String {
    let mark = Array("<collected>".utf8)
    _ = mark.withUnsafeBytes { write(secondary, $0.baseAddress, $0.count) }
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while !output.suffix(mark.count).elementsEqual(mark) {
      var waiting = pollfd(fd: primary, events: Int16(POLLIN), revents: 0)
      poll(&waiting, 1, -1)
      let count = read(primary, &buffer, buffer.count)
      guard count > 0 || errno == EAGAIN else { break }
      output += buffer[..<max(0, count)]
    }
    output.removeLast(min(mark.count, output.count))
    return String(decoding: output, as: UTF8.self)
  }

  /// What was collected, which is not kept.
  func take() -> [UInt8] {
    defer { output = [] }
    return output
  }

  func type(_ text: String) {
    _ = text.withCString { write(primary, $0, strlen($0)) }
  }

  func resize(columns: UInt16, rows: UInt16) {
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = celltop_set_window_size(primary, &size)
  }

  /// The modes, in a form that can be compared.
  var modes: [UInt32] {
    var modes = termios()
    tcgetattr(secondary, &modes)
    let characters = withUnsafeBytes(of: modes.c_cc) { $0.map(UInt32.init) }
    return [modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag] + characters
  }

  func options(type: String = "xterm-256color") -> ScreenOptions {
    var options = ScreenOptions()
    options.input = secondary
    options.output = secondary
    options.terminalType = type
    options.repertoire = .utf8
    return options
  }
}

/// Records an issue and ends a test's child process when something is not as it should be.
func require(_ condition: Bool, _ message: String, at location: SourceLocation = #_sourceLocation) {
  guard !condition else { return }
  Issue.record("\(message)", sourceLocation: location)
  exit(1)
}
