import ArgumentParser
import Domain
import Foundation
import NodeControl
import Session

/// `celltop bench engine`: an engine on a node that is made up, for `bench load` to measure; ends with its standard input.
struct LoadEngine: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "engine", abstract: "Run an engine on a node that is made up, until its input ends.",
    shouldDisplay: false)

  @Argument(help: "Where to listen.") var socket: String
  @Option(help: "The history file; none is kept without it.") var history: String?
  @Option(help: "Cores of the node.") var cores = 256
  @Option(help: "The policy that decides.") var policy = LiveRun.defaultPolicy

  func run() throws {
    try Tool.reporting {
      DescriptorLimit.raise()
      let node = Node(id: NodeID(0), name: "made-up", cores: CoreSet(0..<cores))
      var configuration = LiveSession.Configuration(
        node: node, socketPath: socket, host: "made-up", user: NSUserName())
      configuration.policy = policy
      configuration.note = "bench load"
      // All gates are this user's.
      configuration.limits.connections = 100_000
      configuration.limits.connectionsPerUser = 100_000
      configuration.limits.notebooksPerUser = 100_000
      let session = try LiveSession(configuration, on: LinuxNode(), history: history)
      session.start()
      print("listening")
      fflush(nil)
      while readLine() != nil {}
      session.stop()
    }
  }
}
