import Domain

/// A verb in JSON: an object with one member, which is named for what it does: `{"priority":{"notebook":3,"value":5}}`.
public struct VerbForm: Codable, Hashable, Sendable {
  public var verb: Verb

  public init(_ verb: Verb) { self.verb = verb }

  private enum Names: String, CodingKey, CaseIterable {
    case suspend, resume, interrupt, priority, pin, unpin, hold, release, drain, undrain, policy, demand
    case suspendAfter = "suspend-after"
    case suspendAtEnd = "suspend-at-end"
    case callOff = "call-off"
  }

  private enum Parts: String, CodingKey {
    case notebook, cell, value, node, cores, gpus, reserves, name, demand, span
  }

  /// The names of all verbs.
  public static var names: [String] { Names.allCases.map(\.rawValue) }

  private typealias Reader = KeyedDecodingContainer<Parts>

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Names.self)
    guard container.allKeys.count == 1, let name = container.allKeys.first else {
      let names = Names.allCases.map(\.rawValue).joined(separator: ", ")
      throw DecodingError.dataCorrupted(
        DecodingError.Context(
          codingPath: decoder.codingPath, debugDescription: "a verb is an object with one of \(names)"))
    }
    let parts = try container.nestedContainer(keyedBy: Parts.self, forKey: name)
    func notebook() throws -> NotebookID { NotebookID(try parts.decode(Int32.self, forKey: .notebook)) }
    func cell() throws -> CellID { CellID(try parts.decode(Int64.self, forKey: .cell)) }
    func node() throws -> NodeID { NodeID(try parts.decodeIfPresent(Int32.self, forKey: .node) ?? 0) }
    func cores() throws -> CoreSet { try parts.decodeIfPresent(CoreSet.self, forKey: .cores) ?? CoreSet() }
    func gpus() throws -> GPUSet { try parts.decodeIfPresent(GPUSet.self, forKey: .gpus) ?? GPUSet() }
    switch name {
    case .suspend: verb = .suspend(try notebook(), cell: try cell())
    case .resume: verb = .resume(try notebook(), cell: try cell())
    case .interrupt: verb = .interrupt(try notebook(), cell: try cell())
    case .priority: verb = .setPriority(try notebook(), try parts.decode(Int32.self, forKey: .value))
    case .pin:
      let pin = Pin(
        node: try node(), cores: try cores(), gpus: try gpus(),
        reserves: try parts.decodeIfPresent(Bool.self, forKey: .reserves) ?? false)
      verb = .pin(try notebook(), pin)
    case .unpin: verb = .unpin(try notebook())
    case .hold: verb = .hold(try notebook())
    case .release: verb = .release(try notebook())
    case .drain: verb = .drain(try node(), try cores(), try gpus())
    case .undrain: verb = .undrain(try node(), try cores(), try gpus())
    case .policy: verb = .setPolicy(try parts.decode(String.self, forKey: .name))
    case .demand:
      let form = try parts.decodeIfPresent(DemandForm.self, forKey: .demand)
      verb = .overrideDemand(try notebook(), form?.demand)
    case .suspendAfter:
      verb = .suspendAfter(
        try notebook(), cell: try cell(), Span(microseconds: try parts.decode(Int64.self, forKey: .span)))
    case .suspendAtEnd: verb = .suspendAtEnd(try notebook(), cell: try cell())
    case .callOff: verb = .callOff(try notebook(), cell: try cell())
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Names.self)
    func open(_ name: Names, _ id: NotebookID?) throws -> KeyedEncodingContainer<Parts> {
      var parts = container.nestedContainer(keyedBy: Parts.self, forKey: name)
      try parts.encodeIfPresent(id?.number, forKey: .notebook)
      return parts
    }
    func encode(_ name: Names, _ node: NodeID, _ cores: CoreSet, _ gpus: GPUSet, of id: NotebookID? = nil) throws
      -> KeyedEncodingContainer<Parts>
    {
      var parts = try open(name, id)
      try parts.encode(node.number, forKey: .node)
      try parts.encode(cores, forKey: .cores)
      try parts.encode(gpus, forKey: .gpus)
      return parts
    }
    func encode(_ name: Names, _ id: NotebookID, _ cell: CellID) throws {
      var parts = try open(name, id)
      try parts.encode(cell.number, forKey: .cell)
    }
    switch verb {
    case .suspend(let id, let cell): try encode(.suspend, id, cell)
    case .resume(let id, let cell): try encode(.resume, id, cell)
    case .interrupt(let id, let cell): try encode(.interrupt, id, cell)
    case .setPriority(let id, let value):
      var parts = try open(.priority, id)
      try parts.encode(value, forKey: .value)
    case .pin(let id, let pin):
      var parts = try encode(.pin, pin.node, pin.cores, pin.gpus, of: id)
      try parts.encode(pin.reserves, forKey: .reserves)
    case .unpin(let id): _ = try open(.unpin, id)
    case .hold(let id): _ = try open(.hold, id)
    case .release(let id): _ = try open(.release, id)
    case .drain(let node, let cores, let gpus): _ = try encode(.drain, node, cores, gpus)
    case .undrain(let node, let cores, let gpus): _ = try encode(.undrain, node, cores, gpus)
    case .setPolicy(let name):
      var parts = try open(.policy, nil)
      try parts.encode(name, forKey: .name)
    case .overrideDemand(let id, let demand):
      var parts = try open(.demand, id)
      try parts.encode(demand.map(DemandForm.init), forKey: .demand)
    case .suspendAfter(let id, let cell, let span):
      var parts = try open(.suspendAfter, id)
      try parts.encode(cell.number, forKey: .cell)
      try parts.encode(span.microseconds, forKey: .span)
    case .suspendAtEnd(let id, let cell): try encode(.suspendAtEnd, id, cell)
    case .callOff(let id, let cell): try encode(.callOff, id, cell)
    }
  }
}

/// A demand in JSON; sizes are bytes, what is left out is one core and nothing else.
struct DemandForm: Codable, Hashable, Sendable {
  var coresLeast: Int32?
  var coresMost: Int32?
  var gpus: Int32?
  var memory: Int64?
  var gpuMemory: Int64?

  init(_ demand: Demand) {
    (coresLeast, coresMost, gpus) = (demand.coresLeast, demand.coresMost, demand.gpus)
    (memory, gpuMemory) = (demand.memory.count, demand.gpuMemory.count)
  }

  var demand: Demand {
    Demand(
      coresLeast: coresLeast ?? 1, coresMost: coresMost ?? coresLeast ?? 1, gpus: gpus ?? 0,
      memory: Bytes(memory ?? 0), gpuMemory: Bytes(gpuMemory ?? 0))
  }
}
