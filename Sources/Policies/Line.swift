import Domain

/// A place in a policy's order: compared part by part, least first. The cell's number makes every order total.
@frozen @usableFromInline struct Rank: Comparable, Sendable {
  /// The operator's priority with its sign turned, and whatever else goes before the policy's own order.
  @usableFromInline var tier: Int64
  /// The policy's own order.
  @usableFromInline var index: Int64
  @usableFromInline var cell: Int64

  @inlinable init(tier: Int64, index: Int64 = 0, cell: CellID) {
    self.tier = tier
    self.index = index
    self.cell = cell.number
  }

  @inlinable static func < (a: Rank, b: Rank) -> Bool {
    if a.tier != b.tier { return a.tier < b.tier }
    if a.index != b.index { return a.index < b.index }
    return a.cell < b.cell
  }
}

/// What a cell needs at least, as far as a search by counts can tell.
@frozen @usableFromInline struct Need: Equatable, Sendable {
  @usableFromInline var cores: Int32
  @usableFromInline var gpus: Int32
  @usableFromInline var memory: Int64

  @inlinable init(cores: Int32, gpus: Int32, memory: Int64 = 0) {
    self.cores = cores
    self.gpus = gpus
    self.memory = memory
  }

  @inlinable func fits(in room: Need) -> Bool {
    cores <= room.cores && gpus <= room.gpus && memory <= room.memory
  }

  @inlinable mutating func formMinimum(_ other: Need) {
    cores = min(cores, other.cores)
    gpus = min(gpus, other.gpus)
    memory = min(memory, other.memory)
  }
}

/// Notebooks in the order of their ranks, each with its need: a treap whose nodes know the least need below them.
///
/// Entering, leaving and "the first that fits" take time that grows with the logarithm of the length. The nodes'
/// weights come from the notebooks' numbers, so that the same notebooks make the same tree in every process. Only those in
/// the line have a node; the others cost four bytes. **Source**: Seidel and Aragon, "Randomized search trees", Algorithmica 16
/// (1996).
struct Line: Sendable {
  private struct Node: Sendable {
    var rank: Rank
    var weight: UInt64
    var own: Need
    var least: Need
    /// In a node that is free: the next free one.
    var left: Int32 = -1
    var right: Int32 = -1
    var notebook: Int32
  }

  private typealias Nodes = UnsafeMutableBufferPointer<Node>

  private var nodes: ContiguousArray<Node> = []
  /// The node of each notebook; -1 where it is not in the line.
  private var places: ContiguousArray<Int32> = []
  private var free: Int32 = -1
  private var root: Int32 = -1
  private(set) var count = 0

  init() {}

  var isEmpty: Bool { root < 0 }

  func contains(_ id: NotebookID) -> Bool { Int(id.number) < places.count && places[Int(id.number)] >= 0 }

  /// The rank of a notebook in the line; nil where it is not in it.
  func rank(of id: NotebookID) -> Rank? { contains(id) ? nodes[Int(places[Int(id.number)])].rank : nil }

  mutating func removeAll() { self = Line() }

  /// Puts a notebook in; where it is in already, it takes its new place.
  mutating func insert(_ id: NotebookID, _ rank: Rank, _ need: Need) {
    if contains(id) { remove(id) }
    let node = Node(rank: rank, weight: Self.weight(id.number), own: need, least: need, notebook: id.number)
    let place = free >= 0 ? free : Int32(nodes.count)
    if free >= 0 {
      free = nodes[Int(place)].left
      nodes[Int(place)] = node
    } else {
      nodes.append(node)
    }
    while places.count <= Int(id.number) { places.append(-1) }
    places[Int(id.number)] = place
    root = nodes.withUnsafeMutableBufferPointer { [root] in Self.inserted(place, under: root, $0) }
    count += 1
  }

  mutating func remove(_ id: NotebookID) {
    guard contains(id) else { return }
    let place = places[Int(id.number)]
    places[Int(id.number)] = -1
    root = nodes.withUnsafeMutableBufferPointer { [root] nodes in
      Self.removed(place, nodes[Int(place)].rank, under: root, nodes)
    }
    nodes[Int(place)].left = free
    free = place
    count -= 1
  }

  /// The first in order.
  var first: NotebookID? {
    guard root >= 0 else { return nil }
    var at = Int(root)
    while nodes[at].left >= 0 { at = Int(nodes[at].left) }
    return NotebookID(nodes[at].notebook)
  }

  /// The last in order.
  var last: NotebookID? {
    guard root >= 0 else { return nil }
    var at = Int(root)
    while nodes[at].right >= 0 { at = Int(nodes[at].right) }
    return NotebookID(nodes[at].notebook)
  }

  /// The first in order whose need fits in `room`, after the rank `after` where one is given.
  func first(fitting room: Need, after: Rank? = nil) -> NotebookID? {
    guard root >= 0, nodes[Int(root)].least.fits(in: room) else { return nil }
    let found = after.map { firstFitting(room, after: $0, under: root) } ?? firstFitting(room, under: root)
    return found >= 0 ? NotebookID(nodes[Int(found)].notebook) : nil
  }

