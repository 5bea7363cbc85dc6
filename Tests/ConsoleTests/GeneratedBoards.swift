import Chance
import Domain
import Engine
import Policies
import Projections

@testable import Console

/// Boards of sessions that the real engine decided, on nodes and workloads drawn by lot.
struct GeneratedBoards {
  static let names = [
    "churn", "llm-finetune-experiments", "日本語のとても長い名前", "\u{1B}[31mred\u{1B}[2J", "a\u{202E}txt.exe",
    "line\nbreak\ttab", "👩‍👩‍👧‍👦 family", "", "\u{0}", String(repeating: "x", count: 300), "e\u{301}\u{302}\u{303}\u{304}",
  ]
  static let users = ["ana", "ben", "u\u{9B}31m\u{200D}", "\u{202E}eve", ""]

  private(set) var board = Board()
  private(set) var now = Instant.zero
  private var random: SplitMix
  private var scheduler: Scheduler
  private var order: UInt64 = 0

  /// - Parameter notebooks: how many are opened.
  init(seed: UInt64, cores: Int, gpus: Int, notebooks: Int, policy: String, steps: Int) throws {
    random = SplitMix(seed: seed)
    scheduler = try Scheduler(policy: policy, from: .standard)
    let node = Node(
      id: NodeID(0), name: "node\u{1B}]0;x", cores: CoreSet(0..<cores),
      gpus: (0..<gpus).map { GPU(uuid: "GPU-\($0)", memory: Bytes(80 << 30)) }, memory: Bytes(256 << 30))
    put(.observation(.nodeFound(node)))
    for number in 0..<notebooks {
      let id = NotebookID(Int32(number))
      let name = Self.names[roll(Self.names.count)] + (roll(2) == 0 ? "\(number)" : "")
      put(
        .observation(
          .notebookOpened(
            Notebook(id: id, node: NodeID(0), user: Self.users[roll(Self.users.count)], path: "/h/\(name).ipynb"))))
      if roll(8) != 0 { put(.observation(.kernelReady(id))) }
    }
    for _ in 0..<steps { step(notebooks, cores, gpus) }
    now = now + Span(microseconds: Int64(roll(3_000_000)))
  }

  private mutating func roll(_ sides: Int) -> Int { Int(random.next() % UInt64(max(sides, 1))) }

  private mutating func put(_ input: Input) {
    scheduler.handle(input, at: now)
    for entry in scheduler.entries { board.apply(entry) }
  }

  private mutating func step(_ notebooks: Int, _ cores: Int, _ gpus: Int) {
    now = now + Span(microseconds: Int64(roll(2_000_000)) * (roll(60) == 0 ? 400 : 1))
    guard notebooks > 0 else { return put(.timer) }
    let id = NotebookID(Int32(roll(notebooks)))
    let cell = board[id]?.cell?.cell.id ?? CellID(1)
    switch roll(16) {
    case 0...5:
      let least = 1 + roll(min(cores, 8))
      let demand = Demand(
        coresLeast: Int32(least), coresMost: Int32(min(least + roll(8), cores)),
        gpus: Int32(roll(3) == 0 ? roll(min(gpus, 4) + 1) : 0), gpuMemory: Bytes(Int64(roll(40)) << 30))
      let run = Span(seconds: Double(1 + roll(300)))
      let forecast =
        roll(3) == 0
        ? nil
        : CellForecast(
          run: Quantiles(
            p05: Span(seconds: run.seconds / 4), p25: Span(seconds: run.seconds / 2), p50: run,
            p75: Span(seconds: run.seconds * 2), p95: Span(seconds: run.seconds * 6)), basis: .code)
      put(.observation(.cellSubmitted(id, demand, CellSource(codeHash: random.next() % 9, key: 1), forecast)))
    case 6...9: put(.observation(.cellEnded(id, cell, CellOutcome.allCases[roll(CellOutcome.allCases.count)])))
    case 10:
      put(
        .observation(
          .usageSampled(id, Usage(millicores: Int32(roll(64_000)), memory: Bytes(Int64(roll(1 << 20)) << 16)))))
    case 11: put(.timer)
    case 12: put(.observation(roll(6) == 0 ? .notebookClosed(id) : .backlogChanged(id, Int32(roll(40)))))
    default: put(.command(Command(id: CommandID(order), author: "ops\u{7}", verb: verb(id, cell, cores, gpus))))
    }
    order += 1
  }

  private mutating func verb(_ id: NotebookID, _ cell: CellID, _ cores: Int, _ gpus: Int) -> Verb {
    let some = CoreSet((0...roll(4)).map { _ in roll(cores) })
    let devices = gpus > 0 ? GPUSet([roll(gpus)]) : GPUSet()
    switch roll(8) {
    case 0: return .suspend(id, cell: cell)
    case 1: return .resume(id, cell: cell)
    case 2: return .setPriority(id, Int32(roll(200) - 100))
    case 3: return .pin(id, Pin(node: NodeID(0), cores: some, gpus: devices))
    case 4: return .hold(id)
    case 5: return .release(id)
    case 6: return .drain(NodeID(0), some, devices)
    default: return .undrain(NodeID(0), some, devices)
    }
  }
}
