/// A machine that cells run on: what of it this session may use.
public struct Node: Hashable, Sendable {
  public var id: NodeID
  /// The host's name.
  public var name: String
  /// The logical cores that may be allotted: the process's affinity mask within its control group's limit, less those
  /// that an operator reserves for the system.
  public var cores: CoreSet
  /// The GPUs, in the order of their numbers.
  public var gpus: [GPU]
  public var memory: Bytes
  /// Which cores share what; nil where nothing is known, and every choice is as good as another.
  public var topology: CoreTopology?
  /// Bytes a second at which each GPU's memory is saved to the host's, and restored; 0 where that takes no time.
  public var gpuSwapRate: Bytes
  /// Whether a kernel sees the GPUs that it was granted first, and no others until its process ends: drivers read
  /// `CUDA_VISIBLE_DEVICES` and its like once. So it is on real machines; simulated kernels move.
  public var keepsFirstGPUs = false
  /// Whether what a thinking notebook keeps in GPU memory can be saved to the host's as soon as others need the room. So it is
  /// simulated; on real machines only the memory of a suspended cell is moved, by its gate, which tells when it has been.
  public var savesIdleGPUMemory = true

  /// 80 GiB in 15 s, as measured on a large card.
  public static let gpuSwapRateMeasured = Bytes(5_726_623_061)

  public init(
    id: NodeID, name: String, cores: CoreSet, gpus: [GPU] = [], memory: Bytes = .zero, topology: CoreTopology? = nil,
    gpuSwapRate: Bytes = Node.gpuSwapRateMeasured
  ) {
    self.id = id
    self.name = name
    self.cores = cores
    self.gpus = gpus
    self.memory = memory
    self.topology = topology
    self.gpuSwapRate = gpuSwapRate
  }

  /// How long it takes to save so many bytes of one GPU's memory, or to restore them.
  public func swapTime(of bytes: Bytes) -> Span {
    guard gpuSwapRate > .zero else { return .zero }
    return Span(seconds: Double(bytes.count) / Double(gpuSwapRate.count))
  }

  /// The best `count` cores of `free` for one cell, or all of them where there are fewer: see `CoreTopology.choose`.
  ///
  /// - Parameter present: cores that the cell has already and keeps.
  public func choose(_ count: Int, from free: CoreSet, beside present: CoreSet = CoreSet()) -> CoreSet {
    guard let topology else { return free.smallest(count) }
    return topology.choose(count, from: free, beside: present)
  }

  /// Every GPU of the node.
  public var gpuSet: GPUSet { GPUSet(0..<gpus.count) }

  /// Whether its GPUs are of more than one maker; a cell runs on those of one.
  public var hasSeveralMakers: Bool { gpus.contains { $0.maker != gpus[0].maker } }

  /// The GPUs of `set` that one maker made, maker by maker; the whole set where there is only one.
  public func byMaker(_ set: GPUSet) -> [GPUSet] {
    guard hasSeveralMakers else { return [set] }
    return GPUMaker.allCases.map { maker in GPUSet(set.filter { gpus.indices.contains($0) && gpus[$0].maker == maker })
    }
    .filter { !$0.isEmpty }
  }

  /// Why no idle node like this one could ever hold `demand`; nil where it could.
  public func refusal(of demand: Demand) -> Refusal? {
    if Int(demand.coresLeast) > cores.count {
      return Refusal(
        .demandTooLarge, "asks for \(counted(Int(demand.coresLeast), "core")), and \(name) has \(cores.count)")
    }
    if Int(demand.gpus) > gpus.count {
      return Refusal(.demandTooLarge, "asks for \(counted(Int(demand.gpus), "GPU")), and \(name) has \(gpus.count)")
    }
    if demand.gpus > 1, let most = byMaker(gpuSet).map(\.count).max(), most < Int(demand.gpus) {
      return Refusal(.demandTooLarge, "asks for \(demand.gpus) GPUs, and \(name) has no more than \(most) of one maker")
    }
    // Books that add up more than any machine has would overflow where the node's memory is not known.
    let most = Bytes(1 << 50)
    if demand.memory > most || demand.gpuMemory > most {
      return Refusal(.demandTooLarge, "asks for more than a pebibyte of memory")
    }
    if memory > .zero, demand.memory > memory {
      // Two sizes that read the same say nothing.
      let isClose = demand.memory.words == memory.words
      let (asked, has) =
        isClose
        ? ("\(demand.memory.count) bytes", "\(memory.count) bytes") : (demand.memory.words, memory.words)
      return Refusal(.demandTooLarge, "asks for \(asked) of memory, and \(name) has \(has)")
    }
    if demand.gpus > 0, demand.gpuMemory > .zero {
      let fitting = gpuSet.filter { gpus[$0].memory == .zero || gpus[$0].memory >= demand.gpuMemory }
      let large = byMaker(GPUSet(fitting)).map(\.count).max() ?? 0
      if large < Int(demand.gpus) {
        return Refusal(
          .demandTooLarge,
          "asks for \(counted(Int(demand.gpus), "GPU")) of at least \(demand.gpuMemory.words), and \(name) has \(large)"
        )
      }
    }
    return nil
  }
}

