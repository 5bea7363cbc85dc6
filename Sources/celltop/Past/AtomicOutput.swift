import Foundation
import Glibc

/// A file that comes to be whole or not at all: written beside its place, then moved there. What is there already is never
/// replaced unless asked for.
final class AtomicOutput {
  private let path: String
  private let draft: String
  private let replaces: Bool
  private var descriptor: Int32
  private var buffer: [UInt8] = []
  private var isDone = false

  /// - Parameter path: `-` writes to the standard output.
  /// - Throws: `ToolError` where something is there already, or the place cannot be written.
  init(_ path: String, replaces: Bool) throws {
    self.path = path
    self.replaces = replaces
    draft = "\(path).\(getpid()).part"
    guard path != "-" else {
      descriptor = 1
      return
    }
    if !replaces { try Self.demandNothing(at: path) }
    descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Self.error(path, errno) }
  }

  deinit {
    guard path != "-", !isDone else { return }
    close(descriptor)
    unlink(draft)
  }

  /// - Throws: `ToolError` where something is there.
  static func demandNothing(at path: String) throws {
    var status = stat()
    if lstat(path, &status) == 0 {
      throw ToolError("\(path.printable(at: 200)) is there already. Name another place, or add --force to replace it")
    }
  }

  static func error(_ path: String, _ code: Int32) -> ToolError {
    ToolError("cannot write \(path.printable(at: 200)): \(String(cString: strerror(code)))")
  }

  /// - Throws: `ToolError` in the operating system's words.
  func write(_ text: String) throws {
    buffer.append(contentsOf: text.utf8)
    if buffer.count > 1 << 18 { try flush() }
  }

  private func flush() throws {
    var rest = buffer[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Self.error(path, errno) }
      rest = rest.dropFirst(count)
    }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Moves the whole file to its place.
  ///
  /// - Throws: `ToolError`; nothing is left behind then.
  func finish() throws {
    try flush()
    guard path != "-" else { return }
    guard fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS else { throw Self.error(path, errno) }
    // A link fails where something has come to be there meanwhile; a rename would replace it.
    if !replaces {
      guard link(draft, path) == 0 else {
        guard errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS else { throw Self.error(path, errno) }
        try Self.demandNothing(at: path)
        guard rename(draft, path) == 0 else { throw Self.error(path, errno) }
        return done()
      }
      unlink(draft)
    } else if rename(draft, path) != 0 {
      throw Self.error(path, errno)
    }
    done()
  }

  private func done() {
    isDone = true
    close(descriptor)
  }
}
