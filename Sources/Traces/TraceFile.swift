import Domain
import Glibc

/// Traces on disk.
public enum TraceFile {
  /// Reads a trace of either format that is told by its first bytes: native, or the AdobeTrace's CSV.
  ///
  /// - Throws: `TraceError` where the file cannot be opened or is neither.
  public static func read(_ path: String) throws(TraceError) -> Trace {
    let bytes = try contents(of: path)
    let name = path.split(separator: "/").last.map(String.init) ?? path
    if bytes.starts(with: "job_id,".utf8) {
      return try AdobeTrace.read(bytes, file: path, name: name.hasSuffix(".csv") ? String(name.dropLast(4)) : name)
    }
    return try NativeTrace.read(bytes, file: path)
  }

  /// The bytes of a file.
  ///
  /// - Throws: `TraceError` in the operating system's words.
  public static func contents(of path: String) throws(TraceError) -> [UInt8] {
    func fail(_ code: Int32) -> TraceError {
      TraceError(file: path, because: String(cString: strerror(code)), mend: "Name a trace that can be read.")
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw fail(errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var status = stat()
    if fstat(descriptor, &status) == 0, status.st_size > 0 { bytes.reserveCapacity(Int(status.st_size)) }
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count == 0 { return bytes }
      guard count > 0 else {
        if errno == EINTR { continue }
        throw fail(errno)
      }
      bytes.append(contentsOf: chunk[..<count])
    }
  }

  /// Writes a file whole: into a neighbour first, then over the old one, so that nothing half-written is ever seen.
  ///
  /// - Throws: `TraceError` in the operating system's words.
  public static func write(_ bytes: [UInt8], to path: String) throws(TraceError) {
    func fail(_ code: Int32) -> TraceError {
      TraceError(file: path, because: String(cString: strerror(code)), mend: "Name a place that can be written.")
    }
    let draft = "\(path).\(getpid()).part"
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw fail(errno) }
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let code = errno
        close(descriptor)
        unlink(draft)
        throw fail(code)
      }
      written += count
    }
    guard close(descriptor) == 0, rename(draft, path) == 0 else {
      let code = errno
      unlink(draft)
      throw fail(code)
    }
  }
}
