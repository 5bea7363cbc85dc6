import ArgumentParser
import CLinux
import Canvas
import Chance
import Console
import Domain
import Foundation
import Projections
import Terminal

/// `celltop bench console`: what a picture costs.
struct ConsoleBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "console", abstract: "Measure what a frame of the console costs.",
    discussion: """
      A made-up session goes on by some entries between frames, as a busy node does. Each frame takes over the board, \
      arranges the rows, draws every pane and hands the changes to the terminal's writer, which writes into a \
      pseudo-terminal of its own. Prints a line of JSON a number of notebooks: microseconds of processor time a frame (the \
      mean, and the longest of a hundred after the first), by pane, and the bytes.
      """)

  @Option(name: .customLong("notebook-counts"), help: "Numbers of notebooks, with commas between them.")
  var counts = "200,5000"
  @Option(help: "The screen's size.") var size = "200x50"
  @Option(help: "The node's cores.") var cores = 64
  @Option(help: "The node's GPUs.") var gpus = 8
  @Option(help: "Frames to draw.") var frames = 200
  @Option(help: "What the table is sorted by: a column's name.") var sort = "state"
  @Flag(
    help:
      "Exit with status 1 where a frame costs more than 2 ms (5 ms from 1,000 notebooks on) or 25 kB, any pane zoomed.")
  var check = false

  func validate() throws {
    _ = try Tool.size(size)
    guard counted.allSatisfy({ (1...100_000).contains($0) }), !counted.isEmpty else {
      throw ValidationError("--notebook-counts is like 200,5000: numbers from 1 to 100000")
    }
    guard (1...1024).contains(cores), (0...64).contains(gpus), (1...100_000).contains(frames) else {
      throw ValidationError("--cores is from 1 to 1024, --gpus from 0 to 64, --frames from 1 to 100000")
    }
    guard TableColumn.allCases.contains(where: { $0.title == sort }) else {
      throw ValidationError("--sort is one of \(TableColumn.allCases.map(\.title).joined(separator: ", "))")
    }
  }

  private var counted: [Int] { counts.split(separator: ",").map { Int($0) ?? 0 } }

  func run() throws {
    try Tool.reporting {
      var isWithin = true
      for count in counted {
        let figures = try measure(notebooks: count, Tool.size(size)).judged(
          microsecondsMost: count >= 1000 ? 5000 : 2000)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        print(String(decoding: try encoder.encode(figures), as: UTF8.self))
        isWithin = isWithin && figures.broken.isEmpty
      }
      if check, !isWithin { throw ToolError("a frame costs more than it may") }
    }
  }

  /// What was measured for one number of notebooks.
  struct Figures: Encodable {
    var bench = "console"
    var notebooks: Int
    var size: String
    /// Taking the board over, arranging, drawing: the mean and the longest.
    var frameMicroseconds = 0
    var frameMicrosecondsMost = 0
    /// Comparing and writing: the mean.
    var writeMicroseconds = 0
    var cellsChangedMean = 0
    /// The first frame, which draws everything; then the mean and the greatest.
    var bytesFirst: Int?
    var bytesMean: Int?
    var bytesMost: Int?
    /// Drawing alone, by pane: in the layout, and with the whole screen for itself.
    var paneMicroseconds: [String: Int] = [:]
    var zoomedMicroseconds: [String: Int] = [:]
    /// The allotted memory of the process, in mebibytes.
    var residentMebibytes = 0
    /// What costs more than it may, in words; empty where nothing does.
    var broken: [String] = []

    /// Held to the bounds: a frame drawn and written, the same with any pane alone, and the bytes of any frame.
    func judged(microsecondsMost: Int) -> Figures {
      var judged = self
      let whole = frameMicroseconds + writeMicroseconds
      if whole > microsecondsMost { judged.broken.append("a frame: \(whole) of \(microsecondsMost) µs") }
      for (pane, cost) in zoomedMicroseconds.sorted(by: { $0.key < $1.key })
      where cost + writeMicroseconds > microsecondsMost {
        judged.broken.append("\(pane) alone: \(cost + writeMicroseconds) of \(microsecondsMost) µs")
      }
      if let bytesMost, bytesMost > Self.bytesAllowed {
        judged.broken.append("the longest frame: \(bytesMost) of \(Self.bytesAllowed) bytes")
      }
      return judged
    }

    private static let bytesAllowed = 25_000
  }

  private func measure(notebooks: Int, _ size: Size) throws -> Figures {
    var session = MadeUpSession(notebooks: notebooks, cores: cores, gpus: gpus)
    let terminal = try BenchTerminal(size)
    defer { terminal.close() }
    var state = ConsoleState(
      session: SessionFacts(
        mode: .live, number: 1, user: "ops", beganWallMicroseconds: 1_773_406_800_000_000, utcOffsetSeconds: 0))
    state.size = size
    state.show(session.board, at: session.now)
    while !session.isSorted(&state, by: sort) {}
    let theme = Theme.builtIn.resolved(for: terminal.screen.depth)
    var figures = Figures(notebooks: notebooks, size: "\(size.columns)x\(size.rows)")
    var spent: [Int64] = []
    var changed = 0
    var written: Int64 = 0
    var bytes: [Int] = []
    for frame in 0...frames {
      session.goOn()
      let board = session.board
      let began = celltop_thread_processor_us()
      state.clock = session.now
      state.show(board, at: session.now)
      let grid = state.screen(size: size)
      let drawn = celltop_thread_processor_us()
      let before = terminal.screen.statistics.cellsChanged
      terminal.screen.present(grid, theme: theme)
      let end = celltop_thread_processor_us()
      if frame == 0 {
        figures.bytesFirst = terminal.screen.statistics.bytesOfLastFrame
        continue
      }
      spent.append(drawn - began)
      written += end - drawn
      changed += terminal.screen.statistics.cellsChanged - before
      if let last = terminal.screen.statistics.bytesOfLastFrame { bytes.append(last) }
    }
    figures.frameMicroseconds = Int(spent.reduce(0, +)) / frames
    figures.frameMicrosecondsMost = Int(spent.dropFirst(spent.count > 100 ? 1 : 0).max() ?? 0)
    figures.writeMicroseconds = Int(written) / frames
    figures.cellsChangedMean = changed / frames
    figures.bytesMean = bytes.isEmpty ? nil : bytes.reduce(0, +) / bytes.count
    figures.bytesMost = ([figures.bytesFirst ?? 0] + bytes).max()
    measurePanes(state, size, &figures)
    figures.residentMebibytes = Self.residentMebibytes()
    return figures
  }

  private func measurePanes(_ state: ConsoleState, _ size: Size, _ figures: inout Figures) {
    let layout = state.layout(size)
    for pane in Pane.allCases {
      func cost(_ rect: Rect) -> Int {
        var grid = Grid(size: size)
        let began = celltop_thread_processor_us()
        for _ in 0..<frames { state.draw(pane, on: &grid, in: rect) }
        return Int(celltop_thread_processor_us() - began) / frames
      }
      if let rect = layout.rect(of: pane) { figures.paneMicroseconds["\(pane)"] = cost(rect) }
      figures.zoomedMicroseconds["\(pane)"] = cost(Rect(column: 0, row: 1, columns: size.columns, rows: size.rows - 4))
    }
  }

  private static func residentMebibytes() -> Int {
    (ProcessGauge(pid: getpid()).read()?.residentBytes ?? 0) >> 20
  }
}

