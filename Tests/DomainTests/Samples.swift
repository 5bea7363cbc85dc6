import Chance
import Domain

/// One of each event and input, with drawn contents.
struct Samples {
  private var random: SplitMix

  init(seed: UInt64) { random = SplitMix(seed: seed) }

  private mutating func number() -> Int64 { Int64(truncatingIfNeeded: random.next() >> (random.next() % 60)) }
  private mutating func small() -> Int32 { Int32(truncatingIfNeeded: number() % 1000) }
  private mutating func text() -> String {
    ["", "churn", "naïve-Größe.ipynb", "💥\u{202E}evil", "a/b c"][Int(random.next() % 5)]
  }
  private mutating func notebookID() -> NotebookID { NotebookID(abs(small())) }
  private mutating func cores() -> CoreSet { CoreSet((0..<4).map { _ in Int(random.next() % 700) }) }
  private mutating func span() -> Span { Span(microseconds: number()) }
  private mutating func instant() -> Instant { Instant(microseconds: number()) }
  private mutating func reason() -> Reason {
    Reason(Rule.allCases.randomElement(using: &random)!, for: random.next() % 2 == 0 ? notebookID() : nil)
  }

  private mutating func allotment() -> Allotment {
    Allotment(
      node: NodeID(0), cores: cores(), gpus: GPUSet([1, 9]), memory: Bytes(number()), shared: random.next() % 2 == 0)
  }

  private mutating func demand() -> Demand {
    Demand(coresLeast: 1, coresMost: 1 + abs(small()), gpus: small(), memory: Bytes(number()), gpuMemory: .zero)
  }

  private mutating func source() -> CellSource {
    CellSource(jupyterCell: random.next() % 2 == 0 ? text() : nil, codeHash: random.next(), key: random.next())
  }

  private mutating func forecast() -> CellForecast {
    CellForecast(
      run: Quantiles(p05: span(), p25: span(), p50: span(), p75: span(), p95: span()),
      basis: ForecastBasis.allCases.randomElement(using: &random)!, notebookRemaining: span())
  }

  private mutating func cell() -> Cell {
    Cell(
      id: CellID(number()), notebook: notebookID(), submitted: instant(), demand: demand(), source: source(),
      forecast: random.next() % 2 == 0 ? forecast() : nil)
  }

  private mutating func notebook() -> Notebook {
    Notebook(
      id: notebookID(), node: NodeID(0), user: text(), path: text(), kernel: text(), priority: small(), gate: "ab")
  }

  private mutating func node() -> Node {
    let topology = CoreTopology(
      physical: [cores(), cores()], caches: [cores()], numaNodes: [], packages: [cores()])
    return Node(
      id: NodeID(0), name: text(), cores: cores(),
      gpus: [
        GPU(uuid: "GPU-1", model: text(), memory: Bytes(80 << 30)),
        GPU(uuid: "0", maker: GPUMaker.allCases.randomElement(using: &random)!),
      ], memory: Bytes(number()), topology: random.next() % 2 == 0 ? topology : nil)
  }

  private mutating func refusal() -> Refusal {
    Refusal(Refusal.Cause.allCases.randomElement(using: &random)!, text())
  }

  private mutating func verbs() -> [Verb] {
    let id = notebookID()
    let cell = CellID(number())
    let pin = Pin(node: NodeID(0), cores: cores(), gpus: GPUSet([2]), reserves: true)
    return [
      .suspend(id, cell: cell), .resume(id, cell: cell), .interrupt(id, cell: cell), .setPriority(id, small()),
      .pin(id, pin), .unpin(id), .hold(id), .release(id), .drain(NodeID(0), cores(), GPUSet()),
      .undrain(NodeID(0), cores(), GPUSet([0])), .setPolicy(text()), .overrideDemand(id, demand()),
      .overrideDemand(id, nil), .suspendAfter(id, cell: cell, Span(microseconds: number())),
      .suspendAtEnd(id, cell: cell), .callOff(id, cell: cell),
    ]
  }

  private mutating func commands() -> [Command] {
    verbs().map { Command(id: CommandID(random.next()), author: text(), why: text(), verb: $0) }
  }

  mutating func events() -> [Event] {
    let id = notebookID()
    let cell = CellID(number())
    let wait = Wait(
      cause: WaitCause.allCases.randomElement(using: &random)!, lacking: small(), holders: [id, notebookID()],
      place: small(), expected: ExpectedStart(early: instant(), median: instant(), late: instant()))
    let plain: [Event] = [
      .policyChanged(text()), .nodeAdded(node()), .drainChanged(NodeID(0), cores(), GPUSet()),
      .notebookOpened(notebook()),
      .kernelReady(id), .kernelDied(id), .notebookClosed(id), .backlogChanged(id, small()), .cellQueued(self.cell()),
      .cellRefused(self.cell(), refusal()), .cellWaits(cell, id, wait), .cellStarted(cell, id, allotment(), reason()),
      .cellAdopted(self.cell(), started: instant(), allotment()), .cellResized(cell, id, allotment(), reason()),
      .cellSuspended(cell, id, reason()), .cellResumed(cell, id, allotment(), reason()), .interruptRequested(cell, id),
      .priorityChanged(id, small()), .pinned(id, Pin(node: NodeID(0), cores: cores())), .unpinned(id), .held(id),
      .released(id), .resumeOrdered(id, cell), .demandOverridden(id, demand()), .decisionRefused(refusal()),
      .effectFailed(id, sequence: number(), why: text()),
      .usageSampled(id, Usage(millicores: small(), memory: Bytes(number()))), .invariantBroken(text()),
      .suspensionPlanned(id, cell, due: instant()), .suspensionPlanned(id, cell, due: nil),
      .suspensionCalledOff(id, cell),
    ]
    let ended = CellOutcome.allCases.map { Event.cellEnded(cell, id, $0) }
    return plain + ended + commands().map { .commandAccepted($0) } + commands().map { .commandRefused($0, refusal()) }
  }

  mutating func inputs() -> [Input] {
    let id = notebookID()
    let observations: [Observation] = [
      .nodeFound(node()), .notebookOpened(notebook()), .kernelReady(id), .kernelDied(id), .notebookClosed(id),
      .backlogChanged(id, small()), .cellSubmitted(id, demand(), source(), forecast()),
      .cellFoundRunning(id, demand(), source(), ran: span(), cores(), suspended: true),
      .cellFoundRunning(id, demand(), source(), ran: span(), nil, suspended: false),
      .cellEnded(id, CellID(number()), .ok), .usageSampled(id, Usage(millicores: small(), memory: .zero)),
      .effectFailed(id, sequence: number(), why: text()),
    ]
    return [.timer] + observations.map { .observation($0) } + commands().map { .command($0) }
  }
}
