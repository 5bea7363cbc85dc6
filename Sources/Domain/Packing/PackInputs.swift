extension Verb: Packable {
  public func pack(into sink: inout some PackSink) {
    switch self {
    case .suspend(let id, let cell):
      sink.put(0 as UInt64)
      sink.put(id)
      sink.put(cell)
    case .resume(let id, let cell):
      sink.put(1 as UInt64)
      sink.put(id)
      sink.put(cell)
    case .interrupt(let id, let cell):
      sink.put(2 as UInt64)
      sink.put(id)
      sink.put(cell)
    case .setPriority(let id, let priority):
      sink.put(3 as UInt64)
      sink.put(id)
      sink.put(priority)
    case .pin(let id, let pin):
      sink.put(4 as UInt64)
      sink.put(id)
      sink.put(pin)
    case .unpin(let id):
      sink.put(5 as UInt64)
      sink.put(id)
    case .hold(let id):
      sink.put(6 as UInt64)
      sink.put(id)
    case .release(let id):
      sink.put(7 as UInt64)
      sink.put(id)
    case .drain(let node, let cores, let gpus):
      sink.put(8 as UInt64)
      sink.put(node)
      sink.put(cores)
      sink.put(gpus)
    case .undrain(let node, let cores, let gpus):
      sink.put(9 as UInt64)
      sink.put(node)
      sink.put(cores)
      sink.put(gpus)
    case .setPolicy(let name):
      sink.put(10 as UInt64)
      sink.put(name)
    case .overrideDemand(let id, let demand):
      sink.put(11 as UInt64)
      sink.put(id)
      sink.put(demand)
    case .suspendAfter(let id, let cell, let grace):
      sink.put(12 as UInt64)
      sink.put(id)
      sink.put(cell)
      sink.put(grace)
    case .suspendAtEnd(let id, let cell):
      sink.put(13 as UInt64)
      sink.put(id)
      sink.put(cell)
    case .callOff(let id, let cell):
      sink.put(14 as UInt64)
      sink.put(id)
      sink.put(cell)
    }
  }

  public init(from source: inout PackSource) throws(PackError) {
    let tag = try source.number()
    switch tag {
    case 0: self = .suspend(try source.value(), cell: try source.value())
    case 1: self = .resume(try source.value(), cell: try source.value())
    case 2: self = .interrupt(try source.value(), cell: try source.value())
    case 3: self = .setPriority(try source.value(), try source.int32())
    case 4: self = .pin(try source.value(), try source.value())
    case 5: self = .unpin(try source.value())
    case 6: self = .hold(try source.value())
    case 7: self = .release(try source.value())
    case 8: self = .drain(try source.value(), try source.value(), try source.value())
    case 9: self = .undrain(try source.value(), try source.value(), try source.value())
    case 10: self = .setPolicy(try source.text())
    case 11: self = .overrideDemand(try source.value(), try source.optional())
    case 12: self = .suspendAfter(try source.value(), cell: try source.value(), try source.value())
    case 13: self = .suspendAtEnd(try source.value(), cell: try source.value())
    case 14: self = .callOff(try source.value(), cell: try source.value())
    default: throw PackError("there is no verb \(tag)")
    }
  }
}

extension Command: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(id)
    sink.put(author)
    sink.put(why)
    sink.put(verb)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(
      id: try source.value(), author: try source.text(), why: try source.text(), verb: try source.value())
  }
}

extension Observation: Packable {
  public func pack(into sink: inout some PackSink) {
    switch self {
    case .nodeFound(let node):
      // 100: the same with what the first form of a node does not hold.
      let details = NodeDetails(of: node)
      sink.put((details == nil ? 0 : 100) as UInt64)
      sink.put(node)
      if let details { sink.put(details) }
    case .notebookOpened(let notebook):
      sink.put(1 as UInt64)
      sink.put(notebook)
    case .kernelReady(let id):
      sink.put(2 as UInt64)
      sink.put(id)
    case .kernelDied(let id):
      sink.put(3 as UInt64)
      sink.put(id)
    case .notebookClosed(let id):
      sink.put(4 as UInt64)
      sink.put(id)
    case .backlogChanged(let id, let count):
      sink.put(5 as UInt64)
      sink.put(id)
      sink.put(count)
    case .cellSubmitted(let id, let demand, let origin, let forecast):
      sink.put(6 as UInt64)
      sink.put(id)
      sink.put(demand)
      sink.put(origin)
      sink.put(forecast)
    case .cellFoundRunning(let id, let demand, let origin, let ran, let cores, let suspended):
      sink.put(7 as UInt64)
      sink.put(id)
      sink.put(demand)
      sink.put(origin)
      sink.put(ran)
      sink.put(cores)
      sink.put(suspended)
    case .cellEnded(let id, let cell, let outcome):
      sink.put(8 as UInt64)
      sink.put(id)
      sink.put(cell)
      sink.put(UInt64(outcome.rawValue))
    case .usageSampled(let id, let usage):
      sink.put(9 as UInt64)
      sink.put(id)
      sink.put(usage)
    case .effectFailed(let id, let sequence, let why):
      sink.put(10 as UInt64)
      sink.put(id)
      sink.put(sequence)
      sink.put(why)
    }
  }

  public init(from source: inout PackSource) throws(PackError) {
    let tag = try source.number()
    switch tag {
    case 0: self = .nodeFound(try source.value())
    case 1: self = .notebookOpened(try source.value())
    case 2: self = .kernelReady(try source.value())
    case 3: self = .kernelDied(try source.value())
    case 4: self = .notebookClosed(try source.value())
    case 5: self = .backlogChanged(try source.value(), try source.int32())
    case 6:
      self = .cellSubmitted(
        try source.value(), try source.value(), try source.value(), try source.optional())
    case 7:
      self = .cellFoundRunning(
        try source.value(), try source.value(), try source.value(), ran: try source.value(), try source.optional(),
        suspended: try source.bool())
    case 8: self = .cellEnded(try source.value(), try source.value(), try source.choice())
    case 9: self = .usageSampled(try source.value(), try source.value())
    case 10: self = .effectFailed(try source.value(), sequence: try source.signed(), why: try source.text())
    case 100: self = .nodeFound(try source.detailedNode())
    default: throw PackError("there is no observation \(tag)")
    }
  }
}

extension Input: Packable {
  public func pack(into sink: inout some PackSink) {
    switch self {
    case .command(let command):
      sink.put(0 as UInt64)
      sink.put(command)
    case .observation(let observation):
      sink.put(1 as UInt64)
      sink.put(observation)
    case .timer:
      sink.put(2 as UInt64)
    }
  }

  public init(from source: inout PackSource) throws(PackError) {
    let tag = try source.number()
    switch tag {
    case 0: self = .command(try source.value())
    case 1: self = .observation(try source.value())
    case 2: self = .timer
    default: throw PackError("there is no input \(tag)")
    }
  }
}
