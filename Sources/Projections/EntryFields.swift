import Domain

/// A value in a row that leaves celltop: in an export, in a message to a client.
public enum FieldValue: Sendable, Hashable {
  case null
  case number(Int64)
  case real(Double)
  case flag(Bool)
  case text(String)
  case list([FieldValue])
  case object([Field])

  public static func optional(_ value: Int64?) -> FieldValue { value.map { .number($0) } ?? .null }
}

/// A named value of such a row.
public struct Field: Sendable, Hashable {
  public var name: String
  public var value: FieldValue

  public init(_ name: String, _ value: FieldValue) {
    self.name = name
    self.value = value
  }

  public init(_ name: String, _ value: some BinaryInteger) { self.init(name, .number(Int64(value))) }
  public init(_ name: String, _ value: String) { self.init(name, .text(value)) }
}

extension Event {
  /// The event's kind, as the source names it, and what it holds. Times are microseconds, sizes bytes, sets lists like
  /// `0-3,8`.
  public var exported: (kind: String, fields: [Field]) {
    switch self {
    case .policyChanged(let name): return ("policyChanged", [Field("policy", name)])
    case .nodeAdded(let node): return ("nodeAdded", node.exported)
    case .drainChanged(let node, let cores, let gpus):
      return ("drainChanged", [Field("node", node.number), Field("cores", "\(cores)"), Field("gpus", "\(gpus)")])
    case .notebookOpened(let notebook):
      return (
        "notebookOpened",
        [
          Field("node", notebook.node.number), Field("user", notebook.user), Field("path", notebook.path),
          Field("kernel", notebook.kernel), Field("priority", notebook.priority),
        ]
      )
    case .kernelReady: return ("kernelReady", [])
    case .kernelDied: return ("kernelDied", [])
    case .notebookClosed: return ("notebookClosed", [])
    case .backlogChanged(_, let count): return ("backlogChanged", [Field("backlog", count)])
    case .cellQueued(let cell): return ("cellQueued", cell.exported)
    case .cellRefused(let cell, let refusal): return ("cellRefused", cell.exported + refusal.exported)
    case .cellWaits(let cell, _, let wait): return ("cellWaits", [Field("cell", cell.number)] + wait.exported)
    case .cellStarted(let cell, _, let allotment, let reason):
      return ("cellStarted", [Field("cell", cell.number)] + allotment.exported + reason.exported)
    case .cellAdopted(let cell, let started, let allotment):
      return ("cellAdopted", cell.exported + [Field("startedAt", started.microseconds)] + allotment.exported)
    case .cellResized(let cell, _, let allotment, let reason):
      return ("cellResized", [Field("cell", cell.number)] + allotment.exported + reason.exported)
    case .cellSuspended(let cell, _, let reason):
      return ("cellSuspended", [Field("cell", cell.number)] + reason.exported)
    case .cellResumed(let cell, _, let allotment, let reason):
      return ("cellResumed", [Field("cell", cell.number)] + allotment.exported + reason.exported)
    case .interruptRequested(let cell, _): return ("interruptRequested", [Field("cell", cell.number)])
    case .cellEnded(let cell, _, let outcome):
      return ("cellEnded", [Field("cell", cell.number), Field("outcome", outcome.word)])
    case .priorityChanged(_, let priority): return ("priorityChanged", [Field("priority", priority)])
    case .pinned(_, let pin): return ("pinned", pin.exported)
    case .unpinned: return ("unpinned", [])
    case .held: return ("held", [])
    case .released: return ("released", [])
    case .resumeOrdered(_, let cell): return ("resumeOrdered", [Field("cell", cell.number)])
    case .demandOverridden(_, let demand): return ("demandOverridden", demand?.exported ?? [])
    case .commandAccepted(let command): return ("commandAccepted", command.exported)
    case .commandRefused(let command, let refusal): return ("commandRefused", command.exported + refusal.exported)
    case .decisionRefused(let refusal): return ("decisionRefused", refusal.exported)
    case .effectFailed(_, let sequence, let why):
      return ("effectFailed", [Field("ofSequence", sequence), Field("why", why)])
    case .usageSampled(_, let usage):
      return ("usageSampled", [Field("millicores", usage.millicores), Field("memory", usage.memory.count)])
    case .invariantBroken(let text): return ("invariantBroken", [Field("text", text)])
    case .memoryEvicted(_, let reason): return ("memoryEvicted", reason.exported)
    case .gpusSeen(_, let gpus): return ("gpusSeen", [Field("gpus", "\(gpus)")])
    case .suspensionPlanned(_, let cell, let due):
      return ("suspensionPlanned", [Field("cell", cell.number), Field("due", .optional(due?.microseconds))])
    case .suspensionCalledOff(_, let cell): return ("suspensionCalledOff", [Field("cell", cell.number)])
    }
  }
}

extension Node {
  fileprivate var exported: [Field] {
    [
      Field("node", id.number), Field("name", name), Field("cores", "\(cores)"), Field("memory", memory.count),
      Field(
        "gpus",
        .list(
          gpus.map {
            .object([Field("uuid", $0.uuid), Field("model", $0.model), Field("memory", $0.memory.count)])
          })),
    ]
  }
}

extension Demand {
  public var exported: [Field] {
    [
      Field("coresLeast", coresLeast), Field("coresMost", coresMost), Field("gpusAsked", gpus),
      Field("memory", memory.count), Field("gpuMemory", gpuMemory.count),
    ]
  }
}

extension Domain.Cell {
  fileprivate var exported: [Field] {
    var fields = [Field("cell", id.number)] + demand.exported
    if let name = source.jupyterCell { fields.append(Field("jupyterCell", name)) }
    if source.codeHash != 0 { fields.append(Field("codeHash", String(source.codeHash, radix: 16))) }
    if let forecast {
      fields.append(Field("foreseenMedian", forecast.run.p50.microseconds))
      fields.append(Field("foreseenLow", forecast.run.p05.microseconds))
      fields.append(Field("foreseenHigh", forecast.run.p95.microseconds))
    }
    return fields
  }
}

extension Allotment {
  fileprivate var exported: [Field] {
    [
      Field("node", node.number), Field("cores", "\(cores)"), Field("gpus", "\(gpus)"), Field("memory", memory.count),
      Field("shared", .flag(shared)),
    ]
  }
}

extension Pin {
  fileprivate var exported: [Field] {
    [
      Field("node", node.number), Field("cores", "\(cores)"), Field("gpus", "\(gpus)"),
      Field("reserves", .flag(reserves)),
    ]
  }
}

extension Reason {
  fileprivate var exported: [Field] {
    [Field("rule", "\(rule)"), Field("for", .optional(other.map { Int64($0.number) }))]
  }
}

extension Refusal {
  fileprivate var exported: [Field] { [Field("cause", "\(cause)"), Field("text", text)] }
}

extension Wait {
  fileprivate var exported: [Field] {
    [
      Field("cause", "\(cause)"), Field("lacking", lacking),
      Field("holders", .list(holders.map { .number(Int64($0.number)) })), Field("place", place),
      Field("expectedMedian", .optional(expected?.median.microseconds)),
      Field("expectedEarly", .optional(expected?.early.microseconds)),
      Field("expectedLate", .optional(expected?.late.microseconds)),
    ]
  }
}

extension Command {
  fileprivate var exported: [Field] {
    [Field("author", author), Field("verb", verb.word), Field("why", why)]
  }
}