/// One GPU of a node.
public struct GPU: Hashable, Sendable {
  /// The name that drivers and environment variables know it by.
  public var uuid: String
  public var model: String
  public var memory: Bytes
  /// Whose it is, which decides the variable that shows it to a program.
  public var maker: GPUMaker

  public init(uuid: String, model: String = "", memory: Bytes = .zero, maker: GPUMaker = .nvidia) {
    self.uuid = uuid
    self.model = model
    self.memory = memory
    self.maker = maker
  }

  /// Whether a text can be a GPU's name for drivers: letters, digits and `-_./:`, 128 at most. It ends up in lists with
  /// commas and in kernels' environments.
  public static func isID(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 128
      && text.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "-_./:".utf8.contains(byte)
        }
      }
  }
}

/// The makers of GPUs whose visibility can be set.
public enum GPUMaker: UInt8, Hashable, Sendable, CaseIterable, Codable {
  case nvidia = 0
  case amd = 1

  /// By name, not by number.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let name = try container.decode(String.self)
    guard let known = Self.allCases.first(where: { "\($0)" == name }) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "there is no maker of GPUs '\(name.printable(at: 40))'")
    }
    self = known
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode("\(self)")
  }

  /// The environment variable that lists the GPUs which a program may see, by UUID or number; empty for none. It is read
  /// once, when the program first uses a GPU (CUDA C++ Programming Guide, "CUDA Environment Variables"; ROCm
  /// documentation, "GPU isolation techniques").
  public var variable: String {
    switch self {
    case .nvidia: "CUDA_VISIBLE_DEVICES"
    case .amd: "ROCR_VISIBLE_DEVICES"
    }
  }

  /// Further variables that choose among the GPUs which `variable` leaves, by their numbers there: once that is set anew
  /// they would choose others than were meant, or none, and are unset (ROCm documentation, "GPU isolation techniques").
  public var choosingVariables: [String] {
    switch self {
    case .nvidia: []
    case .amd: ["HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"]
    }
  }
}

/// What a cell holds while it runs.
@frozen public struct Allotment: Hashable, Sendable {
  public var node: NodeID
  public var cores: CoreSet
  public var gpus: GPUSet
  public var memory: Bytes
  /// True where the policy lets others use the same cores and GPUs at the same time.
  public var shared: Bool

  @inlinable public init(
    node: NodeID, cores: CoreSet, gpus: GPUSet = GPUSet(), memory: Bytes = .zero, shared: Bool = false
  ) {
    self.node = node
    self.cores = cores
    self.gpus = gpus
    self.memory = memory
    self.shared = shared
  }

  /// How many cores and GPUs it counts for: what is shared counts as what the cell asks for, because nobody holds it alone.
  @inlinable public func counted(coresMost: Int32, gpus demanded: Int32) -> (cores: Int, gpus: Int) {
    shared ? (Int(coresMost), Int(demanded)) : (cores.count, gpus.count)
  }
}

/// The cores and GPUs to which an operator bound a notebook.
@frozen public struct Pin: Hashable, Sendable {
  public var node: NodeID
  /// Empty leaves the cores free to choose.
  public var cores: CoreSet
  /// Empty leaves the GPUs free to choose.
  public var gpus: GPUSet
  /// Whether others are kept off them, even while the notebook thinks.
  public var reserves: Bool

  @inlinable public init(node: NodeID, cores: CoreSet, gpus: GPUSet = GPUSet(), reserves: Bool = false) {
    self.node = node
    self.cores = cores
    self.gpus = gpus
    self.reserves = reserves
  }
}
