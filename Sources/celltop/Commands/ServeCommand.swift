import ArgumentParser
import CLinux
import Domain
import Foundation
import GateLink
import Session

/// `celltop serve`: the engine without a screen.
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Schedule this node's notebooks without a screen; consoles attach to it.",
    discussion: """
      Stays in the foreground and tells what happens on standard error. SIGTERM and SIGINT end it: the kernels go on \
      without it. Docs/PROTOCOL.md says how programs speak with it.
      """)

  @OptionGroup var options: EngineOptions

  @Option(help: "Where to listen (default: where this user's gates look; see --shared).", completion: .file())
  var socket: String?

  @Flag(help: "Serve every user of the node: listen at \(SocketPath.systemWide), where everybody may connect.")
  var shared = false

  @Flag(help: ArgumentHelp("End with the last console that leaves.", visibility: .hidden))
  var withConsole = false

  func run() throws {
    try Tool.reporting {
      let signals = EndingSignals()
      let environment = ProcessInfo.processInfo.environment
      let path =
        socket ?? (shared ? SocketPath.systemWide : SocketPath.standard(environment: environment, uid: getuid()))
      let session = try LiveRun.session(options, socket: path, note: "", isShared: shared, needsConsole: withConsole)
      let why = WhyEnded()
      session.callOnStopAsked { text in
        why.text = text
        kill(getpid(), SIGTERM)
      }
      session.start()
      Tool.progress("celltop serves at \(path)")
      let signal = signals.wait()
      let text = why.text ?? "signal \(signal)"
      session.stop(text)
      Tool.progress("celltop ends: \(text)")
    }
  }
}
