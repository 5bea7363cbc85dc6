import Domain
import Foundation
import NodeControl
import Testing

@testable import NodeInventory

@Suite("NVIDIA's GPUs, with a library in NVML's place")
struct NVMLTests {
  /// The stand-in; the test is told to be skipped where no C compiler is at hand.
  private func library(_ definitions: String...) throws -> NVML? {
    let path =
      switch definitions.count {
      case 0: try StandIn.library("GPUS=2")
      case 1: try StandIn.library(definitions[0])
      default: try StandIn.library(definitions[0], definitions[1])
      }
    guard let path else {
      print("skipped: there is no C compiler for the stand-in")
      return nil
    }
    return try NVML(path: path)
  }

  @Test("lists GPUs with UUID, model and memory, and the driver's version")
  func lists() throws {
    guard let library = try library() else { return }
    let gpus = try library.gpus()
    #expect(gpus.map(\.uuid) == (0...1).map { "GPU-0000000\($0)-aaaa-bbbb-cccc-dddddddddddd" })
    #expect(gpus.allSatisfy { $0.model == "Stand-In 80GB" && $0.memory == Bytes(80 << 30) && $0.maker == .nvidia })
    #expect(library.driverVersion == "570.86.15")
    #expect(library.memoryUsed(on: gpus[1].uuid) == Bytes(3 << 30))
    #expect(library.memoryUsed(on: "GPU-nowhere") == nil)
  }

  @Test("puts the parts of a partitioned GPU in its place")
  func mig() throws {
    guard let library = try library("GPUS=2", "MIG=1") else { return }
    let gpus = try library.gpus()
    #expect(gpus.count == 4 && gpus[0].uuid.hasPrefix("GPU-"))
    #expect(gpus.dropFirst().allSatisfy { $0.uuid.hasPrefix("MIG-00000001") && $0.memory == Bytes(20 << 30) })
    #expect(Set(gpus.map(\.uuid)).count == 4)
  }

  @Test("offers nothing of a GPU that is to be partitioned and has no part yet: it runs nothing")
  func emptyMIG() throws {
    guard let library = try library("MIG=1", "PARTS=0") else { return }
    #expect(try library.gpus().map(\.uuid) == ["GPU-00000000-aaaa-bbbb-cccc-dddddddddddd"])
  }

  @Test("passes over a GPU that fell off the bus")
  func lost() throws {
    guard let library = try library("GPUS=3", "LOST=1") else { return }
    #expect(try library.gpus().map { $0.uuid.dropFirst(4).prefix(8) } == ["00000000", "00000002"])
  }

  @Test("lists processes, however many there are, and knows which memory is not told")
  func processes() throws {
    guard let library = try library("GPUS=1", "PROCESSES=100") else { return }
    let gpu = try #require(try library.gpus().first)
    let holdings = try library.processes(on: gpu.uuid)
    #expect(holdings.count == 100)
    #expect(holdings[0] == NVML.Holding(pid: getpid(), memory: Bytes(1 << 30)))
    #expect(holdings[1] == NVML.Holding(pid: getpid() + 1, memory: nil))
    #expect(try library.processes(on: "GPU-nowhere").isEmpty)
  }

  @Test("says why there are no GPUs: no library, no driver, an old one")
  func absent() throws {
    #expect(throws: NVML.Trouble.absent(path: "/nowhere/libnvidia-ml.so.1")) {
      try NVML(path: "/nowhere/libnvidia-ml.so.1")
    }
    guard let broken = try StandIn.library("BROKEN"), let old = try StandIn.library("OLD") else { return }
    #expect(throws: NVML.Trouble.refused(doing: "start", why: "Driver Not Loaded")) { try NVML(path: broken) }
    #expect(throws: NVML.Trouble.tooOld(path: old)) { try NVML(path: old) }
  }
}

@Suite("AMD's GPUs")
struct KFDTests {
  private let root = NSTemporaryDirectory() + "celltop-kfd-" + UUID().uuidString

  private func write(_ path: String, _ text: String) throws {
    let file = root + "/" + path
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try text.write(toFile: file, atomically: true, encoding: .utf8)
  }

