extension String: Packable {
  public func pack(into sink: inout some PackSink) { sink.put(self) }
  public init(from source: inout PackSource) throws(PackError) { self = try source.text() }
}

extension Instant: Packable {
  @inlinable public func pack(into sink: inout some PackSink) { sink.put(microseconds) }
  public init(from source: inout PackSource) throws(PackError) { self.init(microseconds: try source.signed()) }
}

extension Span: Packable {
  @inlinable public func pack(into sink: inout some PackSink) { sink.put(microseconds) }
  public init(from source: inout PackSource) throws(PackError) { self.init(microseconds: try source.signed()) }
}

extension Bytes: Packable {
  @inlinable public func pack(into sink: inout some PackSink) { sink.put(count) }
  public init(from source: inout PackSource) throws(PackError) { self.init(try source.signed()) }
}

extension NodeID: Packable {
  @inlinable public func pack(into sink: inout some PackSink) { sink.put(number) }
  public init(from source: inout PackSource) throws(PackError) { self.init(try source.int32()) }
}

extension NotebookID: Packable {
  @inlinable public func pack(into sink: inout some PackSink) { sink.put(number) }
  public init(from source: inout PackSource) throws(PackError) { self.init(try source.int32()) }
}

extension CellID: Packable {
  @inlinable public func pack(into sink: inout some PackSink) { sink.put(number) }
  public init(from source: inout PackSource) throws(PackError) { self.init(try source.signed()) }
}

extension CommandID: Packable {
  @inlinable public func pack(into sink: inout some PackSink) { sink.put(number) }
  public init(from source: inout PackSource) throws(PackError) { self.init(try source.number()) }
}

extension ResourceSet: Packable {
  /// How many words follow, then the words.
  @inlinable public func pack(into sink: inout some PackSink) {
    guard rest == nil else { return packAll(into: &sink) }
    let used: UInt64 = w3 != 0 ? 4 : w2 != 0 ? 3 : w1 != 0 ? 2 : w0 != 0 ? 1 : 0
    sink.put(used)
    if used > 0 { sink.put(w0) }
    if used > 1 { sink.put(w1) }
    if used > 2 { sink.put(w2) }
    if used > 3 { sink.put(w3) }
  }

  @inlinable @inline(never) func packAll(into sink: inout some PackSink) {
    sink.put(UInt64(words))
    for index in 0..<words { sink.put(word(index)) }
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init()
    let used = try source.number()
    guard used <= UInt64(Self.greatest / 64 + 1) else { throw PackError("a set is too large") }
    for index in 0..<Int(used) { setWord(index, try source.number()) }
  }
}

extension Demand: Packable {
  @inlinable public func pack(into sink: inout some PackSink) {
    sink.put(coresLeast)
    sink.put(coresMost)
    sink.put(gpus)
    sink.put(memory)
    sink.put(gpuMemory)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(
      coresLeast: try source.int32(), coresMost: try source.int32(), gpus: try source.int32(),
      memory: try source.value(), gpuMemory: try source.value())
  }
}

extension Allotment: Packable {
  @inlinable public func pack(into sink: inout some PackSink) {
    sink.put(node)
    sink.put(cores)
    sink.put(gpus)
    sink.put(memory)
    sink.put(shared)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(
      node: try source.value(), cores: try source.value(), gpus: try source.value(), memory: try source.value(),
      shared: try source.bool())
  }
}

extension Pin: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(node)
    sink.put(cores)
    sink.put(gpus)
    sink.put(reserves)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(
      node: try source.value(), cores: try source.value(), gpus: try source.value(), reserves: try source.bool())
  }
}

extension GPU: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(uuid)
    sink.put(model)
    sink.put(memory)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(uuid: try source.text(), model: try source.text(), memory: try source.value())
  }
}

extension Node: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(id)
    sink.put(name)
    sink.put(cores)
    sink.put(gpus)
    sink.put(memory)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(
      id: try source.value(), name: try source.text(), cores: try source.value(), gpus: try source.list(),
      memory: try source.value())
  }
}

/// What became known of nodes after the first form of `Node`; packed behind one, where there is any of it.
struct NodeDetails: Packable {
  var topology: CoreTopology?
  /// The GPUs' makers, in the GPUs' order.
  var makers: [UInt64]
  var gpuSwapRate: Bytes

  /// Nil where the first form says all.
  init?(of node: Node) {
    guard
      node.topology != nil || node.gpus.contains(where: { $0.maker != .nvidia })
        || node.gpuSwapRate != Node.gpuSwapRateMeasured
    else { return nil }
    gpuSwapRate = node.gpuSwapRate
    topology = node.topology
    makers = node.gpus.map { UInt64($0.maker.rawValue) }
  }

  func pack(into sink: inout some PackSink) {
    sink.put(topology)
    sink.put(UInt64(makers.count))
    for maker in makers { sink.put(maker) }
    sink.put(gpuSwapRate)
  }

  init(from source: inout PackSource) throws(PackError) {
    topology = try source.optional()
    makers = []
    let count = try source.number()
    for _ in 0..<min(count, 1 << 16) { makers.append(try source.number()) }
    // The first recordings with details end here.
    gpuSwapRate = source.isAtEnd ? Node.gpuSwapRateMeasured : try source.value()
  }

  func applied(to node: Node) throws(PackError) -> Node {
    guard makers.count == node.gpus.count else { throw PackError("a node's GPUs and their makers differ in number") }
    var node = node
    node.topology = topology
    node.gpuSwapRate = gpuSwapRate
    for (index, number) in makers.enumerated() {
      guard let maker = UInt8(exactly: number).flatMap(GPUMaker.init) else {
        throw PackError("there is no maker of GPUs with number \(number)")
      }
      node.gpus[index].maker = maker
    }
    return node
  }
}

