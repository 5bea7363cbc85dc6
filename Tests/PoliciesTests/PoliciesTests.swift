import Domain
import Engine
import Testing

@testable import Policies

/// A small session: one node, one-cell notebooks, and what became of them.
struct Bench {
  var scheduler: Scheduler

  init(_ policy: String, cores: Int = 4, gpus: Int = 0) throws {
    try self.init(
      policy,
      node: Node(id: NodeID(0), name: "n", cores: CoreSet(0..<cores), gpus: (0..<gpus).map { GPU(uuid: "g\($0)") }))
  }

  init(_ policy: String, node: Node) throws {
    scheduler = try Scheduler(
      policy: policy, from: .standard, settings: Scheduler.Settings(explainsWaits: true, checksInvariants: true))
    tell(.nodeFound(node), at: 0)
  }

  mutating func tell(_ observation: Observation, at seconds: Double) {
    scheduler.handle(.observation(observation), at: Instant(seconds: seconds))
  }

  mutating func order(_ verb: Verb, at seconds: Double) {
    let id = CommandID(UInt64(scheduler.state.sequence) + 1)
    scheduler.handle(.command(Command(id: id, author: "op", verb: verb)), at: Instant(seconds: seconds))
  }

  /// Opens a notebook and submits a cell of it.
  mutating func submit(
    user: String = "u", cores: Int32 = 1, least: Int32? = nil, gpus: Int32 = 0, run: Double? = nil, at seconds: Double
  ) -> NotebookID {
    let id = NotebookID(Int32(scheduler.state.notebooks.count))
    tell(.notebookOpened(Notebook(id: id, node: NodeID(0), user: user, path: "nb\(id.number)")), at: seconds)
    tell(.kernelReady(id), at: seconds)
    again(id, cores: cores, least: least, gpus: gpus, run: run, at: seconds)
    return id
  }

  mutating func again(
    _ id: NotebookID, cores: Int32 = 1, least: Int32? = nil, gpus: Int32 = 0, run: Double? = nil, at seconds: Double
  ) {
    let forecast = run.map {
      CellForecast(
        run: Quantiles(certain: Span(seconds: $0)), basis: .oracle, notebookRemaining: Span(seconds: $0),
        notebookTotal: Span(seconds: $0))
    }
    tell(
      .cellSubmitted(
        id, Demand(coresLeast: least ?? cores, coresMost: cores, gpus: gpus), CellSource(), forecast), at: seconds)
  }

  mutating func end(_ id: NotebookID, at seconds: Double) {
    tell(.cellEnded(id, scheduler.state[id].cell.id, .ok), at: seconds)
  }

  func state(_ id: NotebookID) -> NotebookState { scheduler.state[id].state }
  func cores(_ id: NotebookID) -> Int { scheduler.state[id].allotment.cores.count }
}

@Suite("Each policy's rule, on cases worked out by hand")
struct PolicyRuleTests {
  @Test("fcfs: nobody overtakes the first in line")
  func firstCome() throws {
    var bench = try Bench("fcfs")
    let a = bench.submit(cores: 3, run: 10, at: 0)
    let b = bench.submit(cores: 4, run: 10, at: 1)
    let c = bench.submit(cores: 1, run: 1, at: 2)
    #expect([bench.state(a), bench.state(b), bench.state(c)] == [.running, .queued, .queued])
    bench.end(a, at: 10)
    #expect([bench.state(b), bench.state(c)] == [.running, .queued])
    bench.end(b, at: 20)
    #expect(bench.state(c) == .running)
  }

  @Test("sjf: the shortest that fits goes first")
  func shortestFirst() throws {
    var bench = try Bench("sjf")
    let a = bench.submit(cores: 4, run: 10, at: 0)
    let b = bench.submit(cores: 4, run: 9, at: 1)
    let c = bench.submit(cores: 4, run: 2, at: 2)
    bench.end(a, at: 10)
    #expect([bench.state(b), bench.state(c)] == [.queued, .running])
  }