/// A pseudo-terminal with a screen on it, and a thread that reads away what is written.
private final class BenchTerminal {
  let screen: CursesScreen
  private let ends: (primary: Int32, secondary: Int32)
  private let reader: Thread

  init(_ size: Size) throws {
    var first: Int32 = -1
    var second: Int32 = -1
    var window = winsize(
      ws_row: UInt16(clamping: size.rows), ws_col: UInt16(clamping: size.columns), ws_xpixel: 0, ws_ypixel: 0)
    guard celltop_openpty(&first, &second, &window) == 0 else { throw ToolError("no pseudo-terminal can be opened") }
    ends = (first, second)
    let primary = first
    reader = Thread {
      var buffer = [UInt8](repeating: 0, count: 65_536)
      while read(primary, &buffer, buffer.count) > 0 {}
    }
    reader.start()
    var options = ScreenOptions()
    (options.input, options.output) = (second, second)
    options.terminalType = "xterm-256color"
    options.repertoire = .utf8
    screen = try CursesScreen(options)
  }

  func close() {
    screen.close()
    _ = Glibc.close(ends.secondary)
    _ = Glibc.close(ends.primary)
  }
}

/// Notebooks that run, wait and think on a node, with a past.
private struct MadeUpSession {
  private(set) var board = Board()
  private(set) var now = Instant.zero
  private var random = SplitMix(seed: 1)
  private let cores: Int
  private let gpus: Int
  private var nextCell: Int64 = 1

