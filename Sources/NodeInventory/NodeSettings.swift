import Domain
import TOMLKit

/// What an operator wrote of the node in celltop's configuration file.
///
/// ```toml
/// [node]
/// cores = "0-14"                 # what the scheduler may use; the rest is the system's
///
/// [gpus]
/// discover = true                # ask NVML and KFD
/// eviction = "none"              # or "cuda-checkpoint": see Docs/NODE.md
///
/// [[gpus.device]]                # a GPU that cannot be discovered, or that is known better here
/// id = "GPU-1b2c…"               # as CUDA_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES has it
/// model = "H100"
/// memory = "80G"
/// maker = "nvidia"               # or "amd"
///
/// [gate]
/// tell = "people"                # whom a held cell tells what it waits for: people, everyone or nobody
/// tell_after = 2                 # seconds
/// ```
public struct NodeSettings: Equatable, Sendable {
  /// How GPU memory of suspended cells is given back.
  public enum Eviction: String, Sendable, CaseIterable {
    case none
    case cudaCheckpoint = "cuda-checkpoint"
  }

  /// The cores that the scheduler may use; nil for all.
  public var cores: CoreSet?
  public var discoversGPUs = true
  public var eviction = Eviction.none
  /// GPUs that are there whatever is discovered; those of a known UUID replace what was discovered of it.
  public var gpus: [GPU] = []
  /// Whom held cells tell what they wait for.
  public var telling = Telling()

  public init() {}

  /// Where the file lies: `CELLTOP_CONFIG`, else `celltop/config.toml` in `XDG_CONFIG_HOME` or `~/.config`.
  public static func standardPath(environment: [String: String]) -> String {
    if let path = environment["CELLTOP_CONFIG"], !path.isEmpty { return path }
    return folder(environment: environment) + "/config.toml"
  }

  /// The folder of what people write for celltop: the configuration, themes, keys. It is `celltop` in `XDG_CONFIG_HOME` or
  /// `~/.config`.
  public static func folder(environment: [String: String]) -> String {
    let given = environment["XDG_CONFIG_HOME"] ?? ""
    return (given.hasPrefix("/") ? given : (environment["HOME"] ?? "") + "/.config") + "/celltop"
  }

  /// Reads a file's text.
  ///
  /// - Parameter path: names the file in errors.
  /// - Throws: `SettingsError`.
  public init(parsing text: String, path: String) throws(SettingsError) {
    let table: TOMLTable
    do { table = try TOMLTable(string: text) } catch { throw SettingsError(path, "is not TOML: \(error)") }
    var reader = SettingsReader(path: path)
    for (key, value) in table {
      switch key {
      case "node": try readNode(reader.table(value, "node"), &reader)
      case "gpus": try readGPUs(reader.table(value, "gpus"), &reader)
      case "gate": try readGate(reader.table(value, "gate"), &reader)
      // The server's: Session/ServerSettings.swift reads them.
      case "access", "limits": break
      default: throw reader.unknown(key, of: ["node", "gpus", "gate", "access", "limits"])
      }
    }
  }

  private mutating func readNode(_ table: TOMLTable, _ reader: inout SettingsReader) throws(SettingsError) {
    for (key, value) in table {
      guard key == "cores" else { throw reader.unknown("node.\(key)", of: ["node.cores"]) }
      let text = try reader.text(value, "node.cores")
      let parsed: CoreSet
      do throws(ParseError) { parsed = try CoreSet(parsing: text) } catch {
        throw SettingsError(reader.path, "node.cores: \(error.description)")
      }
      guard !parsed.isEmpty else { throw SettingsError(reader.path, "node.cores names no core. Write it like 0-3,8") }
      cores = parsed
    }
  }