  /// Four cores. a: 3 cores for 10 s at 0; b: 4 cores (promised 10 s); c: 1 core for 8 s at 2 ends by 10 and may overtake;
  /// d: 1 core for 9 s at 2 would end at 11 and may not, though a core were free.
  @Test("backfill: whoever ends by the promise overtakes, whoever does not waits")
  func easy() throws {
    var bench = try Bench("backfill")
    let a = bench.submit(cores: 3, run: 10, at: 0)
    let b = bench.submit(cores: 4, run: 10, at: 1)
    let d = bench.submit(cores: 1, run: 9, at: 2)
    let c = bench.submit(cores: 1, run: 8, at: 2)
    #expect([a, b, c, d].map(bench.state) == [.running, .queued, .running, .queued])
    bench.end(c, at: 10)
    bench.end(a, at: 10)
    #expect([b, d].map(bench.state) == [.running, .queued], "the promise is kept to the second")
  }

  /// Eight cores. a holds 6 until 10. b needs 7 and will leave 1. c needs 1 for ever: it fits beside b.
  @Test("backfill: whoever fits beside the first in line overtakes, however long it runs")
  func easyBeside() throws {
    var bench = try Bench("backfill", cores: 8)
    _ = bench.submit(cores: 6, run: 10, at: 0)
    let b = bench.submit(cores: 7, run: 10, at: 1)
    let c = bench.submit(cores: 1, run: 1000, at: 2)
    let d = bench.submit(cores: 1, run: 1000, at: 3)
    #expect([b, c, d].map(bench.state) == [.queued, .running, .queued])
  }

  @Test("fairshare: the user who had less goes first")
  func fairShare() throws {
    var bench = try Bench("fairshare")
    let a = bench.submit(user: "ana", cores: 4, run: 10, at: 0)
    let b = bench.submit(user: "ana", cores: 4, run: 1, at: 1)
    let c = bench.submit(user: "ben", cores: 4, run: 99, at: 2)
    bench.end(a, at: 10)
    #expect([b, c].map(bench.state) == [.queued, .running])
  }

  @Test("reservation: a thinking notebook keeps what it holds until it closes")
  func reservation() throws {
    var bench = try Bench("reservation")
    let a = bench.submit(cores: 3, run: 1, at: 0)
    let b = bench.submit(cores: 3, run: 1, at: 1)
    bench.end(a, at: 1)
    #expect(bench.state(b) == .queued)
    bench.again(a, cores: 2, run: 1, at: 5)
    #expect(bench.state(a) == .running)
    bench.end(a, at: 6)
    bench.tell(.notebookClosed(a), at: 7)
    #expect(bench.state(b) == .running)
  }

  @Test("os: everyone starts at once, on everything")
  func everything() throws {
    var bench = try Bench("os")
    let cells = (0..<5).map { bench.submit(cores: 4, run: 1, at: Double($0)) }
    #expect(cells.allSatisfy { bench.state($0) == .running && bench.cores($0) == 4 })
  }

  @Test("partition: each open notebook has its part, and no more")
  func partition() throws {
    var bench = try Bench("partition")
    let a = bench.submit(cores: 4, run: 1, at: 0)
    let b = bench.submit(cores: 4, run: 1, at: 1)
    #expect(bench.cores(a) == 4, "it was alone when it started")
    #expect(bench.cores(b) == 2)
    bench.end(a, at: 2)
    bench.again(a, cores: 4, run: 1, at: 3)
    #expect(bench.cores(a) == 2)
    #expect(bench.scheduler.state[a].allotment.cores.isDisjoint(with: bench.scheduler.state[b].allotment.cores))
  }

  @Test("partition, weighted: a priority of 100 has twice the part of one of 0")
  func weightedPartition() throws {
    var bench = try Bench("partition:weighted", cores: 6)
    let a = bench.submit(cores: 6, run: 1, at: 0)
    let b = bench.submit(cores: 6, run: 1, at: 1)
    bench.end(a, at: 2)
    bench.end(b, at: 2)
    bench.order(.setPriority(b, 100), at: 3)
    bench.again(a, cores: 6, run: 1, at: 4)
    bench.again(b, cores: 6, run: 1, at: 4)
    #expect([bench.cores(a), bench.cores(b)] == [2, 4])
    #expect(bench.scheduler.state[a].allotment.cores.isDisjoint(with: bench.scheduler.state[b].allotment.cores))
  }

