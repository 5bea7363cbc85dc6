import Canvas
import Domain
import Projections

/// A session as one HTML page that needs nothing else, for a colleague without a terminal: what it was, who waited, what
/// every notebook did when, every order, and the console's screens along the way.
///
/// Everything is in the page: no script, style, font or picture comes from elsewhere. Names from outside are escaped.
public struct SessionPage {
  /// The console's screen at an instant, as an SVG picture.
  public struct Screen {
    public var at: Instant
    public var svg: String

    public init(at: Instant, svg: String) {
      self.at = at
      self.svg = svg
    }
  }

  private struct Wait {
    var name: String
    var user: String
    var cell: Int64
    var at: Instant
    var waited: Span
    /// False where it was waiting still when the session, its notebook or the wait was ended.
    var isOver: Bool
  }

  /// The longest waits that are told one by one.
  static let waitsMost = 20
  /// What a browser draws in comfort.
  static let rowsMost = 200
  static let segmentsMost = 20_000

  private let session: ExportedSession
  private var board = Board()
  private var reader: TableReader
  private var actions: [[Field]] = []
  private var waits: [Wait] = []
  private var segments: [(row: Int, state: NotebookState, from: Instant)] = []

  public init(_ session: ExportedSession) {
    self.session = session
    reader = TableReader(session)
  }

  /// Follows one entry.
  public mutating func take(_ entry: Entry) {
    let before = entry.event.notebook.flatMap { board[$0]?.state }
    let cell = entry.event.notebook.flatMap { board[$0]?.cell }
    board.apply(entry)
    reader.take(entry)
    for row in reader.rows where row.table == .actions { actions.append(row.fields) }
    guard let id = entry.event.notebook, let facts = board[id] else { return }
    if facts.state != before { segments.append((Int(id.number), facts.state, entry.at)) }
    guard let waiting = cell, waiting.started == nil else { return }
    switch entry.event {
    case .cellStarted: keep(waiting, of: facts, until: entry.at, isOver: true)
    case .cellEnded, .notebookClosed: keep(waiting, of: facts, until: entry.at, isOver: false)
    default: break
    }
  }

  private mutating func keep(_ cell: CellFacts, of facts: NotebookFacts, until end: Instant, isOver: Bool) {
    let wait = Wait(
      name: facts.name, user: facts.notebook.user, cell: cell.cell.id.number, at: cell.cell.submitted,
      waited: end - cell.cell.submitted, isOver: isOver)
    guard wait.waited > .zero else { return }
    if waits.count == Self.waitsMost, let last = waits.last, wait.waited <= last.waited { return }
    let place = waits.firstIndex { $0.waited < wait.waited } ?? waits.count
    waits.insert(wait, at: place)
    if waits.count > Self.waitsMost { waits.removeLast() }
  }

  /// The page, once all entries have been taken.
  public mutating func finish(screens: [Screen]) -> String {
    reader.finish()
    for facts in board.notebooks {
      if let cell = facts.cell, cell.started == nil { keep(cell, of: facts, until: board.now, isOver: false) }
    }
    let notebooks = reader.rows.filter { $0.table == .notebooks }.map(\.fields)
    let overview = Overview(board)
    let title = "celltop session \(session.number)"
    return """
      <!DOCTYPE html>
      <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
      <title>\(title)</title><style>\(Self.style)</style></head><body>
      <h1>\(title)</h1>
      <p>\(session.kind.markupEscaped) on <b>\(session.host.markupEscaped)</b> by \(session.user.markupEscaped), \
      begun \(session.wall(.zero)), \(Self.duration(board.now - .zero)) long: \(board.notebooks.count) notebooks, \
      \(overview.cellsEnded) cells ended, \(actions.count) orders, \(overview.cores) cores and \(overview.gpus) GPUs, \
      policy \(board.policy.markupEscaped). \(session.note.markupEscaped)</p>
      \(screensSection(screens))
      <h2>What each notebook did</h2>
      <p class="legend">\(Self.legend)</p>
      \(timeline())
      <h2>Notebooks</h2>
      \(table(notebooks, Self.notebookColumns))
      <h2>The longest waits</h2>
      \(waitTable())
      <h2>Operators' orders</h2>
      \(actions.isEmpty ? "<p>None.</p>" : table(actions, Self.actionColumns))
      </body></html>

      """
  }

