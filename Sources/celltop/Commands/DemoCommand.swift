import ArgumentParser
import CLinux
import Domain
import Foundation
import Terminal

/// `celltop demo`: the console over real kernels that run the bundled notebooks.
struct DemoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Show the console on bundled notebooks with real kernels.",
    discussion: """
      Starts a player for each notebook: a real Jupyter client that runs its cells through the gate and thinks between \
      them as people do. Leaving (q) ends the kernels, the gates and the players.

      With --simulated nothing runs: the notebooks, their authors and a node of 32 cores and 8 GPUs are made up, the engine \
      and the console are the real ones, and every order works. Nothing is recorded.
      """)

  @Argument(help: "Notebooks to play (default: the bundled ones).", completion: .file(extensions: ["ipynb"]))
  var files: [String] = []

  @Option(help: "How many notebooks, each with a kernel of its own (default: 5, or as many as are named).")
  var notebooks: Int?

  @Option(help: "Where the draws of think times begin; the same seed draws the same times.")
  var seed: UInt64 = 1

  @Option(help: "What think times are multiplied by; 1 is what real people were seen to need.")
  var thinkScale = 0.5

  @Option(help: "The longest think time, in seconds.")
  var thinkMax = 30.0

  @Option(help: "How many times each notebook is run (default: until you leave).")
  var rounds: Int?

  @Flag(help: "Simulate the node and its notebooks; no kernel is started.")
  var simulated = false

  @Option(help: "With --simulated: how fast time passes, from 0.1 to 100.")
  var speed = 1.0

  @OptionGroup var options: LiveOptions

  func validate() throws {
    if let notebooks, !(1...64).contains(notebooks) { throw ValidationError("--notebooks is a number from 1 to 64") }
    guard files.count <= 64 else { throw ValidationError("a demonstration plays at most 64 notebooks") }
    for file in files where !FileManager.default.isReadableFile(atPath: file) {
      throw ValidationError("cannot read the notebook '\(file.printable(at: 200))'")
    }
    guard thinkScale >= 0, thinkScale <= 1000, thinkMax >= 0, thinkMax <= 86_400 else {
      throw ValidationError("--think-scale is from 0 to 1000, --think-max from 0 to 86400 seconds")
    }
    if let rounds, rounds < 1 { throw ValidationError("--rounds is at least 1") }
    guard (0.1...100).contains(speed) else { throw ValidationError("--speed is from 0.1 to 100") }
    if simulated, !files.isEmpty { throw ValidationError("--simulated makes its notebooks up: name none") }
    if !simulated, speed != 1 {
      throw ValidationError("--speed is for --simulated: real kernels take the time they take")
    }
  }

  func run() throws {
    try Tool.reporting {
      try Tool.demandTerminal()
      TerminalLoop.blockSignals()
      if simulated {
        let run = try SimulatedRun(options, notebooks: notebooks ?? 24, seed: seed, speed: speed)
        return try run.show()
      }
      let installation = Installation()
      let offered = files.isEmpty ? try installation.notebooks() : files
      let chosen = (0..<(notebooks ?? (files.isEmpty ? 5 : files.count))).map { offered[$0 % offered.count] }
      let python = try installation.python()
      let gate = try installation.gate()
      let player = try installation.player()
      let crew = try DemoCrew(folder: Tool.runtimeFolder() + "/demo-\(getpid())")
      try installation.wrapKernel(python: python, gate: gate, into: crew.folder + "/jupyter")
      let socket = crew.folder + "/engine.sock"
      defer { try? FileManager.default.removeItem(atPath: crew.folder) }
      let live = try LiveRun(options, socket: socket, note: "demo")
      let result = Result {
        defer { live.end() }
        try crew.start(
          chosen, player: player, python: python, socket: socket, seed: seed, thinkScale: thinkScale,
          thinkMax: thinkMax, rounds: rounds)
        try live.show()
      }
      Tool.progress("ending \(chosen.count) kernels…")
      crew.end()
      if let trouble = live.trouble {
        Tool.progress("the session is not fully recorded: \(trouble)")
      } else if live.number > 0 {
        Tool.progress("recorded as session \(live.number): watch it again with 'celltop replay \(live.number)'")
      }
      try result.get()
    }
  }
}
