import Domain
import Foundation
import Projections

extension Tail {
  /// The line of a tail in the packed form, for entries that follow one another.
  public static func packedLine(_ entries: ArraySlice<Entry>) -> [UInt8] {
    guard let first = entries.first else { return [] }
    var packer = LogPacker(after: first.sequence - 1)
    packer.append(nil, at: first.at, bringing: entries)
    let log = Data(packer.bytes.bytes).base64EncodedString()
    return Array(
      "{\"tail\":{\"first\":\(first.sequence),\"last\":\(packer.last),\"log\":\"\(log)\"}}\n".utf8)
  }

  /// The line of a tail in JSON.
  public static func textLine(_ entries: ArraySlice<Entry>) -> [UInt8] {
    guard let first = entries.first, let last = entries.last else { return [] }
    var text = "{\"tail\":{\"first\":\(first.sequence),\"last\":\(last.sequence),\"entries\":["
    for entry in entries {
      if entry.sequence > first.sequence { text += "," }
      entry.fields.json(into: &text)
    }
    return Array((text + "]}}\n").utf8)
  }

  /// The entries of a packed tail.
  ///
  /// - Throws: `PackError` where the text is not such a tail.
  public func unpacked() throws(PackError) -> [Entry] {
    guard let log, let bytes = Data(base64Encoded: log) else { throw PackError("the tail is not packed") }
    let result: Result<[Entry], PackError> = bytes.withUnsafeBytes { buffer in
      do throws(PackError) {
        var unpacker = try LogUnpacker(buffer, first: first, format: LogPacker.format)
        var entries: [Entry] = []
        while let entry = try unpacker.nextEntry() { entries.append(entry) }
        guard entries.last?.sequence == last else { throw PackError("the tail does not end where it says") }
        return .success(entries)
      } catch { return .failure(error) }
    }
    return try result.get()
  }
}

extension Entry {
  /// The entry as a row of JSON: what every entry has, and `fields` with what its event holds.
  var fields: [Field] {
    let (kind, rest) = event.exported
    return [
      Field("sequence", sequence), Field("at", at.microseconds), Field("event", kind),
      Field("notebook", .optional(event.notebook.map { Int64($0.number) })),
      Field("cell", .optional(event.cell?.number)), Field("fields", .object(rest.filter { $0.name != "cell" })),
    ]
  }
}
