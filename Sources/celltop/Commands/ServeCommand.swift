import ArgumentParser
import CLinux
import Domain
import Foundation
import GateLink
import NodeControl
import Session

/// `celltop serve`: the engine without a screen.
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Schedule this node's notebooks without a screen; consoles attach to it.",
    discussion: """
      Stays in the foreground and logs to standard error, or to systemd's journal. SIGTERM and SIGINT end it: the kernels \
      go on without it. Docs/PROTOCOL.md says how programs speak with it, Docs/OPERATIONS.md how to run it.
      """)

  @OptionGroup var options: EngineOptions
  @OptionGroup var reporting: ReportOptions

  @Option(help: "Where to listen (default: where this user's gates look; see --shared).", completion: .file())
  var socket: String?

  @Flag(help: "Serve every user of the node: listen at \(SocketPath.systemWide), where everybody may connect.")
  var shared = false

  @Flag(help: ArgumentHelp("End with the last console that leaves.", visibility: .hidden))
  var withConsole = false

  @Option(help: ArgumentHelp("Schedule a made-up node of so many cores, and end with the input.", visibility: .hidden))
  var madeUpCores: Int?

  @Option(
    help: ArgumentHelp("Log the turns of the engine's thread that take so many milliseconds.", visibility: .hidden))
  var slowTurns: Double?

  func validate() throws {
    if let madeUpCores, !(1...4096).contains(madeUpCores) {
      throw ValidationError("--made-up-cores is a number from 1 to 4096")
    }
  }

  func run() throws {
    try Tool.reporting {
      let signals = EndingSignals()
      let environment = ProcessInfo.processInfo.environment
      let path =
        socket.map { URL(fileURLWithPath: $0).standardizedFileURL.path }
        ?? (shared ? SocketPath.systemWide : SocketPath.standard(environment: environment, uid: getuid()))
      DescriptorLimit.raise()
      if !ControlGroups.areForbidden(environment) { AbandonedGroups.remove() }
      let reports = try ServerReports(reporting)
      defer { reports.end() }
      let session = try LiveRun.session(
        options, socket: path, note: "", isShared: shared, needsConsole: withConsole, madeUpCores: madeUpCores,
        hears: reports.hears, hearsTrouble: reports.hearsTrouble,
        slowTurns: slowTurns.map { (Span(seconds: $0 / 1000), reports.hearsSlowTurns) })
      let why = WhyEnded()
      session.callOnStopAsked { text in
        why.text = text
        kill(getpid(), SIGTERM)
      }
      session.start()
      do { try reports.begin(session, at: path) } catch {
        session.stop("\(error)")
        throw error
      }
      // Whoever measures ends it, in whatever way that one ends itself.
      if madeUpCores != nil {
        Thread.detachNewThread {
          while readLine() != nil {}
          kill(getpid(), SIGTERM)
        }
      }
      let signal = signals.wait()
      let text = why.text ?? "signal \(signal)"
      reports.ending(text)
      session.stop(text)
    }
  }
}
