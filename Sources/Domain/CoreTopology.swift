/// Which of a node's logical cores share a physical core, a cache, a NUMA node and a package.
///
/// A set of cores that belongs together is a *domain*. Domains are kept as sets, in the order of their first cores, so
/// that two nodes built alike have equal topologies, and a choice depends on nothing but its arguments.
public struct CoreTopology: Hashable, Sendable {
  /// The logical cores of each physical core (SMT siblings).
  public var physical: [CoreSet]
  /// The logical cores below each last-level cache.
  public var caches: [CoreSet]
  /// The logical cores of each NUMA node.
  public var numaNodes: [CoreSet]
  /// The logical cores of each package (socket).
  public var packages: [CoreSet]

  public init(physical: [CoreSet], caches: [CoreSet], numaNodes: [CoreSet], packages: [CoreSet]) {
    func ordered(_ domains: [CoreSet]) -> [CoreSet] {
      domains.filter { !$0.isEmpty }.map { (first: $0.smallest(1).first { _ in true } ?? 0, $0) }
        .sorted { $0.first < $1.first }.map(\.1)
    }
    self.physical = ordered(physical)
    self.caches = ordered(caches)
    self.numaNodes = ordered(numaNodes)
    self.packages = ordered(packages)
  }

  /// The topology of a part of the cores: what else there is counts for nothing.
  public func restricted(to cores: CoreSet) -> CoreTopology {
    func cut(_ domains: [CoreSet]) -> [CoreSet] { domains.map { $0.intersection(cores) } }
    return CoreTopology(
      physical: cut(physical), caches: cut(caches), numaNodes: cut(numaNodes), packages: cut(packages))
  }

  /// `count` of the cores `free` for one cell, or all of them where there are fewer.
  ///
  /// Whole physical cores come before the second siblings of those, and these before the siblings of cores that
  /// somebody else uses. Within each kind the cores lie as close together as they can: within one cache, one NUMA node,
  /// one package, in this order; of several domains that hold enough the fullest is taken, so that large domains stay
  /// whole for large cells.
  ///
  /// - Parameter present: what the cell has already; the cores chosen are new ones, close to these.
  public func choose(_ count: Int, from free: CoreSet, beside present: CoreSet = CoreSet()) -> CoreSet {
    guard count < free.count else { return free }
    guard count > 0 else { return CoreSet() }
    var taken = CoreSet()
    for kind in kinds(of: free, beside: present) {
      let left = count - taken.count
      guard kind.count > left else {
        taken.formUnion(kind)
        continue
      }
      let near = present.union(taken)
      taken.formUnion(near.isEmpty ? Self.compact(left, of: kind, levels[...]) : close(left, of: kind, to: near))
      break
    }
    return taken
  }

  private var levels: [[CoreSet]] { [packages, numaNodes, caches] }

  /// The free cores by how well they serve: a core of each wholly idle physical core; the siblings of these and of the
  /// cell's own; the siblings of cores that somebody else has.
  private func kinds(of free: CoreSet, beside present: CoreSet) -> [CoreSet] {
    var first = CoreSet()
    var siblings = CoreSet()
    var mine = free
    mine.formUnion(present)
    for core in physical where !core.isDisjoint(with: free) && core.isSubset(of: mine) {
      var rest = core.intersection(free)
      if core.isDisjoint(with: present) {
        let one = rest.smallest(1)
        first.formUnion(one)
        rest.subtract(one)
      }
      siblings.formUnion(rest)
    }
    return [first, siblings, free.subtracting(first).subtracting(siblings)]
  }

  /// `count` members of `set` in as few and as full domains as possible; `levels` from the outermost to the innermost.
  private static func compact(_ count: Int, of set: CoreSet, _ levels: ArraySlice<[CoreSet]>) -> CoreSet {
    guard let domains = levels.first else { return set.smallest(count) }
    var rest = set
    var taken = CoreSet()
    while taken.count < count, !rest.isEmpty {
      let left = count - taken.count
      let parts = domains.map { $0.intersection(rest) }.filter { !$0.isEmpty }
      guard let largest = parts.max(by: { $0.count < $1.count }) else { break }
      guard largest.count >= left else {
        taken.formUnion(largest)
        rest.subtract(largest)
        continue
      }
      let fits = parts.filter { $0.count >= left }
      // A domain whose own parts need not be split goes before one that is merely smaller.
      let inner = levels.dropFirst()
      let tightest = fits.min { (spread($0, left, inner), $0.count) < (spread($1, left, inner), $1.count) } ?? largest
      return taken.union(compact(left, of: tightest, inner))
    }
    return taken.count < count ? taken.union(rest.smallest(count - taken.count)) : taken
  }

  /// How many levels of domains `count` members of `set` must at least be spread over.
  private static func spread(_ set: CoreSet, _ count: Int, _ levels: ArraySlice<[CoreSet]>) -> Int {
    levels.count { domains in !domains.contains { $0.intersection(set).count >= count } }
  }

  /// `count` members of `set`, those first that share the most with `near`.
  private func close(_ count: Int, of set: CoreSet, to near: CoreSet) -> CoreSet {
    var taken = CoreSet()
    for (depth, domains) in levels.enumerated().reversed() {
      var shared = CoreSet()
      for domain in domains where !domain.isDisjoint(with: near) { shared.formUnion(domain) }
      let there = shared.intersection(set).subtracting(taken)
      let left = count - taken.count
      if there.count >= left { return taken.union(Self.compact(left, of: there, levels[depth...])) }
      taken.formUnion(there)
    }
    return taken.union(Self.compact(count - taken.count, of: set.subtracting(taken), levels[...]))
  }
}
