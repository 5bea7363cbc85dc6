import ArgumentParser
import Domain
import Foundation
import History
import Traces

/// `celltop trace import`: other formats to native traces.
struct TraceImport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Turn another format into a native trace, and say what was left out.",
    discussion: "Files compressed with gzip are read as they are.",
    subcommands: [Adobe.self, Arkouda.self, Notebooks.self, Workload.self, Timings.self, Recorded.self])

  /// What all have in common.
  struct Output: ParsableArguments {
    @Option(name: [.short, .long], help: "The native trace to write.") var output: String
    @Flag(help: "Replace what is there.") var force = false
    @Option(help: "The trace's name. Without it: the output's.") var name: String?
    @Flag(help: "Print the summary as one JSON object.") var json = false

    /// The trace's name.
    var title: String {
      if let name { return name }
      let file = output.split(separator: "/").last.map(String.init) ?? output
      return file.firstIndex(of: ".").map { String(file[..<$0]) } ?? file
    }

    /// Does the work; an error is told in a line, and the exit status is 2.
    func deliver(_ body: () throws(TraceError) -> Imported) {
      TraceCommand.demandNothing(at: output, unless: force)
      do throws(TraceError) { try TraceCommand.deliver(try body(), to: output, json: json) } catch { refuseUse(error) }
    }
  }

  /// Checks a number of seconds that an option gives.
  static func check(_ seconds: Double, _ option: String, from least: Double) throws {
    guard seconds >= least, seconds <= 1e7 else {
      throw ValidationError("\(option) is \(seconds). Give seconds from \(least) to 10000000.")
    }
  }

  struct Adobe: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "adobe", abstract: "Import the AdobeTrace's CSV.")
    @Argument(help: "The CSV file.") var file: String
    @OptionGroup var output: Output

    func run() {
      output.deliver { () throws(TraceError) in try AdobeTrace.read(file, name: output.title) }
    }
  }

  struct Arkouda: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "arkouda", abstract: "Import the logs of Arkouda servers of any version that logged times.",
      discussion: """
        Files that follow each other in time are one server's rotated log; files that overlap are different servers. \
        Requests of a user that are no further apart than the threshold are one cell.
        """)
    @Argument(help: "The log files, in any order.") var files: [String]
    @Option(help: "A gap of more seconds than this between a user's requests begins a new cell.")
    var threshold = ArkoudaLog.thresholdSecondsDefault
    @OptionGroup var output: Output

    func validate() throws { try TraceImport.check(threshold, "--threshold", from: 0) }

    func run() {
      var progress = ProgressLine()
      output.deliver { () throws(TraceError) in
        defer { progress.clear() }
        return try ArkoudaLog.read(files, name: output.title, thresholdSeconds: threshold) { lines in
          progress.show("\(lines) lines read")
        }
      }
    }
  }

  struct Notebooks: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "ipynb", abstract: "Import saved notebooks whose cells carry times, and folders of them.",
      discussion: "Times are read as Jupyter, nbclient, papermill, ExecuteTime and Colab leave them.")
    @Argument(help: "Notebooks and folders; folders are searched.") var paths: [String]
    @Option(help: "A gap of more seconds than this begins another session.")
    var sessionGap = TimedNotebooks.sessionGapSecondsDefault
    @OptionGroup var output: Output

    func validate() throws { try TraceImport.check(sessionGap, "--session-gap", from: 1) }

    func run() {
      var progress = ProgressLine()
      output.deliver { () throws(TraceError) in
        defer { progress.clear() }
        return try TimedNotebooks.read(paths, name: output.title, sessionGapSeconds: sessionGap) { done, all in
          progress.show("\(all) notebooks", share: Double(done) / Double(all))
        }
      }
    }
  }

  struct Workload: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "swf", abstract: "Import a Standard Workload Format log: each job is a cell.")
    @Argument(help: "The log.") var file: String
    @Option(help: "Where jobs do not name the one before: a longer gap in seconds begins another session.")
    var sessionGap = StandardWorkload.sessionGapSecondsDefault
    @OptionGroup var output: Output

    func validate() throws { try TraceImport.check(sessionGap, "--session-gap", from: 0) }

    func run() {
      output.deliver { () throws(TraceError) in
        try StandardWorkload.read(file, name: output.title, sessionGapSeconds: sessionGap)
      }
    }
  }

  struct Timings: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "timings", abstract: "Import a table of timings (CSV): notebook, duration_s, think_s_before.")
    @Argument(help: "The CSV file.") var file: String
    @Option(help: "A gap of more seconds than this begins another session.")
    var sessionGap = TimingTable.sessionGapSecondsDefault
    @OptionGroup var output: Output

    func validate() throws { try TraceImport.check(sessionGap, "--session-gap", from: 1) }

    func run() {
      output.deliver { () throws(TraceError) in
        try TimingTable.read(file, name: output.title, sessionGapSeconds: sessionGap)
      }
    }
  }

  struct Recorded: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "history", abstract: "Turn a recorded session, live or simulated, into a trace.")
    @Argument(help: "The session's number, as 'celltop history list' shows it. Without it: the newest.")
    var session: Int64?
    @Option(help: "The history file. Without it: this user's.") var history: String?
    @OptionGroup var output: Output

    func run() throws {
      let path = history ?? HistoryStore.standardPath(environment: ProcessInfo.processInfo.environment)
      var imported: Imported?
      do throws(HistoryError) {
        guard FileManager.default.fileExists(atPath: path) else {
          throw HistoryError("there is no history \(path). Record a session with 'celltop' or 'celltop demo'")
        }
        imported = try Self.read(session, of: try HistoryStore(reading: path), name: output.title)
      } catch { refuseUse(error) }
      if let imported { output.deliver { () throws(TraceError) in imported } }
    }

    private static func read(_ number: Int64?, of store: HistoryStore, name: String) throws(HistoryError) -> Imported {
      let facts = try store.session(number)
      var recorded = SessionTranscript()
      var progress = ProgressLine()
      var next: Int64 = 1
      while true {
        let entries = try store.entries(of: facts.id, from: next, limit: 10_000)
        guard let last = entries.last else { break }
        for entry in entries { recorded.take(entry) }
        next = last.sequence + 1
        progress.show("session \(facts.id)", share: Double(last.sequence) / Double(max(facts.entries, 1)))
      }
      progress.clear()
      let note = "celltop session \(facts.id) (\(facts.kind)) of \(facts.user) on \(facts.host)"
      return recorded.finish(name: name, note: note)
    }
  }
}

/// `celltop trace export`: native traces to other formats.
struct TraceExport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Turn a trace into another format.", subcommands: [Workload.self])

  struct Workload: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "swf", abstract: "Export to the Standard Workload Format: each cell is a job.")
    @Argument(help: "A native trace, the AdobeTrace's CSV or a table of timings.") var file: String
    @Option(name: [.short, .long], help: "The SWF file to write.") var output: String
    @Flag(help: "Replace what is there.") var force = false
    @Flag(help: "Write fractions of seconds, which the standard does not have, but this and other readers take.")
    var exact = false

    func run() {
      TraceCommand.demandNothing(at: output, unless: force)
      do throws(TraceError) {
        let trace = try TraceFile.read(file)
        let (bytes, notes) = StandardWorkload.write(trace, isExact: exact)
        try TraceFile.write(bytes, to: output)
        print("\(trace.cellCount) jobs of \(trace.notebooks.count) notebooks in \(output)")
        for note in notes { print("left   \(note)") }
      } catch { refuseUse(error) }
    }
  }
}
