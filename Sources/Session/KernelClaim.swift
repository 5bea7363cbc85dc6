import Domain
import Foundation

/// What a gate says of its kernel's process, held against what the system says: nobody speaks for another user's kernel.
enum KernelClaim: Equatable {
  /// It is the gate's user's, and descends from the gate.
  case holds
  /// It does not; why.
  case fails(String)
  /// The server may not look, or the process is gone: the number is of no use.
  case unknown

  /// The deepest descent that is followed.
  private static let generationsMost = 64

  /// - Parameters:
  ///   - kernel: the process that the gate names.
  ///   - gate: the process at the other end of the connection, and its user.
  init(kernel: Int32, gate: Int32, uid: UInt32) {
    guard kernel > 0, let facts = Self.facts(of: kernel) else {
      self = .unknown
      return
    }
    guard facts.uid == uid else {
      self = .fails("process \(kernel) is not a kernel of the gate's user")
      return
    }
    var (one, parent) = (kernel, facts.parent)
    for _ in 0..<Self.generationsMost {
      if one == gate || parent == gate {
        self = .holds
        return
      }
      guard parent > 1, let next = Self.facts(of: parent) else { break }
      (one, parent) = (parent, next.parent)
    }
    self = .fails("process \(kernel) does not descend from the gate, process \(gate)")
  }

  /// The real user and the parent of a process, from `/proc/PID/status` (proc_pid_status(5)).
  private static func facts(of pid: Int32) -> (uid: UInt32, parent: Int32)? {
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8) else { return nil }
    var uid: UInt32?
    var parent: Int32?
    for line in text.split(separator: "\n") {
      if line.hasPrefix("Uid:") { uid = line.split(separator: "\t").dropFirst().first.flatMap { UInt32($0) } }
      if line.hasPrefix("PPid:") { parent = line.split(separator: "\t").dropFirst().first.flatMap { Int32($0) } }
    }
    guard let uid, let parent else { return nil }
    return (uid, parent)
  }
}
