import Chance
import ArgumentParser
import Domain
import Engine
import Foundation
import History
import Policies
import Projections
import Simulation
import Traces

/// `celltop bench history`: measures recording, seeking and upkeep.
struct HistoryBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "Measure how fast the history records, seeks, replays and is pruned.",
    discussion: """
      Each line is a JSON object. A simulated session is recorded in a folder of its own, then measured; SQLite's own calls \
      insert the same rows again in the same run.
      """)

  @Option(help: "Entries to record.") var entries: Int64 = 10_000_000
  @Option(help: "Notebooks of the simulated session.") var notebooks = 500
  @Option(help: "The policy of the simulated session.") var policy = "fcfs"
  @Option(help: "Moments to seek.") var seeks = 1000
  @Option(help: "Where to keep the file while it is measured (default: a new folder among the temporary ones).")
  var folder: String?

  @Option(help: "Only measure how the newest session of this file opens, seeks and replays.", completion: .file())
  var recorded: String?

  func validate() throws {
    guard entries >= 1000, notebooks >= 1, seeks >= 1 else {
      throw ValidationError("--entries is at least 1000, --notebooks and --seeks at least 1")
    }
  }

  func run() throws {
    try Tool.reporting {
      if let recorded {
        let session = try HistoryStore(reading: recorded).recorded()
        try open(recorded, session.id)
        try seek(recorded, session.id)
        return try replay(recorded, session.id)
      }
      let folder = (folder ?? NSTemporaryDirectory()) + "/celltop-bench-\(getpid())"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let path = folder + "/history.sqlite"
      let session = try record(path, folder)
      try open(path, session)
      try seek(path, session)
      try replay(path, session)
      try commits(folder)
      try prune(path, session)
    }
  }

  private func tell(_ name: String, _ facts: [(String, Double)]) {
    let rest = facts.map { "\"\($0.0)\": \(decimal($0.1, digits: 5))" }.joined(separator: ", ")
    print("{\"bench\": \"history \(name)\", \(rest)}")
    // A long run that is cut short has told what it had measured.
    fflush(nil)
  }

  // MARK: Recording

  /// People at a shared node: exponential thinking and running, one to four cores, a GPU now and then.
  private func trace() -> Trace {
    var random = SplitMix(seed: 1)
    let each = max(Int(entries) / 3 / notebooks, 1) + 1
    return Trace(
      name: "bench",
      notebooks: (0..<notebooks).map { number in
        TraceNotebook(
          name: "/home/u\(number % 40)/notebook-\(number).ipynb", user: "u\(number % 40)",
          cells: (0..<each).map { _ in
            TraceCell(
              think: Span(seconds: random.exponential(mean: Double(notebooks) / 20)),
              run: Span(seconds: random.exponential(mean: 1)), cores: 1 + Int32(random.next() % 4),
              gpus: random.next() % 4 == 0 ? 1 : 0, memory: Bytes(Int64(random.next() % 16) << 30))
          })
      })
  }

  private func record(_ path: String, _ folder: String) throws -> Int64 {
    let node = Node(
      id: NodeID(0), name: "bench", cores: CoreSet(0..<64), gpus: (0..<8).map { GPU(uuid: "\($0)") })
    var settings = Simulator.Settings(policy: policy)
    settings.keepsEntries = true
    let trace = trace()
    let store = try HistoryStore(path: path)
    var recorder = try SimulationRecorder(
      try Simulator(
        trace, on: node, settings: settings, forecast: OracleForecast(notebooks: notebooks), catalogue: .standard),
      into: store, note: "bench")
    let began = ContinuousClock.now
    while !recorder.isOver, recorder.simulator.entriesCount < entries { try recorder.play() }
    try recorder.end()
    let wall = seconds(ContinuousClock.now - began)
    let count = Double(recorder.simulator.entriesCount)
    let size = try store.size()
    let peer = try RawPeer(copying: store, into: folder + "/raw.sqlite", durability: .processDeath)
    let raw = try peer.insertAgain(
      session: recorder.session, batch: Int64(SimulationRecorder.batch), processor: processorSeconds)
    let appending = seconds(recorder.appending)
    tell(
      "append",
      [
        ("entries", count), ("entriesPerSecond", count / appending),
        ("rawEntriesPerSecond", count / seconds(raw.taken)),
        ("ratioToRaw", seconds(raw.taken) / appending), ("rawRows", Double(raw.rows)),
        ("entriesPerProcessorSecond", count / recorder.appendingProcessor),
        ("ratioToRawByProcessor", raw.processor / recorder.appendingProcessor),
        ("bytesPerEntry", Double(size.bytes - size.unused) / count), ("framesSeconds", seconds(recorder.framing)),
        ("wallSeconds", wall),
      ])
    for name in ["raw.sqlite", "raw.sqlite-wal", "raw.sqlite-shm"] {
      try? FileManager.default.removeItem(atPath: folder + "/" + name)
    }
    return recorder.session
  }

  // MARK: Looking

  private func open(_ path: String, _ id: Int64) throws {
    var (times, processor): ([Double], [Double]) = ([], [])
    for _ in 0..<7 {
      let (began, beganProcessor) = (ContinuousClock.now, processorSeconds())
      let session = try HistoryStore(reading: path).recorded(id)
      let board = try session.fold(Board.self, through: session.last)
      times.append(seconds(ContinuousClock.now - began) * 1000)
      processor.append((processorSeconds() - beganProcessor) * 1000)
      guard board.sequence == session.last else { throw ToolError("the board at the end is of another moment") }
    }
    tell(
      "open at the end",
      [
        ("firstMilliseconds", times[0]), ("medianMilliseconds", times.sorted()[3]),
        ("medianProcessorMilliseconds", processor.sorted()[3]),
      ])
  }

  private func seek(_ path: String, _ id: Int64) throws {
    let session = try HistoryStore(reading: path).recorded(id)
    for (name, kind) in [("board", 0), ("state", 1)] {
      var random = SplitMix(seed: 7)
      var (times, processor): ([Double], [Double]) = ([], [])
      for _ in 0..<seeks {
        let instant = Instant(microseconds: Int64(random.uniform() * Double(session.end.microseconds)))
        let (began, beganProcessor) = (ContinuousClock.now, processorSeconds())
        if kind == 0 {
          _ = try session.fold(Board.self, at: instant)
        } else {
          _ = try session.fold(SchedulerState.self, at: instant)
        }
        times.append(seconds(ContinuousClock.now - began) * 1000)
        processor.append((processorSeconds() - beganProcessor) * 1000)
      }
      times.sort()
      processor.sort()
      tell(
        "seek \(name)",
        [
          ("p99ProcessorMilliseconds", processor[processor.count * 99 / 100]),
          ("p50Milliseconds", times[times.count / 2]), ("p99Milliseconds", times[times.count * 99 / 100]),
          ("longestMilliseconds", times[times.count - 1]),
        ])
    }
  }

  private func replay(_ path: String, _ id: Int64) throws {
    let session = try HistoryStore(reading: path).recorded(id)
    func measure(_ name: String, _ body: (Entry) -> Void) throws {
      let (began, beganProcessor) = (ContinuousClock.now, processorSeconds())
      try session.forEach { entry in
        body(entry)
        return true
      }
      tell(
        "replay \(name)",
        [
          ("entriesPerSecond", Double(session.last) / seconds(ContinuousClock.now - began)),
          ("entriesPerProcessorSecond", Double(session.last) / (processorSeconds() - beganProcessor)),
        ])
    }
    try measure("nothing") { _ in }
    var state = SchedulerState()
    try measure("state") { state.apply($0) }
    var board = Board()
    try measure("board") { board.apply($0) }
  }

  // MARK: Committing and pruning

  private func writer(_ path: String, _ durability: HistoryStore.Durability) throws -> SessionWriter {
    try SessionWriter(
      HistoryStore(path: path, durability: durability),
      .init(kind: "live", host: "bench", user: "bench", beganMicroseconds: 1_000_000))
  }

  /// Appends one entry and waits for it.
  private func append(_ number: Int64, _ writer: SessionWriter) -> Double {
    let entry = Entry(
      sequence: number, at: Instant(microseconds: number * 1000), event: .backlogChanged(NotebookID(0), Int32(number)))
    let began = ContinuousClock.now
    writer.take(.timer, at: entry.at, after: number - 1, bringing: [entry])
    writer.flush(insists: true)
    return seconds(ContinuousClock.now - began) * 1e6
  }

  private func commits(_ folder: String) throws {
    for (name, durability) in [("process death", HistoryStore.Durability.processDeath), ("power cut", .powerCut)] {
      let path = "\(folder)/single-\(name.count).sqlite"
      let writer = try writer(path, durability)
      let own = (1...300).map { append($0, writer) }.sorted()
      let peer = try RawPeer(
        copying: HistoryStore(path: path), into: "\(folder)/peer-\(name.count).sqlite", durability: durability)
      let raw = try peer.singleCommits(300, bytes: 30)
      tell(
        "single entry that survives a \(name)",
        [
          ("medianMicroseconds", own[150]), ("rawMedianMicroseconds", raw[150]), ("ratioToRaw", raw[150] / own[150]),
          ("p99Microseconds", own[297]), ("rawP99Microseconds", raw[297]),
        ])
    }
  }

  /// Prunes all of the big session from another connection while short commits go on.
  private func prune(_ path: String, _ id: Int64) throws {
    let writer = try writer(path, .processDeath)
    let calm = (1...500).map { append($0, writer) }.sorted()
    let summary = try HistoryStore(reading: path).session(id)
    // A tenth of a long session, a million entries at the least: up to a key frame.
    let share = min(1, max(0.1, 1_100_000 / Double(summary.entries)))
    let wall =
      share >= 1 ? Int64.max / 4 : summary.beganMicroseconds + Int64(Double(summary.lengthMicroseconds) * share)
    let done = DispatchSemaphore(value: 0)
    let box = PruneBox()
    Thread.detachNewThread {
      box.report = Result { try HistoryStore(path: path).prune(before: wall) }
      done.signal()
    }
    var times: [Double] = []
    var number: Int64 = 500
    let began = ContinuousClock.now
    while done.wait(timeout: .now() + .milliseconds(1)) == .timedOut {
      number += 1
      times.append(append(number, writer))
    }
    guard let report = try box.report?.get() else { throw ToolError("pruning gave no answer") }
    times.sort()
    guard let longest = times.last, writer.trouble == nil else {
      throw ToolError("nothing was appended while pruning: \(writer.trouble ?? "")")
    }
    tell(
      "prune",
      [
        ("entriesPruned", Double(report.entries)), ("seconds", seconds(ContinuousClock.now - began)),
        ("liveAppends", Double(times.count)), ("medianMicroseconds", times[times.count / 2]),
        ("p99Microseconds", times[times.count * 99 / 100]), ("longestMilliseconds", longest / 1000),
        ("calmLongestMilliseconds", calm[499] / 1000), ("longestStepMilliseconds", report.longestStepMilliseconds),
      ])
  }

  private func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
  }
}

