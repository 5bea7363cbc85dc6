import ArgumentParser
import Canvas
import Console
import Domain
import Engine
import Foundation
import Policies
import Projections
import Simulation
import Traces

/// `celltop screens`: the pictures of the documentation, drawn by the console itself.
struct ScreensCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "screens", abstract: "Draw the console's panes as pictures, from a simulated session.",
    discussion: """
      Writes an SVG file a picture and theme into a folder: console-PANE-THEME.svg. The session is simulated from a seed \
      under 'dynamic', so that the same pictures come out everywhere; what the notebooks use is made up from what they ask \
      for. With --check it writes nothing, and exits with status 1 where a picture is another than the folder's.
      """)

  @Argument(help: "The folder.") var folder = "Docs/Screens"
  @Option(help: "Themes, with commas between them.") var themes = "base-dark,nord,solarized-light"
  @Flag(help: "Compare with what is there.") var check = false

  func run() throws {
    try Tool.reporting {
      let names = themes.split(separator: ",").map(String.init)
      let chosen = try names.map { ($0, try Tool.theme($0)) }
      let pictures = try Self.pictures()
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      var others: [String] = []
      for (name, theme) in chosen {
        for picture in pictures {
          let path = "\(folder)/console-\(picture.name)-\(name).svg"
          let grid = picture.state.screen(size: picture.size, glyphs: theme.glyphs(for: .utf8))
          let text = renderSVG(grid, theme: theme.resolved(for: .trueColor), title: picture.title)
          if check {
            if (try? String(contentsOfFile: path, encoding: .utf8)) != text { others.append(path) }
            continue
          }
          do {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
          } catch {
            throw ToolError("cannot write the picture \(path.printable(at: 200)): \(error.localizedDescription)")
          }
        }
      }
      if !others.isEmpty {
        throw ToolError("other pictures are drawn now than \(others.joined(separator: ", ")): run 'celltop screens'")
      }
      print("\(pictures.count * chosen.count) pictures \(check ? "are as they are drawn" : "in \(folder)")")
    }
  }

  private struct Picture {
    var name: String
    var title: String
    var size: Size
    var state: ConsoleState
  }

  private static func pictures() throws -> [Picture] {
    let session = try SampleSession()
    var base = ConsoleState(
      session: SessionFacts(
        mode: .live, number: 7, user: "ops", beganWallMicroseconds: 1_773_406_800_000_000, utcOffsetSeconds: 3600))
    let whole = Size(columns: 160, rows: 44)
    let pane = Size(columns: 120, rows: 24)
    base.size = whole
    base.clock = session.now
    base.show(session.board, at: session.now)
    func made(_ name: String, _ title: String, _ size: Size, _ keys: [String]) -> Picture {
      var state = base
      state.size = size
      for key in keys { if let press = KeyPress(named: key) { _ = state.handle(.key(press)) } }
      // What a key tells passes by.
      state.clock = state.clock + Span(seconds: 60)
      state.show(session.board, at: session.now)
      return Picture(name: name, title: title, size: size, state: state)
    }
    func typed(_ text: String) -> [String] { text.map { $0 == " " ? "space" : String($0) } }
    return [
      made("overview", "The console over a simulated node of 32 cores and 8 GPUs", whole, ["j", "j", "minus"]),
      made("notebooks", "The notebook table, sorted by state", pane, ["e", ">", ">", ">", "j", "j"]),
      made("tree", "The notebook table, grouped by user, one user folded", pane, ["e", "t", "k", "enter", "j", "j"]),
      made("queue", "The cell queue with reasons and expected starts", pane, ["2", "e", "j"]),
      made(
        "timeline", "The timeline with its cursor on a moment", pane,
        ["3", "e", "minus", "j", "j"] + Array(repeating: "left", count: 32)),
      made("node", "Cores and GPUs", pane, ["4", "e"]),
      made("events", "The events that say a word", pane, ["5", "e", "/"] + typed("started") + ["enter"]),
      made("graphs", "What was in use when, and what the session came to", pane, ["6", "e", "minus"]),
      made("details", "All that is known of a notebook", Size(columns: 160, rows: 34), ["j", "j", "enter"]),
    ]
  }
}

