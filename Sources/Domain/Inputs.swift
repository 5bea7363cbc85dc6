/// All that can make the engine act.
public enum Input: Hashable, Sendable {
  indirect case command(Command)
  case observation(Observation)
  /// The instant that the engine asked to be woken at has come.
  case timer
}

/// An operator's or author's order.
public struct Command: Hashable, Sendable {
  public var id: CommandID
  /// Who gave it: a login name.
  public var author: String
  /// Why, in the author's words; empty where none were given.
  public var why: String
  public var verb: Verb

  public init(id: CommandID, author: String, why: String = "", verb: Verb) {
    self.id = id
    self.author = author
    self.why = why
    self.verb = verb
  }
}

/// What an order does. Acts on a running cell name the cell that was on the screen, so that an order which comes too
/// late is refused rather than done to the next cell.
public enum Verb: Hashable, Sendable {
  /// Take the cell's cores and GPUs now; it keeps its memory and waits until resumed.
  case suspend(NotebookID, cell: CellID)
  /// Let a suspended cell have resources again as soon as the policy finds them.
  case resume(NotebookID, cell: CellID)
  /// Interrupt the running cell, as its author could.
  case interrupt(NotebookID, cell: CellID)
  /// From -100 to 100.
  case setPriority(NotebookID, Int32)
  case pin(NotebookID, Pin)
  case unpin(NotebookID)
  /// Let no further cell of the notebook start.
  case hold(NotebookID)
  case release(NotebookID)
  /// Allot these cores and GPUs to no further cell.
  case drain(NodeID, CoreSet, GPUSet)
  case undrain(NodeID, CoreSet, GPUSet)
  case setPolicy(String)
  /// What every later cell of the notebook asks for, whatever else says; nil takes the override back.
  case overrideDemand(NotebookID, Demand?)
  /// Suspend the cell when the span has passed, should it still run then; until that it can be called off.
  case suspendAfter(NotebookID, cell: CellID, Span)
  /// Let the cell end, and hold its notebook from then on; until that it can be called off.
  case suspendAtEnd(NotebookID, cell: CellID)
  /// Take back a `suspendAfter` or `suspendAtEnd` that has not happened yet.
  case callOff(NotebookID, cell: CellID)

  /// The notebook that it is about; nil where it is about the node or the policy.
  public var notebook: NotebookID? {
    switch self {
    case .suspend(let id, _), .resume(let id, _), .interrupt(let id, _), .setPriority(let id, _), .pin(let id, _),
      .unpin(let id), .hold(let id), .release(let id), .overrideDemand(let id, _), .suspendAfter(let id, _, _),
      .suspendAtEnd(let id, _), .callOff(let id, _):
      id
    case .drain, .undrain, .setPolicy: nil
    }
  }

  /// The cell that was on the screen when the order was given; nil where it is about no cell.
  public var cell: CellID? {
    switch self {
    case .suspend(_, let cell), .resume(_, let cell), .interrupt(_, let cell), .suspendAfter(_, let cell, _),
      .suspendAtEnd(_, let cell), .callOff(_, let cell):
      cell
    case .setPriority, .pin, .unpin, .hold, .release, .drain, .undrain, .setPolicy, .overrideDemand: nil
    }
  }
}

/// What was seen in the world.
public enum Observation: Hashable, Sendable {
  indirect case nodeFound(Node)
  /// A gate said hello for the first time; the notebook's id is the next free number.
  indirect case notebookOpened(Notebook)
  /// The kernel answered for the first time (since it was last started).
  case kernelReady(NotebookID)
  /// The kernel's process ended, though its gate is there and may start another.
  case kernelDied(NotebookID)
  /// The gate is gone and its kernel with it.
  case notebookClosed(NotebookID)
  case backlogChanged(NotebookID, Int32)
  /// A cell reached the head of its kernel's queue. The cell's id and instant are the engine's to give.
  case cellSubmitted(NotebookID, Demand, CellSource, CellForecast?)
  /// A gate came (back) with a cell that runs already: since when, on what.
  indirect case cellFoundRunning(NotebookID, Demand, CellSource, ran: Span, CoreSet?, suspended: Bool)
  case cellEnded(NotebookID, CellID, CellOutcome)
  case usageSampled(NotebookID, Usage)
  /// An effect could not be carried out, and why.
  indirect case effectFailed(NotebookID, sequence: Int64, why: String)
}

extension Verb {
  /// The shortest and the longest grace of a suspension.
  public static let graces = Span(seconds: 1)...Span(seconds: 86_400)

  /// One word, as the palette and the audit name it.
  public var word: String {
    switch self {
    case .suspend: "suspend"
    case .resume: "resume"
    case .interrupt: "interrupt"
    case .setPriority: "priority"
    case .pin: "pin"
    case .unpin: "unpin"
    case .hold: "hold"
    case .release: "release"
    case .drain: "drain"
    case .undrain: "undrain"
    case .setPolicy: "policy"
    case .overrideDemand: "demand"
    case .suspendAfter: "suspend-after"
    case .suspendAtEnd: "suspend-at-end"
    case .callOff: "call-off"
    }
  }
}
