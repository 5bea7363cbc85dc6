import CLinux
import Domain
import Foundation
import History
import LiveBench
import NodeControl
import NodeInventory
import Session

/// Plays the runs of a live bench that are not finished yet, one after the other.
final class BenchRunner {
  let plan: BenchPlan
  let folder: BenchFolder
  let machine: Machine
  private(set) var demands: [String: [BenchRecord.CellDemand]] = [:]
  /// Arms that time did not suffice for.
  private(set) var leftOut: [ArmKey] = []

  private let kernels: BenchKernels
  private let crew: CrewRun
  private let cores: CoreSet
  private let runtime: String
  private let began = monotonicSeconds()
  private let secondsMost: Double
  private let armSecondsMost: Double

  /// Makes the notebooks and kernelspecs.
  ///
  /// - Parameters:
  ///   - documents: the notebooks' files, in the plan's order.
  ///   - rules: how they are made larger and smaller.
  ///   - secondsMost: after which no further arm is begun.
  ///   - armSecondsMost: after which an arm has failed.
  /// - Throws: `ToolError` or `SizingError`.
  init(
    plan: BenchPlan, folder: BenchFolder, documents: [String], rules: SizingRules, secondsMost: Double,
    armSecondsMost: Double
  ) throws {
    self.plan = plan
    self.folder = folder
    self.secondsMost = secondsMost
    self.armSecondsMost = armSecondsMost
    // Orphans of kernels are ours to wait for, so that their processor time is counted as ours.
    _ = celltop_set_subreaper()
    let installation = Installation()
    let python = try installation.python()
    cores = LinuxNode().capacity().cores
    machine = MachineFacts.here(cores: cores, python: python)
    runtime = Tool.runtimeFolder() + "/bench-\(getpid())"
    try PrivateFolder.make(runtime)
    kernels = try BenchKernels(folder: folder.path + "/kernels", python: python, gate: try installation.gate())
    let player = try installation.player()
    crew = CrewRun(
      folder: folder, python: python, crew: (player as NSString).deletingLastPathComponent + "/crew.py",
      runtime: runtime)
    try writeNotebooks(documents, rules)
  }

  /// Takes the runtime files away.
  func close() { try? FileManager.default.removeItem(atPath: runtime) }

  /// The notebooks at their sizes, as many copies of each as any run needs.
  private func writeNotebooks(_ documents: [String], _ rules: SizingRules) throws {
    let most = plan.blocks.map(\.workload.notebooks).max() ?? 1
    let copies = max((most + documents.count - 1) / max(documents.count, 1), cores.count, 1)
    for (document, path) in zip(plan.documents, documents) {
      guard let original = FileManager.default.contents(atPath: path) else {
        throw ToolError("cannot read the notebook \(path.printable(at: 200))")
      }
      let size = plan.size(of: document)
      let sized = try rules.sized(original, document: document, size: size)
      let all = SizingRules.cells(of: sized).map { cell in
        let demand = DemandComment.reading(code: cell.source).comment?.over(.oneCore) ?? .oneCore
        return BenchRecord.CellDemand(
          least: min(Int(demand.coresLeast), cores.count), most: min(Int(demand.coresMost), cores.count))
      }
      demands[document] = all
      let peak = all.map(\.most).max() ?? 1
      let reserving = try rules.sized(original, document: document, size: size, reserving: peak)
      for copy in 1...copies {
        let name = copy == 1 ? document : "\(document)-\(copy)"
        try folder.write(text: String(decoding: sized, as: UTF8.self), "notebooks/\(name).ipynb")
        try folder.write(text: String(decoding: reserving, as: UTF8.self), "reserving/\(name).ipynb")
      }
      let oneCore = try rules.sized(original, document: document, size: size, reserving: 1)
      try folder.write(text: String(decoding: oneCore, as: UTF8.self), "one-core/\(document).ipynb")
    }
  }