  @Test("are read from the compute driver's files; processors among them are none")
  func reads() throws {
    defer { try? FileManager.default.removeItem(atPath: root) }
    try write("0/properties", "cpu_cores_count 64\nsimd_count 0\nunique_id 0\n")
    try write("2/properties", "cpu_cores_count 0\nsimd_count 440\nunique_id 11400714819323198485\n")
    try write("2/name", "gfx90a\n")
    try write("2/mem_banks/0/properties", "heap_type 1\nsize_in_bytes 68702699520\n")
    try write("2/mem_banks/1/properties", "heap_type 0\nsize_in_bytes 999\n")
    try write("10/properties", "simd_count 440\nnonsense\n")
    let gpus = KFD.gpus(root: root)
    #expect(gpus.count == 2)
    #expect(
      gpus[0] == GPU(uuid: "GPU-9e3779b97f4a7c15", model: "gfx90a", memory: Bytes(68_702_699_520), maker: .amd))
    #expect(gpus[1].uuid == "1" && gpus[1].memory == .zero)
    #expect(KFD.gpus(root: root + "/nowhere").isEmpty)
  }
}

@Suite("The inventory")
struct InventoryTests {
  private let capacity = NodeCapacity(name: "n", cores: CoreSet([0, 1]), memory: Bytes(1 << 30))

  @Test("joins what is discovered and what is configured; the configuration knows better")
  func joins() throws {
    guard let path = try StandIn.library("GPUS=2") else { return }
    var settings = NodeSettings()
    settings.gpus = [
      GPU(uuid: "GPU-00000001-aaaa-bbbb-cccc-dddddddddddd", model: "mine", memory: Bytes(5)),
      GPU(uuid: "GPU-x", model: "other", memory: Bytes(7), maker: .amd),
    ]
    let found = Inventory.here(
      capacity: capacity, settings: settings, environment: ["CELLTOP_NVML": path], kfdRoot: "/nowhere")
    #expect(found.node.gpus.map(\.model) == ["Stand-In 80GB", "mine", "other"])
    #expect(found.node.gpus[1].memory == Bytes(5) && found.driverVersion == "570.86.15")
    settings.discoversGPUs = false
    let only = Inventory.here(
      capacity: capacity, settings: settings, environment: ["CELLTOP_NVML": path], kfdRoot: "/nowhere")
    #expect(only.node.gpus.map(\.model) == ["mine", "other"])
  }

  @Test("has no GPU where there is no library, and says so")
  func none() {
    let found = Inventory.here(
      capacity: capacity, settings: NodeSettings(), environment: ["CELLTOP_NVML": "/nowhere.so"], kfdRoot: "/nowhere")
    #expect(found.node.gpus.isEmpty && found.findings.contains("NVML: none, because there is no /nowhere.so"))
  }

  @Test(
    "is limited by the environment as any program is",
    arguments: [
      ("", []), ("1", ["GPU-bb"]), ("GPU-b", ["GPU-bb"]), ("1, 0", ["GPU-bb", "GPU-aa"]), ("0,7,1", ["GPU-aa"]),
      ("-1", []), ("0,0,1", ["GPU-aa"]), ("none", []),
    ])
  func limited(list: String, left: [String]) {
    let gpus = [GPU(uuid: "GPU-aa"), GPU(uuid: "GPU-bb")]
    var findings: [String] = []
    let kept = Inventory.visible(gpus, .nvidia, ["CUDA_VISIBLE_DEVICES": list], &findings)
    #expect(kept.map(\.uuid) == left)
    #expect(findings.isEmpty == (left.count == 2))
    #expect(Inventory.visible(gpus, .amd, ["CUDA_VISIBLE_DEVICES": list], &findings).count == 2)
  }

  @Test("takes the configured cores, and no others than those")
  func cores() {
    var settings = NodeSettings()
    settings.discoversGPUs = false
    settings.cores = CoreSet([1, 9])
    #expect(
      Inventory.here(capacity: capacity, settings: settings, environment: [:]).node.cores == CoreSet([1]))
  }
}

