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
    try control.answer(
      .processes, about: notebook, whereNone: "this server does not tell of processes",
      ask: { .processes(id: 1, notebook: $0) },
      reading: { if case .processes(let answer) = $0 { (answer.notebook, answer) } else { nil } },
      isRefused: { $0.why != nil }, text: Self.text)
  }

  private static func text(_ answer: ProcessesAnswer, _ board: Board) -> String {
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
    try control.answer(
      .code, about: notebook,
      whereNone: "cells' code is not told here; 'show_code = true' in [access] of the server's configuration tells it",
      ask: { .code(id: 1, notebook: $0) },
      reading: { if case .code(let answer) = $0 { (answer.notebook, answer) } else { nil } },
      isRefused: { $0.text == nil }, text: Self.text)
  }

  private static func text(_ answer: CodeAnswer, _ board: Board) -> String {
    guard let text = answer.text else {
      let name = board.name(of: NotebookID(answer.notebook)).printable(at: 100)
      return "\(name): refused: \(answer.why?.printable(at: 200) ?? "no reason was given")"
    }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    return lines.map { $0.replacingOccurrences(of: "\t", with: "    ").printable(at: 2000) }.joined(separator: "\n")
  }
}

extension ControlOptions {
  private static let answerSecondsMost = 20

  /// Asks the server about each notebook that is meant, prints the answers, and exits with 1 where one was refused.
  ///
  /// - Parameters:
  ///   - missing: what is said where the server does not answer such questions.
  ///   - reading: the notebook's number and the answer, where a message is one.
  fileprivate func answer<Answer: Encodable>(
    _ kind: QuestionKind, about notebook: String, whereNone missing: String, ask: (NotebookID) -> ClientMessage,
    reading: (ServerMessage) -> (notebook: Int32, answer: Answer)?, isRefused: (Answer) -> Bool,
    text: (Answer, Board) -> String
  ) throws {
    try reporting {
      let (connection, fold) = try board()
      let ids = try OrderLine.read(["hold", "on", notebook]).notebooks(on: fold.board)
      guard connection.welcome.answers(kind) else { throw ToolError(missing) }
      let answers = try ids.map { id in
        try connection.send(ask(id))
        return try Self.receive(from: connection) { reading($0).flatMap { $0.notebook == id.number ? $0.answer : nil } }
      }
      if json {
        try print(answers)
      } else {
        for answer in answers { Swift.print(text(answer, fold.board)) }
      }
      if answers.contains(where: isRefused) { throw ExitCode(1) }
    }
  }

  /// Waits for the message that `reading` takes; others are passed over.
  private static func receive<Answer>(
    from connection: ServerConnection, _ reading: (ServerMessage) -> Answer?
  ) throws(AttachError) -> Answer {
    let deadline = monotonicSeconds() + Double(answerSecondsMost)
    while true {
      let left = deadline - monotonicSeconds()
      guard left > 0, let message = try connection.receive(seconds: left) else {
        throw .silent(seconds: answerSecondsMost)
      }
      if let answer = reading(message) { return answer }
    }
  }
}