  /// Plays everything that is not finished.
  ///
  /// - Throws: `ToolError` where a run that all others need cannot be done.
  func run() throws {
    let arms = plan.arms
    let open = arms.filter { folder.arm($0) == nil }
    if open.count < arms.count {
      Tool.progress("\(arms.count - open.count) of \(arms.count) arms are finished already")
    }
    try playSides()
    var times: [String: Double] = [:]
    for (place, key) in open.enumerated() {
      let kind = "\(key.workload.slug) \(key.scheme.rawValue)"
      let expected = times[kind] ?? times.values.max() ?? 0
      guard monotonicSeconds() - began + expected < secondsMost else {
        leftOut.append(key)
        continue
      }
      let start = monotonicSeconds()
      let record = try play(key)
      times[kind] = monotonicSeconds() - start
      try folder.keep(record)
      tell(record, "\(arms.count - open.count + place + 1) of \(arms.count)", seconds: monotonicSeconds() - start)
    }
    if !leftOut.isEmpty {
      Tool.progress(
        "time did not suffice for \(leftOut.count) of \(arms.count) arms; the same command goes on with them")
    }
  }

  private func tell(_ record: ArmRecord, _ place: String, seconds: Double) {
    let span = record.cells.map(\.ended).max() ?? 0
    var text =
      "\(place): \(record.key.workload.title), \(record.key.scheme.rawValue), repetition \(record.key.repetition): "
    text +=
      record.failure.map { "failed: \($0)" }
      ?? "\(decimal(span, digits: 3)) s (\(decimal(seconds, digits: 3)) s with kernels)"
    if record.load.isNoisy { text += ", noisy" }
    Tool.progress(text)
  }

  /// Everything that is known by now.
  func record() -> BenchRecord {
    let formatter = ISO8601DateFormatter()
    return BenchRecord(
      plan: plan, machine: machine, demands: demands, sides: sides.compactMap { folder.side($0.name) },
      arms: plan.arms.compactMap { folder.arm($0) }, seconds: monotonicSeconds() - began,
      when: formatter.string(from: Date()))
  }
}

// MARK: Runs beside the arms

extension BenchRunner {
  private var sides: [Side] {
    let alone = (1...max(plan.aloneRuns, 1)).map { Side.alone($0) } + [.learning]
    guard plan.crowds > 0 else { return alone }
    let crowds = [(isLight: true, count: lightGroups.count), (isLight: false, count: plan.crowds)]
    return alone + [.single] + (1...Self.oneCoreRuns).map { Side.oneCore($0) }
      + crowds.flatMap { kind in
        [false, true].flatMap { isPassive in
          (1...kind.count).map { Side.crowd(isLight: kind.isLight, isPassive: isPassive, number: $0) }
        }
      }
  }

  /// How often everyone runs on one core behind a gate.
  private static let oneCoreRuns = 2

  /// A few notebooks at a time: the loss of sharing under a light load.
  private var lightGroups: [[String]] {
    let count = max((plan.documents.count + 2) / 3, 1)
    return (0..<count).map { group in
      stride(from: group, to: plan.documents.count, by: count).map { plan.documents[$0] }
    }
  }

  private func path(_ name: String, in place: String = "notebooks") -> String {
    "\(folder.path)/\(place)/\(name).ipynb"
  }

  private func playSides() throws {
    guard sides.contains(where: { folder.side($0.name) == nil }) else { return }
    Tool.progress("warming the page cache…")
    _ = try crew.play(
      "warm",
      plan.documents.map {
        CrewRun.Part(path: path($0), name: $0, kernel: BenchKernels.direct, cells_most: 2)
      }, secondsMost: armSecondsMost)
    for kind in sides where folder.side(kind.name) == nil {
      let (name, start) = (kind.name, monotonicSeconds())
      let side = try play(kind)
      let failed = side.cells.filter { !$0.isWell }
      guard failed.isEmpty, !side.cells.isEmpty else {
        throw ToolError(
          "in the run '\(name)' a cell failed: \(failed.first.map { "\($0.notebook), \($0.id)" } ?? "none was played"); see \(folder.path)/events/\(name).log"
        )
      }
      try folder.keep(side)
      Tool.progress("\(name): \(decimal(monotonicSeconds() - start, digits: 3)) s\(side.load.isNoisy ? ", noisy" : "")")
    }
  }

  private func play(_ kind: Side) throws -> SideRun {
    let limit = armSecondsMost * Double(max(plan.documents.count, 1))
    switch kind {
    case .single: return try single(limit)
    case .oneCore(let number): return try oneCore(kind, order: order(aside: 2000 + number), limit)
    case .learning: return try learn(limit)
    case .crowd(let isLight, let isPassive, let number):
      let documents = isLight ? lightGroups[number - 1] : order(aside: 1000 + number)
      return try crowd(kind, of: documents, isPassive ? .osPassive : .os, limit)
    case .alone:
      let parts = plan.documents.enumerated().map {
        CrewRun.Part(path: path($1), name: $1, kernel: BenchKernels.direct, group: $0)
      }
      return side(kind, try crew.play(kind.name, parts, countsProcessorTime: true, secondsMost: limit))
    }
  }

