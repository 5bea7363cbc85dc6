import Domain
import Projections

/// Who is meant by a line that names nobody, or by `tagged` and `filtered`.
public struct Selection: Sendable, Hashable {
  /// Under the cursor.
  public var cursor: NotebookID?
  public var tagged: [NotebookID]
  /// What the filter leaves, in the order of the rows.
  public var filtered: [NotebookID]

  public init(cursor: NotebookID? = nil, tagged: [NotebookID] = [], filtered: [NotebookID] = []) {
    self.cursor = cursor
    self.tagged = tagged
    self.filtered = filtered
  }
}

extension Board {
  /// What names a notebook in a line: its name, which the board makes unique, or its number where the name would be read as
  /// something else.
  public func word(naming id: NotebookID) -> String {
    guard let name = self[id]?.name, !["#", "/", "user:", "state:"].contains(where: { name.hasPrefix($0) }) else {
      return "#\(id.number)"
    }
    return name
  }
}

/// An order bound to identities: what is given to the engine, and what was left out and why.
public struct Orders: Sendable, Hashable {
  public struct Refused: Sendable, Hashable {
    public var notebook: NotebookID
    public var refusal: Refusal

    public init(notebook: NotebookID, refusal: Refusal) {
      self.notebook = notebook
      self.refusal = refusal
    }
  }

  public var verbs: [Verb] = []
  /// Notebooks to which the act cannot be done as they are.
  public var refused: [Refused] = []

  public init() {}
}

extension Line {
  /// The orders that the line gives on a board: bound to the notebooks, and to the cells that the board shows, so that one
  /// which comes too late is refused rather than done to the next cell.
  ///
  /// - Throws: `ParseError` where it names what is not there.
  public func orders(on board: Board, _ selection: Selection = Selection()) throws(ParseError) -> Orders {
    var orders = Orders()
    guard act.isAboutNotebooks else {
      orders.verbs = [try act.verb(on: board)]
      return orders
    }
    for id in try notebooks(on: board, selection) {
      guard let facts = board[id] else { continue }
      do throws(Refusal) { orders.verbs.append(try act.verb(for: facts)) } catch {
        orders.refused.append(Orders.Refused(notebook: id, refusal: error))
      }
    }
    return orders
  }

  /// The notebooks that are meant, each once.
  ///
  /// - Throws: `ParseError` where nobody is meant, or a name is of none or of several.
  public func notebooks(on board: Board, _ selection: Selection = Selection()) throws(ParseError) -> [NotebookID] {
    func nobody(_ why: String) -> ParseError {
      ParseError(reading: "the command", text: act.word, because: why, mend: "\(act.text) on churn")
    }
    switch whom {
    case .shown:
      if !selection.tagged.isEmpty { return selection.tagged }
      guard let cursor = selection.cursor else { throw nobody("no notebook is selected") }
      return [cursor]
    case .tagged:
      guard !selection.tagged.isEmpty else { throw nobody("no notebook is tagged") }
      return selection.tagged
    case .filtered:
      guard !selection.filtered.isEmpty else { throw nobody("the filter leaves no notebook") }
      return selection.filtered
    case .all:
      let open = board.notebooks.filter { $0.state != .gone }.map(\.notebook.id)
      guard !open.isEmpty else { throw nobody("no notebook is open") }
      return open
    case .these(let names):
      var found: [NotebookID] = []
      for name in names {
        for id in try Self.meant(by: name, on: board) where !found.contains(id) { found.append(id) }
      }
      return found
    }
  }

  private static func meant(by name: String, on board: Board) throws(ParseError) -> [NotebookID] {
    func fail(_ why: String) -> ParseError {
      ParseError(
        reading: "the notebook", text: name, because: why, mend: "churn, #3, user:ana, state:running or all")
    }
    let open = board.notebooks.filter { $0.state != .gone }
    func one(_ number: Int32) throws(ParseError) -> NotebookFacts {
      guard let one = open.first(where: { $0.notebook.id.number == number }) else {
        throw fail("no notebook with that number is open")
      }
      return one
    }
    let found: [NotebookFacts]
    if name.hasPrefix("user:") {
      let user = name.dropFirst(5)
      found = open.filter { $0.notebook.user == user }
      if found.isEmpty { throw fail("nobody of that name has a notebook open") }
    } else if name.hasPrefix("state:") {
      let word = name.dropFirst(6)
      guard let state = NotebookState.allCases.first(where: { $0.word == word }) else {
        throw fail("there is no such state; there are \(NotebookState.allCases.map(\.word).joined(separator: ", "))")
      }
      found = open.filter { $0.state == state }
      if found.isEmpty { throw fail("no notebook is \(state.word)") }
    } else if name.hasPrefix("/") {
      found = open.filter { $0.notebook.path == name }
      guard found.count == 1 else {
        let numbers = found.map { "#\($0.notebook.id.number) of \($0.notebook.user)" }.joined(separator: ", ")
        throw fail(found.isEmpty ? "no notebook of that path is open" : "it could be \(numbers)")
      }
    } else if name.hasPrefix("#"), let number = Int32(name.dropFirst()) {
      // Before any name: whoever calls a notebook "#3" must not get the orders meant for number 3.
      found = try [one(number)]
    } else if let exact = open.first(where: { $0.name == name }) {
      found = [exact]
    } else if let number = Int32(name) {
      found = try [one(number)]
    } else {
      let close = open.filter { $0.name.hasPrefix(name) }
      guard close.count == 1 else {
        throw fail(
          close.isEmpty
            ? "no notebook of that name is open"
            : "it could be \(close.prefix(4).map(\.name).joined(separator: ", "))")
      }
      found = close
    }
    return found.map(\.notebook.id)
  }
}

