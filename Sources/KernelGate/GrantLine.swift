import Domain
import GateLink
import JupyterWire

extension EngineMessage {
  /// Reads a grant of cores alone, the order that stands before every cell, without the general decoder; nil for whatever else a
  /// line holds, and whatever is not quite as expected: the general decoder judges that.
  init?(grantLine line: [UInt8]) {
    let read = line.withUnsafeBytes { bytes -> EngineMessage? in
      var members = JSONMembers(bytes)
      guard let (name, body) = members.next(), name.holds("grant"), members.next() == nil, members.isComplete else {
        return nil
      }
      var (sequence, key, cores): (Int64?, UInt64?, CoreSet?)
      var isWithoutGPUs = false
      var inner = body.members
      while let (name, value) = inner.next() {
        if name.holds("sequence"), sequence == nil, isPlainNumber(value.text) {
          sequence = Int64(String(decoding: value.text, as: UTF8.self))
        } else if name.holds("key"), key == nil, isPlainNumber(value.text) {
          key = UInt64(String(decoding: value.text, as: UTF8.self))
        } else if name.holds("cores"), cores == nil {
          cores = value.string.flatMap { try? CoreSet(parsing: $0) }
        } else if name.holds("gpus"), !isWithoutGPUs {
          isWithoutGPUs = value.text.elementsEqual("[]".utf8)
        } else {
          return nil
        }
      }
      guard inner.isComplete, isWithoutGPUs, let sequence, let key, let cores else { return nil }
      return .grant(sequence: sequence, key: key, cores: cores, gpus: [])
    }
    guard let read else { return nil }
    self = read
  }
}

/// Whether the text is a whole number from 0 on as JSON writes it: digits alone, none in vain.
private func isPlainNumber(_ text: some Collection<UInt8>) -> Bool {
  guard let first = text.first, text.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) else { return false }
  return first != UInt8(ascii: "0") || text.count == 1
}