  /// All documents in an order that no arm has.
  private func order(aside number: Int) -> [String] {
    plan.order(Workload(notebooks: plan.documents.count, thinks: false), repetition: number)
      .map { plan.documents[$0] }
  }

  private func side(_ kind: Side, _ played: (chronicle: Chronicle, load: OtherLoad)) -> SideRun {
    SideRun(
      name: kind.name, cells: played.chronicle.cells, load: played.load,
      kernelStartSeconds: LiveMeasures.percentile(played.chronicle.kernelStarts, 0.5))
  }

  /// One copy a core, each bound to its own: what a cell takes on one core while the others work.
  private func single(_ limit: Double) throws -> SideRun {
    let shares = EqualShares.make(count: cores.count, of: cores)
    var parts: [CrewRun.Part] = []
    for (group, document) in plan.documents.enumerated() {
      for (copy, share) in shares.shares.enumerated() {
        let name = copy == 0 ? document : "\(document)-\(copy + 1)"
        parts.append(
          CrewRun.Part(path: path(name), name: name, kernel: try kernels.bound(to: share, number: copy), group: group))
      }
    }
    return side(.single, try crew.play(Side.single.name, parts, secondsMost: limit))
  }

  /// Documents of one of the folder's places that arrive as those of an arm do.
  private func atOnce(
    _ documents: [String], from place: String, _ kernel: String, environment: [String: String] = [:]
  ) -> [CrewRun.Part] {
    documents.enumerated().map { turn, document in
      CrewRun.Part(
        path: path(document, in: place), name: document, kernel: kernel, environment: environment,
        arrival: Double(turn) * Prediction.arrivalGapSeconds)
    }
  }

  /// Several notebooks at once that nobody schedules.
  private func crowd(_ kind: Side, of documents: [String], _ scheme: Scheme, _ limit: Double) throws -> SideRun {
    let parts = atOnce(documents, from: "notebooks", BenchKernels.direct, environment: scheme.environment)
    return side(kind, try crew.play(kind.name, parts, secondsMost: limit))
  }

  /// Everyone at once behind gates, each cell on one core: what a cell takes on one core while the engine gives the others
  /// to somebody else.
  private func oneCore(_ kind: Side, order: [String], _ limit: Double) throws -> SideRun {
    removeHistory(kind.name)
    let parts = atOnce(order, from: "one-core", BenchKernels.gated)
    let played = try scheduled(kind.name, policy: "fcfs", parts, secondsMost: limit)
    var run = side(kind, (played.chronicle, played.load))
    played.account.tell(&run.cells)
    return run
  }

  /// The earlier run of the same notebooks, one after the other behind gates, that forecasts are learned from.
  private func learn(_ limit: Double) throws -> SideRun {
    removeHistory(Side.learning.name)
    let parts = plan.documents.enumerated().map {
      CrewRun.Part(path: path($1), name: $1, kernel: BenchKernels.gated, group: $0)
    }
    let played = try scheduled(Side.learning.name, policy: plan.dynamic, parts, secondsMost: limit)
    return side(.learning, (played.chronicle, played.load))
  }

  private func removeHistory(_ name: String) {
    for file in historyFiles(name) { unlink("\(folder.path)/history/\(file)") }
  }

  private func historyFiles(_ name: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path + "/history")) ?? [])
      .filter { $0.hasPrefix(name + ".sqlite") }
  }
}

// MARK: Arms

extension BenchRunner {
  private func play(_ key: ArmKey) throws -> ArmRecord {
    do {
      switch key.scheme {
      case .os, .osPassive: return try free(key)
      case .partition: return try partitioned(key)
      case .reservation, .dynamic, .dynamicLearned: return try governed(key)
      }
    } catch let error as ToolError {
      return ArmRecord(
        key: key, cells: [], load: OtherLoad(others: 0, stolen: 0), kernelStartSeconds: 0, setUp: "",
        failure: error.description)
    }
  }

