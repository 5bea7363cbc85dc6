import Domain

/// What an operator orders, before it is bound to a notebook and to the cell that is on the screen.
public enum Act: Hashable, Sendable {
  /// Take the cell's cores and GPUs now.
  case suspend
  /// The same when the span has passed, should the cell still run then.
  case suspendAfter(Span)
  /// Let the cell end, then hold its notebook.
  case suspendAtEnd
  /// Take back a suspension that has not happened yet.
  case callOff
  case resume
  case interrupt
  /// From -100 to 100.
  case priority(Int32)
  /// To these cores and GPUs; where both are empty, to those that it is on. `alone` keeps others off them.
  case pin(CoreSet, GPUSet, alone: Bool)
  case unpin
  case hold
  case release
  /// What every later cell asks for, over what it asks for itself; nil takes that back.
  case demand(DemandComment?)
  case drain(CoreSet, GPUSet)
  case undrain(CoreSet, GPUSet)
  case policy(String)

  /// Whether it is about notebooks, and not about the node or the policy.
  public var isAboutNotebooks: Bool {
    switch self {
    case .suspend, .suspendAfter, .suspendAtEnd, .callOff, .resume, .interrupt, .priority, .pin, .unpin, .hold,
      .release, .demand:
      true
    case .drain, .undrain, .policy: false
    }
  }

  /// Whether it destroys what cannot be had back.
  public var isDestructive: Bool {
    switch self {
    case .interrupt: true
    case .suspend, .suspendAfter, .suspendAtEnd, .callOff, .resume, .priority, .pin, .unpin, .hold, .release, .demand,
      .drain, .undrain, .policy:
      false
    }
  }

  /// The word of the grammar that it begins with.
  public var word: String {
    switch self {
    case .suspend, .suspendAfter, .suspendAtEnd: "suspend"
    case .callOff: "call-off"
    case .resume: "resume"
    case .interrupt: "interrupt"
    case .priority: "priority"
    case .pin: "pin"
    case .unpin: "unpin"
    case .hold: "hold"
    case .release: "release"
    case .demand: "demand"
    case .drain: "drain"
    case .undrain: "undrain"
    case .policy: "policy"
    }
  }

  /// As it is written on a line; reading it again gives the same act.
  public var text: String {
    func places(_ cores: CoreSet, _ gpus: GPUSet) -> String {
      (cores.isEmpty ? "" : " cores \(cores)") + (gpus.isEmpty ? "" : " gpus \(gpus)")
    }
    return switch self {
    case .suspend, .callOff, .resume, .interrupt, .unpin, .hold, .release: word
    case .suspendAfter(let grace): "suspend after \(grace.words)"
    case .suspendAtEnd: "suspend at-end"
    case .priority(let value): "priority \(value)"
    case .pin(let cores, let gpus, let alone): "pin" + places(cores, gpus) + (alone ? " alone" : "")
    case .demand(nil): "demand own"
    case .demand(let demand?): "demand " + demand.words
    case .drain(let cores, let gpus): "drain" + places(cores, gpus)
    case .undrain(let cores, let gpus): "undrain" + places(cores, gpus)
    case .policy(let name): "policy \(name)"
    }
  }
}

extension Span {
  /// `20s`, `5m`, `2h`, or the microseconds where it is not whole seconds.
  var words: String {
    guard microseconds % 1_000_000 == 0 else { return "\(microseconds)us" }
    let seconds = microseconds / 1_000_000
    if seconds != 0, seconds % 3600 == 0 { return "\(seconds / 3600)h" }
    return seconds != 0 && seconds % 60 == 0 ? "\(seconds / 60)m" : "\(seconds)s"
  }
}

extension DemandComment {
  /// As a comment would say it: `cores=1-4 gpus=1 memory=8G`.
  var words: String {
    var words: [String] = []
    if let coresLeast {
      let most = coresMost ?? coresLeast
      words.append(most == coresLeast ? "cores=\(coresLeast)" : "cores=\(coresLeast)-\(most)")
    }
    if let gpus { words.append("gpus=\(gpus)") }
    if let memory { words.append("memory=\(memory.count)") }
    if let gpuMemory { words.append("gpu-memory=\(gpuMemory.count)") }
    return words.joined(separator: " ")
  }
}