extension PackSource {
  /// A node with its details behind it.
  mutating func detailedNode() throws(PackError) -> Node {
    let node: Node = try value()
    return try value(NodeDetails.self).applied(to: node)
  }
}

extension CoreTopology: Packable {
  public func pack(into sink: inout some PackSink) {
    for domains in [physical, caches, numaNodes, packages] { sink.put(domains) }
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(
      physical: try source.list(), caches: try source.list(), numaNodes: try source.list(), packages: try source.list())
  }
}

extension Notebook: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(id)
    sink.put(node)
    sink.put(user)
    sink.put(path)
    sink.put(kernel)
    sink.put(priority)
    sink.put(gate)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(
      id: try source.value(), node: try source.value(), user: try source.text(), path: try source.text(),
      kernel: try source.text(), priority: try source.int32(), gate: try source.text())
  }
}

extension CellSource: Packable {
  @inlinable public func pack(into sink: inout some PackSink) {
    sink.put(jupyterCell)
    sink.put(codeHash)
    sink.put(key)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(jupyterCell: try source.optional(), codeHash: try source.number(), key: try source.number())
  }
}

extension Quantiles: Packable {
  @inlinable public func pack(into sink: inout some PackSink) {
    sink.put(p05)
    sink.put(p25)
    sink.put(p50)
    sink.put(p75)
    sink.put(p95)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(
      p05: try source.value(), p25: try source.value(), p50: try source.value(), p75: try source.value(),
      p95: try source.value())
  }
}

extension CellForecast: Packable {
  /// Added to the number of the basis where `further` follows; without it the form is the one of before there was any.
  @usableFromInline static let hasFurther: UInt64 = 16

  @inlinable public func pack(into sink: inout some PackSink) {
    sink.put(run)
    sink.put(UInt64(basis.rawValue) + (further == nil ? 0 : Self.hasFurther))
    sink.put(notebookRemaining)
    sink.put(notebookTotal)
    sink.put(parallelThousandths)
    sink.put(peakCores)
    sink.put(peakGPUs)
    if let further { sink.put(further) }
  }

  public init(from source: inout PackSource) throws(PackError) {
    run = try source.value()
    let number = try source.number()
    let extends = number >= Self.hasFurther
    guard let raw = UInt8(exactly: extends ? number - Self.hasFurther : number),
      let basis = ForecastBasis(rawValue: raw)
    else { throw PackError("ForecastBasis has no case \(number)") }
    self.basis = basis
    notebookRemaining = try source.optional()
    notebookTotal = try source.optional()
    parallelThousandths = try source.int32()
    peakCores = try source.int32()
    peakGPUs = try source.int32()
    further = extends ? try FurtherForecast(from: &source) : nil
  }
}

extension FurtherForecast: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(need)
    sink.put(notebookLeft)
    sink.put(think)
    sink.put(nextRun)
    sink.put(nextNeed)
  }

  public convenience init(from source: inout PackSource) throws(PackError) {
    self.init(
      need: try source.value(), notebookLeft: try source.value(), think: try source.optional(),
      nextRun: try source.optional(), nextNeed: try source.value())
  }
}

extension ForeseenNeed: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(millicores)
    sink.put(gpus)
    sink.put(memory)
    sink.put(gpuMemory)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(
      millicores: try source.optional(), gpus: try source.optional(), memory: try source.optional(),
      gpuMemory: try source.optional())
  }
}

extension Amounts: Packable {
  public func pack(into sink: inout some PackSink) { for amount in [p05, p25, p50, p75, p95] { sink.put(amount) } }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(
      p05: try source.signed(), p25: try source.signed(), p50: try source.signed(), p75: try source.signed(),
      p95: try source.signed())
  }
}

extension Cell: Packable {
  @inlinable public func pack(into sink: inout some PackSink) {
    sink.put(id)
    sink.put(notebook)
    sink.put(submitted)
    sink.put(demand)
    sink.put(source)
    sink.put(forecast)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(
      id: try source.value(), notebook: try source.value(), submitted: try source.value(), demand: try source.value(),
      source: try source.value(), forecast: try source.optional())
  }
}

extension Reason: Packable {
  @inlinable public func pack(into sink: inout some PackSink) {
    sink.put(UInt64(rule.rawValue))
    sink.put(other)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(try source.choice(), for: try source.optional())
  }
}

extension ExpectedStart: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(early)
    sink.put(median)
    sink.put(late)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(early: try source.value(), median: try source.value(), late: try source.value())
  }
}

extension Wait: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(UInt64(cause.rawValue))
    sink.put(lacking)
    sink.put(holders)
    sink.put(place)
    sink.put(expected)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(
      cause: try source.choice(), lacking: try source.int32(), holders: try source.list(), place: try source.int32(),
      expected: try source.optional())
  }
}

extension Refusal: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(UInt64(cause.rawValue))
    sink.put(text)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(try source.choice(), try source.text())
  }
}

extension Usage: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(millicores)
    sink.put(memory)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(millicores: try source.int32(), memory: try source.value())
  }
}

extension PackSource {
  /// One case of an enumeration by its number.
  mutating func choice<Choice: RawRepresentable>(_: Choice.Type = Choice.self) throws(PackError) -> Choice
  where Choice.RawValue == UInt8 {
    let number = try number()
    guard let raw = UInt8(exactly: number), let choice = Choice(rawValue: raw) else {
      throw PackError("\(Choice.self) has no case \(number)")
    }
    return choice
  }
}

extension PlannedSuspension: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(cell)
    sink.put(due)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(try source.value(), due: try source.optional())
  }
}