/// A simulated session with people's names, stopped at a busy moment, with some orders of an operator's.
struct SampleSession {
  private(set) var board = Board()
  private(set) var now = Instant(seconds: 2_400)

  private static let names = [
    "churn-model", "digits", "llm-finetune", "embeddings", "svc-grid", "report", "clusters", "tabular", "forecast",
    "ablation", "segmentation", "retrieval", "pricing", "anomalies", "speech", "graphs", "simulation-loop", "survey",
  ]
  private static let users = ["ana", "ben", "carla", "dave", "eve"]

  /// - Throws: `Refusal` where the engine does not take it; a fault of ours.
  init() throws {
    let node = Node(
      id: NodeID(0), name: "node7", cores: CoreSet(0..<32),
      gpus: (0..<8).map { GPU(uuid: "GPU-\($0)", model: "H100", memory: Bytes(80 << 30)) }, memory: Bytes(512 << 30))
    var trace = MixedWorkload(kind: .mixed, notebooks: 60, cores: 32, gpus: 8, load: 1.2, seed: 11).trace()
    for index in trace.notebooks.indices {
      trace.notebooks[index].name = Self.names[index % Self.names.count]
      trace.notebooks[index].user = Self.users[(index * 7 + index / 3) % Self.users.count]
      for cell in trace.notebooks[index].cells.indices where trace.notebooks[index].cells[cell].gpus > 0 {
        trace.notebooks[index].cells[cell].gpuMemory = Bytes(Int64(8 + (index * 5 + cell) % 24) << 30)
      }
    }
    var settings = Simulator.Settings(policy: "dynamic", engine: Scheduler.Settings())
    settings.keepsEntries = true
    var simulator = try Simulator(
      trace, on: node, settings: settings, forecast: LearnedForecast(), catalogue: .standard)
    simulator.run(until: now)
    for entry in simulator.recorded { take(entry) }
    var engine = simulator.scheduler
    for (number, verb) in orders().enumerated() {
      let at = now - Span(seconds: Double(40 - number * 10))
      let command = Command(id: CommandID(UInt64(number + 1)), author: "ops", verb: verb)
      for entry in engine.entries(for: .command(command), at: max(at, engine.state.now)) { board.apply(entry) }
    }
    now = max(now, board.now) + Span(microseconds: 500_000)
  }

  private mutating func take(_ entry: Entry) {
    board.apply(entry)
    // What a started cell uses is made up: most of its cores, and what such a kernel weighs.
    guard case .cellStarted(_, let id, let allotment, _) = entry.event else { return }
    let part = 70 + (Int(id.number) * 37) % 30
    let usage = Usage(
      millicores: Int32(allotment.cores.count * part * 10),
      memory: Bytes(Int64(600 + (Int(id.number) * 911) % 9000) << 20))
    board.apply(Entry(sequence: entry.sequence, at: entry.at, event: .usageSampled(id, usage)))
  }

  private func orders() -> [Verb] {
    let node = NodeID(0)
    var verbs: [Verb] = [.drain(node, CoreSet([15, 31]), GPUSet())]
    if let running = board.holdingNotebooks.dropFirst(2).first,
      let allotment = board.notebooks[Int(running.number)].cell?.allotment
    {
      verbs.append(.pin(running, Pin(node: node, cores: allotment.cores)))
    }
    if let waiting = board.waitingNotebooks.first { verbs.append(.setPriority(waiting, 5)) }
    if let thinking = board.openNotebooks.first(where: { board[$0]?.state == .thinking }) {
      verbs.append(.hold(thinking))
    }
    return verbs
  }
}