/// The pruning thread's answer. `@unchecked Sendable`: it is read after the semaphore that the thread signals last.
private final class PruneBox: @unchecked Sendable {
  var report: Result<PruneReport, any Error>?
}

/// `celltop bench record`: records until it is killed, telling what it has committed; what the crash tests kill.
struct HistoryRecording: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "record", abstract: "Record a simulated session into a file until killed, telling each commit.",
    shouldDisplay: false)

  @Argument(help: "The history file.") var path: String
  @Option(help: "Where the draws begin.") var seed: UInt64 = 1
  @Option(help: "Entries a commit, at the most.") var batch = 40
  @Option(help: "End in order once this file is there.") var until: String?
  @Option(help: "Be killed so many seconds after the first commit, wherever the recording is then.")
  var killedAfter: Double?

  func validate() throws {
    if let killedAfter, !(0...3600).contains(killedAfter) { throw ValidationError("--killed-after is from 0 to 3600") }
  }

  func run() throws {
    try Tool.reporting {
      let trace = MixedWorkload(kind: .mixed, notebooks: 40, cores: 8, gpus: 2, load: 4, seed: seed)
        .trace().repeated(20)
      let node = Node(
        id: NodeID(0), name: "load", cores: CoreSet(0..<64), gpus: (0..<64).map { GPU(uuid: "\($0)") })
      var settings = Simulator.Settings(policy: "dynamic")
      settings.keepsEntries = true
      var recorder = try SimulationRecorder(
        try Simulator(
          trace, on: node, settings: settings, forecast: OracleForecast(notebooks: trace.notebooks.count),
          catalogue: .standard), into: HistoryStore(path: path), note: "load", framesEvery: 200)
      var random = SplitMix(seed: seed)
      try recorder.play(1)
      if let killedAfter {
        Thread.detachNewThread {
          usleep(UInt32(killedAfter * 1e6))
          kill(getpid(), SIGKILL)
        }
      }
      while !recorder.isOver {
        try recorder.play(1 + Int(random.next() % UInt64(max(batch, 1))))
        let line = "committed \(recorder.session) \(recorder.simulator.entriesCount)\n"
        FileHandle.standardOutput.write(Data(line.utf8))
        if let until, FileManager.default.fileExists(atPath: until) { break }
      }
      try recorder.end()
    }
  }
}