  // MARK: Parts

  private static let style = """
    body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:1300px;padding:0 1em;color:#222;background:#fff}
    table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:left;vertical-align:top}td.n,th.n{text-align:right}
    tr:nth-child(even){background:#f4f6f8}svg{max-width:100%;height:auto}input[type=range]{width:100%}
    .running{fill:#2f8f5b}.queued{fill:#d99a1c}.suspended{fill:#b5483a}.thinking{fill:#c3ccd6}.starting{fill:#9b8fc4}
    .timeline{background:#fafbfc}.timeline text{font:11px system-ui,sans-serif;fill:#444}.mark{stroke:#7a3fb0;stroke-width:1}
    .legend svg{width:12px;height:12px;vertical-align:-1px;margin:0 .3em 0 1em}.screen{display:none}.screen.on{display:block}
    @media(prefers-color-scheme:dark){body{background:#16191d;color:#ddd}tr:nth-child(even){background:#20252b}
    .timeline{background:#1b1f24}.timeline text{fill:#bbb}.thinking{fill:#4a545f}}
    """

  private static let shownStates: [NotebookState] = [.running, .queued, .suspended, .thinking, .starting]

  private static var legend: String {
    shownStates.map {
      "<svg viewBox=\"0 0 12 12\"><rect class=\"\($0.word)\" width=\"12\" height=\"12\"/></svg>\($0.word)"
    }
    .joined() + " <svg viewBox=\"0 0 12 12\"><path class=\"mark\" d=\"M6 0V12\"/></svg>an operator's order"
  }

  private func screensSection(_ screens: [Screen]) -> String {
    guard !screens.isEmpty else { return "" }
    let pictures = screens.enumerated().map { index, screen in
      "<div class=\"screen\(index == screens.count - 1 ? " on" : "")\">\(screen.svg)</div>"
    }
    let times = screens.map { "\"\(session.wall($0.at))\"" }.joined(separator: ",")
    return """
      <h2>The screens</h2>
      <p><input id="place" type="range" min="0" max="\(screens.count - 1)" value="\(screens.count - 1)" \
      aria-label="moment"><output id="time">\(session.wall(screens[screens.count - 1].at))</output></p>
      <div id="screens">\(pictures.joined())</div>
      <script>
      const times=[\(times)],place=document.getElementById("place"),all=document.querySelectorAll(".screen");
      place.addEventListener("input",()=>{all.forEach((s,i)=>s.classList.toggle("on",i==place.value));
      document.getElementById("time").textContent=times[place.value]});
      </script>
      """
  }

  private func timeline() -> String {
    let count = min(board.notebooks.count, Self.rowsMost)
    guard count > 0, board.now > .zero else { return "<p>No notebook was open.</p>" }
    let (label, width, row) = (200.0, 1000.0, 18.0)
    func x(_ instant: Instant) -> Double { label + instant.seconds / board.now.seconds * width }
    var text = "<svg class=\"timeline\" viewBox=\"0 0 \(Int(label + width) + 10) \(Int(Double(count + 1) * row) + 6)\">"
    for facts in board.notebooks.prefix(count) {
      let y = Double(facts.notebook.id.number) * row
      text += "<text x=\"0\" y=\"\(y + 13)\">\(Self.cut(facts.name).markupEscaped)</text>"
    }
    var next: [Int: Instant] = [:]
    var drawn: [String] = []
    for segment in segments.reversed() where segment.row < count {
      let end = next[segment.row] ?? board.now
      next[segment.row] = segment.from
      guard segment.state != .gone, end > segment.from, drawn.count < Self.segmentsMost else { continue }
      let from = x(segment.from)
      let span = Self.duration(end - segment.from)
      drawn.append(
        "<rect class=\"\(segment.state.word)\" x=\"\(Self.tenths(from))\" y=\"\(Self.tenths(Double(segment.row) * row + 3))\" "
          + "width=\"\(Self.tenths(max(x(end) - from, 0.2)))\" height=\"12\"><title>\(segment.state.word) for \(span) "
          + "from \(session.wall(segment.from))</title></rect>")
    }
    text += drawn.reversed().joined()
    for facts in board.notebooks.prefix(count) {
      for mark in facts.marks where mark.kind == .action {
        let y = Double(facts.notebook.id.number) * row
        text += "<path class=\"mark\" d=\"M\(Self.tenths(x(mark.at))) \(Self.tenths(y))v\(Int(row))\"/>"
      }
    }
    for tick in 0...5 {
      let instant = Instant(seconds: board.now.seconds * Double(tick) / 5)
      let anchor = tick == 5 ? "end" : tick == 0 ? "start" : "middle"
      text += "<text x=\"\(Self.tenths(x(instant)))\" y=\"\(Int(Double(count + 1) * row))\" text-anchor=\"\(anchor)\">"
      text += "\(session.wall(instant).dropFirst(11).prefix(8))</text>"
    }
    let left = board.notebooks.count - count
    return text + "</svg>" + (left > 0 ? "<p>\(left) more notebooks are not drawn.</p>" : "")
  }

