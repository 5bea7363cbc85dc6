import Domain

/// The version of the protocol between a gate and the engine; both say theirs first, and differing ones part.
public let gateProtocolVersion = 1

/// What a gate tells the engine, one JSON object a line: `{"submitted":{"key":7,…}}`.
///
/// `key` numbers the gate's cells from 1 in the order in which they reach the head of its queue; it never repeats in a
/// gate's life, so a message repeated after a reconnection names the same cell.
public enum GateMessage: Codable, Hashable, Sendable {
  /// The first message of a connection.
  case hello(Hello)
  /// A cell reached the head of the kernel's queue and waits for a grant.
  case submitted(Submission)
  /// A granted (or adopted) cell's kernel has replied and gone idle.
  case ended(key: UInt64, outcome: CellOutcome)
  /// A cell that was waiting for a grant will not run: its client aborted or interrupted it.
  case withdrawn(key: UInt64, outcome: CellOutcome)
  /// How many cells wait in the gate behind the head, as Run All sends them.
  case backlog(count: Int)
  /// The kernel process changed: started, answered for the first time, or ended.
  case kernel(state: KernelState, pid: Int32)
  /// The engine's effect `sequence` was carried out; `cores` are those really set. An order to suspend is answered a second
  /// time, with `saved`, where the kernel's GPU memory has been moved to the node's.
  case applied(sequence: Int64, cores: CoreSet, saved: Bool? = nil)
  /// An effect could not be carried out, and why; the cell runs all the same.
  case failed(sequence: Int64, why: String)
  /// The code of the cell that was announced under `key`, `CodeText.bytesMost` of it at the most. Said only to an engine whose
  /// welcome asks for it.
  case code(key: UInt64, text: String)
  case pong
}

/// The code of a cell, where an engine was configured to be told.
public enum CodeText {
  /// The most that is told, in bytes of JSON: a line has room for it.
  public static let bytesMost = 32_768

  /// As much of a code's beginning as may be told, cut between two characters.
  public static func beginning(of code: String) -> String {
    var bytes = 0
    var end = code.startIndex
    for index in code.indices {
      // As JSON writes it: six bytes for a control character, two for a quote or a backslash.
      bytes += code[index].unicodeScalars.reduce(0) {
        $0 + ($1.value < 0x20 ? 6 : $1 == "\"" || $1 == "\\" ? 2 : $1.utf8.count)
      }
      guard bytes <= bytesMost else { return String(code[..<end]) + "\n…" }
      end = code.index(after: index)
    }
    return code
  }
}

/// Who a gate is, and what runs behind it already.
public struct Hello: Codable, Hashable, Sendable {
  public var version: Int
  /// The gate's process.
  public var pid: Int32
  /// The kernel's process; 0 before it is started.
  public var kernelPid: Int32
  /// Names this gate for its whole life, over reconnections: 16 random bytes in hexadecimal.
  public var gate: String
  /// The notebook's absolute path where the server told it; else nil.
  public var path: String?
  /// The kernelspec's language, where known.
  public var language: String?
  /// The last part of the connection file's name, for people.
  public var connection: String
  /// A cell that runs ungoverned now (granted by an earlier engine, or released because there was none).
  public var running: RunningCell?
  /// The head cell that waits now.
  public var waiting: Submission?
  public var backlog: Int
  /// Whether the kernel has answered since it was started; nil from a gate that does not say.
  public var isReady: Bool?
  /// The GPUs that the kernel was shown first and sees until it ends; nil where it was shown none.
  public var gpus: [VisibleGPU]?
  /// Whether the gate understands `standing` and has a use for it; nil from one that does not know it.
  public var hearsStanding: Bool?

  public init(
    pid: Int32, kernelPid: Int32, gate: String, path: String?, language: String?, connection: String,
    running: RunningCell? = nil, waiting: Submission? = nil, backlog: Int = 0, isReady: Bool? = nil,
    hearsStanding: Bool? = nil, gpus: [VisibleGPU]? = nil
  ) {
    self.gpus = gpus
    version = gateProtocolVersion
    self.pid = pid
    self.kernelPid = kernelPid
    self.gate = gate
    self.path = path
    self.language = language
    self.connection = connection
    self.running = running
    self.waiting = waiting
    self.backlog = backlog
    self.isReady = isReady
    self.hearsStanding = hearsStanding
  }
}