  init(notebooks: Int, cores: Int, gpus: Int) {
    (self.cores, self.gpus) = (cores, gpus)
    let devices = (0..<gpus).map { GPU(uuid: "GPU-\($0)", model: "H100", memory: Bytes(80 << 30)) }
    add(
      .nodeAdded(
        Node(id: NodeID(0), name: "node7", cores: CoreSet(0..<cores), gpus: devices, memory: Bytes(1 << 40))))
    add(.policyChanged("dynamic"))
    let names = ["churn-model", "digits", "llm-finetune", "embeddings", "svc", "report", "clusters", "tabular"]
    for number in 0..<notebooks {
      let id = NotebookID(Int32(number))
      let path = "/home/u\(number % 40)/\(names[number % names.count])-\(number).ipynb"
      add(.notebookOpened(Notebook(id: id, node: NodeID(0), user: "user\(number % 40)", path: path)))
      add(.kernelReady(id))
    }
    for _ in 0..<notebooks * 12 { step() }
  }

  /// One second of a busy node.
  mutating func goOn() {
    for _ in 0..<10 { step() }
    now = now + Span(microseconds: 500_000)
  }

  /// Sorts by a column; true once it is so.
  func isSorted(_ state: inout ConsoleState, by column: String) -> Bool {
    if state.sort.title == column { return true }
    _ = state.handle(.key(KeyPress(.character(">"))))
    return false
  }

  private mutating func add(_ event: Event) {
    board.apply(Entry(sequence: board.sequence + 1, at: now, event: event))
  }

  private mutating func roll(_ sides: Int) -> Int { Int(random.next() % UInt64(sides)) }

  private mutating func step() {
    now = now + Span(microseconds: Int64(roll(100_000)))
    let id = NotebookID(Int32(roll(board.notebooks.count)))
    let facts = board.notebooks[Int(id.number)]
    switch facts.state {
    case .thinking:
      var cell = Cell(
        id: CellID(nextCell), notebook: id, submitted: now,
        demand: Demand(coresLeast: 1, coresMost: 8, gpus: Int32(roll(3) == 0 ? 1 : 0), gpuMemory: Bytes(20 << 30)))
      cell.forecast = CellForecast(run: Quantiles(certain: Span(seconds: 30)), basis: .code)
      nextCell += 1
      add(.cellQueued(cell))
      let place = Int32(clamping: board.waitingNotebooks.count)
      let soon = ExpectedStart(
        early: now + Span(seconds: 10), median: now + Span(seconds: 40), late: now + Span(seconds: 90))
      add(
        .cellWaits(cell.id, id, Wait(cause: .cores, lacking: 2, holders: [NotebookID(0)], place: place, expected: soon))
      )
    case .queued, .suspended:
      guard let cell = facts.cell?.cell else { return }
      let first = roll(cores)
      let taken = CoreSet(first..<min(first + 1 + roll(4), cores))
      let devices = cell.demand.gpus > 0 && gpus > 0 ? GPUSet([roll(gpus)]) : GPUSet()
      let allotment = Allotment(node: NodeID(0), cores: taken, gpus: devices)
      if facts.state == .suspended {
        add(.cellResumed(cell.id, id, allotment, Reason(.firstCome)))
      } else {
        add(.cellStarted(cell.id, id, allotment, Reason(.firstCome)))
      }
    case .running:
      guard let cell = facts.cell?.cell.id else { return }
      switch roll(8) {
      case 0: add(.cellSuspended(cell, id, Reason(.preempted)))
      case 1, 2:
        add(.usageSampled(id, Usage(millicores: Int32(roll(4000)), memory: Bytes(Int64(roll(4000)) << 20))))
      default: add(.cellEnded(cell, id, .ok))
      }
    case .starting, .gone: add(.kernelReady(id))
    }
  }
}