  private typealias Column = (field: String, title: String, show: (FieldValue) -> (String, isNumber: Bool))

  private static func plain(_ value: FieldValue) -> (String, isNumber: Bool) {
    switch value {
    case .null: ("", false)
    case .number(let number): ("\(number)", true)
    case .real(let number): ("\((number * 1000).rounded() / 1000)", true)
    case .flag(let flag): (flag ? "yes" : "no", false)
    case .text(let text): (text, false)
    case .list, .object: ("", false)
    }
  }

  private static func span(_ value: FieldValue) -> (String, isNumber: Bool) {
    if case .number(let number) = value { (Self.duration(Span(microseconds: number)), true) } else { ("", true) }
  }

  private static var notebookColumns: [Column] {
    [
      ("name", "notebook", plain), ("user", "user", plain), ("path", "document", plain), ("cells", "cells", plain),
      ("cellsFailed", "not well", plain), ("waited", "waited", span), ("ran", "ran", span),
      ("coreHours", "core-hours", plain), ("gpuHours", "GPU-hours", plain),
    ]
  }

  private static var actionColumns: [Column] {
    [
      ("action", "no", plain), ("time", "when", plain), ("author", "who", plain), ("order", "what", plain),
      ("why", "why", plain), ("refused", "refused because", plain),
    ]
  }

  private func table(_ rows: [[Field]], _ columns: [Column]) -> String {
    let head = columns.map { "<th>\($0.title)</th>" }.joined()
    let lines = rows.map { row in
      let cells = columns.map { column in
        let value = row.first { $0.name == column.field }?.value ?? .null
        let (text, isNumber) = column.show(value)
        return "<td\(isNumber ? " class=\"n\"" : "")>\(text.markupEscaped)</td>"
      }
      return "<tr>\(cells.joined())</tr>"
    }
    return "<table><tr>\(head)</tr>\(lines.joined(separator: "\n"))</table>"
  }

  private func waitTable() -> String {
    guard !waits.isEmpty else { return "<p>Nobody waited.</p>" }
    let rows = waits.map {
      "<tr><td class=\"n\">\(Self.duration($0.waited))</td><td>\($0.name.markupEscaped) [\($0.cell)]</td>"
        + "<td>\($0.user.markupEscaped)</td><td>\(session.wall($0.at))</td><td>\($0.isOver ? "" : "never started")</td></tr>"
    }
    return
      "<table><tr><th>waited</th><th>cell</th><th>user</th><th>submitted</th><th></th></tr>\(rows.joined())</table>"
  }

  private static func cut(_ text: String) -> String { text.count > 28 ? text.prefix(27) + "…" : text }

  private static func tenths(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(abs(tenths % 10))"
  }

  /// `250 ms`, `12.5 s`, `3 min 20 s`, `2 h 5 min`.
  private static func duration(_ span: Span) -> String {
    let seconds = max(span.microseconds, 0) / 1_000_000
    if seconds < 1 { return "\(max(span.microseconds, 0) / 1000) ms" }
    if seconds < 100 { return "\(tenths(span.seconds)) s" }
    return seconds < 7200 ? "\(seconds / 60) min \(seconds % 60) s" : "\(seconds / 3600) h \(seconds / 60 % 60) min"
  }
}
