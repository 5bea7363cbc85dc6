import Domain
import Engine
import Policies

/// Decides nothing, so that a test sees what an input brings by itself.
struct Idle: Policy {
  static let name = "idle"
  static let summary = "decides nothing"

  init(options: PolicyOptions) throws(Refusal) {}
  mutating func prepare(for state: SchedulerState) {}
  mutating func note(_ kind: EventKind, of id: NotebookID?, in state: SchedulerState) {}
  mutating func decide(_ ledger: inout Ledger) {}
}

/// A session of one node with four cores and two GPUs, told what happens second by second.
struct Stage {
  static let node = Node(
    id: NodeID(0), name: "n", cores: CoreSet(0..<4), gpus: [GPU(uuid: "g0"), GPU(uuid: "g1")], memory: Bytes(100))
  /// The notebook that a test is about, and its only cell.
  static let subject = NotebookID(0)
  static let cell = CellID(1)

  static var catalogue: PolicyCatalogue {
    var catalogue = PolicyCatalogue()
    catalogue.add(Idle.self)
    catalogue.add(FirstCome.self)
    catalogue.add(Dynamic.self)
    catalogue.add(Everything.self)
    catalogue.add(Wrong.self)
    catalogue.add(WrongGPUs.self)
    catalogue.add(Explaining.self)
    return catalogue
  }

  var scheduler: Scheduler
  private var commands: UInt64 = 0
  /// The instant of the next input, in seconds.
  var clock = 0.0

  init(_ policy: String = "idle", explains: Bool = false, node: Node = Stage.node) throws {
    scheduler = try Scheduler(
      policy: policy, from: Self.catalogue,
      settings: Scheduler.Settings(explainsWaits: explains, checksInvariants: true))
    tell(.nodeFound(node))
  }

  var state: SchedulerState { scheduler.state }

  /// The events of the last input.
  var events: [Event] { scheduler.entries.map(\.event) }

  @discardableResult
  mutating func tell(_ observation: Observation) -> [Event] {
    scheduler.handle(.observation(observation), at: Instant(seconds: clock))
    return events
  }

  @discardableResult
  mutating func timer() -> [Event] {
    scheduler.handle(.timer, at: Instant(seconds: clock))
    return events
  }

  /// Gives an order under an id that was not used yet; the events beside the record of the order itself.
  @discardableResult
  mutating func order(_ verb: Verb) -> [Event] {
    commands += 1
    let command = Command(id: CommandID(commands), author: "ops", why: "a test", verb: verb)
    scheduler.handle(.command(command), at: Instant(seconds: clock))
    return events.filter { $0 != .commandAccepted(command) }
  }

  @discardableResult
  mutating func open(user: String = "ana", path: String = "a.ipynb", priority: Int32 = 0) -> NotebookID {
    let id = NotebookID(Int32(state.notebooks.count))
    tell(.notebookOpened(Notebook(id: id, node: NodeID(0), user: user, path: path, priority: priority)))
    return id
  }

  @discardableResult
  mutating func submit(
    _ id: NotebookID, cores: Int32 = 1, least: Int32? = nil, gpus: Int32 = 0, memory: Int64 = 0,
    forecast: CellForecast? = nil
  ) -> [Event] {
    let demand = Demand(coresLeast: least ?? cores, coresMost: cores, gpus: gpus, memory: Bytes(memory))
    return tell(.cellSubmitted(id, demand, CellSource(), forecast))
  }

  /// Opens a notebook with a cell that runs already, on `cores`.
  @discardableResult
  mutating func adopt(
    _ cores: CoreSet?, demand: Demand = .oneCore, ran: Double = 0, suspended: Bool = false
  ) -> NotebookID {
    let id = open()
    tell(.cellFoundRunning(id, demand, CellSource(), ran: Span(seconds: ran), cores, GPUSet(), suspended: suspended))
    return id
  }

  /// A cell of the notebook is found running on `cores`.
  mutating func find(_ id: NotebookID, on cores: CoreSet, demand: Demand = .oneCore) {
    tell(.cellFoundRunning(id, demand, CellSource(), ran: .zero, cores, GPUSet(), suspended: false))
  }

  @discardableResult
  mutating func end(_ id: NotebookID) -> [Event] { tell(.cellEnded(id, state[id].cell.id, .ok)) }
}

extension CoreSet {
  /// Cores by a list as Linux writes it: `0-3,8`.
  static func list(_ text: String) -> CoreSet {
    do { return try CoreSet(parsing: text) } catch { fatalError("\(error)") }
  }
}

extension CellForecast {
  /// A forecast of which only the quartiles matter, in seconds.
  static func quartiles(_ p25: Double, _ p50: Double, _ p75: Double) -> CellForecast {
    CellForecast(
      run: Quantiles(
        p05: .zero, p25: Span(seconds: p25), p50: Span(seconds: p50), p75: Span(seconds: p75),
        p95: Span(seconds: p75)),
      basis: .code)
  }
}
