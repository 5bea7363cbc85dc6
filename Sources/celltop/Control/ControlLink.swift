import ArgumentParser
import Domain
import Foundation
import GateLink
import Projections
import ServerLink

/// What every `celltop ctl` command can be told, and how it reaches a server.
struct ControlOptions: ParsableArguments {
  @Option(help: "The server's socket (default: this user's server, else the one for all users).", completion: .file())
  var socket: String?

  @Flag(help: "Print JSON.")
  var json = false

  var paths: [String] {
    socket.map { [$0] } ?? SocketPath.candidates(environment: ProcessInfo.processInfo.environment, uid: getuid())
  }

  /// Attaches to the server.
  func connect(_ stream: Attach.Stream = .packed) throws(AttachError) -> ServerConnection {
    try Self.connect(paths, stream)
  }

  private static func connect(_ paths: [String], _ stream: Attach.Stream) throws(AttachError) -> ServerConnection {
    try ServerConnection(
      paths,
      Attach(
        client: "celltop ctl \(Celltop.version)", stream: stream, form: stream == .packed ? Board.wireForm : nil))
  }

  /// Attaches to the server and takes its board, as far as this user may see it.
  func board(secondsMost: Double = 10) throws(AttachError) -> (connection: ServerConnection, fold: AttachedBoard) {
    try Self.board(at: paths, secondsMost: secondsMost)
  }

  /// Attaches to the server at the first of the places at which one answers, and takes its board.
  static func board(
    at paths: [String], secondsMost: Double = 10
  ) throws(AttachError) -> (connection: ServerConnection, fold: AttachedBoard) {
    let connection = try connect(paths, .packed)
    var fold = AttachedBoard()
    let deadline = monotonicSeconds() + secondsMost
    while !fold.isComplete {
      let left = deadline - monotonicSeconds()
      guard left > 0 else { throw .silent(seconds: Int(secondsMost)) }
      if let message = try connection.receive(seconds: left) { try fold.take(message) }
    }
    return (connection, fold)
  }

  /// Runs a command's body. Exit status 1 for what was refused or failed, 2 for wrong use, 3 where no server answers. With
  /// --json what went wrong is an object, too.
  func reporting(_ body: () throws -> Void) throws {
    try Tool.reporting(
      tell: { text, status in if json { try print(Failure(text, status)) } else { Tool.complain(text) } },
      status: { ($0 as? AttachError)?.isAbsence == true ? 3 : 1 }, body)
  }

  /// What went wrong, as programs read it.
  struct Failure: Encodable {
    var error: String
    /// The exit status.
    var status: Int32

    init(_ text: String, _ status: Int32) {
      error = text.split(separator: "\n").map { String($0).printable(at: 4000) }.joined(separator: " ")
      self.status = status
    }
  }

  /// Whether what cannot be read of a command line is to be told as an object.
  static func areToPrintJSON(_ arguments: [String]) -> Bool {
    arguments.first == "ctl" && arguments.contains("--json")
  }

  func print(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    Swift.print(String(decoding: try encoder.encode(value), as: UTF8.self))
  }
}

extension AttachError {
  /// Whether there is no server to speak with, or none any more.
  var isAbsence: Bool {
    switch self {
    case .nobody, .ended, .silent: true
    case .unwelcome, .gap, .unreadable, .untrusted: false
    }
  }
}

/// Lines of columns, as wide as what stands in them; the last one is as long as it likes. Whatever stands in them is fit for a
/// terminal afterwards.
func columns(_ rows: [[String]]) -> String {
  let rows = rows.map { $0.map { $0.printable(at: 1000) } }
  let count = rows.map(\.count).max() ?? 0
  let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
  return rows.map { row in
    row.enumerated().map { column, text in
      column == row.count - 1 ? text : text + String(repeating: " ", count: widths[column] - text.count)
    }.joined(separator: "  ")
  }.joined(separator: "\n")
}
