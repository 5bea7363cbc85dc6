import ArgumentParser
import Foundation

@main
struct Celltop: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "celltop",
    abstract: "Watches and schedules the Jupyter notebooks of a shared node, cell by cell.",
    discussion: """
      Without a command it opens the console over this node's notebooks and schedules them. \
      'celltop demo' shows it on bundled notebooks with real kernels.
      """,
    version: version,
    subcommands: [
      LiveCommand.self, DemoCommand.self, ServeCommand.self, ControlCommand.self, ReplayCommand.self,
      HistoryCommand.self, SimulateCommand.self, CompareCommand.self, TraceCommand.self, ForecastCommand.self,
      BenchCommand.self, ScreensCommand.self, KernelspecCommand.self, ThemesCommand.self, KeysCommand.self,
      DoctorCommand.self, ManualCommand.self, GateCommand.self,
    ],
    defaultSubcommand: LiveCommand.self)

  /// Exits with 0 when done, 1 when it failed, 2 for wrong use.
  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    do {
      var command = try parseAsRoot(OrderLine.spelledOut(arguments))
      try command.run()
      Tool.finishPrinting()
    } catch {
      let code = exitCode(for: error)
      let parser = fullMessage(for: error)
      let misuse =
        code == .validationFailure ? Misuse.text(arguments, parser: parser) : nil
      let text = misuse ?? parser
      if !code.isSuccess, !text.isEmpty, ControlOptions.areToPrintJSON(arguments) {
        try? ControlOptions().print(ControlOptions.Failure(message(for: error), code == .validationFailure ? 2 : 1))
      } else if !text.isEmpty {
        if code.isSuccess { print(text) } else { Tool.progress(text) }
      }
      Foundation.exit(code == .validationFailure ? 2 : code.rawValue)
    }
  }
}
