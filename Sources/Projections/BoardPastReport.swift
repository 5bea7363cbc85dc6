import Domain

// What the timeline and the details show, as JSON.
extension BoardReport {
  /// What one notebook did, and its past cells.
  public struct PastRow: Codable, Hashable, Sendable {
    public var notebook: Int32
    /// As far back as it is kept, oldest first; each state lasts until the next one, and the last until now.
    public var states: [StateRow]
    public var marks: [MarkRow]
    /// The last ones, oldest first.
    public var cells: [CellRow]
  }

  /// When a notebook began to do something.
  public struct StateRow: Codable, Hashable, Sendable {
    public var state: String
    public var fromSeconds: Double
  }

  /// An order, a preemption, a failed cell, a long wait.
  public struct MarkRow: Codable, Hashable, Sendable {
    public var kind: String
    public var atSeconds: Double
  }

  /// A cell that has ended, and what had been foreseen of it.
  public struct CellRow: Codable, Hashable, Sendable {
    public var cell: Int64
    public var submittedSeconds: Double
    /// Nil where it never ran.
    public var startedSeconds: Double?
    public var endedSeconds: Double
    public var ranSeconds: Double
    public var suspendedSeconds: Double
    public var outcome: String
    public var demand: String
    /// The run time foreseen, at 5, 25, 50, 75 and 95 %; nil where nothing was.
    public var forecastSeconds: [Double]?

    init(_ past: PastCell) {
      (cell, submittedSeconds, startedSeconds) = (past.id.number, past.submitted.seconds, past.started?.seconds)
      (endedSeconds, ranSeconds) = (past.ended.seconds, past.ran.seconds)
      suspendedSeconds = past.suspended.seconds
      (outcome, demand) = (past.outcome.word, past.demand.sentence)
      forecastSeconds = past.forecast?.values.map(\.seconds)
    }
  }

  /// Adds what each notebook did: the think-time timeline, and its past cells. A server's own report is without it, for it grows
  /// with the session.
  public mutating func tellPast(of board: Board) {
    // A notebook keeps its orders and preemptions; its failures and long waits are among the session's markers.
    var others: [NotebookID: [Marker]] = [:]
    for marker in board.markers {
      guard let id = marker.notebook, marker.kind != .action, marker.kind != .preemption else { continue }
      others[id, default: []].append(marker)
    }
    timeline = board.notebooks.map { facts in
      let marks = (facts.marks + (others[facts.notebook.id] ?? [])).sorted { $0.sequence < $1.sequence }
      return PastRow(
        notebook: facts.notebook.id.number,
        states: facts.segments.map { StateRow(state: $0.state.word, fromSeconds: $0.from.seconds) },
        marks: marks.map { MarkRow(kind: "\($0.kind)", atSeconds: $0.at.seconds) },
        cells: facts.past.map(CellRow.init))
    }
  }
}

/// What one pane shows, as JSON: the facts of a ``BoardReport`` that are its own, and of when they are.
public struct PaneReport: Encodable, Hashable, Sendable {
  /// A part of the screen.
  public enum Part: Sendable, Hashable, CaseIterable {
    case notebooks, queue, timeline, node, events, graphs
  }

  public var session: Int64
  public var atSeconds: Double
  public var endSeconds: Double
  public var sequence: Int64
  public var notRecorded: String?
  public var noServer: String?
  public var notebooks: [BoardReport.NotebookRow]?
  public var queue: [BoardReport.QueueRow]?
  public var timeline: [BoardReport.PastRow]?
  public var nodes: [BoardReport.NodeRow]?
  public var events: [BoardReport.EventRow]?
  public var measures: BoardReport.MeasuresRow?
  public var load: BoardReport.LoadRow?

  public init(_ report: BoardReport, part: Part) {
    (session, atSeconds, endSeconds) = (report.session, report.atSeconds, report.endSeconds)
    (sequence, notRecorded, noServer) = (report.sequence, report.notRecorded, report.noServer)
    switch part {
    case .notebooks: notebooks = report.notebooks
    case .queue: queue = report.queue
    case .timeline: timeline = report.timeline
    case .node: nodes = report.nodes
    case .events: events = report.events
    case .graphs: (measures, load) = (report.measures, report.load)
    }
  }
}
