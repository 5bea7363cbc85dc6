import Chance
import Domain
import Testing

@testable import Traces

/// What comes from outside never crashes a reader: it is read, counted, or refused.
@Suite("Hostile input")
struct HostileTests {
  private static let readers: [(name: String, read: @Sendable (String) throws -> Trace)] = [
    ("any", { try TraceFile.read($0) }), ("adobe", { try AdobeTrace.read($0).trace }),
    ("arkouda", { try ArkoudaLog.read([$0]).trace }), ("ipynb", { try TimedNotebooks.read([$0]).trace }),
    ("swf", { try StandardWorkload.read($0).trace }), ("timings", { try TimingTable.read($0).trace }),
    ("stamps", { try TimingTable.read($0, times: .stamps).trace }),
  ]

  private static let seeds: [String] = [
    NativeTraceTests.good,
    AdobeTrace.header + "\n0,1,100,0,a,5,0\n1,4,110,0,a,2,0\n",
    ArkoudaWriter(seed: 1, cellsEach: 3).log(.may2025), ArkoudaWriter(seed: 2, cellsEach: 3).log(.october2019),
    ArkoudaWriter(seed: 3, cellsEach: 3).log(.december2019), TimedNotebookTests.all,
    "; c\n1 0 3 10 4 -1 -1 4 -1 -1 1 7 1 1 1 1 -1 -1\n2 30 0 5 1 -1 9 1 -1 -1 0 7 1 1 1 1 1 17\n",
    "notebook,duration_s,think_s_before\na,1,\na,2,5.5\n",
    "notebook,cell_index,start,end\na,1,2026-01-12T08:58:02.5Z,2026-01-12T08:58:03Z\na,2,2026-01-12T09:58:02Z,2099-01-12T09:58:02Z\n",
  ]

  /// Every reader either gives a trace that can be written and read again, or says what is wrong.
  private func survive(_ bytes: [UInt8], _ folder: Scratch, _ what: String) throws {
    let path = try folder.write(bytes, "input")
    for reader in Self.readers {
      do {
        let trace = try reader.read(path)
        if reader.name == "any" { continue }
        #expect(trace.notebooks.allSatisfy { $0.cells.allSatisfy { $0.run >= .zero && $0.think >= .zero } }, "\(what)")
        let again = try NativeTrace.read(NativeTrace.write(trace), file: "again")
        #expect(again.cellCount == trace.cellCount, "\(reader.name), \(what)")
      } catch let error as TraceError {
        #expect(error.description.utf8.count < 2000, "\(reader.name), \(what): a message that nobody can read")
        #expect(error.because != "" && error.mend != "")
      }
    }
  }

  @Test("mutated files", arguments: UInt64(1)...40)
  func mutated(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let folder = try Scratch()
    for _ in 0..<6 {
      var bytes = Array(Self.seeds[random.index(below: Self.seeds.count)].utf8)
      for _ in 0...random.index(below: 12) { mutate(&bytes, &random) }
      try survive(bytes, folder, "seed \(seed)")
    }
  }

  private func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix) {
    let place = random.index(below: max(bytes.count, 1))
    let tokens: [[UInt8]] = [
      [0], [0xFF, 0xFE], [0x0A], Array("1e999".utf8), Array("-99999999999999999999".utf8), Array("nan".utf8),
      Array("9999-99-99".utf8), Array(">>> ".utf8), Array("<<< x took 1e300 sec".utf8), Array("\"".utf8),
      Array("{[".utf8),
      Array("4294967296".utf8), [0x1F, 0x8B],
    ]
    switch random.index(below: 5) {
    case 0: if place < bytes.count { bytes[place] = UInt8(truncatingIfNeeded: random.next()) }
    case 1: bytes.insert(contentsOf: tokens[random.index(below: tokens.count)], at: min(place, bytes.count))
    case 2: bytes.removeSubrange(min(place, bytes.count)..<min(place + random.index(below: 30), bytes.count))
    case 3:
      let part = bytes[min(place, bytes.count)..<min(place + 80, bytes.count)]
      bytes.insert(contentsOf: Array(part), at: random.index(below: bytes.count + 1))
    default: bytes.removeLast(random.index(below: bytes.count / 2 + 1))
    }
  }

  @Test("noise", arguments: UInt64(1)...10)
  func noise(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let folder = try Scratch()
    try survive((0..<20_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }, folder, "noise \(seed)")
  }

  @Test("a line of 30 megabytes, whose user still counts")
  func longLine() throws {
    let folder = try Scratch()
    var text = Array(
      "2026-01-12 08:00:00 [S] r Line 1 INFO [Chapel ] >>> str [\n2026-01-12 08:00:01 [S] r Line 1 INFO [Chapel ] repMsg: {\"msg\":\""
        .utf8)
    text += [UInt8](repeating: UInt8(ascii: "x"), count: 30_000_000)
    text += Array("\", \"user\":\"ann\"}\n2026-01-12 08:00:01 [S] r Line 1 INFO [Chapel ] <<< str took 1 sec\n".utf8)
    let found = try ArkoudaLog.read([try folder.write(text, "long.log")])
    #expect(found.trace.notebooks.map(\.user) == ["ann"])
    #expect(found.leftOut.entries.map(\.count) == [1])
  }

  @Test("an archive that is cut off or damaged gives what came before, and says so", arguments: UInt64(1)...10)
  func damaged(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let folder = try Scratch()
    let log = ArkoudaWriter(seed: seed, cellsEach: 60).log(.may2025)
    var packed = Gzip.packed(Array(log.utf8))
    if seed % 2 == 0 {
      packed.removeLast(packed.count / 3)
    } else {
      let place = packed.count / 2 + random.index(below: packed.count / 3)
      for index in place..<(place + 8) { packed[index] = ~packed[index] }
    }
    let found = try ArkoudaLog.read([try folder.write(packed, "log.gz")])
    #expect(found.trace.cellCount > 0)
    #expect(found.leftOut.entries.contains { $0.why.hasPrefix("the rest of a file: the archive is") })
  }

  @Test("an archive that unpacks to 256 MB takes no more memory than its chunks")
  func bomb() throws {
    let folder = try Scratch()
    // Members of a gzip file may follow each other: the same one of a megabyte again and again, without a line's end.
    let member = Gzip.packed([UInt8](repeating: 0, count: 1 << 20))
    var bytes: [UInt8] = []
    for _ in 0..<256 { bytes += member }
    var reader = try LineReader(try folder.write(bytes, "bomb.gz"))
    var lengths: [Int] = []
    while let line = try reader.next() { lengths.append(line.count) }
    #expect(lengths.count == 1 && lengths[0] <= LineReader.headMost + ByteStream.chunkBytes)
    #expect(reader.shortened == 1)
    #expect(throws: TraceError.self) { try TraceFile.contents(of: reader.path, bytesMost: 1 << 24) }
    // Refused by its beginning, without unpacking it into memory.
    let error = #expect(throws: TraceError.self) { try TraceFile.read(reader.path) }
    #expect(error?.description.contains(":1: has '") == true)
  }

  @Test("folders, missing files and devices are refused in words")
  func notFiles() throws {
    let folder = try Scratch()
    for path in [folder.folder, folder.folder + "/none"] {
      for reader in Self.readers where reader.name != "ipynb" {
        let error = #expect(throws: TraceError.self) { _ = try reader.read(path) }
        #expect(error?.description.contains(path) == true)
      }
    }
    #expect(throws: TraceError.self) { try TimedNotebooks.read([folder.folder]) }
  }
}