  @Test("dynamic: a shorter notebook takes GPUs from a longer one, which goes on afterwards")
  func preempts() throws {
    var bench = try Bench("dynamic", cores: 4, gpus: 2)
    let long = bench.submit(gpus: 2, run: 1000, at: 0)
    let short = bench.submit(gpus: 1, run: 10, at: 1)
    #expect([long, short].map(bench.state) == [.suspended, .running])
    bench.end(short, at: 11)
    #expect(bench.state(long) == .running)
  }

  @Test("dynamic: cores are divided by what the next one brings, and given back")
  func malleable() throws {
    var bench = try Bench("dynamic", cores: 8)
    let a = bench.submit(cores: 8, least: 1, run: 100, at: 0)
    #expect(bench.cores(a) == 8)
    let b = bench.submit(cores: 2, least: 1, run: 10, at: 1)
    #expect([bench.cores(a), bench.cores(b)] == [6, 2])
    bench.end(b, at: 11)
    #expect(bench.cores(a) == 8)
  }

  @Test("dynamic: without preemption a running cell keeps what it has")
  func keepsWithoutPreemption() throws {
    var bench = try Bench("dynamic:no-preemption", cores: 4, gpus: 2)
    let long = bench.submit(gpus: 2, run: 1000, at: 0)
    let short = bench.submit(gpus: 1, run: 10, at: 1)
    #expect([long, short].map(bench.state) == [.running, .queued])
  }

  @Test("dynamic: a cell that stood still for as long as anyone may goes first, and keeps its place")
  func ages() throws {
    var bench = try Bench("dynamic:ageing=1", cores: 1)
    let short = bench.submit(run: 7200, at: 0)
    let long = bench.submit(run: 100_000, at: 1)
    #expect([short, long].map(bench.state) == [.running, .queued])
    #expect(bench.scheduler.wakeAt == Instant(seconds: 3601))
    bench.scheduler.handle(.timer, at: Instant(seconds: 3601))
    #expect([short, long].map(bench.state) == [.suspended, .running])
    let tiny = bench.submit(run: 1, at: 3700)
    #expect([long, tiny].map(bench.state) == [.running, .queued])
  }

  @Test("dynamic: without a forecast the notebook that had least goes first")
  func leastAttained() throws {
    var bench = try Bench("dynamic", cores: 1)
    let old = bench.submit(at: 0)
    let new = bench.submit(at: 100)
    #expect([old, new].map(bench.state) == [.suspended, .running])
  }
}

@Suite("Operators' orders, under every policy")
struct OrderTests {
  static let policies = PolicyCatalogue.standard.names + ["dynamic:no-malleability", "dynamic:no-preemption"]

  @Test("a held notebook does not start until it is released", arguments: policies)
  func holds(policy: String) throws {
    var bench = try Bench(policy)
    let a = bench.submit(run: 5, at: 0)
    bench.end(a, at: 5)
    bench.order(.hold(a), at: 6)
    bench.again(a, run: 5, at: 7)
    #expect(bench.state(a) == .queued)
    #expect(bench.scheduler.state[a].wait?.cause == .held)
    bench.order(.release(a), at: 8)
    #expect(bench.state(a) == .running)
  }

  @Test("a hold stops no cell that has started: it is preempted and goes on as any other", arguments: ["dynamic"])
  func holdsNothingThatStarted(policy: String) throws {
    var bench = try Bench(policy, cores: 1)
    let a = bench.submit(run: 100, at: 0)
    bench.order(.hold(a), at: 1)
    let b = bench.submit(run: 5, at: 2)
    #expect([a, b].map(bench.state) == [.suspended, .running])
    let wait = try #require(bench.scheduler.state[a].wait)
    #expect(wait.cause == .cores && wait.holders == [b])
    #expect(wait.expected != nil, "it is reckoned with in the line")
    bench.end(b, at: 7)
    #expect(bench.state(a) == .running)
    bench.end(a, at: 102)
    bench.again(a, run: 5, at: 103)
    #expect(bench.state(a) == .queued)
  }

  @Test("a suspended cell goes on when it is resumed, its notebook held or not", arguments: policies)
  func resumesThoughHeld(policy: String) throws {
    var bench = try Bench(policy)
    let a = bench.submit(run: 50, at: 0)
    let cell = bench.scheduler.state[a].cell.id
    bench.order(.hold(a), at: 1)
    bench.order(.suspend(a, cell: cell), at: 2)
    bench.order(.release(a), at: 3)
    bench.order(.hold(a), at: 4)
    #expect(bench.state(a) == .suspended)
    bench.order(.resume(a, cell: cell), at: 5)
    #expect(bench.state(a) == .running)
  }