  private mutating func readGPUs(_ table: TOMLTable, _ reader: inout SettingsReader) throws(SettingsError) {
    for (key, value) in table {
      switch key {
      case "discover":
        guard let flag = value.bool else { throw reader.wrong("gpus.discover", "is neither true nor false") }
        discoversGPUs = flag
      case "eviction":
        let text = try reader.text(value, "gpus.eviction")
        guard let known = Eviction(rawValue: text) else {
          throw reader.wrong("gpus.eviction", "is '\(text.printable(at: 40))', neither none nor cuda-checkpoint")
        }
        eviction = known
      case "device":
        guard let list = value.array else { throw reader.wrong("gpus.device", "is no list of [[gpus.device]]") }
        for (index, item) in list.enumerated() {
          let place = "gpus.device[\(index)]"
          let gpu = try reader.gpu(reader.table(item, place), place)
          guard !gpus.contains(where: { $0.uuid == gpu.uuid }) else {
            throw reader.wrong("\(place).id", "is '\(gpu.uuid)', which an earlier device has")
          }
          gpus.append(gpu)
        }
      default:
        throw reader.unknown("gpus.\(key)", of: ["gpus.discover", "gpus.eviction", "gpus.device"])
      }
    }
  }
}

extension NodeSettings {
  private mutating func readGate(_ table: TOMLTable, _ reader: inout SettingsReader) throws(SettingsError) {
    for (key, value) in table {
      switch key {
      case "tell":
        let text = try reader.text(value, "gate.tell")
        guard let known = Telling.Audience(rawValue: text) else {
          throw reader.wrong("gate.tell", "is '\(text.printable(at: 40))', neither people, everyone nor nobody")
        }
        telling.audience = known
      case "tell_after":
        guard let seconds = value.int.map(Double.init) ?? value.double, seconds >= 0, seconds <= Telling.secondsMost
        else { throw reader.wrong("gate.tell_after", "is no number of seconds from 0 to 86400") }
        telling.afterSeconds = seconds
      default: throw reader.unknown("gate.\(key)", of: ["gate.tell", "gate.tell_after"])
      }
    }
  }
}

/// A configuration file that cannot be read: which, and what of it.
public struct SettingsError: Error, Equatable, Sendable, CustomStringConvertible {
  public var description: String

  init(_ path: String, _ why: String) { description = "the configuration \(path.printable(at: 200)): \(why)" }
}

/// Takes typed values out of a table, with errors that name their place.
private struct SettingsReader {
  let path: String

  func wrong(_ place: String, _ why: String) -> SettingsError { SettingsError(path, "\(place) \(why)") }

  func unknown(_ place: String, of known: [String]) -> SettingsError {
    SettingsError(path, "there is no '\(place.printable(at: 60))'; there are \(known.joined(separator: ", "))")
  }

  func table(_ value: TOMLValueConvertible, _ place: String) throws(SettingsError) -> TOMLTable {
    guard let table = value.table else { throw wrong(place, "is no table") }
    return table
  }

  func text(_ value: TOMLValueConvertible, _ place: String) throws(SettingsError) -> String {
    guard let text = value.string else { throw wrong(place, "is no text in quotes") }
    return text
  }

  func gpu(_ table: TOMLTable, _ place: String) throws(SettingsError) -> GPU {
    var gpu = GPU(uuid: "")
    for (key, value) in table {
      let text = try text(value, "\(place).\(key)")
      switch key {
      case "id":
        guard GPU.isID(text) else {
          throw wrong(
            "\(place).id", "is '\(text.printable(at: 40))', which is no UUID or number of a GPU. Write it like GPU-1b2c"
          )
        }
        gpu.uuid = text
      case "model": gpu.model = text.printable(at: 60)
      case "memory":
        do throws(ParseError) { gpu.memory = try Bytes(parsing: text) } catch {
          throw SettingsError(path, "\(place).memory: \(error.description)")
        }
      case "maker":
        switch text {
        case "nvidia": gpu.maker = .nvidia
        case "amd": gpu.maker = .amd
        default: throw wrong("\(place).maker", "is '\(text.printable(at: 40))', neither nvidia nor amd")
        }
      default:
        throw unknown("\(place).\(key)", of: ["id", "model", "memory", "maker"].map { "\(place).\($0)" })
      }
    }
    guard !gpu.uuid.isEmpty else { throw wrong(place, "has no id") }
    return gpu
  }
}
