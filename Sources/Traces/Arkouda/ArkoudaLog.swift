import Domain

/// Reads the logs of Arkouda servers of every version that wrote times, streaming, several files at once.
///
/// Files that follow each other in time are taken for one server's rotated log; files that overlap are of different
/// servers. `Docs/TRACES.md` tells the eras, the rules and how well they recover a known schedule.
public enum ArkoudaLog {
  /// A longer gap between two requests of a user begins a new cell. Human gaps are longer than half a second (4,311 gaps
  /// of 459 notebooks), those within a command are milliseconds.
  public static let thresholdSecondsDefault = 0.5
  /// No log holds more cells; what comes after them is not read.
  static let cellsMost = 10_000_000

  /// Reads logs, plain or gzip-compressed.
  ///
  /// - Parameters:
  ///   - paths: the files, in any order.
  ///   - thresholdSeconds: the gap between requests that begins a new cell.
  ///   - progress: told now and then how many lines were read.
  /// - Throws: `TraceError` for a file that cannot be read, is no such log, or has no times.
  public static func read(
    _ paths: [String], name: String = "arkouda", thresholdSeconds: Double = thresholdSecondsDefault,
    progress: (Int) -> Void = { _ in }
  ) throws(TraceError) -> Imported {
    let threshold = Int64((thresholdSeconds * 1e6).rounded())
    var servers: [Server] = []
    var leftOut = Omissions()
    var lines = 0
    for path in try ordered(paths) {
      var reader = try LineReader(path)
      let first = try firstStamp(path)
      let index = Server.continued(in: servers, by: first) ?? servers.count
      if index == servers.count { servers.append(Server(threshold)) }
      try servers[index].read(&reader) { number in
        if number % 100_000 == 0 { progress(lines + number) }
      }
      lines += reader.number
      if let damage = reader.damage { leftOut.add("the rest of a file: \(damage)", at: path) }
      leftOut.add("lines of more than a megabyte, of which the middle was not read", count: reader.shortened)
    }
    return assemble(&servers, name: name, files: paths.count, leftOut)
  }

  private static func assemble(
    _ servers: inout [Server], name: String, files: Int, _ before: Omissions
  ) -> Imported {
    var found: [(session: ArkoudaSessions.Session, user: String)] = []
    var leftOut = before
    var notes: [String] = []
    for index in servers.indices { servers[index].finish() }
    let zero = servers.filter(\.isStamped).compactMap { $0.finished.first?.start }.min() ?? 0
    for index in servers.indices {
      let names = servers[index].assembler.owners.names
      found += servers[index].finished.map { session in
        var session = session
        // A log without dates begins when the trace does.
        if !servers[index].isStamped { session.start += zero - (servers[index].finished.first?.start ?? 0) }
        return (session, names[session.user])
      }
      for entry in servers[index].assembler.leftOut.entries {
        leftOut.add(entry.why, count: entry.count, at: entry.first)
      }
      notes += servers[index].notes(number: servers.count > 1 ? index + 1 : nil)
    }
    found.sort { ($0.session.start, $0.user) < ($1.session.start, $1.user) }
    var counts: [String: Int] = [:]
    var trace = Trace(name: name, notebooks: [])
    for (session, user) in found {
      counts[user, default: 0] += 1
      trace.notebooks.append(
        TraceNotebook(
          name: "\(user)-\(counts[user] ?? 0)", user: user,
          arrival: Instant(microseconds: session.start - zero), cells: session.cells,
          sources: session.sources))
    }
    // A user may be named like another one's session: names must differ.
    trace.nameApart()
    let begins = zero > 0 ? ", from \(Timestamp.text(zero))" : ""
    trace.note = "Arkouda server log, \(files == 1 ? "1 file" : "\(files) files")\(begins)"
    return Imported(trace: trace, notes: notes, leftOut: leftOut)
  }

  /// The files by the first stamp in them; those without stamps first, as they were given.
  private static func ordered(_ paths: [String]) throws(TraceError) -> [String] {
    var keyed: [(first: Int64, index: Int, path: String)] = []
    for (index, path) in paths.enumerated() { keyed.append((try firstStamp(path) ?? .min, index, path)) }
    return keyed.sorted { ($0.first, $0.index) < ($1.first, $1.index) }.map(\.path)
  }

  /// The first stamp among a file's first lines; nil where there is none.
  private static func firstStamp(_ path: String) throws(TraceError) -> Int64? {
    var reader = try LineReader(path)
    while reader.number < 2000, let line = try reader.next() {
      if let (time, _) = Timestamp.reading(line) { return time.microseconds }
    }
    return nil
  }

