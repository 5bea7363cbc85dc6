import Domain
import GateLink

/// Which GPUs a kernel is shown: none before its first grant of some, then those, until it ends. The engine knows of it
/// (`Node.keepsFirstGPUs`), and grants no others.
///
/// Drivers read their variable once, when a program first uses a GPU; what a kernel was shown then stays its own
/// however the variable changes. A kernel that no engine governs keeps what its client gave it.
struct GPUVisibility {
  /// A variable of the environment and what it is to be; nil for unset.
  struct Change: Equatable {
    var variable: String
    var value: String?
  }

  /// The client's own environment.
  private let client: [String: String]
  private var governed: Set<GPUMaker> = []
  /// What was granted first.
  private(set) var granted: [VisibleGPU] = []
  /// What was granted last.
  private(set) var current: [VisibleGPU] = []
  /// The variables as the kernel was last told; those it was not told of are as the client gave them.
  private var told: [String: String?] = [:]

  /// - Parameter hidden: the makers whose GPUs the kernel's environment hid from it at its start.
  init(client: [String: String], hidden: [GPUMaker] = []) {
    self.client = client
    for maker in hidden { told[maker.variable] = .some("") }
  }

  /// The makers whose GPUs a kernel is to see none of from its start on: those of whom this machine has some, where somebody
  /// schedules and the kernel can be told of others later.
  ///
  /// - Parameter exists: whether there is a file.
  static func hiddenAtStart(
    language: String?, isScheduled: Bool, environment: [String: String], exists: (String) -> Bool
  ) -> [GPUMaker] {
    let change = Change(variable: GPUMaker.nvidia.variable, value: nil)
    guard isScheduled, EnvironmentCode.setting([change], language: language) != nil else { return [] }
    return GPUMaker.allCases.filter { maker in
      switch maker {
      case .nvidia: exists("/dev/nvidiactl") || environment["CELLTOP_NVML"]?.isEmpty == false
      case .amd: exists("/dev/kfd")
      }
    }
  }

  /// An engine says whose GPUs it gives out.
  mutating func govern(_ makers: [GPUMaker]) { governed = Set(makers) }

  /// Takes a grant in.
  ///
  /// - Returns: for its author, why the cell will not see these GPUs; nil where it will.
  mutating func grant(_ gpus: [VisibleGPU]) -> String? {
    current = gpus
    guard !gpus.isEmpty else { return nil }
    if granted.isEmpty { granted = gpus }
    return trouble(with: gpus)
  }

  /// Why its kernel does not see these GPUs; nil where it does.
  func trouble(with gpus: [VisibleGPU]) -> String? {
    guard !Set(gpus).isSubset(of: granted) else { return nil }
    return "this kernel was given \(list(granted)) first and can use no other; restart it to use \(list(gpus))"
  }

  /// The GPUs of a running cell: what it was granted; else, where it runs without an engine, as many as it asked for of those that
  /// its kernel sees.
  func running(isGoverned: Bool, asked: Int32?) -> [VisibleGPU] {
    isGoverned ? current : Array(granted.prefix(Int(max(asked ?? 0, 0))))
  }

  /// What the kernel must be told before its next cell.
  ///
  /// - Parameter isGoverned: whether an engine granted the cell.
  func changes(isGoverned: Bool) -> [Change] {
    GPUMaker.allCases.flatMap { change(of: $0, isGoverned).map { [$0] } ?? [] } + choosingChanges()
  }

  private func change(of maker: GPUMaker, _ isGoverned: Bool) -> Change? {
    let variable = maker.variable
    let mine = granted.filter { $0.maker == maker }.map(\.id)
    let hides = isGoverned && governed.contains(maker)
    let wanted = !mine.isEmpty || hides ? mine.joined(separator: ",") : granted.isEmpty ? client[variable] : nil
    guard !mine.isEmpty || hides || told[variable] != nil else { return nil }
    let present = told[variable] ?? client[variable]
    return present == wanted ? nil : Change(variable: variable, value: wanted)
  }

  /// Variables of the client's that would choose among the granted ones by numbers that mean others now.
  private func choosingChanges() -> [Change] {
    granted.isEmpty
      ? []
      : Set(granted.map(\.maker)).flatMap(\.choosingVariables).sorted().compactMap { variable in
        guard client[variable] != nil, told[variable] == nil else { return nil }
        return Change(variable: variable, value: nil)
      }
  }

  /// The kernel was told.
  mutating func note(_ changes: [Change]) {
    for change in changes { told[change.variable] = .some(change.value) }
  }

  private func list(_ gpus: [VisibleGPU]) -> String { gpus.map(\.id).joined(separator: ", ") }
}

/// Code that sets variables of a running kernel's environment, by language.
enum EnvironmentCode {
  /// One silent cell; nil where there is no way in this language.
  ///
  /// The names and values are ours: names of variables, and names of GPUs, which hold no quote in any language.
  static func setting(_ changes: [GPUVisibility.Change], language: String?) -> String? {
    let lines = changes.map { change -> String? in
      let name = change.variable
      switch (language?.lowercased(), change.value) {
      case ("python", let value?): return "__import__('os').environ['\(name)'] = '\(value)'"
      case ("python", nil): return "__import__('os').environ.pop('\(name)', None)"
      case ("r", let value?): return "invisible(Sys.setenv(\(name) = '\(value)'))"
      case ("r", nil): return "invisible(Sys.unsetenv('\(name)'))"
      case ("julia", let value?): return "ENV[\"\(name)\"] = \"\(value)\"; nothing"
      case ("julia", nil): return "delete!(ENV, \"\(name)\"); nothing"
      case ("bash", let value?): return "export \(name)='\(value)'"
      case ("bash", nil): return "unset \(name)"
      default: return nil
      }
    }
    return lines.contains(nil) ? nil : lines.compactMap(\.self).joined(separator: "\n")
  }
}
