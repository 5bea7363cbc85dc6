import CNcurses
import Canvas
import Glibc

/// Questions to the terminfo database, before a screen exists and while it does.
enum Terminfo {
  /// Whether an entry exists and can serve, by name.
  ///
  /// - Throws: ``ScreenError`` that says what is missing.
  static func check(_ name: String, output: Int32) throws(ScreenError) {
    var result: Int32 = 0
    guard celltop_setupterm(name, output, &result) == OK else { throw .unknownTerminalType(name) }
    defer { _ = celltop_forget_terminal() }
    guard celltop_capability("cup") != nil else { throw .cannotMoveCursor(name) }
  }

  /// The first of some entries that exists and speaks 24-bit colours.
  static func directEntry(among names: [String], output: Int32) -> String? {
    names.first { name in
      var result: Int32 = 0
      guard celltop_setupterm(name, output, &result) == OK else { return false }
      defer { _ = celltop_forget_terminal() }
      return tigetnum("colors") >= 1 << 24
    }
  }

  /// A capability of the current terminal without padding, or nothing when it has none.
  static func string(_ name: String) -> [UInt8] {
    guard let value = celltop_capability(name) else { return [] }
    return withoutPadding(Array(String(cString: value).utf8))
  }

  /// A capability's bytes without `$<…>`, which ask for a pause (terminfo(5), "Delays and Padding").
  static func withoutPadding(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == 0x24, index + 1 < bytes.count, bytes[index + 1] == 0x3C,
        let end = bytes[index...].firstIndex(of: 0x3E)
      {
        index = end + 1
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return result
  }
}
