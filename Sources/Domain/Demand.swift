/// What a cell asks for.
///
/// CPU cells are malleable: they run on any number of cores from `coresLeast` to `coresMost`.
@frozen public struct Demand: Hashable, Sendable, Codable {
  /// Cores without which the cell does not start.
  public var coresLeast: Int32
  /// Cores beyond which the cell gains nothing.
  public var coresMost: Int32
  /// Whole GPUs, all needed to start.
  public var gpus: Int32
  /// Memory in use while it runs; 0 where unknown.
  public var memory: Bytes
  /// Memory on each of its GPUs; 0 where unknown.
  public var gpuMemory: Bytes

  @inlinable public init(
    coresLeast: Int32 = 1, coresMost: Int32 = 1, gpus: Int32 = 0, memory: Bytes = .zero, gpuMemory: Bytes = .zero
  ) {
    self.coresLeast = coresLeast
    self.coresMost = max(coresLeast, coresMost)
    self.gpus = gpus
    self.memory = memory
    self.gpuMemory = gpuMemory
  }

  /// One core, for a cell about which nothing is known.
  public static let oneCore = Demand()
}

/// What an author wrote about a cell's needs in a comment on its first lines; nil fields were not written.
public struct DemandComment: Hashable, Sendable, Codable {
  public var coresLeast: Int32?
  public var coresMost: Int32?
  public var gpus: Int32?
  public var memory: Bytes?
  public var gpuMemory: Bytes?

  /// The most cores or GPUs that a comment may ask for.
  static let countMost: Int32 = 4096

  public init() {}

  /// Reads what a gate sent, which is hostile until it has been parsed.
  ///
  /// - Throws: `DecodingError` where a number is out of its range.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func number(_ key: CodingKeys, _ range: ClosedRange<Int32>) throws -> Int32? {
      guard let value = try container.decodeIfPresent(Int32.self, forKey: key) else { return nil }
      guard range.contains(value) else {
        throw DecodingError.dataCorruptedError(
          forKey: key, in: container, debugDescription: "\(value) is not in \(range)")
      }
      return value
    }
    func size(_ key: CodingKeys) throws -> Bytes? {
      guard let value = try container.decodeIfPresent(Bytes.self, forKey: key) else { return nil }
      guard value >= .zero, value.count <= 1 << 60 else {
        throw DecodingError.dataCorruptedError(
          forKey: key, in: container, debugDescription: "\(value.count) is no size")
      }
      return value
    }
    coresLeast = try number(.coresLeast, 1...Self.countMost)
    coresMost = try number(.coresMost, (coresLeast ?? 1)...Self.countMost)
    gpus = try number(.gpus, 0...Self.countMost)
    memory = try size(.memory)
    gpuMemory = try size(.gpuMemory)
  }

  /// `base` with what was written put over it.
  public func over(_ base: Demand) -> Demand {
    Demand(
      coresLeast: coresLeast ?? base.coresLeast, coresMost: coresMost ?? coresLeast ?? base.coresMost,
      gpus: gpus ?? base.gpus, memory: memory ?? base.memory, gpuMemory: gpuMemory ?? base.gpuMemory)
  }

  /// Reads `#celltop: cores=4 gpus=1 memory=8G` from a cell's first lines, any language's comment sign before it.
  ///
  /// Only the first `linesMost` lines are looked at, and only lines that begin with a comment sign. `cores=1-4` gives a
  /// range, and the marker may be written in any case. What cannot be read is left out and told in `problems`, because an
  /// author's typing error must never keep a cell from running; so is a line that asks without the colon.
  public static func reading(code: String, linesMost: Int = 5) -> (comment: DemandComment?, problems: [ParseError]) {
    var comment = DemandComment()
    var found = false
    var problems: [ParseError] = []
    for line in code.utf8.prefix(4096).split(
      separator: UInt8(ascii: "\n"), maxSplits: linesMost, omittingEmptySubsequences: false
    ).prefix(linesMost) {
      guard let (text, hasColon) = String(Substring(decoding: line, as: UTF8.self).trimmed()).afterMarker() else {
        continue
      }
      guard hasColon else {
        if Self.begins(text) {
          problems.append(
            ParseError(
              reading: "the demand", text: "celltop" + text, because: "there is no colon after 'celltop'",
              mend: "#celltop: cores=4 gpus=1 memory=8G"))
        }
        continue
      }
      found = true
      for word in text.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "," || $0 == "\r" }) {
        do throws(ParseError) { try comment.read(word: String(word)) } catch { problems.append(error) }
      }
    }
    return (found ? comment : nil, problems)
  }

  /// Whether a text begins with something that is asked for, such as `cores=`.
  private static func begins(_ text: String) -> Bool {
    guard let word = text.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "," }).first else { return false }
    return ["cores=", "gpus=", "memory=", "gpu-memory=", "gpuMemory="].contains { word.hasPrefix($0) }
  }

  /// Reads one word, such as `cores=1-4`, into what is there.
  ///
  /// - Throws: `ParseError` where it is no demand, or that was asked for before.
  public mutating func read(word: String) throws(ParseError) {
    func fail(_ why: String) -> ParseError {
      ParseError(reading: "the demand", text: word, because: why, mend: "cores=4 gpus=1 memory=8G")
    }
    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 else { throw fail("it is not name=value") }
    func once(_ isFirst: Bool, _ name: String) throws(ParseError) {
      guard isFirst else { throw fail("'\(name)' is asked for twice") }
    }
    switch parts[0] {
    case "cores":
      let ends = parts[1].split(separator: "-", omittingEmptySubsequences: false)
      guard ends.count <= 2, let least = Int32(ends[0]), let most = Int32(ends.last ?? ""), least >= 1, most >= least,
        most <= Self.countMost
      else { throw fail("'\(parts[1])' is not a number of cores from 1 to 4096, or a range of them") }
      try once(coresLeast == nil, "cores")
      (coresLeast, coresMost) = (least, most)
    case "gpus":
      guard let count = Int32(parts[1]), (0...Self.countMost).contains(count) else {
        throw fail("'\(parts[1])' is not a number of GPUs from 0 to 4096")
      }
      try once(gpus == nil, "gpus")
      gpus = count
    case "memory":
      let size = try Bytes(parsing: parts[1])
      try once(memory == nil, "memory")
      memory = size
    case "gpu-memory", "gpuMemory":
      let size = try Bytes(parsing: parts[1])
      try once(gpuMemory == nil, "gpu-memory")
      gpuMemory = size
    default: throw fail("there is no demand named '\(parts[0])'; there are cores, gpus, memory and gpu-memory")
    }
  }
}

extension Substring {
  fileprivate func trimmed() -> Substring {
    drop { $0 == " " || $0 == "\t" }
  }
}

extension String {
  /// What follows `celltop`, in any case of its letters, where the text is a comment that begins with it, and whether a colon stands
  /// between them, after blanks or none; nil otherwise.
  fileprivate func afterMarker() -> (text: String, hasColon: Bool)? {
    let marker = "celltop"
    for sign in ["#", "//", "--", "%", ";", "*"] where hasPrefix(sign) {
      let body = drop { sign.contains($0) || $0 == " " || $0 == "|" }
      guard body.prefix(marker.count).lowercased() == marker else { return nil }
      let rest = body.dropFirst(marker.count)
      let mark = rest.drop { $0 == " " || $0 == "\t" }
      return mark.first == ":" ? (String(mark.dropFirst()), true) : (String(rest), false)
    }
    return nil
  }
}
