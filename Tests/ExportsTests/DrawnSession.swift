import Chance
import Domain
import Engine
import Policies

@testable import Exports

/// Sessions that the engine really decided, drawn by lot: preemptions, moves, shared cores, orders, hostile names.
enum DrawnSession {
  /// What a hostile document would be called.
  static let hostile = [
    "</script><script>alert(1)</script>", "=HYPERLINK(\"http://evil\")", "a\u{202E}b\u{1B}[2J",
    "\"quoted\", and\nbroken",
    "日本語 & <b>bold</b>",
  ]

  static let facts = ExportedSession(
    number: 7, kind: "live", host: "node<7>", user: "ana\"", note: "</style><img src=x>",
    beganMicroseconds: 1_773_406_800_000_000, utcOffsetSeconds: 3600)

  static func entries(seed: UInt64, policy: String = "dynamic", steps: Int = 300) throws -> [Entry] {
    var random = SplitMix(seed: seed)
    var scheduler = try Scheduler(policy: policy, from: .standard)
    var entries: [Entry] = []
    var now = Instant.zero
    func give(_ observation: Observation) {
      scheduler.handle(.observation(observation), at: now)
      entries += scheduler.entries
    }
    give(
      .nodeFound(Node(id: NodeID(0), name: "n\u{1B}[m", cores: CoreSet(0..<6), gpus: [GPU(uuid: "a"), GPU(uuid: "b")])))
    for index in 0..<5 {
      let id = NotebookID(Int32(index))
      give(
        .notebookOpened(
          Notebook(id: id, node: NodeID(0), user: "u<\(index)>", path: "/x/" + hostile[index].replacing("/", with: "∕"))
        ))
      give(.kernelReady(id))
    }
    for step in 0..<steps {
      now = now + Span(microseconds: Int64(random.next() % 4 == 0 ? 0 : random.next() % 2_000_000))
      let id = NotebookID(Int32(random.next() % 5))
      let slot = scheduler.state[id]
      switch random.next() % 8 {
      case 0: give(.usageSampled(id, Usage(millicores: 1200, memory: Bytes(1 << 30))))
      case 1:
        let order = Command(
          id: CommandID(UInt64(step + 1)), author: "=op", why: "<i>why</i>",
          verb: slot.state == .running
            ? .suspend(id, cell: slot.cell.id)
            : slot.state == .suspended ? .resume(id, cell: slot.cell.id) : .setPriority(id, Int32(random.next() % 9)))
        scheduler.handle(.command(order), at: now)
        entries += scheduler.entries
      case 2, 3, 4:
        if slot.state == .running { give(.cellEnded(id, slot.cell.id, random.next() % 9 == 0 ? .error : .ok)) }
      default:
        if slot.state == .thinking {
          let most = Int32(random.next() % 6 + 1)
          give(
            .cellSubmitted(
              id, Demand(coresLeast: 1, coresMost: most, gpus: Int32(random.next() % 3)),
              CellSource(jupyterCell: "<c\(step)>", key: UInt64(step)),
              CellForecast(run: Quantiles(certain: Span(seconds: 2)), basis: .code)))
        }
      }
    }
    return entries
  }
}
