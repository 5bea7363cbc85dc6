import CLinux
import Domain
import Foundation
import GateLink
import History
import KernelGate
import NodeControl
import NodeInventory
import Session
import Terminal

/// Examines this node, part by part.
struct Examination {
  private let environment: [String: String]
  private let installation: Installation
  /// The configuration, or what is wrong with it.
  private let settings: Result<NodeSettings, any Error>
  private let inventory: Inventory

  init(environment: [String: String]) {
    self.environment = environment
    installation = Installation(environment: environment)
    settings = Result { try Tool.settings(environment: environment) }
    inventory = Inventory.here(
      capacity: LinuxNode().capacity(), settings: (try? settings.get()) ?? NodeSettings(), environment: environment)
  }

  /// Every check, in the order in which one would mend them.
  func checks() -> [DoctorCheck] {
    let first: [DoctorCheck?] = [configuration(), terminal(), colors(), cores(), processes(), privileges()]
    let last: [DoctorCheck?] = [gpus(), eviction(), gate(), kernelspecs(), python(), socket(), database()]
    return (first + controlGroups() + [abandonedGroups()] + last).compactMap(\.self)
  }

  // MARK: Configuration and screen

  private func configuration() -> DoctorCheck {
    let path = NodeSettings.standardPath(environment: environment)
    switch settings {
    case .success:
      let isThere = FileManager.default.fileExists(atPath: path)
      return DoctorCheck("configuration", .works, isThere ? path : "none (\(path)); the defaults hold")
    case .failure(let error):
      return DoctorCheck("configuration", .broken, "\(error)", mend: "${EDITOR:-vi} '\(path)'")
    }
  }

  private func terminal() -> DoctorCheck {
    do throws(ScreenError) {
      let report = try TerminalReport(.fromEnvironment())
      let size = report.size.map { "\($0.columns)×\($0.rows)" } ?? "of unknown size"
      guard report.isUTF8 else {
        return DoctorCheck(
          "terminal", .less, "\(report.type), \(size), but the locale is not UTF-8: the screen is drawn in ASCII",
          mend: "export LC_ALL=C.UTF-8")
      }
      return DoctorCheck("terminal", .works, "\(report.type), \(size), UTF-8")
    } catch {
      if case .notATerminal = error {
        return DoctorCheck("terminal", .less, "input or output is none here; the console needs one")
      }
      return DoctorCheck("terminal", .broken, error.description, mend: "export TERM=xterm-256color")
    }
  }

  private func colors() -> DoctorCheck? {
    guard let report = try? TerminalReport(.fromEnvironment()) else { return nil }
    if ScreenOptions.isColorless(noColor: environment["NO_COLOR"]) {
      return DoctorCheck("colours", .less, "switched off by NO_COLOR", mend: "unset NO_COLOR")
    }
    if report.isTrueColor { return DoctorCheck("colours", .works, "24-bit") }
    guard report.colors >= 256 else {
      return DoctorCheck(
        "colours", .less, "\(report.colors); themes are drawn with what there is", mend: "export TERM=xterm-256color")
    }
    return DoctorCheck("colours", .works, "\(report.colors)")
  }

  // MARK: The node

  private func cores() -> DoctorCheck {
    let node = inventory.node
    guard !node.cores.isEmpty else {
      return DoctorCheck(
        "cores", .broken,
        "the configuration allows none of the cores that this process may use (\(inventory.capacity.cores))",
        mend:
          "write node.cores = \"\(inventory.capacity.cores)\" into \(NodeSettings.standardPath(environment: environment))"
      )
    }
    let count = "\(node.cores.count) core\(node.cores.count == 1 ? "" : "s") (\(node.cores))"
    guard let topology = node.topology else {
      return DoctorCheck(
        "cores", .less, "\(count); hwloc cannot tell which of them share what",
        mend: "apt-get install libhwloc15, and see what 'lstopo-no-graphics' says")
    }
    let parts = [
      (topology.physical.count, "physical"), (topology.caches.count, "last-level cache"),
      (topology.numaNodes.count, "NUMA node"), (topology.packages.count, "package"),
    ].map { "\($0) \($1)\($0 == 1 || $1 == "physical" ? "" : "s")" }
    return DoctorCheck("cores", .works, "\(count): \(parts.joined(separator: ", "))")
  }

  private func processes() -> DoctorCheck {
    guard LinuxNode().usage(of: ProcessTree(root: getpid())) != nil else {
      return DoctorCheck(
        "processes", .broken, "/proc does not show this process: kernels can be neither bound nor sampled",
        mend: "mount -t proc proc /proc")
    }
    guard FileManager.default.isReadableFile(atPath: "/proc/self/task/\(getpid())/children") else {
      return DoctorCheck(
        "processes", .less,
        "the system keeps no lists of children (CONFIG_PROC_CHILDREN): each act reads all of /proc")
    }
    return DoctorCheck("processes", .works, "/proc shows them, with their children")
  }

