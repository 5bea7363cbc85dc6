import Domain

/// The gate's command line: `celltop-gate -f CONNECTION_FILE [options] -- ARGV…`.
///
/// Paths and arguments are bytes, which nothing obliges to be UTF-8: what the kernel is given are those that came.
public struct GateOptions: Equatable, Sendable {
  /// The path of the connection file that the client made, as it was given.
  public var connectionPath: [UInt8] = []
  /// How long a held cell waits for a new engine once the old one is lost.
  public var failOpenAfter = Span(microseconds: 2_000_000)
  /// The kernelspec's language, where the wrapping wrote it.
  public var language: String?
  /// Whether the kernel is interrupted by a message on control instead of a signal (`interrupt_mode`).
  public var interruptsByMessage = false
  /// The real kernel's command, as it was given.
  public var commandBytes: [[UInt8]] = []

  /// The connection file's path as text, for names and messages: what is not UTF-8 in it reads as U+FFFD.
  public var connectionFile: String { String(decoding: connectionPath, as: UTF8.self) }
  /// The real kernel's command as text.
  public var command: [String] { commandBytes.map { String(decoding: $0, as: UTF8.self) } }

  /// The language in which the kernel can be asked something ahead of a cell; nil where it cannot be asked at all.
  var spokenLanguage: String? { SilentRequests.suit(command: command) ? language : nil }

  public static let usage = """
    usage: celltop-gate -f CONNECTION_FILE [options] -- KERNEL ARGUMENT…

    Stands between a Jupyter client and a kernel, and holds each cell until celltop's engine grants it cores. Without an
    engine every cell runs at once. Kernelspecs use it; see 'celltop kernelspec install'.

      --fail-open-after SECONDS   let a held cell run once its engine has been gone this long (2)
      --language NAME             the kernelspec's language
      --interrupt-mode MODE       signal or message: how the kernel is interrupted for the engine (signal)

    """

  public init() {}

  /// Reads the arguments behind the program's name.
  ///
  /// - Throws: `GateUsageError` that says what is wrong; `.help` where help was asked for.
  public init(parsing arguments: [String]) throws(GateUsageError) {
    try self.init(parsing: arguments.map { Array($0.utf8) })
  }

  /// The same of arguments as execve(2) handed them over.
  ///
  /// - Throws: `GateUsageError`.
  public init(parsing arguments: [[UInt8]]) throws(GateUsageError) {
    var rest = arguments[...]
    while let word = rest.popFirst().map({ String(decoding: $0, as: UTF8.self) }) {
      func bytes() throws(GateUsageError) -> [UInt8] {
        guard let next = rest.popFirst() else { throw .wrong("\(word) needs a value") }
        return next
      }
      func value() throws(GateUsageError) -> String { String(decoding: try bytes(), as: UTF8.self) }
      switch word {
      case "-h", "--help": throw .help
      case "-f", "--connection-file": connectionPath = try bytes()
      case "--language": language = try value()
      case "--fail-open-after":
        let text = try value()
        guard let seconds = Double(text), seconds >= 0, seconds <= 86_400 else {
          throw .wrong(
            "cannot read --fail-open-after '\(text.printable(at: 40))': it is not a number of seconds from 0 to 86400")
        }
        failOpenAfter = Span(seconds: seconds)
      case "--interrupt-mode":
        let text = try value()
        guard text == "signal" || text == "message" else {
          throw .wrong("cannot read --interrupt-mode '\(text.printable(at: 40))': it is neither signal nor message")
        }
        interruptsByMessage = text == "message"
      case "--":
        commandBytes = Array(rest)
        rest = []
      case let other:
        throw .wrong("there is no option '\(other.printable(at: 40))'; the kernel's command stands behind --")
      }
    }
    guard !connectionPath.isEmpty else { throw .wrong("the connection file is missing: -f CONNECTION_FILE") }
    guard !commandBytes.isEmpty else { throw .wrong("the kernel's command is missing: -- KERNEL ARGUMENT…") }
  }

  /// The kernel's command with the client's connection file replaced by the kernel's own: the path, wherever it stands
  /// in an argument, and `{connection_file}` itself, which VS Code replaces in the first argument only.
  func command(connectionFile own: [UInt8]) -> [[UInt8]] {
    let replaced = [Array("{connection_file}".utf8), connectionPath].filter { !$0.isEmpty }
    return commandBytes.map { argument in
      // In one pass: what was put in may hold the client's path, which may be no more than a name.
      var result: [UInt8] = []
      var rest = argument[...]
      while let first = rest.first {
        if let found = replaced.first(where: { rest.starts(with: $0) }) {
          result += own
          rest = rest.dropFirst(found.count)
        } else {
          result.append(first)
          rest = rest.dropFirst()
        }
      }
      return result
    }
  }
}

/// Why the gate did not start.
public enum GateUsageError: Error, Equatable, Sendable {
  case help
  case wrong(String)
}

extension String {
  /// Every occurrence of `part` replaced, from left to right.
  func replacing(_ part: String, with other: String) -> String {
    guard !part.isEmpty else { return self }
    var result: [UInt8] = []
    let all = Array(utf8)
    let wanted = Array(part.utf8)
    var i = 0
    while i < all.count {
      if all.count - i >= wanted.count, all[i..<(i + wanted.count)].elementsEqual(wanted) {
        result += Array(other.utf8)
        i += wanted.count
      } else {
        result.append(all[i])
        i += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
