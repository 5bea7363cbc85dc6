import Chance
import Domain
import Testing

@testable import Traces

@Suite("The Standard Workload Format")
struct StandardWorkloadTests {
  private func read(_ text: String) throws -> Imported {
    let folder = try Scratch()
    return try StandardWorkload.read(try folder.write(text, "log.swf"))
  }

  @Test("closes the loop by user and gap where no job names the one before")
  func sessions() throws {
    let found = try read(
      """
      ; Version: 2.2
      1 0 5 10 4 -1 -1 4 -1 2048 1 7 1 1 1 1 -1 -1
      2 18 0 5 1 -1 -1 1 -1 -1 0 7 1 1 1 1 -1 -1
      3 20 0 9 2 -1 -1 2 -1 -1 1 7 1 1 1 1 -1 -1
      4 60 0 1 1 -1 -1 1 -1 -1 5 7 1 1 1 1 -1 -1
      5 9000 0 1 1 -1 -1 1 -1 -1 1 7 1 1 1 1 -1 -1
      6 9000 0 -1 1 -1 -1 1 -1 -1 1 8 1 1 1 1 -1 -1
      junk
      """)
    let notebooks = found.trace.notebooks
    // Job 3 overlaps job 2; job 4 follows the one of both that ended last.
    #expect(notebooks.map { $0.cells.map(\.think.seconds) } == [[0, 3], [0, 31], [0]])
    #expect(notebooks[0].cells[0].memory == Bytes(2048 * 1024 * 4))
    #expect(notebooks[0].cells.map(\.outcome) == [.ok, .error])
    #expect(notebooks[2].arrival == Instant(seconds: 9000))
    #expect(found.leftOut.count(of: "jobs that never ran") == 1)
    #expect(found.leftOut.count(of: "lines that are not 18 numbers") == 1)
  }

  @Test("closes the loop by the job before and the think time where jobs name them")
  func linked() throws {
    let found = try read(
      """
      1 0 5 10 4 -1 -1 4 -1 -1 1 7 1 1 1 1 -1 -1
      2 18 0 5 1 -1 -1 1 -1 -1 1 7 1 1 1 1 1 3
      3 30 0 9 2 -1 -1 2 -1 -1 1 7 1 1 1 1 -1 -1
      4 99 0 9 2 -1 -1 2 -1 -1 1 7 1 1 1 1 2 20.5
      """)
    #expect(found.trace.notebooks.map { $0.cells.map(\.think.seconds) } == [[0, 3, 20.5], [0]])
  }

  @Test("refuses another file with its first line")
  func refuses() {
    let error = #expect(throws: TraceError.self) { try read("; a comment\nhello world\n") }
    #expect(error?.description.contains("log.swf:2: 'hello world' is no job") == true)
  }

  @Test("reads back what it writes: exactly, or to the second", arguments: UInt64(1)...5)
  func roundTrip(seed: UInt64) throws {
    let trace = MixedWorkload(kind: .cpu, notebooks: 20, cores: 16, gpus: 0, load: 1, seed: seed).trace()
    let (exact, notes) = StandardWorkload.write(trace, isExact: true)
    #expect(notes.isEmpty)
    let again = try read(String(decoding: exact, as: UTF8.self)).trace
    func plain(_ trace: Trace) -> [[TraceCell]] {
      trace.notebooks.sorted { $0.arrival < $1.arrival }.map { notebook in
        notebook.cells.map { TraceCell(think: $0.think, run: $0.run, cores: $0.cores) }
      }
    }
    #expect(plain(again) == plain(trace), "seed \(seed)")
    let rounded = try read(String(decoding: StandardWorkload.write(trace).bytes, as: UTF8.self)).trace
    for (a, b) in zip(plain(rounded).joined(), plain(trace).joined()) {
      #expect(abs(a.think.seconds - b.think.seconds) <= 0.5 && abs(a.run.seconds - b.run.seconds) <= 0.5)
    }
    #expect(rounded.cellCount == trace.cellCount)
  }

  @Test("says that GPUs are not in the format")
  func gpus() {
    let trace = Trace(
      name: "g", notebooks: [TraceNotebook(name: "n", user: "u", cells: [TraceCell(think: .zero, run: .zero, gpus: 1)])]
    )
    #expect(StandardWorkload.write(trace).notes == ["1 cells ask for GPUs, which the format does not have"])
  }
}

@Suite("Tables of timings")
struct TimingTableTests {
  private func read(_ text: String) throws -> Imported {
    let folder = try Scratch()
    return try TimingTable.read(try folder.write(text, "t.csv"))
  }

