import ArgumentParser
import Domain
import Engine
import Foundation
import LiveBench
import Policies
import Traces

/// `celltop bench live`: the same notebooks on real kernels under every scheme.
struct LiveBenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "live",
    abstract: "Run the same notebooks on real kernels under the OS, under partitioning and under celltop.",
    discussion: """
      Measures ANTT, STP and the delays that authors feel, and writes tables, timelines and one page into --output. \
      Finished runs are kept there: the same command goes on where it was interrupted. Nothing else should run on the \
      machine meanwhile; what does is measured, and marks an arm as noisy.
      """)

  @Argument(
    help: "Notebooks to play (default: the bundled ones, made smaller).", completion: .file(extensions: ["ipynb"]))
  var files: [String] = []

  @Flag(help: "One repetition of fewer schemes, without the simulator's word, within 5 minutes.")
  var quick = false

  @Option(
    help: "Workloads, the most important first, such as 8,8-think,12: so many notebooks, without or with think times.")
  var workloads: String?

  @Option(help: "Schemes: \(Scheme.allCases.map(\.rawValue).joined(separator: ", ")).")
  var schemes: String?

  @Option(help: "Repetitions of each scheme on each workload, by turns (default: 3).")
  var repetitions: Int?

  @Option(
    help:
      "What the bundled notebooks' sizes are multiplied by; 1 is as they are (default: 0.012, and 0.0075 with --quick)."
  )
  var size: Double?

  @Option(help: "What notebooks' sizes are multiplied by besides, by turns, such as 0.5,1,2; 1 for all alike.")
  var spread: String?

  @Option(help: "What think times are multiplied by; 1 is what real people were seen to need.")
  var thinkScale = 0.012

  @Option(help: "The longest think time, in seconds.")
  var thinkMax = 2.5

  @Option(help: "The policy of the dynamic schemes, with its options.")
  var dynamic = "dynamic"

  @Option(
    help:
      "How often all notebooks run at once, unscheduled, where the loss of sharing is measured for the simulator's word; 0 leaves that and the word out (default: 2)."
  )
  var crowds: Int?

  @Option(help: "How often the notebooks run alone for T_alone (default: 2).")
  var alone: Int?

  @Option(help: "The seed of think times and of the order of arrival.")
  var seed: UInt64 = 1

  @Option(help: "Begin no further arm when it would not end within so many minutes (default: 45).")
  var minutes: Double?

  @Option(help: "Seconds after which an arm has failed.")
  var armSeconds = 600.0

  @Option(name: .shortAndLong, help: "The folder for recordings and results.")
  var output = "celltop-bench-live"

  @Option(
    help: "A document whose part between the command's marks is replaced with the tables, such as Docs/RESULTS.md.")
  var write: String?

  @Flag(help: "Print the results as JSON instead of tables.")
  var json = false

  @Flag(help: "Play nothing: make tables, page and timelines of what is finished.")
  var onlyReport = false

  func validate() throws {
    _ = try plan()
    if let write, !FileManager.default.isReadableFile(atPath: write) {
      throw ValidationError("cannot read the document '\(write.printable(at: 200))' of --write")
    }
  }

  func run() throws {
    try Tool.reporting {
      let plan = try plan()
      let marked = try document()
      let folder = try BenchFolder(output, plan: plan)
      let installation = Installation()
      let documents = files.isEmpty ? try Self.bundled(installation).map(\.path) : files
      let runner = try BenchRunner(
        plan: plan, folder: folder, documents: documents, rules: try Self.rules(installation),
        secondsMost: (minutes ?? (quick ? 5 : 45)) * 60, armSecondsMost: armSeconds)
      defer { runner.close() }
      if !onlyReport { try runner.run() }
      try report(runner.record(), folder, marked)
    }
  }

  /// The bundled notebooks, long and short and threads and processes mixed, so that four of them are a mixture already.
  static let order = [
    "churn-forest", "simulation-loop", "boosting-energy", "digits-mlp", "tabular-pandas", "clusters", "text-features",
    "linear-algebra", "digits-svc",
  ]

  private static func bundled(_ installation: Installation) throws -> [(name: String, path: String)] {
    let found = try installation.notebooks().map { (name: name(of: $0), path: $0) }
    func place(_ name: String) -> Int { order.firstIndex(of: name) ?? order.count }
    return found.sorted { (place($0.name), $0.name) < (place($1.name), $1.name) }
  }

  private static func name(of path: String) -> String {
    ((path as NSString).lastPathComponent as NSString).deletingPathExtension
  }

  private static func rules(_ installation: Installation) throws -> SizingRules {
    let folder = (try bundled(installation).first?.path ?? "") as NSString
    guard let bytes = FileManager.default.contents(atPath: folder.deletingLastPathComponent + "/sizes.json") else {
      return SizingRules()
    }
    return try SizingRules(bytes)
  }
}

