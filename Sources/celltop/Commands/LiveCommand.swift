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
    name: .customLong("policy"),
    help: ArgumentHelp(
      "The policy that decides: \(LiveRun.policies.joined(separator: ", ")); options follow a colon, as in 'dynamic:no-preemption' (default: \(LiveRun.defaultPolicy)).",
      valueName: "policy"))
  var namedPolicy: String?

  @Option(help: "Cores that the scheduler may use, such as 0-3 (default: all that this process may use).")
  var cores: String?

  @Flag(help: "Keep no history of the session.")
  var noHistory = false

  /// What decides.
  var policy: String { namedPolicy ?? LiveRun.defaultPolicy }

  /// That the options that were given change nothing where a server runs already; nil where none was given.
  var passedOver: String? {
    let given = [
      namedPolicy.map { _ in "--policy" }, cores.map { _ in "--cores" }, noHistory ? "--no-history" : nil,
    ].compactMap(\.self)
    guard !given.isEmpty else { return nil }
    return "a server runs already: \(given.joined(separator: ", ")) changed nothing"
      + (namedPolicy == nil ? "" : "; O switches the policy")
  }

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