@Suite("The configuration")
struct SettingsTests {
  @Test("is read whole")
  func whole() throws {
    let text = """
      [node]
      cores = "0-3,8"
      [gpus]
      discover = false
      eviction = "cuda-checkpoint"
      [[gpus.device]]
      id = "GPU-1"
      model = "H100"
      memory = "80G"
      [[gpus.device]]
      id = "0"
      maker = "amd"
      [gate]
      tell = "everyone"
      tell_after = 0.5
      """
    let settings = try NodeSettings(parsing: text, path: "c.toml")
    #expect(settings.cores == CoreSet([0, 1, 2, 3, 8]) && !settings.discoversGPUs)
    #expect(settings.eviction == .cudaCheckpoint)
    #expect(settings.telling == Telling(.everyone, afterSeconds: 0.5))
    #expect(
      settings.gpus == [
        GPU(uuid: "GPU-1", model: "H100", memory: Bytes(80 << 30)), GPU(uuid: "0", maker: .amd),
      ])
    #expect(try NodeSettings(parsing: "", path: "c.toml") == NodeSettings())
  }

  @Test(
    "says what is wrong, and where",
    arguments: [
      ("[node]\ncores = 3", "node.cores is no text in quotes"),
      ("[node]\ncores = \"0-x\"", "'0-x' is neither a number nor a range"),
      ("[node]\ncores = \"\"", "names no core"), ("[node]\ncore = \"0\"", "there is no 'node.core'"),
      ("node = 3", "node is no table"), ("[gpu]\n", "there is no 'gpu'; there are node, gpus, gate, access, limits"),
      ("[gate]\ntell = \"me\"", "gate.tell is 'me', neither people, everyone nor nobody"),
      ("[gate]\ntell_after = -1", "gate.tell_after is no number of seconds from 0 to 86400"),
      ("[gate]\ntell_after = \"2\"", "gate.tell_after is no number"), ("[gate]\nafter = 2", "there is no 'gate.after'"),
      ("[gpus]\ndiscover = 1", "gpus.discover is neither true nor false"),
      ("[gpus]\neviction = \"swap\"", "neither none nor cuda-checkpoint"),
      ("[gpus]\ndevice = 1", "is no list of [[gpus.device]]"),
      ("[[gpus.device]]\nmodel = \"x\"", "gpus.device[0] has no id"),
      ("[[gpus.device]]\nid = \"a,b\"", "is no UUID or number of a GPU"),
      ("[[gpus.device]]\nid = \"a\"\n[[gpus.device]]\nid = \"a\"", "which an earlier device has"),
      ("[[gpus.device]]\nid = \"a\"\nmemory = \"much\"", "gpus.device[0].memory: cannot read the size 'much'"),
      ("[[gpus.device]]\nid = \"a\"\nmaker = \"x\"", "neither nvidia nor amd"),
      ("[[gpus.device]]\nid = \"a\"\ncolour = \"x\"", "there is no 'gpus.device[0].colour'"), ("=", "is not TOML"),
    ])
  func wrong(text: String, why: String) throws {
    let error = #expect(throws: SettingsError.self) { try NodeSettings(parsing: text, path: "c.toml") }
    #expect(error?.description.contains(why) == true && error?.description.contains("c.toml") == true, "\(error!)")
  }

  @Test("lies where the environment says")
  func place() {
    #expect(NodeSettings.standardPath(environment: ["CELLTOP_CONFIG": "/x.toml"]) == "/x.toml")
    #expect(
      NodeSettings.standardPath(environment: ["XDG_CONFIG_HOME": "/c", "HOME": "/h"]) == "/c/celltop/config.toml")
    #expect(
      NodeSettings.standardPath(environment: ["XDG_CONFIG_HOME": "rel", "HOME": "/h"])
        == "/h/.config/celltop/config.toml")
    for environment in [["HOME": "/h"], ["XDG_CONFIG_HOME": "/c"], [:]] {
      #expect(
        NodeSettings.standardPath(environment: environment)
          == NodeSettings.folder(environment: environment) + "/config.toml")
    }
  }
}
