import Domain
import Glibc

/// Traces on disk.
public enum TraceFile {
  /// No native trace is larger: 8 GiB.
  public static let bytesMost = 1 << 33
  /// What may come out of an archive, because a small one may hold anything: 1 GiB.
  static let unpackedMost = 1 << 30

  /// Reads a trace that is told by its first line: native, the AdobeTrace's CSV, or a table of timings; each may be
  /// compressed with gzip.
  ///
  /// - Parameter times: what is believed of a table of timings that has both.
  /// - Throws: `TraceError` where the file cannot be opened or is none of these.
  public static func read(_ path: String, times: TimingTable.Times = .columns) throws(TraceError) -> Trace {
    let file = path.split(separator: "/").last.map(String.init) ?? path
    let name = file.firstIndex(of: ".").map { String(file[..<$0]) } ?? file
    var reader = try LineReader(path)
    var beginning: ArraySlice<UInt8>?
    if let first = try reader.next() {
      beginning = first.trimmed.isEmpty ? nil : first.trimmed
      if first.begins(with: "job_id,") { return try AdobeTrace.read(path, name: name).trace }
      if first.first != UInt8(ascii: "{"), TimingTable.isHeader(first) {
        return try TimingTable.read(path, name: name, times: times).trace
      }
    }
    // What does not even begin like one is not read whole.
    if let start = beginning, start.first != UInt8(ascii: "{") {
      return try NativeTrace.read(Array(start.prefix(64)), file: path)
    }
    return try NativeTrace.read(try contents(of: path, bytesMost: bytesMost), file: path)
  }

  /// The bytes of a file, unpacked where it is compressed.
  ///
  /// - Throws: `TraceError` in the operating system's words, for a damaged archive, and for one that is too large.
  static func contents(of path: String, bytesMost: Int = bytesMost) throws(TraceError) -> [UInt8] {
    let stream = try ByteStream(path)
    var bytes: [UInt8] = []
    while try stream.next({ bytes.append(contentsOf: $0) }) {
      let most = stream.isCompressed ? min(bytesMost, unpackedMost) : bytesMost
      if bytes.count > most {
        throw TraceError(
          file: path, because: "is larger than \(most >> 20) MiB", mend: "Is it the file that was meant?")
      }
    }
    if let damage = stream.damage {
      throw TraceError(file: path, because: "cannot be read to its end: \(damage)", mend: "Unpack it by hand.")
    }
    return bytes
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
