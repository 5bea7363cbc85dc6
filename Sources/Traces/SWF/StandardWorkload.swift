import Domain

/// Reads and writes the Standard Workload Format (SWF): a job a line, 18 numbers, -1 for what is not known.
///
/// **Source**: Chapin, Cirne, Feitelson et al., "Benchmarks and standards for the evaluation of parallel job schedulers",
/// JSSPP 1999; the format's page of the Parallel Workloads Archive (version 2.2). Fields 17 and 18 name the job that a job
/// waited for and the think time after it; in a log that uses them a job without begins a session. In a log that does not, a
/// user's job goes on the session whose last job ended before it, and no longer ago than `sessionGapSeconds` (20 minutes by
/// default: Zilber, Amit and Talby, "What is worth learning from parallel workloads?", ICS 2005); jobs of a user that
/// overlap are sessions of their own.
public enum StandardWorkload {
  public static let sessionGapSecondsDefault = 1200.0

  /// Reads a workload, plain or gzip-compressed.
  ///
  /// - Throws: `TraceError` for a file that cannot be read, or whose first line is no job and no comment.
  public static func read(
    _ path: String, name: String = "swf", sessionGapSeconds: Double = sessionGapSecondsDefault
  ) throws(TraceError) -> Imported {
    var reader = try LineReader(path)
    var jobs: [WorkloadJob] = []
    var leftOut = Omissions()
    while let line = try reader.next() {
      let text = line.trimmed
      if text.isEmpty || text.first == UInt8(ascii: ";") { continue }
      let place = { "\(path):\(reader.number)" }()
      guard let job = WorkloadJob(text) else {
        if jobs.isEmpty && leftOut.entries.isEmpty {
          throw TraceError(
            file: path, line: reader.number, because: "'\(text.shown())' is no job of the Standard Workload Format",
            mend: "A job is 18 numbers; comments begin with ';'.")
        }
        leftOut.add("lines that are not 18 numbers", at: place)
        continue
      }
      if let why = job.uselessness { leftOut.add(why, at: place) } else { jobs.append(job) }
    }
    if let damage = reader.damage { leftOut.add("the rest of the file: \(damage)", at: path) }
    guard !jobs.isEmpty else {
      throw TraceError(file: path, because: "holds no job that ran", mend: "Is it the whole file?")
    }
    var sessions = WorkloadSessions(gapSeconds: sessionGapSeconds, areLinked: jobs.contains(where: \.isLinked))
    for job in jobs { sessions.take(job) }
    var notes = ["\(jobs.count) jobs, \(sessions.linked) of them name the job before them and the think time"]
    if sessions.overlapping > 0 {
      notes.append(
        "\(sessions.overlapping) jobs overlap another one of their user and run beside it in a session of their own")
    }
    return Imported(
      trace: sessions.trace(name: name, note: "Standard Workload Format, \(path)"), notes: notes, leftOut: leftOut)
  }

  /// A trace as a workload: each cell a job, submitted when it would be if nobody waited.
  ///
  /// Fields 17 and 18 hold the think time, so that reading it back closes the loop again. GPUs are not in the format.
  ///
  /// - Parameter isExact: writes seconds with decimals, which this reader and many others take; the standard has whole
  ///   seconds, to which times are rounded otherwise.
  public static func write(_ trace: Trace, isExact: Bool = false) -> (bytes: [UInt8], notes: [String]) {
    var text = """
      ; Version: 2.2
      ; Computer: \(line(trace.name))
      ; Note: \(line(trace.note))
      ; Note: a celltop trace; each cell is a job, fields 17 and 18 are the cell before it and the think time after that
      ; MaxJobs: \(trace.cellCount)

      """
    func time(_ microseconds: Int64) -> String {
      if isExact, microseconds % 1_000_000 != 0 { return NativeTrace.seconds(microseconds) }
      return "\((microseconds + 500_000) / 1_000_000)"
    }
    struct Job {
      var submitted: Int64
      var notebook: Int
      var cell: Int
    }
    var jobs: [Job] = []
    var users: [String: Int] = [:]
    for (index, notebook) in trace.notebooks.enumerated() {
      if users[notebook.user] == nil { users[notebook.user] = users.count + 1 }
      var clock = notebook.arrival.microseconds
      for (place, cell) in notebook.cells.enumerated() {
        clock += cell.think.microseconds
        jobs.append(Job(submitted: clock, notebook: index, cell: place))
        clock += cell.run.microseconds
      }
    }
    jobs.sort { ($0.submitted, $0.notebook, $0.cell) < ($1.submitted, $1.notebook, $1.cell) }
    let zero = jobs.first?.submitted ?? 0
    var before = [Int](repeating: -1, count: trace.notebooks.count)
    var withGPUs = 0
    for (index, job) in jobs.enumerated() {
      let notebook = trace.notebooks[job.notebook]
      let cell = notebook.cells[job.cell]
      if cell.gpus > 0 { withGPUs += 1 }
      let memory = cell.memory.count > 0 ? cell.memory.count / 1024 / Int64(cell.cores) : -1
      let think = before[job.notebook] > 0 ? time(cell.think.microseconds) : "-1"
      let status =
        switch cell.outcome {
        case .ok: 1
        case .error, .lost, .refused: 0
        case .interrupted, .aborted: 5
        }
      text +=
        "\(index + 1) \(time(job.submitted - zero)) 0 \(time(cell.run.microseconds)) \(cell.cores) -1 \(memory) \(cell.cores) -1 \(memory) \(status) \(users[notebook.user] ?? -1) -1 \(job.notebook + 1) -1 -1 \(before[job.notebook]) \(think)\n"
      before[job.notebook] = index + 1
    }
    var notes: [String] = []
    if withGPUs > 0 { notes.append("\(withGPUs) cells ask for GPUs, which the format does not have") }
    return (Array(text.utf8), notes)
  }

