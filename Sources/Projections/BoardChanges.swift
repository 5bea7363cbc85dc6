import Domain

/// What changed between two instants of one session.
public struct BoardChanges: Sendable, Hashable {
  public struct NotebookChange: Sendable, Hashable {
    public var notebook: NotebookID
    public var name: String
    public var user: String
    /// The states at both instants; nil where it was not open yet.
    public var before: NotebookState?
    public var after: NotebookState
    public var cellsEnded: Int
    public var cellsFailed: Int
    public var waited: Span
    public var ran: Span
    /// Standing orders that are other ones now, in words.
    public var orders: [String]
  }

  public var from: Instant
  public var to: Instant
  public var notebooks: [NotebookChange]
  /// The policy, drained cores and the like, in words.
  public var session: [String]
  public var cellsEnded: Int
  public var actions: Int
  public var preemptions: Int

  /// - Parameters:
  ///   - one: a board and the instant that it is looked at; `other` is another one of the same session. The order of the two
  ///     does not matter.
  public init(between one: (board: Board, at: Instant), and other: (board: Board, at: Instant)) {
    let isInOrder = (one.board.sequence, one.at) <= (other.board.sequence, other.at)
    let (before, after) = isInOrder ? (one, other) : (other, one)
    from = before.at
    to = after.at
    session = Self.sessionChanges(before.board, after.board)
    notebooks = after.board.notebooks.compactMap { Self.change($0, before, after) }
    cellsEnded = notebooks.reduce(0) { $0 + $1.cellsEnded }
    let markers = after.board.markers.filter { $0.sequence > before.board.sequence }
    actions = markers.count { $0.kind == .action }
    preemptions = markers.count { $0.kind == .preemption }
  }

  private static func change(
    _ now: NotebookFacts, _ before: (board: Board, at: Instant), _ after: (board: Board, at: Instant)
  ) -> NotebookChange? {
    let then = before.board[now.notebook.id]
    if let then, then.state == .gone { return nil }
    var orders: [String] = []
    if let then {
      if then.priority != now.priority { orders.append("priority \(then.priority) → \(now.priority)") }
      if then.isHeld != now.isHeld { orders.append(now.isHeld ? "held" : "released") }
      if then.pin != now.pin { orders.append(now.pin.map { "pinned to \($0.sentence)" } ?? "unpinned") }
    }
    let change = NotebookChange(
      notebook: now.notebook.id, name: now.name, user: now.notebook.user, before: then?.state, after: now.state,
      cellsEnded: now.cellsEnded - (then?.cellsEnded ?? 0), cellsFailed: now.cellsFailed - (then?.cellsFailed ?? 0),
      waited: now.waited(at: after.at) - (then?.waited(at: before.at) ?? .zero),
      ran: now.ran + (now.cell?.ran(at: after.at) ?? .zero)
        - ((then?.ran ?? .zero) + (then?.cell?.ran(at: before.at) ?? .zero)), orders: orders)
    let isStill =
      change.before == change.after && change.cellsEnded == 0 && change.waited == .zero && change.ran == .zero
      && orders.isEmpty
    return isStill ? nil : change
  }

  private static func sessionChanges(_ before: Board, _ after: Board) -> [String] {
    var lines: [String] = []
    if before.policy != after.policy { lines.append("policy \(before.policy) → \(after.policy)") }
    for node in after.nodes {
      let old = before.nodes.first { $0.node.id == node.node.id }
      guard let old else {
        lines.append("\(node.node.name) joined")
        continue
      }
      if old.node != node.node { lines.append("\(node.node.name) has another capacity") }
      if old.drainedCores != node.drainedCores || old.drainedGPUs != node.drainedGPUs {
        let isNothing = node.drainedCores.isEmpty && node.drainedGPUs.isEmpty
        lines.append(
          isNothing ? "nothing is drained" : "drained: " + Board.words(for: node.drainedCores, node.drainedGPUs))
      }
    }
    let faults = after.faults - before.faults
    if faults > 0 { lines.append("\(faults) fault\(faults == 1 ? "" : "s")") }
    return lines
  }
}