// MARK: The plan

extension LiveBenchCommand {
  private func plan() throws -> BenchPlan {
    let all: [Scheme] = try schemes.map(Self.schemes(_:)) ?? (quick ? Self.main : Scheme.allCases)
    let loads = try workloads.map(Self.workloads(_:)) ?? (quick ? Self.quickLoads : Self.standardLoads)
    let blocks = loads.map { load in
      // Two schemes are there for the main comparison; in the smaller tables time is better spent on the others.
      BenchPlan.Block(
        workload: load, schemes: schemes == nil && workloads == nil && load.notebooks != 8 ? Self.main : all)
    }
    let spread = try self.spread.map(Self.numbers(_:)) ?? (files.isEmpty ? [0.5, 1, 2] : [1])
    let documents = try (files.isEmpty ? Self.bundled(Installation()).map(\.path) : files).map(Self.name(of:))
    let plan = BenchPlan(
      blocks: blocks, repetitions: repetitions ?? (quick ? 1 : 3), aloneRuns: alone ?? (quick ? 1 : 2),
      crowds: crowds ?? (quick ? 0 : 2), size: size ?? (!files.isEmpty ? 1 : quick ? 0.0075 : 0.012), spread: spread,
      thinkScale: thinkScale, thinkSecondsMost: thinkMax, dynamic: dynamic, seed: seed,
      // What no workload comes to needs no T_alone either.
      documents: Array(documents.prefix(loads.map(\.notebooks).max() ?? documents.count)))
    try Self.check(plan)
    for file in files where !FileManager.default.isReadableFile(atPath: file) {
      throw ValidationError("cannot read the notebook '\(file.printable(at: 200))'")
    }
    guard let minutes else { return plan }
    guard minutes > 0, minutes <= 100_000 else { throw ValidationError("--minutes is above 0 and up to 100000") }
    return plan
  }

  static let main: [Scheme] = [.os, .partition, .dynamic, .dynamicLearned]
  static let quickLoads = [Workload(notebooks: 8, thinks: false), Workload(notebooks: 4, thinks: true)]
  static let standardLoads =
    [false, true].map { Workload(notebooks: 8, thinks: $0) }
    + [12, 4, 6].map { Workload(notebooks: $0, thinks: false) }

  private static func check(_ plan: BenchPlan) throws {
    guard Set(plan.documents).count == plan.documents.count, !plan.documents.isEmpty else {
      throw ValidationError("two notebooks have the same name. Rename one")
    }
    guard (1...100).contains(plan.repetitions), (1...20).contains(plan.aloneRuns), (0...20).contains(plan.crowds) else {
      throw ValidationError("--repetitions is from 1 to 100, --alone from 1 to 20, --crowds from 0 to 20")
    }
    guard plan.size > 0, plan.size <= 10, plan.spread.allSatisfy({ $0 > 0 && $0 <= 10 }) else {
      throw ValidationError("--size and each of --spread are above 0 and up to 10")
    }
    guard (0...1000).contains(plan.thinkScale), (0...86_400).contains(plan.thinkSecondsMost) else {
      throw ValidationError("--think-scale is from 0 to 1000, --think-max from 0 to 86400 seconds")
    }
    do { _ = try PolicyCatalogue.standard.make(plan.dynamic) } catch { throw ValidationError("--dynamic: \(error)") }
  }

  private static func schemes(_ text: String) throws -> [Scheme] {
    try text.split(separator: ",").map { word in
      guard let scheme = Scheme(rawValue: String(word)) else {
        throw ValidationError(
          "there is no scheme '\(String(word).printable(at: 40))'; there are \(Scheme.allCases.map(\.rawValue).joined(separator: ", "))"
        )
      }
      return scheme
    }
  }

