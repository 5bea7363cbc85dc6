import Chance
import Domain
import Engine
import Policies

@testable import WhatIf

/// A session played by people of its own, without any code of the module under test: what a recording is made of, and
/// what another world must come out as.
struct Stage {
  struct CellPlan {
    var think: Int64
    /// Microseconds alone on all the cores that it can use.
    var run: Int64
    var demand: Demand
    var parallel: Int32 = 1000
    var outcome = CellOutcome.ok
  }

  struct NotebookPlan {
    var user: String
    var opens: Int64
    var cells: [CellPlan]
  }

  struct Order {
    var at: Int64
    var verb: (SchedulerState) -> Verb?
  }

  struct Life: Equatable {
    var submitted: Instant
    var started: Instant?
    var ended: Instant?
  }

  var notebooks: [NotebookPlan]
  var orders: [Order] = []
  var node = Node(id: NodeID(0), name: "node", cores: CoreSet(0..<8), gpus: [GPU(uuid: "a"), GPU(uuid: "b")])
  /// Microseconds between samples of usage, which no other world knows.
  var samplesEvery: Int64 = .max

  private(set) var inputs: [(at: Instant, after: Int64, input: Input)] = []
  private(set) var entries: [Entry] = []
  private(set) var lives: [[Life]] = []

  init(_ notebooks: [NotebookPlan], orders: [Order] = []) {
    self.notebooks = notebooks
    self.orders = orders
  }

  var recording: RecordingInMemory { RecordingInMemory(inputs: inputs, entries: entries) }

  private struct Player {
    var cell = 0
    var isReady = false
    var isClosed = false
    var next: Int64?
    var left = 0.0
    var rate = 0.0
    var since: Int64 = 0
    var allotment: Allotment?
  }

