import ArgumentParser
import Domain
import Foundation
import Projections
import ServerLink

/// `celltop ctl processes NOTEBOOK`: the processes of a notebook's kernel, as the server sees them.
struct ControlProcesses: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "processes",
    abstract: "List the processes of a notebook's kernel: its author and operators may, all with show_paths.")

  @Argument(help: "The notebook: its name or the beginning of it, its number (#3) or its path.") var notebook: String
  @OptionGroup var control: ControlOptions

  func run() throws {
    try control.reporting {
      let (connection, fold) = try control.board()
      let ids = try OrderLine.read(["hold", "on", notebook]).notebooks(on: fold.board)
      guard connection.welcome.answers(.processes) else { throw ToolError("this server does not tell of processes") }
      let answers = try ids.map { try Self.ask(connection, $0) }
      if control.json {
        try control.print(answers)
      } else {
        for answer in answers { print(Self.text(answer, on: fold.board)) }
      }
      if answers.contains(where: { $0.why != nil }) { throw ExitCode(1) }
    }
  }

  private static func ask(_ connection: ServerConnection, _ id: NotebookID) throws(AttachError) -> ProcessesAnswer {
    try connection.send(.processes(id: 1, notebook: id))
    let deadline = monotonicSeconds() + 20
    while true {
      let left = deadline - monotonicSeconds()
      guard left > 0, let message = try connection.receive(seconds: left) else { throw .silent(seconds: 20) }
      if case .processes(let answer) = message, answer.notebook == id.number { return answer }
    }
  }

  private static func text(_ answer: ProcessesAnswer, on board: Board) -> String {
    let name = board.name(of: NotebookID(answer.notebook)).printable(at: 100)
    if let why = answer.why { return "\(name): refused: \(why.printable(at: 200))" }
    guard !answer.rows.isEmpty else { return "\(name): no process is known" }
    let rows = answer.rows.map { row in
      [
        "\(row.pid)", row.state.printable(at: 2), "\(row.threads)", Tool.clock(row.cpu / 1_000_000),
        "\(row.memory >> 20) MiB",
        String(repeating: "  ", count: min(max(row.depth, 0), 12)) + row.name.printable(at: 64),
      ]
    }
    let more = answer.more > 0 ? "\nand \(answer.more) more" : ""
    return name + "\n" + columns([["pid", "state", "threads", "cpu", "memory", "program"]] + rows) + more
  }
}

/// `celltop ctl code NOTEBOOK`: the code of a notebook's cell in hand, where the server was configured to be told it.
struct ControlCode: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "code",
    abstract: "Print the code of a notebook's cell in hand, where the server is configured to show it.")

  @Argument(help: "The notebook: its name or the beginning of it, its number (#3) or its path.") var notebook: String
  @OptionGroup var control: ControlOptions

  func run() throws {
    try control.reporting {
      let (connection, fold) = try control.board()
      let ids = try OrderLine.read(["hold", "on", notebook]).notebooks(on: fold.board)
      guard connection.welcome.answers(.code) else {
        throw ToolError(
          "cells' code is not told here; 'show_code = true' in [access] of the server's configuration tells it")
      }
      let answers = try ids.map { try Self.ask(connection, $0) }
      if control.json {
        try control.print(answers)
      } else {
        for answer in answers { print(Self.text(answer, on: fold.board)) }
      }
      if answers.contains(where: { $0.text == nil }) { throw ExitCode(1) }
    }
  }

  private static func ask(_ connection: ServerConnection, _ id: NotebookID) throws(AttachError) -> CodeAnswer {
    try connection.send(.code(id: 1, notebook: id))
    let deadline = monotonicSeconds() + 20
    while true {
      let left = deadline - monotonicSeconds()
      guard left > 0, let message = try connection.receive(seconds: left) else { throw .silent(seconds: 20) }
      if case .code(let answer) = message, answer.notebook == id.number { return answer }
    }
  }

  private static func text(_ answer: CodeAnswer, on board: Board) -> String {
    guard let text = answer.text else {
      let name = board.name(of: NotebookID(answer.notebook)).printable(at: 100)
      return "\(name): refused: \(answer.why?.printable(at: 200) ?? "no reason was given")"
    }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    return lines.map { $0.replacingOccurrences(of: "\t", with: "    ").printable(at: 2000) }.joined(separator: "\n")
  }
}