  /// The next in order after a rank.
  func next(after rank: Rank) -> NotebookID? {
    var at = Int(root)
    var best: Int32 = -1
    while at >= 0 {
      if rank < nodes[at].rank {
        best = nodes[at].notebook
        at = Int(nodes[at].left)
      } else {
        at = Int(nodes[at].right)
      }
    }
    return best >= 0 ? NotebookID(best) : nil
  }

  /// The one before a rank.
  func previous(before rank: Rank) -> NotebookID? {
    var at = Int(root)
    var best: Int32 = -1
    while at >= 0 {
      if nodes[at].rank < rank {
        best = nodes[at].notebook
        at = Int(nodes[at].right)
      } else {
        at = Int(nodes[at].left)
      }
    }
    return best >= 0 ? NotebookID(best) : nil
  }

  /// All of them in order.
  var ordered: [NotebookID] {
    var result: [NotebookID] = []
    result.reserveCapacity(count)
    var path: [Int] = []
    var at = Int(root)
    while at >= 0 || !path.isEmpty {
      while at >= 0 {
        path.append(at)
        at = Int(nodes[at].left)
      }
      at = path.removeLast()
      result.append(NotebookID(nodes[at].notebook))
      at = Int(nodes[at].right)
    }
    return result
  }

  // MARK: The tree

  /// A weight that looks random and is the same everywhere (splitmix64).
  private static func weight(_ number: Int32) -> UInt64 {
    var z = UInt64(UInt32(bitPattern: number)) &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  @inline(__always) private static func refresh(_ at: Int32, _ nodes: Nodes) {
    let index = Int(at)
    var least = nodes[index].own
    let left = Int(nodes[index].left)
    let right = Int(nodes[index].right)
    if left >= 0 { least.formMinimum(nodes[left].least) }
    if right >= 0 { least.formMinimum(nodes[right].least) }
    nodes[index].least = least
  }

  /// Puts a node in: below all that weigh more, above all others. The root afterwards.
  private static func inserted(_ new: Int32, under root: Int32, _ nodes: Nodes) -> Int32 {
    let rank = nodes[Int(new)].rank
    let weight = nodes[Int(new)].weight
    let need = nodes[Int(new)].own
    var parent = -1
    var isLeft = false
    var at = Int(root)
    while at >= 0, nodes[at].weight >= weight {
      nodes[at].least.formMinimum(need)
      parent = at
      isLeft = rank < nodes[at].rank
      at = Int(isLeft ? nodes[at].left : nodes[at].right)
    }
    (nodes[Int(new)].left, nodes[Int(new)].right) = split(Int32(at), by: rank, nodes)
    refresh(new, nodes)
    guard parent >= 0 else { return new }
    if isLeft { nodes[parent].left = new } else { nodes[parent].right = new }
    return root
  }

  private static func split(_ at: Int32, by rank: Rank, _ nodes: Nodes) -> (Int32, Int32) {
    guard at >= 0 else { return (-1, -1) }
    if nodes[Int(at)].rank < rank {
      let (left, right) = split(nodes[Int(at)].right, by: rank, nodes)
      nodes[Int(at)].right = left
      refresh(at, nodes)
      return (at, right)
    }
    let (left, right) = split(nodes[Int(at)].left, by: rank, nodes)
    nodes[Int(at)].left = right
    refresh(at, nodes)
    return (left, at)
  }

  private static func removed(_ old: Int32, _ rank: Rank, under at: Int32, _ nodes: Nodes) -> Int32 {
    if at == old { return merged(nodes[Int(at)].left, nodes[Int(at)].right, nodes) }
    if rank < nodes[Int(at)].rank {
      nodes[Int(at)].left = removed(old, rank, under: nodes[Int(at)].left, nodes)
    } else {
      nodes[Int(at)].right = removed(old, rank, under: nodes[Int(at)].right, nodes)
    }
    refresh(at, nodes)
    return at
  }

  private static func merged(_ left: Int32, _ right: Int32, _ nodes: Nodes) -> Int32 {
    guard left >= 0 else { return right }
    guard right >= 0 else { return left }
    if nodes[Int(left)].weight > nodes[Int(right)].weight {
      nodes[Int(left)].right = merged(nodes[Int(left)].right, right, nodes)
      refresh(left, nodes)
      return left
    }
    nodes[Int(right)].left = merged(left, nodes[Int(right)].left, nodes)
    refresh(right, nodes)
    return right
  }

  private func firstFitting(_ room: Need, under at: Int32) -> Int32 {
    guard at >= 0, nodes[Int(at)].least.fits(in: room) else { return -1 }
    let left = firstFitting(room, under: nodes[Int(at)].left)
    if left >= 0 { return left }
    if nodes[Int(at)].own.fits(in: room) { return at }
    return firstFitting(room, under: nodes[Int(at)].right)
  }

  private func firstFitting(_ room: Need, after rank: Rank, under at: Int32) -> Int32 {
    guard at >= 0, nodes[Int(at)].least.fits(in: room) else { return -1 }
    if rank < nodes[Int(at)].rank {
      let left = firstFitting(room, after: rank, under: nodes[Int(at)].left)
      if left >= 0 { return left }
      if nodes[Int(at)].own.fits(in: room) { return at }
      return firstFitting(room, under: nodes[Int(at)].right)
    }
    return firstFitting(room, after: rank, under: nodes[Int(at)].right)
  }
}
