import Domain
import FoundationEssentials

/// AMD's GPUs, as the kernel's compute driver (KFD) lists them in `/sys`: no library is needed.
///
/// Source: ROCm documentation, "ROCR runtime environment variables", and the kernel's `kfd_topology.c`, which writes the
/// files.
public enum KFD {
  public static let standardRoot = "/sys/class/kfd/kfd/topology/nodes"

  /// The GPUs in the order in which ROCm numbers them; none where there is no such driver.
  public static func gpus(root: String = standardRoot) -> [GPU] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
    var gpus: [GPU] = []
    for number in names.compactMap(Int.init).sorted() {
      let folder = "\(root)/\(number)"
      let properties = pairs(folder + "/properties")
      // Processors are listed as well; they have no SIMD units.
      guard (properties["simd_count"] ?? 0) > 0 else { continue }
      // Old cards have no number of their own, and are known by their place.
      let unique = properties["unique_id"] ?? 0
      let uuid =
        unique == 0
        ? "\(gpus.count)"
        : "GPU-" + String(repeating: "0", count: 16 - String(unique, radix: 16).count)
          + String(unique, radix: 16)
      let model = line(folder + "/name") ?? "AMD GPU"
      gpus.append(GPU(uuid: uuid, model: model.printable(at: 60), memory: memory(folder), maker: .amd))
    }
    return gpus
  }

  /// The frame buffer's banks: heap types 1 (public) and 2 (private) of `kfd_ioctl.h`.
  private static func memory(_ folder: String) -> Bytes {
    let banks = (try? FileManager.default.contentsOfDirectory(atPath: folder + "/mem_banks")) ?? []
    var sum: UInt64 = 0
    for bank in banks {
      let properties = pairs("\(folder)/mem_banks/\(bank)/properties")
      guard let kind = properties["heap_type"], kind == 1 || kind == 2 else { continue }
      sum = sum &+ (properties["size_in_bytes"] ?? 0)
    }
    return Bytes(Int64(clamping: sum))
  }

  /// A file of lines `name number`.
  private static func pairs(_ path: String) -> [String: UInt64] {
    var all: [String: UInt64] = [:]
    for line in (text(path) ?? "").split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, let value = UInt64(words[1]) { all[String(words[0])] = value }
    }
    return all
  }

  private static func line(_ path: String) -> String? {
    text(path)?.split(separator: "\n").first.map(String.init)
  }

  private static func text(_ path: String) -> String? {
    FileManager.default.contents(atPath: path).map { String(decoding: $0.prefix(1 << 16), as: UTF8.self) }
  }
}
