import Foundation
import GRDB

/// What can go wrong with the history, in words for its user.
public struct HistoryError: Error, Sendable, Equatable, CustomStringConvertible {
  public var description: String

  public init(_ description: String) { self.description = description }

  init(opening path: String, _ error: any Error) {
    if let error = error as? DatabaseError {
      switch error.resultCode {
      case .SQLITE_NOTADB, .SQLITE_CORRUPT:
        self.init("the history \(path) is damaged (\(Self.plain(error))). Move it away, and a new one is made")
      case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM:
        let folder = (path as NSString).deletingLastPathComponent
        let isReadOnly = [path, folder.isEmpty ? "." : folder].contains(where: Folder.isOfReadOnlySystem)
        let mend = isReadOnly ? "Its file system is read-only: set" : "Mend its permissions, or set"
        self.init("cannot write the history \(path) (\(Self.plain(error))). \(mend) CELLTOP_HISTORY")
      case .SQLITE_FULL:
        self.init("cannot open the history \(path): the disk is full. Make room; it is tried again")
      default: self.init("cannot open the history \(path): \(Self.plain(error))")
      }
    } else if let error = error as? HistoryError {
      self = error
    } else if let failure = error as? Folder.Failure {
      self.init(folderOf: path, failure)
    } else {
      self.init("cannot open the history \(path): \(error.localizedDescription)")
    }
  }

  init(folderOf path: String, _ failure: Folder.Failure) {
    // Nobody's permissions mend a file system that is mounted for reading only.
    let mend = failure.code == EROFS ? "Name" : "Mend that folder's permissions, or name"
    self.init("cannot make the folder of the history \(path) (\(failure)). \(mend) another file with CELLTOP_HISTORY")
  }

  /// - Parameter code: errno(3).
  init(unwritable path: String, _ code: Int32) {
    let mend = code == EROFS ? "Set" : "Mend its permissions, or set"
    self.init("cannot write the history \(path) (\(String(cString: strerror(code)))). \(mend) CELLTOP_HISTORY")
  }

  init(doing what: String, _ error: any Error) {
    if let error = error as? HistoryError {
      self = error
      return
    }
    guard let error = error as? DatabaseError else {
      self.init("\(what): \((error as? CocoaError)?.localizedDescription ?? "\(error)")")
      return
    }
    let mend =
      switch error.resultCode {
      case .SQLITE_FULL: ". Make room on its disk; it is tried again"
      case .SQLITE_BUSY, .SQLITE_LOCKED: ". Another program holds it; it is tried again"
      case .SQLITE_READONLY, .SQLITE_PERM: ". Mend its permissions; it is tried again"
      case .SQLITE_CORRUPT, .SQLITE_NOTADB: ". Move it away, and a new one is made"
      default: ""
      }
    self.init("\(what): \(Self.plain(error))\(mend)")
  }

  private static func plain(_ error: DatabaseError) -> String { error.message ?? "\(error.resultCode)" }
}