  private static func workloads(_ text: String) throws -> [Workload] {
    try text.split(separator: ",").map { word in
      let thinks = word.hasSuffix("-think")
      guard let count = Int(thinks ? word.dropLast(6) : word), (1...64).contains(count) else {
        throw ValidationError(
          "cannot read the workload '\(String(word).printable(at: 40))'. Write a number of notebooks from 1 to 64, with -think behind it where their authors think: 8,8-think"
        )
      }
      return Workload(notebooks: count, thinks: thinks)
    }
  }

  private static func numbers(_ text: String) throws -> [Double] {
    try text.split(separator: ",").map { word in
      guard let value = Double(word) else {
        throw ValidationError(
          "--spread is a list of numbers such as 0.5,1,2, and '\(String(word).printable(at: 40))' is none")
      }
      return value
    }
  }
}

// MARK: The report

extension LiveBenchCommand {
  /// The document that is to be written into, checked before anything is played.
  private func document() throws -> String? {
    guard let write else { return nil }
    guard let text = try? String(contentsOfFile: write, encoding: .utf8) else {
      throw ToolError("cannot read \(write.printable(at: 200))")
    }
    guard MarkedPart.replace(in: text, with: "") != nil else {
      throw ToolError(
        "\(write.printable(at: 200)) has no part to replace. Add the lines \(MarkedPart.begin) and \(MarkedPart.end)")
    }
    return text
  }

  private func report(_ record: BenchRecord, _ folder: BenchFolder, _ marked: String?) throws {
    let sharing = MachineFacts.sharesByNotebook
    let results = BenchResults(record, sharesByNotebook: sharing)
    let tables = ResultTables(record, results, command: command).markdown
    try folder.write(record, "record.json")
    try folder.write(results, "results.json")
    try folder.write(text: tables, "results.md")
    try folder.write(text: ResultPage(tables, record).html, "results.html")
    for arm in record.arms {
      try folder.write(text: ResultPage.picture(arm, record).svg + "\n", "timelines/\(arm.key.slug).svg")
      try folder.write(arm.cells, "timelines/\(arm.key.slug).json")
    }
    if let calibration = Calibration(record, sharesByNotebook: sharing) { try writeTraces(calibration, record, folder) }
    if let write, let marked, let text = MarkedPart.replace(in: marked, with: tables) {
      let output = try AtomicOutput(write, replaces: true)
      try output.write(text)
      try output.finish()
    }
    if json {
      let text = (try? String(contentsOfFile: folder.path + "/results.json", encoding: .utf8)) ?? "{}"
      Swift.print(text, terminator: "")
    } else {
      Swift.print(tables)
    }
    tellPlaces(record, folder)
  }

  /// What the simulator was given, as native traces that `celltop simulate` plays.
  private func writeTraces(_ calibration: Calibration, _ record: BenchRecord, _ folder: BenchFolder) throws {
    let plan = record.plan
    for workload in plan.blocks.map(\.workload) {
      let names = plan.names(of: workload)
      let thinks = plan.thinks(
        workload, repetition: 1, cells: names.map { record.demands[plan.document(of: $0)]?.count ?? 0 })
      let traces = [
        ("free", calibration.freeTrace(names, document: plan.document(of:), thinks: thinks)),
        (
          "scheduled",
          calibration.scheduledTrace(names, document: plan.document(of:), thinks: thinks, reserving: false)
        ),
      ]
      for (kind, trace) in traces {
        let bytes = NativeTrace.write(trace)
        try folder.write(text: String(decoding: bytes, as: UTF8.self), "traces/\(workload.slug)-\(kind).jsonl")
      }
    }
  }

  private func tellPlaces(_ record: BenchRecord, _ folder: BenchFolder) {
    Tool.progress("results: \(folder.path)/results.html (also results.md, results.json, timelines/, traces/)")
    if let session = record.arms.last(where: { $0.session != nil })?.session {
      Tool.progress(
        "watch an arm again: CELLTOP_HISTORY=\(folder.path)/\(session.history) celltop replay \(session.number)")
    }
  }

  /// What was typed, as it can be typed again.
  private var command: String {
    (["celltop"] + CommandLine.arguments.dropFirst()).map { word in
      word.contains(" ") ? "'\(word)'" : word
    }.joined(separator: " ")
  }
}