/// A cell that already runs when a gate connects.
public struct RunningCell: Codable, Hashable, Sendable {
  public var submission: Submission
  /// Seconds since it started.
  public var ranSeconds: Double
  /// The cores it was granted; nil where it runs with no grant.
  public var cores: CoreSet?
  public var suspended: Bool
  /// The GPUs that it was granted; nil for none.
  public var gpus: [VisibleGPU]?
  /// Whether its GPU memory is in the node's at present; nil for no.
  public var saved: Bool?

  public init(
    submission: Submission, ranSeconds: Double, cores: CoreSet?, suspended: Bool, gpus: [VisibleGPU]? = nil,
    saved: Bool? = nil
  ) {
    self.gpus = gpus
    self.saved = saved
    self.submission = submission
    self.ranSeconds = ranSeconds
    self.cores = cores
    self.suspended = suspended
  }
}

/// A cell at the head of its kernel's queue.
public struct Submission: Codable, Hashable, Sendable {
  public var key: UInt64
  /// Jupyter's cell id (`metadata.cellId`), where the client sends it.
  public var cell: String?
  /// A 64-bit hash of the code; the code itself leaves the gate only where the engine was configured to be told (`code`).
  public var codeHash: UInt64
  /// What the author wrote on the cell's first lines.
  public var demand: DemandComment?

  public init(key: UInt64, cell: String?, codeHash: UInt64, demand: DemandComment?) {
    self.key = key
    self.cell = cell
    self.codeHash = codeHash
    self.demand = demand
  }
}

/// What the engine tells a gate. `sequence` is that of the entry that the effect belongs to: repeating it is harmless.
public enum EngineMessage: Codable, Hashable, Sendable {
  /// The answer to `hello`. `hides`: the makers whose GPUs the engine gives out, so that a kernel sees none of theirs
  /// before it has been granted some; nil or empty where it gives out none, and all stay visible.
  /// `evicts`: whether the GPU memory of a suspended cell is moved away, where there is a program for it.
  /// `tells`: whom held cells tell what they wait for; nil for the gate's own default.
  /// `wantsCode`: whether the engine was configured to be told the cells' code; nil for not.
  case welcome(
    version: Int, session: Int64, notebook: Int32, hides: [GPUMaker]? = nil, evicts: Bool? = nil, tells: Telling? = nil,
    wantsCode: Bool? = nil)
  /// The gate is not wanted, and why (another version, say); it goes on without an engine. `retrySeconds`: when another try may
  /// be taken, because what stands against it passes; nil where it does not pass by itself.
  case unwelcome(why: String, retrySeconds: Double? = nil)
  /// Run the cell, on these cores and GPUs.
  case grant(sequence: Int64, key: UInt64, cores: CoreSet, gpus: [VisibleGPU])
  /// The running cell's cores are now these.
  case resize(sequence: Int64, key: UInt64, cores: CoreSet)
  case suspend(sequence: Int64, key: UInt64)
  /// Let it go on, on these cores and on its GPUs: `gpus` are those that it has had, and nil or empty where it has none.
  case resume(sequence: Int64, key: UInt64, cores: CoreSet, gpus: [VisibleGPU]? = nil)
  case interrupt(sequence: Int64, key: UInt64)
  /// The cell can never run here, and why; the client is told in the cell's error.
  case refuse(sequence: Int64, key: UInt64, why: String)
  /// Where the waiting cell stands now, for its author. Sent only to gates that said that they hear it.
  case standing(key: UInt64, now: Standing)
  case ping
}

/// What a kernel process is doing.
public enum KernelState: String, Codable, Hashable, Sendable {
  case starting, ready, dead
}

extension EngineMessage {
  private struct Anything: Decodable {}

  /// Whether a line is a message, but none that this version knows: an engine may say more from release to release, and whoever
  /// does not know it passes over it (Docs/PROTOCOL.md, Versions).
  public static func isUnknown(_ line: some Sequence<UInt8>) -> Bool {
    guard let named = try? LineCodec.read([String: Anything].self, from: line), named.count == 1,
      let name = named.keys.first
    else { return false }
    return CodingKeys(stringValue: name) == nil
  }
}