  @Test("a suspended cell stays suspended until it is resumed", arguments: policies)
  func suspends(policy: String) throws {
    var bench = try Bench(policy)
    let a = bench.submit(run: 50, at: 0)
    let cell = bench.scheduler.state[a].cell.id
    bench.order(.suspend(a, cell: cell), at: 1)
    #expect(bench.state(a) == .suspended)
    let b = bench.submit(run: 5, at: 2)
    bench.end(b, at: 7)
    #expect(bench.state(a) == .suspended)
    bench.order(.resume(a, cell: cell), at: 8)
    #expect(bench.state(a) == .running)
  }

  @Test("a pinned notebook runs on its pin, and a reserved pin is left to it", arguments: policies)
  func pins(policy: String) throws {
    var bench = try Bench(policy)
    let a = bench.submit(cores: 2, least: 1, run: 5, at: 0)
    bench.end(a, at: 1)
    bench.order(.pin(a, Pin(node: NodeID(0), cores: CoreSet([3]), reserves: true)), at: 2)
    let b = bench.submit(cores: 4, least: 1, run: 50, at: 3)
    #expect(!bench.scheduler.state[b].allotment.cores.contains(3), "\(bench.scheduler.state[b].allotment.cores)")
    #expect(bench.state(b) == .running)
    bench.again(a, cores: 2, least: 1, run: 5, at: 4)
    #expect(bench.scheduler.state[a].allotment.cores == CoreSet([3]))
    #expect(bench.state(a) == .running)
  }

  @Test("a drained core is given to no further cell", arguments: policies)
  func drains(policy: String) throws {
    var bench = try Bench(policy)
    bench.order(.drain(NodeID(0), CoreSet([0, 1]), GPUSet()), at: 0)
    let a = bench.submit(cores: 4, least: 1, run: 5, at: 1)
    #expect(bench.scheduler.state[a].allotment.cores == CoreSet([2, 3]))
    bench.end(a, at: 2)
    bench.order(.undrain(NodeID(0), CoreSet([0, 1]), GPUSet()), at: 3)
    bench.again(a, cores: 4, least: 1, run: 5, at: 4)
    #expect(bench.cores(a) == (policy == "reservation" ? 2 : 4), "a reservation keeps what it holds")
  }

  @Test("the policy can be changed while cells wait and run", arguments: policies)
  func switches(policy: String) throws {
    var bench = try Bench("fcfs")
    let a = bench.submit(cores: 4, run: 50, at: 0)
    let b = bench.submit(cores: 4, run: 5, at: 1)
    bench.order(.setPolicy(policy), at: 2)
    #expect(bench.scheduler.state.policyName == policy)
    if bench.state(a) == .running { bench.end(a, at: 50) }
    bench.tell(.notebookClosed(a), at: 51)
    #expect(bench.state(b) == .running)
  }

  @Test("each running cell's reason and each waiting cell's wait read as a clause", arguments: policies)
  func reasons(policy: String) throws {
    var bench = try Bench(policy)
    _ = bench.submit(cores: 4, run: 50, at: 0)
    let b = bench.submit(cores: 4, run: 60, at: 1)
    if bench.state(b) == .queued {
      let wait = try #require(bench.scheduler.state[b].wait)
      #expect(!wait.clause { "nb\($0.number)" }.isEmpty)
    }
  }

  @Test(
    "an unknown policy or option is refused, and what there is is named",
    arguments: [
      ("lottery", "there is no policy 'lottery'; there are dynamic, os, partition"),
      ("fcfs:fast", "fcfs has no option 'fast'; it has none"),
      ("dynamic:fast", "dynamic has no option 'fast'; it has no-preemption, no-malleability"),
      ("dynamic:ageing=soon", "the option ageing is 'soon'; it is a number from 0.0 to 8760.0"),
    ])
  func unknown(name: String, expected: String) {
    let error = #expect(throws: Refusal.self) { _ = try PolicyCatalogue.standard.make(name) }
    #expect(error?.text.hasPrefix(expected) == true, "\(error?.text ?? "")")
  }
}
