import Domain

/// What a user sees of other users' notebooks: that they are there, whose they are and what they hold; not their paths, nor
/// what tells their code.
public struct Veil: Sendable, Hashable {
  /// Whose notebooks are shown whole.
  public let user: String

  public init(for user: String) { self.user = user }

  /// The notebook as it may be seen.
  public func cover(_ notebook: Notebook) -> Notebook {
    guard notebook.user != user else { return notebook }
    var covered = notebook
    covered.path = "notebook-\(notebook.id.number)"
    covered.gate = ""
    return covered
  }

  private func cover(_ cell: Cell) -> Cell {
    var covered = cell
    covered.source = CellSource(key: cell.source.key)
    return covered
  }

  private func cover(_ command: Command) -> Command {
    guard command.author != user else { return command }
    var covered = command
    covered.why = ""
    return covered
  }

  /// The entry as it may be seen.
  ///
  /// - Parameter owner: the user of a notebook.
  public func cover(_ entry: Entry, owner: (NotebookID) -> String?) -> Entry {
    func isOwn(_ id: NotebookID) -> Bool { owner(id) == user }
    var covered = entry
    switch entry.event {
    case .notebookOpened(let notebook): covered.event = .notebookOpened(cover(notebook))
    case .cellQueued(let cell): if !isOwn(cell.notebook) { covered.event = .cellQueued(cover(cell)) }
    case .cellRefused(let cell, let refusal):
      if !isOwn(cell.notebook) { covered.event = .cellRefused(cover(cell), refusal) }
    case .cellAdopted(let cell, let started, let allotment):
      if !isOwn(cell.notebook) { covered.event = .cellAdopted(cover(cell), started: started, allotment) }
    case .commandAccepted(let command): covered.event = .commandAccepted(cover(command))
    case .commandRefused(let command, let refusal): covered.event = .commandRefused(cover(command), refusal)
    case .effectFailed(let id, let sequence, _):
      if !isOwn(id) { covered.event = .effectFailed(id, sequence: sequence, why: "the reason is its owner's to know") }
    case .policyChanged, .nodeAdded, .drainChanged, .kernelReady, .kernelDied, .notebookClosed, .backlogChanged,
      .cellWaits, .cellStarted, .cellResized, .cellSuspended, .cellResumed, .interruptRequested, .cellEnded,
      .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered, .demandOverridden, .decisionRefused,
      .usageSampled, .invariantBroken, .memoryEvicted,
      .suspensionPlanned, .suspensionCalledOff:
      break
    }
    return covered
  }

  /// The board as it may be seen: the one that the covered entries would have made.
  public func cover(_ board: Board) -> Board {
    var covered = board
    let owner = { (id: NotebookID) in board[id]?.notebook.user }
    covered.takenNames = []
    for index in covered.notebooks.indices {
      let facts = covered.notebooks[index]
      if facts.notebook.user != user {
        covered.notebooks[index].notebook = cover(facts.notebook)
        covered.notebooks[index].name = covered.notebooks[index].notebook.name
        if let cell = facts.cell { covered.notebooks[index].cell?.cell = cover(cell.cell) }
      }
      if facts.state != .gone { covered.takenNames.insert(covered.notebooks[index].name) }
    }
    covered.events = board.events.map { cover($0, owner: owner) }
    covered.answers = board.answers.map { Answer(command: cover($0.command), refusal: $0.refusal) }
    return covered
  }
}
