import CZlib
import Glibc

/// The bytes of a file, chunk by chunk; a gzip-compressed one (RFC 1952) is told by its first bytes and unpacked.
///
/// Memory stays bounded however much comes out: two chunks of `chunkBytes`. Several gzip members one after the other are
/// read as one, as `gzip -dc` does.
final class ByteStream {
  static let chunkBytes = 1 << 16
  /// No file that is read here unpacks to more: a terabyte takes a quarter of an hour, and is no log.
  static let unpackedMost: Int64 = 1 << 40

  let path: String
  /// Whether the file is compressed; known after the first chunk.
  private(set) var isCompressed = false
  /// Why the bytes end before the file's own end: a truncated or damaged archive; nil where all was read.
  private(set) var damage: String?

  private let descriptor: Int32
  private var input = [UInt8](repeating: 0, count: chunkBytes)
  private var inputCount = 0
  private var inputPlace = 0
  private var output: [UInt8] = []
  private var zlib = z_stream()
  private var isInflating = false
  private var memberIsOpen = false
  private var unpacked: Int64 = 0
  private var isAtEnd = false
  private var isFirst = true

  /// - Throws: `TraceError` in the operating system's words where the file cannot be opened, or is a folder.
  init(_ path: String) throws(TraceError) {
    self.path = path
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { throw Self.failure(path, errno) }
  }

  deinit {
    if isInflating { inflateEnd(&zlib) }
    if descriptor >= 0 { close(descriptor) }
  }

  private static func failure(_ path: String, _ code: Int32) -> TraceError {
    TraceError(file: path, because: String(cString: strerror(code)), mend: "Name a file that can be read.")
  }

  /// Gives the next bytes to `body`; false at the end. An archive that is cut off or damaged gives what came before, and
  /// `damage` says so.
  ///
  /// - Throws: `TraceError` where the operating system cannot read.
  func next(_ body: (UnsafeBufferPointer<UInt8>) -> Void) throws(TraceError) -> Bool {
    if isAtEnd { return false }
    if isFirst {
      isFirst = false
      try fill()
      isCompressed = inputCount >= 2 && input[0] == 0x1F && input[1] == 0x8B
      if isCompressed {
        guard celltop_inflate_begin(&zlib) == Z_OK else {
          throw TraceError(file: path, because: "cannot be unpacked: zlib does not start", mend: "Unpack it by hand.")
        }
        isInflating = true
        memberIsOpen = true
        output = [UInt8](repeating: 0, count: Self.chunkBytes)
      }
    } else if !isCompressed {
      try fill()
    }
    return isCompressed ? try inflateNext(body) : plainNext(body)
  }

  private func fill() throws(TraceError) {
    inputPlace = 0
    while true {
      let count = read(descriptor, &input, Self.chunkBytes)
      if count >= 0 {
        inputCount = count
        return
      }
      if errno != EINTR { throw Self.failure(path, errno) }
    }
  }

  private func plainNext(_ body: (UnsafeBufferPointer<UInt8>) -> Void) -> Bool {
    if inputCount == 0 {
      isAtEnd = true
      return false
    }
    input.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[..<inputCount])) }
    return true
  }

  private func inflateNext(_ body: (UnsafeBufferPointer<UInt8>) -> Void) throws(TraceError) -> Bool {
    while !isAtEnd {
      if inputPlace == inputCount {
        try fill()
        if inputCount == 0 {
          isAtEnd = true
          if memberIsOpen { damage = "the archive is cut off" }
          return false
        }
      }
      if !memberIsOpen {
        // Another member, or padding, which gzip passes over.
        guard input[inputPlace] == 0x1F, inflateReset(&zlib) == Z_OK else {
          isAtEnd = true
          if input[inputPlace..<inputCount].contains(where: { $0 != 0 }) { damage = "bytes follow the archive" }
          return false
        }
        memberIsOpen = true
      }
      let (count, status) = inflateOnce()
      switch status {
      case Z_STREAM_END: memberIsOpen = false
      case Z_OK, Z_BUF_ERROR: break
      default:
        isAtEnd = true
        damage = "the archive is damaged"
      }
      unpacked += Int64(count)
      if unpacked > Self.unpackedMost {
        isAtEnd = true
        damage = "more than 1 TiB comes out of the archive"
      }
      if count > 0 {
        output.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[..<count])) }
        return true
      }
    }
    return false
  }

  private func inflateOnce() -> (count: Int, status: Int32) {
    input.withUnsafeMutableBufferPointer { source in
      output.withUnsafeMutableBufferPointer { target in
        let available = inputCount - inputPlace
        zlib.next_in = source.baseAddress.map { $0 + inputPlace }
        zlib.avail_in = UInt32(available)
        zlib.next_out = target.baseAddress
        zlib.avail_out = UInt32(target.count)
        let status = inflate(&zlib, Z_NO_FLUSH)
        inputPlace += available - Int(zlib.avail_in)
        return (target.count - Int(zlib.avail_out), status)
      }
    }
  }
}
