/// Whom the gates tell, in the output of a held cell, what it waits for, and after how long.
public struct Telling: Hashable, Sendable, Codable {
  public enum Audience: String, Hashable, Sendable, Codable, CaseIterable {
    /// Clients in front of which somebody sits: a document or a session is named, and input can be asked for.
    case people
    case everyone
    case nobody
  }

  public var audience: Audience
  /// Seconds that a cell has been held before its author is told.
  public var afterSeconds: Double

  /// The longest `afterSeconds`: a day.
  public static let secondsMost = 86_400.0

  public init(_ audience: Audience = .people, afterSeconds: Double = 2) {
    self.audience = audience
    self.afterSeconds = afterSeconds
  }
}

extension Wait {
  /// What the cell waits for, as its author is told: "waiting for 1 GPU". It names no other notebook: whose they are is
  /// nothing to an author.
  public var need: String {
    let number = max(lacking, 1)
    return switch cause {
    case .cores: "waiting for \(number) core\(number == 1 ? "" : "s")"
    case .gpus: "waiting for \(number) GPU\(number == 1 ? "" : "s")"
    case .memory: "waiting for \(number) MiB of memory"
    case .gpuMemory: "waiting for \(number) MiB of GPU memory"
    case .turn: "waiting for its turn"
    case .held: "held by an operator"
    case .operatorSuspended: "suspended by an operator"
    case .pin: "waiting for its pinned cores or GPUs"
    case .drain: "waiting for cores or GPUs that an operator keeps free: it starts once they are given back"
    case .seenGPUs: "waiting for \(gpus.named), the only one\(gpus.count == 1 ? "" : "s") that its kernel sees"
    case .anticipation: "waiting while room is kept for a cell that is about to arrive"
    }
  }

  /// Whether the wait ends by an operator's act alone: a place in line then says nothing.
  public var isOperators: Bool {
    switch cause {
    case .held, .operatorSuspended, .drain: true
    case .cores, .gpus, .memory, .gpuMemory, .turn, .pin, .anticipation, .seenGPUs: false
    }
  }
}
