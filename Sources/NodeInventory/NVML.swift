import CNvml
import Domain

/// NVIDIA's GPUs, asked through its management library, which is opened at run time (NVML API Reference Guide).
///
/// Used from one thread. A machine without the library has none of these GPUs, and that is no error.
public final class NVML {
  /// Why the library cannot be used.
  public enum Trouble: Error, Equatable, Sendable, CustomStringConvertible {
    /// There is no such library.
    case absent(path: String)
    /// The library lacks functions: its driver is older than 510.
    case tooOld(path: String)
    /// What it answered to what.
    case refused(doing: String, why: String)

    public var description: String {
      switch self {
      case .absent(let path): "there is no \(path)"
      case .tooOld(let path): "\(path) is older than driver 510 and lacks functions"
      case .refused(let doing, let why): "NVML could not \(doing): \(why)"
      }
    }
  }

  /// What a process holds on a GPU.
  public struct Holding: Equatable, Sendable {
    public var pid: Int32
    /// Nil where the driver does not tell, as on MIG devices for others than root.
    public var memory: Bytes?
  }

  /// The name under which the driver installs it.
  public static let standardPath = "libnvidia-ml.so.1"

  private var table: celltop_nvml
  private var devices: [(uuid: String, handle: celltop_nvml_device)] = []

  /// Opens the library and starts it.
  ///
  /// - Parameter path: another library in its place, or nil.
  public init(path: String? = nil) throws(Trouble) {
    let path = path ?? Self.standardPath
    var table = celltop_nvml()
    switch celltop_nvml_open(path, &table) {
    case 0: break
    case 1: throw .tooOld(path: path)
    default: throw .absent(path: path)
    }
    self.table = table
    do { try check(table.`init`(), "start") } catch {
      celltop_nvml_close(&self.table)
      throw error
    }
  }

  deinit {
    guard table.library != nil else { return }
    _ = table.shutdown()
    celltop_nvml_close(&table)
  }

  /// The driver's version, such as `570.86.15`; nil where it does not tell.
  public var driverVersion: String? { try? text("tell the driver's version") { table.driver_version($0, $1) } }

  /// The GPUs that a program could be given: whole ones, and in place of each that is partitioned (MIG) its parts.
  public func gpus() throws(Trouble) -> [GPU] {
    devices = []
    var gpus: [GPU] = []
    var count: UInt32 = 0
    try check(table.device_count(&count), "count the GPUs")
    for index in 0..<count {
      var found: celltop_nvml_device?
      // A GPU that has fallen off the bus answers nothing and is passed over: the others work.
      guard table.device_by_index(index, &found) == 0, let device = found else { continue }
      for (handle, suffix) in parts(of: device)?.map({ ($0, " MIG") }) ?? [(device, "")] {
        let uuid = try text("tell a GPU's UUID") { table.device_uuid(handle, $0, $1) }
        let model = (try? text("tell a GPU's name") { table.device_name(handle, $0, $1) }) ?? "GPU"
        var memory = celltop_nvml_memory()
        let isKnown = table.device_memory(handle, &memory) == 0
        devices.append((uuid, handle))
        gpus.append(
          GPU(
            uuid: uuid, model: model.hasSuffix(suffix) || model.contains("MIG") ? model : model + suffix,
            memory: isKnown ? Bytes(Int64(clamping: memory.total)) : .zero))
      }
    }
    return gpus
  }

  /// The MIG devices of a GPU; nil where it is whole. One that is to be partitioned and has no part yet runs nothing.
  private func parts(of device: celltop_nvml_device) -> [celltop_nvml_device]? {
    var current: UInt32 = 0
    var pending: UInt32 = 0
    var most: UInt32 = 0
    guard let mode = table.mig_mode, let countOf = table.mig_count, let part = table.mig_device,
      mode(device, &current, &pending) == 0, current == 1, countOf(device, &most) == 0
    else { return nil }
    // Not every place that a GPU could be cut at holds a part.
    return (0..<most).compactMap { index in
      var found: celltop_nvml_device?
      return part(device, index, &found) == 0 ? found : nil
    }
  }

  /// Memory that is in use on a GPU of the last `gpus()`, by whomever; nil where that GPU is not one of them or does not
  /// tell.
  public func memoryUsed(on uuid: String) -> Bytes? {
    guard let device = devices.first(where: { $0.uuid == uuid }) else { return nil }
    var memory = celltop_nvml_memory()
    return table.device_memory(device.handle, &memory) == 0 ? Bytes(Int64(clamping: memory.used)) : nil
  }

  /// The processes that compute on a GPU of the last `gpus()`.
  public func processes(on uuid: String) throws(Trouble) -> [Holding] {
    guard let device = devices.first(where: { $0.uuid == uuid }) else { return [] }
    var room = 32
    // Processes come while we ask: a few tries with more room, then the trouble is told.
    for _ in 0..<4 {
      var count = UInt32(room)
      var all = [celltop_nvml_process](repeating: celltop_nvml_process(), count: room)
      let answer = table.device_processes(device.handle, &count, &all)
      if answer == Int32(CELLTOP_NVML_INSUFFICIENT_SIZE) {
        room = max(room * 2, min(Int(count), 1 << 16) + 8)
        continue
      }
      try check(answer, "list the processes of a GPU")
      return all.prefix(Int(min(count, UInt32(room)))).map {
        Holding(
          pid: Int32(clamping: $0.pid), memory: $0.used_memory == .max ? nil : Bytes(Int64(clamping: $0.used_memory)))
      }
    }
    throw .refused(doing: "list the processes of a GPU", why: "their number grew faster than the room for them")
  }

  private func text(_ doing: String, _ body: (UnsafeMutablePointer<CChar>, UInt32) -> Int32) throws(Trouble) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    let count = UInt32(buffer.count - 1)
    let answer = buffer.withUnsafeMutableBufferPointer { place in
      place.baseAddress.map { body($0, count) } ?? -1
    }
    try check(answer, doing)
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).printable(at: 120)
  }

  private func check(_ answer: Int32, _ doing: String) throws(Trouble) {
    guard answer != 0 else { return }
    throw .refused(doing: doing, why: table.error_string(answer).map { String(cString: $0) } ?? "error \(answer)")
  }
}
