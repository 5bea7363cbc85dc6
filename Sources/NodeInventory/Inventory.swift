import Domain
import NodeControl

/// What this node has for cells, and where that is known from.
public struct Inventory: Sendable {
  public var node: Node
  /// The cores that this process might use, before an operator's choice.
  public var capacity: NodeCapacity
  public var settings: NodeSettings
  /// What was found of GPUs, maker by maker, in words: for people who wonder why one is missing.
  public var findings: [String]
  /// The NVIDIA driver's version, where there is one.
  public var driverVersion: String?

  /// Asks the machine.
  ///
  /// Looks at `CELLTOP_NVML` (a library in NVML's place), `CUDA_VISIBLE_DEVICES` and `ROCR_VISIBLE_DEVICES`, which limit
  /// what is found as they limit any program.
  public static func here(
    capacity: NodeCapacity, settings: NodeSettings, environment: [String: String], kfdRoot: String = KFD.standardRoot
  ) -> Inventory {
    var findings: [String] = []
    var gpus: [GPU] = []
    var driverVersion: String?
    if settings.discoversGPUs {
      let path = environment["CELLTOP_NVML"].flatMap { $0.isEmpty ? nil : $0 }
      do throws(NVML.Trouble) {
        let library = try NVML(path: path)
        driverVersion = library.driverVersion
        let found = visible(try library.gpus(), .nvidia, environment, &findings)
        findings.append("NVML: \(counted(found.count, "GPU"))")
        gpus += found
      } catch { findings.append("NVML: none, because \(error.description)") }
      let amd = visible(KFD.gpus(root: kfdRoot), .amd, environment, &findings)
      findings.append(amd.isEmpty ? "KFD: none" : "KFD: \(counted(amd.count, "GPU"))")
      gpus += amd
    } else {
      findings.append("discovery is switched off by the configuration")
    }
    for gpu in settings.gpus {
      if let index = gpus.firstIndex(where: { $0.uuid == gpu.uuid && $0.maker == gpu.maker }) {
        gpus[index] = gpu
      } else {
        gpus.append(gpu)
      }
    }
    if !settings.gpus.isEmpty { findings.append("configured: \(counted(settings.gpus.count, "GPU"))") }
    var cores = capacity.cores
    if let chosen = settings.cores { cores = cores.intersection(chosen) }
    var node = Node(
      id: NodeID(0), name: capacity.name, cores: cores, gpus: gpus, memory: capacity.memory,
      topology: HardwareTopology.here(cores: cores))
    // Real drivers read their variable once, and real memory leaves a GPU only with its process's help.
    node.keepsFirstGPUs = true
    node.savesIdleGPUMemory = false
    return Inventory(
      node: node, capacity: capacity, settings: settings, findings: findings, driverVersion: driverVersion)
  }

  /// What of the found GPUs this process's own environment leaves visible: numbers count in the order found, UUIDs may
  /// be shortened, and the first that names no GPU hides all behind it, as CUDA has it.
  static func visible(
    _ all: [GPU], _ maker: GPUMaker, _ environment: [String: String], _ findings: inout [String]
  ) -> [GPU] {
    guard let list = environment[maker.variable] else { return all }
    var kept: [GPU] = []
    for word in list.split(separator: ",") {
      let name = word.trimmed()
      let found =
        Int(name).map { all.indices.contains($0) ? all[$0] : nil }
        ?? all.first { !name.isEmpty && $0.uuid.hasPrefix(name) }
      guard let found, !kept.contains(found) else { break }
      kept.append(found)
    }
    if kept.count < all.count {
      findings.append("\(maker.variable) leaves \(kept.count) of \(counted(all.count, "GPU"))")
    }
    return kept
  }
}

extension Substring {
  fileprivate func trimmed() -> String {
    var text = self
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