  @Test("reads columns by name, quoted ones too, and counts bad rows")
  func columns() throws {
    let found = try read(
      """
      notebook,index,duration_s,think_s_before,user
      "a, b",1,2.5,,ana
      "a, b",2,1,7.25,ana
      "a, b",3,1,4000,ana
      c,1,x,1,ana
      c,1,1
      c,1,-1,1,ana
      c,1,3,9,ben
      """)
    #expect(found.trace.notebooks.map(\.name) == ["a, b", "a, b#2", "c"])
    #expect(found.trace.notebooks.map(\.user) == ["ana", "ana", "ben"])
    #expect(found.trace.notebooks[0].cells.map(\.think.seconds) == [0, 7.25])
    #expect(found.leftOut.entries.map(\.count) == [1, 2, 1])
  }

  @Test("takes a list of think times alone")
  func alone() throws {
    let found = try read("think\n1\n2\n3\n")
    #expect(found.trace.notebooks[0].cells.map(\.think.seconds) == [1, 2, 3])
  }

  @Test("reads stamps in any order, lays overlaps end to end, and names cells by their index")
  func stamps() throws {
    let text = """
      notebook,cell_index,start,end,duration_s,think_s_before
      b,1,2026-06-14T10:00:05Z,2026-06-14T10:00:06Z,1,
      a,9,2026-06-14T10:00:02.500Z,2026-06-14T10:00:04Z,9,9
      a,2,2026-06-14T10:00:00Z,2026-06-14T10:00:03Z,9,
      a,2,2026-06-14T10:01:00Z,2026-06-14T10:01:01Z,9,9
      a,,2026-06-14T12:01:00Z,2026-06-14T12:01:01Z,9,9
      a,1,yesterday,2026-06-14T12:01:01Z,9,9
      """
    let folder = try Scratch()
    let path = try folder.write(text, "t.csv")
    let found = try TimingTable.read(path, times: .stamps)
    #expect(found.trace.notebooks.map(\.name) == ["a", "a#2", "b"])
    #expect(found.trace.notebooks.map(\.arrival) == [0, 7260, 5].map { Instant(seconds: $0) })
    #expect(found.trace.notebooks[0].cells.map(\.run.seconds) == [3, 1.5, 1])
    #expect(found.trace.notebooks[0].cells.map(\.think.seconds) == [0, 0, 55.5])
    #expect((0...2).map { found.trace.notebooks[0].source(of: $0).jupyterCell } == ["2", "9", "2"])
    #expect(found.trace.notebooks[1].sources.isEmpty)
    #expect(found.leftOut.count(of: "rows without a stamp for their start and their end") == 1)
    #expect(try TraceFile.read(path, times: .stamps).notebooks == found.trace.notebooks)
    #expect(try TimingTable.read(path).trace.notebooks[1].cells.map(\.run.seconds) == [9, 9, 9, 9, 9])
  }

  @Test("refuses a table without think times")
  func refuses() {
    #expect(throws: TraceError.self) { try read("a,b\n1,2\n") }
    #expect(throws: TraceError.self) { try read("think\n") }
  }
}

@Suite("Times of the day")
struct TimestampTests {
  @Test(
    "reads what logs and notebooks write",
    arguments: [
      ("1970-01-01T00:00:00Z", nil), ("2026-01-12:08:58:02 x", 1_768_208_282_000_000),
      ("2026-01-12 08:58:02", 1_768_208_282_000_000), ("2026-01-12T08:58:02.5", 1_768_208_282_500_000),
      ("2026-01-12T08:58:02.123456789Z", 1_768_208_282_123_456), ("2026-01-12T10:58:02+02:00", 1_768_208_282_000_000),
      ("2026-01-12T03:58:02-0500", 1_768_208_282_000_000), ("2026-13-12T08:58:02", nil), ("2026-01-12T25:00:00", nil),
      ("2026-01-12", nil), ("", nil), ("2026-01-12T08:58:0", nil), ("20x6-01-12T08:58:02", nil),
    ] as [(String, Int64?)])
  func reads(text: String, expected: Int64?) {
    #expect(Timestamp.reading(Array(text.utf8)[...])?.time.microseconds == expected)
  }

  @Test("writes what it reads", arguments: UInt64(1)...20)
  func roundTrip(seed: UInt64) {
    var random = SplitMix(seed: seed)
    for _ in 0..<200 {
      let seconds = Int64(random.index(below: 2_500_000_000)) + 1_262_304_000
      let text = Timestamp.text(seconds * 1_000_000)
      #expect(Timestamp.reading(Array(text.utf8)[...])?.time.microseconds == seconds * 1_000_000, "\(text)")
    }
  }
}