  /// One server's log, over rotated files.
  private struct Server {
    var assembler: ArkoudaAssembler
    var sessions: ArkoudaSessions
    var finished: [ArkoudaSessions.Session] = []

    init(_ threshold: Int64) {
      assembler = ArkoudaAssembler(thresholdMicroseconds: threshold)
      sessions = ArkoudaSessions(thresholdMicroseconds: threshold)
    }

    /// The server whose log a file with that first stamp goes on: the one that was heard last before it. A file without
    /// stamps goes on from another one without.
    static func continued(in servers: [Server], by first: Int64?) -> Int? {
      let candidates = servers.indices.filter { index in
        let isStamped = servers[index].isStamped
        guard let first else { return !isStamped }
        return isStamped && (servers[index].assembler.last ?? .max) <= first
      }
      return candidates.max { (servers[$0].assembler.last ?? 0) < (servers[$1].assembler.last ?? 0) }
    }

    /// Whether its times have a date.
    var isStamped: Bool {
      assembler.clocks.contains { if case .stamps = $0 { true } else { false } }
    }

    mutating func read(_ reader: inout LineReader, _ progress: (Int) -> Void) throws(TraceError) {
      let before = (recognised: assembler.recognised, requests: assembler.requests, untimed: assembler.untimed)
      var firstLine: (number: Int, text: String)?
      assembler.begin(file: reader.path)
      while let line = try reader.next() {
        if firstLine == nil, !line.trimmed.isEmpty { firstLine = (reader.number, line.shown()) }
        for request in assembler.take(line, number: reader.number) { sessions.take(request) }
        if sessions.cells > ArkoudaLog.cellsMost {
          throw TraceError(
            file: reader.path, line: reader.number, because: "brings more than \(ArkoudaLog.cellsMost) cells",
            mend: "Import the log in parts.")
        }
        progress(reader.number)
      }
      guard assembler.recognised > before.recognised else {
        throw TraceError(
          file: reader.path, line: firstLine?.number ?? 0,
          because: firstLine.map { "'\($0.text)' is not of an Arkouda server's log, and no later line is" }
            ?? "is empty",
          mend:
            "Name a log with lines like '2026-01-12 08:58:02 [ServerDaemon] run Line 600 INFO [Chapel ] >>> connect'.")
      }
      if assembler.untimed > before.untimed, assembler.clocks.isEmpty {
        throw TraceError(
          file: reader.path, line: assembler.firstUntimed,
          because: "is a request without a time, and no other has one: no think time can be recovered",
          mend: "Servers of July to December 2020 logged no times; take the log of another version.")
      }
    }

    mutating func finish() {
      for request in assembler.finish() { sessions.take(request) }
      finished = sessions.finish()
    }

    func notes(number: Int?) -> [String] {
      let prefix = number.map { "server \($0): " } ?? ""
      var notes = [
        "\(prefix)\(assembler.requests) requests, \(assembler.failed) ended in an error, \(assembler.lost) never answered; \(assembler.restarts) starts of the server"
      ]
      for clock in assembler.clocks { notes.append(prefix + Self.text(clock)) }
      if assembler.midnights > 0 { notes.append("\(prefix)midnight passed \(assembler.midnights) times") }
      if assembler.untimed > 0 { notes.append("\(prefix)\(assembler.untimed) requests carry no time and are left out") }
      if assembler.owners.guessed > 0 {
        notes.append(
          "\(prefix)\(assembler.owners.guessed) requests name no user and were given to one by what they touch")
      }
      if sessions.headless > 0 { notes.append("\(prefix)\(sessions.headless) sessions have no 'connect'") }
      if assembler.window.contradictions > 0 {
        notes.append("\(prefix)\(assembler.window.contradictions) groups of stamps contradict each other")
      }
      return notes
    }

    private static func text(_ clock: ArkoudaAssembler.Clock) -> String {
      switch clock {
      case .stamps(let resolution):
        "stamps to \(resolution >= 1_000_000 ? "1 s" : resolution >= 1000 ? "\(resolution / 1000) ms" : "\(resolution) µs")"
      case .sinceMidnight: "seconds since midnight (October 2019): the day is not known"
      case .sinceStart:
        "seconds since the server's start (December 2019): starts are laid end to end, and users are not named"
      }
    }
  }
}
