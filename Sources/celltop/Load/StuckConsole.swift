import Projections
import ServerLink

/// A console that follows and never reads, while it gives every sign of life: the worst that a server can have.
final class StuckConsole {
  private let paths: [String]
  private var connection: ServerConnection?
  /// How often the server let go of it.
  private(set) var timesLetGo = 0

  /// - Throws: `AttachError`.
  init(_ path: String) throws(AttachError) {
    paths = [path]
    connection = try Self.attached(paths)
  }

  private static func attached(_ paths: [String]) throws(AttachError) -> ServerConnection {
    try ServerConnection(paths, Attach(client: "celltop bench load, stuck", stream: .packed, form: Board.wireForm))
  }

  /// Gives a sign of life, and attaches anew where the server has hung up.
  ///
  /// - Throws: `AttachError` where the server does not take it any more.
  func breathe() throws(AttachError) {
    if let connection, (try? connection.send(.pong)) != nil { return }
    timesLetGo += 1
    connection = try Self.attached(paths)
  }
}
