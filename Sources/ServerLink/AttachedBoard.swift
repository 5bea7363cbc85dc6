import Domain
import Foundation
import Projections

/// A session's board as a client that follows the packed stream has it: a snapshot, and the tail folded onto it by the same
/// projection that replays use.
public struct AttachedBoard: Sendable {
  public private(set) var board = Board()
  /// Whether a snapshot has come.
  public private(set) var isComplete = false
  /// A console that stays for months remembers no more than its server.
  private static let closedKept = 1024

  public init() {}

  /// Takes what a server sent of its stream; other messages change nothing.
  ///
  /// - Returns: whether the board is another one now.
  /// - Throws: `AttachError` where the tail does not follow on, or cannot be read: the client attaches anew.
  @discardableResult
  public mutating func take(_ message: ServerMessage) throws(AttachError) -> Bool {
    switch message {
    case .snapshot(let snapshot):
      guard let text = snapshot.board else { return false }
      guard let bytes = Data(base64Encoded: text) else { throw .unreadable("the snapshot is not base64") }
      do throws(PackError) { board = try Board(whole: [UInt8](bytes)) } catch { throw .unreadable(error.description) }
      guard board.sequence == snapshot.sequence else {
        throw .unreadable("the snapshot says \(snapshot.sequence), and holds \(board.sequence)")
      }
      board.closedKept = Self.closedKept
      isComplete = true
      return true
    case .tail(let tail):
      guard tail.log != nil else { return false }
      guard isComplete, tail.first == board.sequence + 1 else {
        throw .gap(expected: board.sequence + 1, found: tail.first)
      }
      do throws(PackError) { for entry in try tail.unpacked() { board.apply(entry) } } catch {
        throw .unreadable(error.description)
      }
      return true
    case .welcome, .unwelcome, .answer, .status, .preview, .processes, .code, .refused, .ping, .ending, .unknown:
      return false
    }
  }
}

/// Why a client and a server part.
public enum AttachError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Nobody listens at any of the places.
  case nobody(paths: [String])
  /// The server does not want the client, and why.
  case unwelcome(String)
  /// The server hung up, or said why it ends.
  case ended(String)
  /// Nothing came in time.
  case silent(seconds: Int)
  case gap(expected: Int64, found: Int64)
  case unreadable(String)
  /// Something listens there that is not to be trusted.
  case untrusted(String)

  public var description: String {
    switch self {
    case .nobody(let paths):
      "no celltop server answers at \(paths.joined(separator: " or ")). Start one with 'celltop serve', or open the console with 'celltop'; a 'celltop demo' listens on a socket of its own"
    case .unwelcome(let why): "the server refuses: \(why)"
    case .ended(let why): "the server is gone: \(why)"
    case .silent(let seconds): "the server has been silent for \(seconds) s"
    case .gap(let expected, let found): "the server sent entry \(found) where \(expected) comes next"
    case .unreadable(let why): "the server sent what cannot be read: \(why)"
    case .untrusted(let why): why
    }
  }
}
