import Domain
import Glibc

/// One process of a tree as people are told of it.
public struct ListedProcess: Hashable, Sendable {
  public var pid: Int32
  /// How deep below the tree's topmost process, which is 0.
  public var depth: Int
  /// The operating system's letter for its state: `R`, `S`, `D`, `T`, `Z` … (proc(5)).
  public var state: Character
  /// The program's name as the operating system keeps it, 15 bytes at the most; hostile until it is drawn.
  public var name: String
  public var threads: Int
  /// Processor time since it began, children that came and went included.
  public var cpu: Domain.Span
  public var memory: Bytes
}

extension ProcessTree {
  /// The processes of the tree that live now, each below the one that started it, in order of number; empty where the tree
  /// is gone. A reading costs some 30 µs a process.
  public func listing() -> [ListedProcess] {
    let records = members().compactMap(ProcessRecord.now)
    let known = Set(records.map(\.pid))
    var children: [Int32: [ProcessRecord]] = [:]
    for record in records { children[known.contains(record.parent) ? record.parent : 0, default: []].append(record) }
    var listed: [ListedProcess] = []
    func list(_ parent: Int32, _ depth: Int) {
      for record in (children.removeValue(forKey: parent) ?? []).sorted(by: { $0.pid < $1.pid }) {
        listed.append(ListedProcess(record, depth: depth))
        list(record.pid, depth + 1)
      }
    }
    list(0, 0)
    return listed
  }
}

extension ListedProcess {
  init(_ record: ProcessRecord, depth: Int) {
    let name = ProcFiles.text("/proc/\(record.pid)/comm")?.filter { $0 != "\n" }
    self.init(
      pid: record.pid, depth: depth, state: Character(Unicode.Scalar(record.state)), name: name ?? "?",
      threads: record.threads,
      cpu: .init(microseconds: Int64(record.ticks) * 1_000_000 / Int64(max(1, sysconf(Int32(_SC_CLK_TCK))))),
      memory: Bytes(Int64(record.residentPages) * Int64(sysconf(Int32(_SC_PAGESIZE)))))
  }
}