  private func parts(_ key: ArmKey, kernel: (Int) throws -> String) rethrows -> [CrewRun.Part] {
    let names = plan.names(of: key.workload)
    let thinks = plan.thinks(
      key.workload, repetition: key.repetition, cells: names.map { demands[plan.document(of: $0)]?.count ?? 0 })
    let order = plan.order(key.workload, repetition: key.repetition)
    let place = key.scheme == .reservation ? "reserving" : "notebooks"
    return try order.enumerated().map { turn, index in
      CrewRun.Part(
        path: path(names[index], in: place), name: names[index], kernel: try kernel(turn),
        thinks: thinks[index], environment: key.scheme.environment,
        arrival: Double(turn) * Prediction.arrivalGapSeconds)
    }
  }

  private func arm(
    _ key: ArmKey, _ played: (chronicle: Chronicle, load: OtherLoad), setUp: String, session: ArmRecord.Session? = nil
  ) -> ArmRecord {
    let failed = played.chronicle.cells.first { !$0.isWell }
    let failure: String? =
      played.chronicle.isComplete
      ? nil
      : "\(failed.map { "cell \($0.id) of \($0.notebook) failed" } ?? "it was not played to its end"); see events/\(key.slug).log"
    return ArmRecord(
      key: key, cells: played.chronicle.cells, load: played.load,
      kernelStartSeconds: LiveMeasures.percentile(played.chronicle.kernelStarts, 0.5), setUp: setUp, session: session,
      failure: failure)
  }

  private func free(_ key: ArmKey) throws -> ArmRecord {
    let played = try crew.play(key.slug, parts(key) { _ in BenchKernels.direct }, secondsMost: armSecondsMost)
    return arm(key, played, setUp: key.scheme.summary)
  }

  private func partitioned(_ key: ArmKey) throws -> ArmRecord {
    let shares = EqualShares.make(count: key.workload.notebooks, of: cores)
    defer { _ = shares.remove() }
    let own = try parts(key) { try kernels.bound(to: shares.shares[$0], number: $0) }
    return arm(key, try crew.play(key.slug, own, secondsMost: armSecondsMost), setUp: shares.account)
  }

  private func governed(_ key: ArmKey) throws -> ArmRecord {
    removeHistory(key.slug)
    if key.scheme == .dynamicLearned {
      for name in historyFiles(Side.learning.name) where !name.hasSuffix("-shm") {
        let copy = key.slug + name.dropFirst(Side.learning.name.count)
        do {
          try FileManager.default.copyItem(
            atPath: "\(folder.path)/history/\(name)", toPath: "\(folder.path)/history/\(copy)")
        } catch { throw ToolError("cannot copy what was learned: \(error.localizedDescription)") }
      }
    }
    let policy = key.scheme.policy(dynamic: plan.dynamic) ?? plan.dynamic
    let own = parts(key) { _ in BenchKernels.gated }
    let played = try scheduled(key.slug, policy: policy, own, secondsMost: armSecondsMost)
    var record = arm(
      key, (played.chronicle, played.load), setUp: "policy \(policy), through gates",
      session: ArmRecord.Session(
        history: "history/\(key.slug).sqlite", number: played.number, account: played.account))
    played.account.tell(&record.cells)
    return record
  }

  /// A run with celltop's engine in this process.
  private func scheduled(
    _ name: String, policy: String, _ parts: [CrewRun.Part], secondsMost: Double
  ) throws -> (chronicle: Chronicle, load: OtherLoad, number: Int64, account: SessionAccount) {
    let history = "\(folder.path)/history/\(name).sqlite"
    let socket = runtime + "/engine.sock"
    // Nothing of the arm before is taken up.
    for path in [socket, socket + ".lock"] { unlink(path) }
    let driver = LinuxNode()
    let capacity = driver.capacity()
    let node = Inventory.here(
      capacity: capacity, settings: NodeSettings(), environment: ProcessInfo.processInfo.environment
    ).node
    var configuration = LiveSession.Configuration(
      node: node, socketPath: socket, host: capacity.name, user: NSUserName())
    configuration.policy = policy
    configuration.note = "bench live \(name)"
    let session = try LiveSession(configuration, on: driver, history: history)
    session.start()
    let played = Result { try crew.play(name, parts, socket: socket, secondsMost: secondsMost) }
    session.stop()
    let (chronicle, load) = try played.get()
    if let trouble = session.trouble { throw ToolError("the run was not recorded: \(trouble)") }
    let store = try HistoryStore(reading: history)
    let entries = try store.entries(of: session.number)
    let account = SessionAccount(
      entries, sessionBegan: Double(session.clock.beganWallMicroseconds) / 1e6, runBegan: chronicle.began)
    return (chronicle, load, session.number, account)
  }
}
