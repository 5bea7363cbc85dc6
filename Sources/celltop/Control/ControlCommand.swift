import ArgumentParser
import Verbs

/// `celltop ctl`: looks at a running server and gives it orders.
struct ControlCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ctl", abstract: "Look at this node's server, and give it orders.",
    discussion: """
      Orders are written as on the console's command line:  celltop ctl suspend after 20s on churn because a demo
      A notebook is named by its name or the beginning of it, by its number (#3), by its path, or by user:NAME, \
      state:STATE and all. An order names the cell that ctl saw: one that comes too late is refused, and not done to the \
      next cell.

      Exit status: 0 done; 1 refused or failed: the line is right, and as things are here it cannot be obeyed; 2 wrong use: the \
      line could be obeyed nowhere; 3 no server answers.
      """,
    subcommands: [
      ControlStatus.self, ControlNotebooks.self, ControlQueue.self, ControlExplain.self,
      ControlProcesses.self, ControlCode.self, ControlEvents.self,
      ControlHistory.self, ControlWatch.self,
      OrderCommand<SuspendWord>.self, OrderCommand<CallOffWord>.self, OrderCommand<ResumeWord>.self,
      OrderCommand<InterruptWord>.self, OrderCommand<PriorityWord>.self, OrderCommand<PinWord>.self,
      OrderCommand<UnpinWord>.self, OrderCommand<HoldWord>.self, OrderCommand<ReleaseWord>.self,
      OrderCommand<DemandWord>.self, OrderCommand<DrainWord>.self, OrderCommand<UndrainWord>.self,
      OrderCommand<PolicyWord>.self, ControlShutdown.self,
    ])

  /// The words of commands that give no order.
  static let looks = [
    "status", "notebooks", "queue", "explain", "processes", "code", "events", "history", "watch", "shutdown", "help",
  ]
}

/// One word of the grammar, as a command's name has to be known before it runs.
protocol OrderWord: Sendable {
  static var name: String { get }
}

enum SuspendWord: OrderWord { static let name = "suspend" }
enum CallOffWord: OrderWord { static let name = "call-off" }
enum ResumeWord: OrderWord { static let name = "resume" }
enum InterruptWord: OrderWord { static let name = "interrupt" }
enum PriorityWord: OrderWord { static let name = "priority" }
enum PinWord: OrderWord { static let name = "pin" }
enum UnpinWord: OrderWord { static let name = "unpin" }
enum HoldWord: OrderWord { static let name = "hold" }
enum ReleaseWord: OrderWord { static let name = "release" }
enum DemandWord: OrderWord { static let name = "demand" }
enum DrainWord: OrderWord { static let name = "drain" }
enum UndrainWord: OrderWord { static let name = "undrain" }
enum PolicyWord: OrderWord { static let name = "policy" }

extension OrderWord {
  /// What the grammar says of it.
  static var word: GrammarWord { Grammar.words.first { $0.name == name } ?? GrammarWord(name, summary: "") }
}