  /// Plays under a policy to the last end.
  mutating func play(_ policy: String) throws {
    inputs = []
    entries = []
    lives = notebooks.map { _ in [] }
    var scheduler = try Scheduler(policy: policy, from: .standard, settings: .init(checksInvariants: true))
    var players = notebooks.map { Player(next: $0.opens) }
    var ids: [NotebookID?] = notebooks.map { _ in nil }
    var who: [Int] = []
    var orders = orders[...]
    var now: Int64 = 0
    var sample: Int64 = samplesEvery

    func end(_ player: Player) -> Int64? {
      player.rate > 0 ? player.since + Int64((player.left / player.rate).rounded()) : nil
    }
    func give(_ input: Input) {
      let at = Instant(microseconds: now)
      inputs.append((at, scheduler.state.sequence, input))
      scheduler.handle(input, at: at)
      for entry in scheduler.entries {
        entries.append(entry)
        follow(entry)
      }
    }
    func stop(_ index: Int) {
      players[index].left -= Double(now - players[index].since) * players[index].rate
      players[index].since = now
      players[index].rate = 0
    }
    func run(_ index: Int, _ allotment: Allotment) {
      let plan = notebooks[index].cells[players[index].cell]
      let cores = Double(min(allotment.cores.count, Int(plan.demand.coresMost)))
      players[index].since = now
      players[index].rate = Speedup(parallelThousandths: plan.parallel).over(cores: cores)
    }
    func follow(_ entry: Entry) {
      switch entry.event {
      case .notebookOpened(let notebook): who.append(ids.firstIndex { $0 == notebook.id } ?? 0)
      case .cellStarted(_, let id, let allotment, _):
        lives[who[Int(id.number)]][players[who[Int(id.number)]].cell].started = entry.at
        run(who[Int(id.number)], allotment)
      case .cellResumed(_, let id, let allotment, _): run(who[Int(id.number)], allotment)
      case .cellResized(_, let id, let allotment, _):
        stop(who[Int(id.number)])
        run(who[Int(id.number)], allotment)
      case .cellSuspended(_, let id, _): stop(who[Int(id.number)])
      default: break
      }
    }
    give(.observation(.nodeFound(node)))
    while true {
      var best: (at: Int64, rank: Int, index: Int)?
      func offer(_ at: Int64?, _ rank: Int, _ index: Int) {
        guard let at, best.map({ (at, rank, index) < $0 }) ?? true else { return }
        best = (at, rank, index)
      }
      for (index, player) in players.enumerated() {
        offer(end(player), 0, index)
        offer(player.next, 1, index)
      }
      offer(orders.first?.at, 2, 0)
      let isBusy = players.contains { $0.rate > 0 }
      if isBusy { offer(sample, 3, 0) }
      let wake = scheduler.wakeAt.microseconds
      guard best != nil || (wake < .max && !scheduler.state.waiting.isEmpty) else { break }
      if wake < best?.at ?? .max {
        now = wake
        give(.timer)
        continue
      }
      guard let event = best else { break }
      now = event.at
      let index = event.index
      switch event.rank {
      case 0:
        stop(index)
        let plan = notebooks[index].cells[players[index].cell]
        lives[index][players[index].cell].ended = Instant(microseconds: now)
        players[index].cell += 1
        if players[index].cell < notebooks[index].cells.count {
          players[index].next = now + notebooks[index].cells[players[index].cell].think
        } else {
          players[index].next = now + 1000
        }
        let id = ids[index] ?? NotebookID(-1)
        give(.observation(.cellEnded(id, scheduler.state[id].cell.id, plan.outcome)))
      case 1:
        players[index].next = nil
        if let id = ids[index] {
          if !players[index].isReady {
            players[index].isReady = true
            players[index].next = now + notebooks[index].cells[0].think
            give(.observation(.kernelReady(id)))
          } else if players[index].cell >= notebooks[index].cells.count {
            give(.observation(.notebookClosed(id)))
          } else {
            let plan = notebooks[index].cells[players[index].cell]
            let full = Speedup(parallelThousandths: plan.parallel).over(cores: Double(plan.demand.coresMost))
            players[index].left = Double(plan.run) * full
            lives[index].append(Life(submitted: Instant(microseconds: now)))
            let forecast = CellForecast(
              run: Quantiles(certain: Span(microseconds: plan.run)), basis: .oracle, parallelThousandths: plan.parallel)
            give(.observation(.cellSubmitted(id, plan.demand, CellSource(key: UInt64(players[index].cell)), forecast)))
          }
        } else {
          let id = NotebookID(Int32(who.count))
          ids[index] = id
          players[index].next = now + 5000
          give(
            .observation(
              .notebookOpened(
                Notebook(id: id, node: NodeID(0), user: notebooks[index].user, path: "/x/n\(index).ipynb"))))
        }
      case 2:
        let order = orders.removeFirst()
        if let verb = order.verb(scheduler.state) {
          give(.command(Command(id: CommandID(UInt64(1000 + orders.count)), author: "op", verb: verb)))
        }
      default:
        sample += samplesEvery
        for (index, player) in players.enumerated() where player.rate > 0 {
          if let id = ids[index] {
            give(.observation(.usageSampled(id, Usage(millicores: 900, memory: Bytes(1 << 20)))))
          }
        }
      }
    }
  }
}

extension Stage {
  /// People drawn by lot, on a node with 8 cores and 2 GPUs.
  static func drawn(seed: UInt64, notebooks count: Int = 7) -> Stage {
    var random = SplitMix(seed: seed)
    func upTo(_ most: Int64) -> Int64 { Int64(random.next() % UInt64(most)) + 1 }
    let plans = (0..<count).map { index in
      NotebookPlan(
        user: ["ana", "ben", "eva"][index % 3], opens: upTo(20_000_000),
        cells: (0..<Int(upTo(9))).map { _ in
          let most = Int32(upTo(8))
          return CellPlan(
            think: upTo(random.next() % 3 == 0 ? 400 : 15_000_000), run: upTo(20_000_000),
            demand: Demand(
              coresLeast: random.next() % 4 == 0 ? most : 1, coresMost: most, gpus: Int32(random.next() % 3) / 2),
            parallel: [1000, 950, 800][Int(random.next() % 3)], outcome: random.next() % 12 == 0 ? .error : .ok)
        })
    }
    return Stage(plans)
  }

  /// The lives as the module under test has them.
  static func lives(of world: Counterfactual) -> [[Stage.Life]] {
    world.lives.map { $0.compactMap { $0.map { Life(submitted: $0.submitted, started: $0.started, ended: $0.ended) } } }
  }
}
