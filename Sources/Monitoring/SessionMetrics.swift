import Domain
import Projections

/// What a scrape is told of a session. No name of a user or of a notebook is in it: whoever may connect may read it.
public struct SessionMetrics: Sendable {
  public var board: Board
  public var meters: MeterBook
  public var version: String
  /// Gates and consoles that are connected.
  public var gates: Int
  public var consoles: Int
  /// Why the history is not complete; nil where it is.
  public var trouble: String?
  /// Entries that wait to be written, and those that were given up.
  public var entriesWaiting: Int64
  public var entriesLost: Int64
  public var process: ProcessUse?

  public init(
    board: Board, meters: MeterBook, version: String, gates: Int, consoles: Int, trouble: String?,
    entriesWaiting: Int64 = 0, entriesLost: Int64 = 0, process: ProcessUse? = nil
  ) {
    self.board = board
    self.meters = meters
    self.version = version
    self.gates = gates
    self.consoles = consoles
    self.trouble = trouble
    self.entriesWaiting = entriesWaiting
    self.entriesLost = entriesLost
    self.process = process
  }

  public var text: String {
    var page = Exposition()
    page.add(
      "celltop_build_info", .gauge, "1, labelled with the version.", [([("version", version)], 1)])
    page.add(
      "celltop_policy_info", .gauge, "1, labelled with the policy that decides.", [([("policy", board.policy)], 1)])
    addNotebooks(&page)
    addCells(&page)
    addNodes(&page)
    addEngine(&page)
    if let process {
      page.add("process_cpu_seconds_total", .counter, "Processor time of the server.", process.processorSeconds)
      page.add("process_resident_memory_bytes", .gauge, "Resident memory of the server.", Double(process.residentBytes))
      page.add("process_open_fds", .gauge, "Open files and sockets of the server.", Double(process.descriptors))
      page.add("process_max_fds", .gauge, "How many it may open.", Double(process.descriptorsMost))
    }
    return page.text
  }

  private func addNotebooks(_ page: inout Exposition) {
    var states: [NotebookState: Int] = [:]
    var held = 0
    var backlog = 0
    for facts in board.notebooks where facts.state != .gone {
      states[facts.state, default: 0] += 1
      if facts.isHeld { held += 1 }
      backlog += Int(facts.backlog)
    }
    page.add(
      "celltop_notebooks", .gauge, "Open notebooks by state.",
      NotebookState.allCases.filter { $0 != .gone }.map { ([("state", $0.word)], Double(states[$0] ?? 0)) })
    page.add("celltop_notebooks_held", .gauge, "Open notebooks that an operator holds.", Double(held))
    page.add(
      "celltop_cells_behind", .gauge, "Cells that wait in gates behind the first of their notebook.", Double(backlog))
  }

  private func addCells(_ page: inout Exposition) {
    page.add("celltop_cells_submitted_total", .counter, "Cells that were queued.", Double(meters.submitted))
    page.add(
      "celltop_cells_ended_total", .counter, "Cells that ended, by outcome.",
      CellOutcome.allCases.map { ([("outcome", $0.word)], Double(meters.ended[$0] ?? 0)) })
    page.add("celltop_cell_wait_seconds", "From a cell's submission to its start.", meters.waits)
    page.add("celltop_cell_run_seconds", "How long cells that ended had run.", meters.runs)
    page.add("celltop_suspensions_total", .counter, "Running cells that were suspended.", Double(meters.suspensions))
    page.add(
      "celltop_preemptions_total", .counter, "Those of the suspended that the policy preempted.",
      Double(meters.preemptions))
    let now = board.now
    let longest = board.notebooks.compactMap { facts -> Double? in
      guard facts.state == .queued, let cell = facts.cell?.cell else { return nil }
      return (now - cell.submitted).seconds
    }.max()
    page.add(
      "celltop_longest_wait_seconds", .gauge,
      "How long the cell that has waited longest had waited at the last entry; 0 where none waits.", longest ?? 0)
  }

  private func addNodes(_ page: inout Exposition) {
    var cores: [(labels: [(String, String)], value: Double)] = []
    var gpus = cores
    for facts in board.nodes {
      let name = facts.node.name
      var held: (cores: CoreSet, gpus: GPUSet) = (CoreSet(), GPUSet())
      var busy = 0.0
      for notebook in board.notebooks where notebook.notebook.node == facts.node.id && notebook.state == .running {
        guard let allotment = notebook.cell?.allotment else { continue }
        held.cores.formUnion(allotment.cores)
        held.gpus.formUnion(allotment.gpus)
        busy += Double(notebook.usage?.millicores ?? 0) / 1000
      }
      func add(_ list: inout [(labels: [(String, String)], value: Double)], _ kind: String, _ value: Double) {
        list.append(([("node", name), ("kind", kind)], value))
      }
      add(&cores, "capacity", Double(facts.node.cores.count))
      add(&cores, "held", Double(held.cores.count))
      add(&cores, "busy", busy)
      add(&cores, "drained", Double(facts.drainedCores.count))
      add(&gpus, "capacity", Double(facts.node.gpus.count))
      add(&gpus, "held", Double(held.gpus.count))
      add(&gpus, "drained", Double(facts.drainedGPUs.count))
    }
    page.add(
      "celltop_cores", .gauge,
      "Cores: the node's, those that running cells hold, what their kernels use of them as last sampled, and the drained.",
      cores)
    page.add("celltop_gpus", .gauge, "GPUs: the node's, those that running cells hold, and the drained.", gpus)
  }

  private func addEngine(_ page: inout Exposition) {
    page.add("celltop_gates", .gauge, "Gates that are connected.", Double(gates))
    page.add("celltop_consoles", .gauge, "Consoles and other clients that are connected.", Double(consoles))
    page.add("celltop_entries_total", .counter, "Entries of the session so far.", Double(meters.sequence))
    page.add("celltop_decision_seconds", "The engine's decision on one input.", meters.decisions)
    page.add("celltop_commit_seconds", "Writing decisions to the history, before they are carried out.", meters.commits)
    page.add("celltop_turn_seconds", "A turn of the engine's thread, waiting left out.", meters.turns)
    page.add(
      "celltop_commands_total", .counter, "Orders of people, by what became of them.",
      [
        ([("result", "accepted")], Double(meters.commandsAccepted)),
        ([("result", "refused")], Double(meters.commandsRefused)),
      ])
    page.add(
      "celltop_effects_failed_total", .counter, "Orders to gates that could not be carried out.",
      Double(meters.effectsFailed))
    page.add("celltop_kernels_died_total", .counter, "Kernels that died.", Double(meters.kernelsDied))
    page.add("celltop_faults_total", .counter, "Faults of celltop's own, which are bugs.", Double(meters.faults))
    page.add(
      "celltop_history_trouble", .gauge, "1 while the history cannot be written, else 0.", trouble == nil ? 0 : 1)
    page.add("celltop_history_entries_waiting", .gauge, "Entries that wait to be written.", Double(entriesWaiting))
    page.add("celltop_history_entries_lost_total", .counter, "Entries that were given up.", Double(entriesLost))
  }
}

/// What the server's process uses (proc(5)).
public struct ProcessUse: Sendable, Hashable {
  public var processorSeconds: Double
  public var residentBytes: Int
  public var descriptors: Int
  public var descriptorsMost: Int

  public init(processorSeconds: Double, residentBytes: Int, descriptors: Int, descriptorsMost: Int) {
    self.processorSeconds = processorSeconds
    self.residentBytes = residentBytes
    self.descriptors = descriptors
    self.descriptorsMost = descriptorsMost
  }
}
