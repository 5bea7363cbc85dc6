import Domain
import GateLink

/// Which GPUs a kernel is shown: none before its first grant of some, then those, until it ends.
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
  /// The variables as the kernel was last told; those it was not told of are as the client gave them.
  private var told: [String: String?] = [:]

  init(client: [String: String]) { self.client = client }

  /// An engine says whose GPUs it gives out.
  mutating func govern(_ makers: [GPUMaker]) { governed = Set(makers) }

  /// Takes a grant in.
  ///
  /// - Returns: for its author, why the cell will not see these GPUs; nil where it will.
  mutating func grant(_ gpus: [VisibleGPU]) -> String? {
    guard !gpus.isEmpty else { return nil }
    if granted.isEmpty { granted = gpus }
    guard !Set(gpus).isSubset(of: granted) else { return nil }
    return "this kernel was given \(list(granted)) first and can use no other; restart it to use \(list(gpus))"
  }

  /// What the kernel must be told before its next cell.
  ///
  /// - Parameter isGoverned: whether an engine granted the cell.
  func changes(isGoverned: Bool) -> [Change] {
    GPUMaker.allCases.compactMap { maker in
      let variable = maker.variable
      let mine = granted.filter { $0.maker == maker }.map(\.id)
      let hides = isGoverned && governed.contains(maker)
      let wanted = !mine.isEmpty || hides ? mine.joined(separator: ",") : granted.isEmpty ? client[variable] : nil
      guard !mine.isEmpty || hides || told[variable] != nil else { return nil }
      let present = told[variable] ?? client[variable]
      return present == wanted ? nil : Change(variable: variable, value: wanted)
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
