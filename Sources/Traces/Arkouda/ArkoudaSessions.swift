import Domain

/// Groups one server's requests into its users' sessions and cells.
///
/// A command of a notebook makes several requests, so that a burst is one cell: a gap of more than the threshold begins
/// the next one. A session begins with `connect`.
struct ArkoudaSessions {
  struct Session {
    var user: Int
    /// Microseconds on the log's clock.
    var start: Int64
    var cells: [TraceCell]
    /// Which commands each cell was.
    var sources: [CellSource] = []
  }

  private struct Draft {
    var start: Int64
    var end: Int64
    var took: Int64
    var failed = false
    var lost = false
    /// The commands of its requests, in order, without what they were given: objects are named anew each time.
    var commands = Digest()
  }

  private struct Lane {
    var session: Session?
    var draft: Draft?
    var previousEnd: Int64?
  }

  private let thresholdMicroseconds: Int64
  private var lanes: [Int: Lane] = [:]
  private(set) var sessions: [Session] = []
  private(set) var cells = 0
  /// How many sessions have no `connect`: they began before the log.
  private(set) var headless = 0

  init(thresholdMicroseconds: Int64) { self.thresholdMicroseconds = thresholdMicroseconds }

  mutating func take(_ request: ArkoudaRequest) {
    var lane = lanes[request.user] ?? Lane()
    let connects = request.command == "connect"
    if connects { end(&lane) }
    if let draft = lane.draft, request.start - draft.end > thresholdMicroseconds || request.start < draft.start {
      close(&lane)
    }
    if lane.draft == nil {
      lane.draft = Draft(start: request.start, end: request.end, took: 0)
      if lane.session == nil {
        lane.session = Session(user: request.user, start: request.start, cells: [])
        if !connects { headless += 1 }
      }
    }
    if var draft = lane.draft {
      draft.end = max(draft.end, request.end)
      draft.took += request.took ?? 0
      draft.commands.put(request.command)
      if request.failed { draft.failed = true }
      if request.lost { draft.lost = true }
      lane.draft = draft
    }
    if request.lost { close(&lane) }
    if request.command == "disconnect" { end(&lane) }
    lanes[request.user] = lane
  }

  /// All sessions, by their start.
  mutating func finish() -> [Session] {
    for user in lanes.keys.sorted() {
      guard var lane = lanes[user] else { continue }
      end(&lane)
    }
    lanes = [:]
    return sessions.sorted { ($0.start, $0.user) < ($1.start, $1.user) }
  }

  private mutating func close(_ lane: inout Lane) {
    guard let draft = lane.draft else { return }
    lane.draft = nil
    let think = lane.previousEnd.map { max(draft.start - $0, 0) } ?? 0
    let run = max(draft.end - draft.start, draft.took)
    lane.session?.cells.append(
      TraceCell(
        think: Span(microseconds: think), run: Span(microseconds: run),
        outcome: draft.lost ? .lost : draft.failed ? .error : .ok))
    lane.session?.sources.append(CellSource(codeHash: draft.commands.value))
    lane.previousEnd = draft.start + run
    cells += 1
  }

  private mutating func end(_ lane: inout Lane) {
    close(&lane)
    if let session = lane.session { sessions.append(session) }
    lane = Lane()
  }
}