  /// The text without line breaks.
  private static func line(_ text: String) -> String { text.printable(at: 200) }
}

/// One line of a workload.
struct WorkloadJob {
  var number: Int
  var submittedSeconds: Double
  var waitSeconds: Double
  var runSeconds: Double
  var processors: Int
  var memory: Bytes
  var status: Int
  var user: Int
  var before: Int
  var thinkSeconds: Double

  /// Nil where the line is not 18 numbers.
  init?(_ line: ArraySlice<UInt8>) {
    var fields: [Double] = []
    fields.reserveCapacity(18)
    for word in line.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 }) {
      guard fields.count < 18, let value = word.decimalNumber, abs(value) < 1e15 else { return nil }
      fields.append(value)
    }
    guard fields.count == 18 else { return nil }
    number = Int(fields[0])
    submittedSeconds = fields[1]
    waitSeconds = max(fields[2], 0)
    runSeconds = fields[3]
    processors = Int(fields[7] > 0 ? fields[7] : fields[4])
    let kilobytes = fields[9] > 0 ? fields[9] : fields[6]
    let total = kilobytes * 1024 * max(Double(processors), 1)
    memory = kilobytes > 0 && total < 9e15 ? Bytes(Int64(total)) : .zero
    status = Int(fields[10])
    user = Int(fields[11])
    before = Int(fields[16])
    thinkSeconds = fields[17]
  }

  /// Whether it names the job before it and the think time.
  var isLinked: Bool { before > 0 && thinkSeconds >= 0 }

  /// Why the job cannot be in a trace; nil where it can.
  var uselessness: String? {
    if runSeconds < 0 { return "jobs that never ran" }
    if submittedSeconds < 0 || max(submittedSeconds, runSeconds, waitSeconds, thinkSeconds) > NativeTrace.secondsMost {
      return "jobs with times of more than a hundred years, or before the log"
    }
    if processors < 1 { return "jobs without processors" }
    if processors > CoreSet.greatest { return "jobs of more than \(CoreSet.greatest) processors" }
    return nil
  }

  var outcome: CellOutcome {
    switch status {
    case 0: .error
    case 5: .interrupted
    default: .ok
    }
  }
}

/// Puts jobs into sessions, by the jobs that they name or by user and gap.
struct WorkloadSessions {
  private struct Session {
    var notebook: TraceNotebook
    var endSeconds: Double
    var lastJob: Int
  }

  private let gapSeconds: Double
  private var sessions: [Session] = []
  /// The session that a job is the last one of.
  private var ends: [Int: Int] = [:]
  private var lanes: [Int: [Int]] = [:]
  private let areLinked: Bool
  private(set) var linked = 0
  private(set) var overlapping = 0

  /// - Parameter areLinked: whether jobs name the ones before them: one that does not begins a session.
  init(gapSeconds: Double, areLinked: Bool) {
    self.gapSeconds = gapSeconds
    self.areLinked = areLinked
  }

  mutating func take(_ job: WorkloadJob) {
    let end = job.submittedSeconds + job.waitSeconds + job.runSeconds
    var cell = TraceCell(
      think: .zero, run: Span(seconds: job.runSeconds), cores: Int32(job.processors), memory: job.memory,
      outcome: job.outcome)
    if job.isLinked, let index = ends[job.before] {
      linked += 1
      cell.think = Span(seconds: job.thinkSeconds)
      add(cell, job, end, to: index)
      return
    }
    let own =
      areLinked ? [] : (lanes[job.user] ?? []).filter { job.submittedSeconds - sessions[$0].endSeconds <= gapSeconds }
    lanes[job.user] = own
    let free = own.filter { sessions[$0].endSeconds <= job.submittedSeconds }
    if let index = free.max(by: { sessions[$0].endSeconds < sessions[$1].endSeconds }) {
      cell.think = Span(seconds: job.submittedSeconds - sessions[index].endSeconds)
      add(cell, job, end, to: index)
      return
    }
    if !own.isEmpty { overlapping += 1 }
    sessions.append(
      Session(
        notebook: TraceNotebook(
          name: "session-\(sessions.count + 1)", user: "user-\(job.user)",
          arrival: Instant(seconds: job.submittedSeconds), cells: []),
        endSeconds: end, lastJob: job.number))
    lanes[job.user, default: []].append(sessions.count - 1)
    add(cell, job, end, to: sessions.count - 1)
  }

  private mutating func add(_ cell: TraceCell, _ job: WorkloadJob, _ end: Double, to index: Int) {
    ends[sessions[index].lastJob] = nil
    ends[job.number] = index
    sessions[index].notebook.cells.append(cell)
    sessions[index].endSeconds = end
    sessions[index].lastJob = job.number
  }

  func trace(name: String, note: String) -> Trace {
    Trace(name: name, note: note, notebooks: sessions.map(\.notebook))
  }
}
