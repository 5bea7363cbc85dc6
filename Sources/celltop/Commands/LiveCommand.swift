import ArgumentParser
import Domain
import Engine
import Policies
import Terminal

/// `celltop`: the console over this node's notebooks.
struct LiveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "live", abstract: "Open the console over this node's notebooks and schedule them (the default).",
    discussion: """
      Kernels whose names end in (celltop) are scheduled; 'celltop kernelspec install' makes them. Where a server runs \
      already (celltop serve, or another console's), the console attaches to it, and leaving changes nothing. Where none \
      does, one is started with the console; leaving asks whether it shall stay.

      --once, --json and --svg start nothing. Where no server runs they show the node as it is, say so, and exit with 3.
      """)

  @OptionGroup var options: LiveOptions
  @OptionGroup var printing: OncePrint

  func run() throws {
    try Tool.reporting {
      if printing.isAsked { return try LiveRun.printOnce(options, printing) }
      try Tool.demandTerminal()
      TerminalLoop.blockSignals()
      try AttachedRun(options).show()
    }
  }
}

/// What every session with a screen can be told.
struct LiveOptions: ParsableArguments {
  @OptionGroup var engine: EngineOptions

  @Option(help: "The theme; 'celltop themes' lists them.")
  var theme: String?

  @Flag(help: "Only look: this console gives no orders.")
  var readOnly = false
}

/// What an engine can be told.
struct EngineOptions: ParsableArguments {
  @Option(
    help:
      "The policy that decides: \(LiveRun.policies.joined(separator: ", ")); options follow a colon, as in 'dynamic:no-preemption'."
  )
  var policy = LiveRun.defaultPolicy

  @Option(help: "Cores that the scheduler may use, such as 0-3 (default: all that this process may use).")
  var cores: String?

  @Flag(help: "Keep no history of the session.")
  var noHistory = false

  /// The options as arguments for another celltop.
  var arguments: [String] {
    ["--policy", policy] + (cores.map { ["--cores", $0] } ?? []) + (noHistory ? ["--no-history"] : [])
  }
  func validate() throws {
    do { _ = try PolicyCatalogue.standard.make(policy) } catch { throw ValidationError(error.text) }
    if let cores {
      do { _ = try CoreSet(parsing: cores) } catch { throw ValidationError("\(error)") }
    }
  }
}