  private func privileges() -> DoctorCheck {
    guard let own = LinuxNode.affinity(of: 0), (try? LinuxNode().setCores(own, of: ProcessTree(root: getpid()))) == own
    else {
      return DoctorCheck(
        "privileges", .broken, "sched_setaffinity(2) is refused: grants of cores cannot be enforced",
        mend: "allow it in the container's seccomp profile")
    }
    let who = getuid() == 0 ? "root" : "\(NSUserName()), whose own kernels can be bound and stopped without any more"
    return DoctorCheck("privileges", .works, who)
  }

  private func controlGroups() -> [DoctorCheck] {
    ControlGroups.here().findings.map { finding in
      let name = "cgroup \(finding.use.rawValue)"
      let otherwise =
        switch finding.use {
        case .freezer: "kernels are stopped by SIGSTOP"
        case .cpuset: "kernels are kept to their cores by affinity masks, which a program could widen"
        }
      if ControlGroups.areForbidden(environment) {
        return DoctorCheck(name, .less, "CELLTOP_CGROUPS=off; \(otherwise)", mend: "unset CELLTOP_CGROUPS")
      }
      guard let trouble = finding.trouble else {
        return DoctorCheck(name, .works, "version \(finding.version), below \(finding.directory)")
      }
      let halves = trouble.split(separator: ";", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
      return DoctorCheck(
        name, .less, "\(finding.version == 0 ? "" : "version \(finding.version): ")\(halves[0]); \(otherwise)",
        mend: halves.count > 1 ? halves[1] : nil)
    }
  }

  /// What killed gates and benches have left; nil where there is nothing.
  private func abandonedGroups() -> DoctorCheck? {
    let left = AbandonedGroups.here()
    guard !left.isEmpty else { return nil }
    return DoctorCheck(
      "cgroups left over", .less,
      "\(left.count) of gates or benches that were killed; the next server or kernel here removes what it may",
      mend: "rmdir \(left.joined(separator: " "))")
  }

  private func gpus() -> DoctorCheck {
    let found = inventory.node.gpus
    let why = inventory.findings.joined(separator: "; ")
    guard !found.isEmpty else {
      return DoctorCheck("GPUs", .less, "none; a cell that asks for one is refused (\(why))", mend: gpuMend())
    }
    let models = Dictionary(grouping: found, by: \.model).sorted { $0.key < $1.key }
      .map { "\($0.value.count) × \($0.key.isEmpty ? "unknown model" : $0.key)" }
    return DoctorCheck("GPUs", .works, "\(models.joined(separator: ", ")) (\(why))")
  }

  private func gpuMend() -> String? {
    let hasCard = FileManager.default.fileExists(atPath: "/proc/driver/nvidia/version")
    if hasCard, inventory.driverVersion == nil {
      return "make libnvidia-ml.so.1 loadable: install the driver's utilities (Debian: apt-get install libnvidia-ml1)"
    }
    return
      "where there are some that cannot be discovered: list them as [[gpus.device]] in \(NodeSettings.standardPath(environment: environment))"
  }

  /// Only where the configuration asks for it.
  private func eviction() -> DoctorCheck? {
    guard inventory.settings.eviction == .cudaCheckpoint else { return nil }
    guard let program = CUDACheckpoint.find(environment: environment) else {
      return DoctorCheck(
        "GPU eviction", .less, "there is no cuda-checkpoint on PATH: suspended cells keep their GPU memory",
        mend: "put the cuda-checkpoint of github.com/NVIDIA/cuda-checkpoint into a folder of PATH")
    }
    guard let version = inventory.driverVersion, CUDACheckpoint.isServed(byDriver: version) else {
      return DoctorCheck(
        "GPU eviction", .less,
        "cuda-checkpoint needs driver 550 or later, and this one is \(inventory.driverVersion ?? "absent")",
        mend: "install driver 570 or later")
    }
    return DoctorCheck("GPU eviction", .works, "\(program), driver \(version)")
  }

  // MARK: Jupyter

  private func gate() -> DoctorCheck {
    do { return DoctorCheck("gate", .works, try installation.gate()) } catch {
      return DoctorCheck(
        "gate", .broken, "\(error)".split(separator: ".").first.map(String.init) ?? "\(error)",
        mend: "swift build -c release --product celltop-gate")
    }
  }

  private func kernelspecs() -> DoctorCheck {
    let all = KernelSpecs.discover(environment: environment, andIn: installation.ownKernels())
    let wrapped = all.filter(\.isWrapped)
    let originals = all.filter { !$0.isWrapped }
    if let broken = wrapped.first(where: { $0.fault != nil }), let fault = broken.fault {
      return DoctorCheck(
        "kernelspecs", .broken, "\(broken.name): \(fault)", mend: "celltop kernelspec install, or remove \(broken.name)"
      )
    }
    guard !originals.isEmpty else {
      return DoctorCheck("kernelspecs", .broken, "no kernel is installed", mend: "python3 -m pip install ipykernel")
    }
    guard !wrapped.isEmpty else {
      return DoctorCheck(
        "kernelspecs", .less,
        "\(originals.map(\.name).joined(separator: ", ")) installed, none scheduled by celltop",
        mend: "celltop kernelspec install --user --all")
    }
    return DoctorCheck("kernelspecs", .works, wrapped.map(\.name).joined(separator: ", "))
  }

  private func python() -> DoctorCheck {
    guard let python = try? installation.python() else {
      return DoctorCheck("Python", .less, "none for 'celltop demo'", mend: "make setup, or set CELLTOP_PYTHON")
    }
    let modules = ["ipykernel", "jupyter_client", "threadpoolctl"]
    let code =
      "import importlib.util as u; print(','.join(m for m in \(modules) if not u.find_spec(m)))"
    guard let (status, output) = ChildProcess.output([python, "-c", code], environment: environment) else {
      return DoctorCheck("Python", .less, "\(python) does not start", mend: "make setup, or set CELLTOP_PYTHON")
    }
    let missing = output.split(separator: "\n").last.map(String.init) ?? ""
    guard status == 0 else {
      return DoctorCheck(
        "Python", .less, "\(python): \(missing.printable(at: 120))", mend: "make setup, or set CELLTOP_PYTHON")
    }
    guard missing.isEmpty else {
      return DoctorCheck(
        "Python", .less, "\(python) lacks \(missing.printable(at: 120))",
        mend: "\(python) -m pip install \(missing.replacingOccurrences(of: ",", with: " "))")
    }
    return DoctorCheck("Python", .works, "\(python), with \(modules.joined(separator: ", "))")
  }

  // MARK: Places

  private func socket() -> DoctorCheck {
    let path = SocketPath.standard(environment: environment, uid: getuid())
    let connected = celltop_connect_unix(path)
    if connected >= 0 {
      close(connected)
      return DoctorCheck("socket", .works, "\(path); an engine listens there")
    }
    guard path.utf8.count < 108 else {
      return DoctorCheck(
        "socket", .broken, "\(path) has more than 107 bytes", mend: "export CELLTOP_SOCKET=/tmp/celltop-$UID.sock")
    }
    do throws(SessionError) {
      try PrivateFolder.look(at: (path as NSString).deletingLastPathComponent)
    } catch {
      return DoctorCheck(
        "socket", .broken, error.description, mend: "export CELLTOP_SOCKET=$HOME/.celltop/engine.sock")
    }
    return DoctorCheck("socket", .works, "\(path); no engine runs now")
  }

  private func database() -> DoctorCheck {
    let path = HistoryStore.standardPath(environment: environment)
    do throws(HistoryError) {
      guard let count = try HistoryStore.look(at: path) else {
        return DoctorCheck("database", .works, "\(path), which the first session makes")
      }
      return DoctorCheck("database", .works, "\(path), \(count) session\(count == 1 ? "" : "s")")
    } catch {
      return DoctorCheck(
        "database", .broken, error.description, mend: "export CELLTOP_HISTORY=FILE, or run with --no-history")
    }
  }

  // MARK: Facts

  /// The node as a live session would have it.
  func nodeFacts() -> DoctorNode {
    let node = inventory.node
    let topology = node.topology
    let library = try? NVML(path: environment["CELLTOP_NVML"].flatMap { $0.isEmpty ? nil : $0 })
    _ = try? library?.gpus()
    return DoctorNode(
      name: node.name, cores: "\(node.cores)", packages: topology?.packages.count ?? 0,
      numaNodes: topology?.numaNodes.count ?? 0, caches: topology?.caches.count ?? 0,
      physicalCores: topology?.physical.count ?? 0, memoryBytes: node.memory.count,
      gpus: node.gpus.map { gpu in
        DoctorNode.Device(
          id: gpu.uuid, model: gpu.model, maker: gpu.maker, memoryBytes: gpu.memory.count,
          memoryUsedBytes: library?.memoryUsed(on: gpu.uuid)?.count,
          processes: (try? library?.processes(on: gpu.uuid))?.map(\.pid) ?? [])
      })
  }
}