extension Act {
  /// The order for one notebook as the board shows it.
  ///
  /// - Throws: `Refusal` where it cannot be done to it as it is; the engine would refuse it as well.
  public func verb(for facts: NotebookFacts) throws(Refusal) -> Verb {
    let id = facts.notebook.id
    func cell(_ states: [NotebookState], _ otherwise: String) throws(Refusal) -> CellID {
      guard states.contains(facts.state), let cell = facts.cell?.cell.id else { throw Refusal(.wrongState, otherwise) }
      return cell
    }
    let state = "\(facts.name) is \(facts.state.word)"
    let noSuspend =
      facts.state == .queued ? "\(facts.name) waits already; h holds it there" : "\(state); there is no cell to suspend"
    switch self {
    case .suspend: return .suspend(id, cell: try cell([.running], noSuspend))
    case .suspendAfter(let grace): return .suspendAfter(id, cell: try cell([.running], noSuspend), grace)
    case .suspendAtEnd:
      return .suspendAtEnd(
        id, cell: try cell([.queued, .running, .suspended], "\(state); there is no cell that could end"))
    case .callOff:
      guard facts.planned != nil else { throw Refusal(.wrongState, "nothing is planned for \(facts.name)") }
      return .callOff(id, cell: try cell([.queued, .running, .suspended], state))
    case .resume: return .resume(id, cell: try cell([.suspended], "\(state): nothing to resume"))
    case .interrupt:
      return .interrupt(id, cell: try cell([.running, .suspended], "\(state); only a running cell can be interrupted"))
    case .priority(let value): return .setPriority(id, value)
    case .pin(let cores, let gpus, let alone):
      if !cores.isEmpty || !gpus.isEmpty {
        return .pin(id, Pin(node: facts.notebook.node, cores: cores, gpus: gpus, reserves: alone))
      }
      guard let allotment = facts.cell?.allotment else {
        throw Refusal(.wrongState, "\(facts.name) is on no core now; pin it by :pin 0-1")
      }
      return .pin(
        id, Pin(node: allotment.node, cores: allotment.cores, gpus: allotment.gpus, reserves: alone))
    case .unpin:
      guard facts.pin != nil else { throw Refusal(.wrongState, "\(facts.name) is not pinned") }
      return .unpin(id)
    case .hold: return .hold(id)
    case .release: return .release(id)
    case .demand(let demand): return .overrideDemand(id, demand?.over(facts.cell?.cell.demand ?? .oneCore))
    case .drain, .undrain, .policy: throw Refusal(.outOfRange, "\(word) is about no notebook")
    }
  }

  /// The order about the node or the policy.
  ///
  /// - Throws: `ParseError` where there is no node, or the cores and GPUs are not its own.
  func verb(on board: Board) throws(ParseError) -> Verb {
    func placed(_ cores: CoreSet, _ gpus: GPUSet) throws(ParseError) -> NodeID {
      guard let node = board.nodes.first?.node else {
        throw ParseError(reading: "the command", text: text, because: "no node is known yet", mend: "policy fcfs")
      }
      guard cores.isSubset(of: node.cores), gpus.isSubset(of: node.gpuSet) else {
        throw ParseError(
          reading: "the command", text: text,
          because: "\(node.name) has the cores \(node.cores) and \(node.gpus.count) GPUs", mend: "\(word) \(node.cores)"
        )
      }
      return node.id
    }
    switch self {
    case .drain(let cores, let gpus): return .drain(try placed(cores, gpus), cores, gpus)
    case .undrain(let cores, let gpus): return .undrain(try placed(cores, gpus), cores, gpus)
    case .policy(let name): return .setPolicy(name)
    case .suspend, .suspendAfter, .suspendAtEnd, .callOff, .resume, .interrupt, .priority, .pin, .unpin, .hold,
      .release, .demand:
      throw ParseError(reading: "the command", text: text, because: "it is about a notebook", mend: "\(text) on churn")
    }
  }
}
