import Canvas
import Domain
import Projections
import Verbs

/// What the console shows and how: a value. Keys and new boards change it; drawing reads it.
public struct ConsoleState: Sendable {
  public var session: SessionFacts
  public var board = Board()
  /// The instant that is shown.
  public var now = Instant.zero
  /// The person's own time, which goes on while a replay is paused: messages and undo are measured by it.
  public var clock = Instant.zero
  /// Where a replay stands; nil in a live session.
  public var transport: TransportFacts?
  /// The screen's size, which tells what a click is on.
  public var size = Size(columns: 0, rows: 0)
  /// The session as it might have been; nil where nobody asked.
  public var alternative: Alternative?
  /// Why the recording is incomplete; nil where it is complete.
  public var trouble: String?
  /// Why the server cannot be reached; nil where it can, or there is none.
  public var away: String?

  public internal(set) var focus = Pane.notebooks
  public internal(set) var isZoomed = false
  /// Which panes share the screen, and how.
  public internal(set) var arrangement = Arrangement.overview
  /// What the table's cursor is on, by identity: a row that moves takes the cursor with it.
  public internal(set) var cursor: TableRow? {
    didSet { if cursor != oldValue, let cursor, let place = table.rows.firstIndex(of: cursor) { cursorPlace = place } }
  }
  /// The row on which the cursor was last, and whether what stood there went by itself.
  var cursorPlace = 0
  var isCursorLost = false
  /// Set while a key may be meant for a row that is gone.
  var strayed: Strayed?
  /// The notebook that the cursor was on when the server was started anew, until it is back.
  var sought: SoughtNotebook?
  public internal(set) var sort = TableColumn.number { didSet { arrangeRows() } }
  public internal(set) var isSortInverted = false { didSet { arrangeRows() } }
  public internal(set) var filter = "" { didSet { arrangeRows() } }
  /// Whether the notebooks are grouped by their users.
  public internal(set) var isTree = false { didSet { arrangeRows() } }
  /// The users whose notebooks are folded away, where they are grouped.
  public internal(set) var folded: Set<String> = [] { didSet { arrangeRows() } }
  /// The columns that the operator does not want to see.
  public internal(set) var hiddenColumns: Set<TableColumn> = [.number]
  /// The notebooks that are tagged for an order on several.
  public internal(set) var tagged: Set<NotebookID> = []
  /// The rows of the table, in order; kept up to date by whatever changes them.
  var table = RowArrangement()
  /// Which of `windows` the timeline shows.
  public internal(set) var window = 2
  /// Where the timeline was moved to, and its cursor.
  public internal(set) var timeline = TimelineView()
  /// What is to be seen of the events.
  public internal(set) var eventsView = EventsView()
  /// The details of the selected notebook in place of the panes; nil where they are not open.
  public internal(set) var details: DetailsView? { didSet { if details == nil, oldValue != nil { arrangeRows() } } }
  /// The processes of the notebook whose details are open, where they can be known.
  public var processes: ProcessFacts?
  /// The code of the cell whose notebook's details are open, where the server was configured to tell it.
  public var code: CodeFacts?
  /// Whether whoever drives this console can read the kernels' processes.
  public var readsProcesses = false
  /// The board that stands still while the screen is frozen.
  var frozen: (board: Board, now: Instant)? { didSet { arrangeRows(isAsked: false) } }
  public internal(set) var layer: Layer? {
    didSet { if layer == nil, strayed?.until == .never { strayed?.until = clock + Strayed.span } }
  }
  public internal(set) var flash: Flash?
  /// Orders that can be taken back, newest last, and those that were and can be given again.
  var undoable: [Undo] = []
  var redoable: [Undo] = []
  /// What the orders that are being asked about are likely to bring.
  var preview: Preview?
  /// Where a range of tags begins.
  var tagAnchor: NotebookID?
  /// The lines typed at the palette, oldest first.
  public var paletteHistory: [String] = []
  /// The policies that can be chosen.
  public var policies: [String] = []
  /// Orders whose answers have not come.
  var awaited: [Awaited] = []
  /// What was refused of orders that were given together and are not all answered, by the first one's number.
  var refusals: [UInt64: [String]] = [:]
  var nextCommand: UInt64
  /// The moment that was marked, and the board as it was then.
  var marked: (board: Board, now: Instant)?
  /// What was searched for last.
  var lastSearch: String?
  var isDraggingBar = false

  /// The lengths of time that the timeline can show.
  public static let windows: [Span] = [30, 60, 180, 600, 1800, 3600, 3 * 3600, 12 * 3600, 24 * 3600].map {
    Span(seconds: Double($0))
  }

  /// - Parameter firstCommand: where the numbers of this console's commands begin; different for each console.
  public init(session: SessionFacts, firstCommand: UInt64 = 1) {
    self.session = session
    nextCommand = firstCommand
  }

  /// The board to draw: the present one, or the one that was frozen.
  var shown: Board { frozen?.board ?? board }
  var shownNow: Instant { frozen?.now ?? now }

  /// Takes in a new board; flashes the answers to this console's orders.
  public mutating func show(_ board: Board, at now: Instant) {
    self.board = board
    self.now = now
    if let flash, flash.until < clock { self.flash = nil }
    for answer in board.answers { take(answerTo: answer.command.id, answer.refusal) }
    arrangeRows(isAsked: false)
  }
}

extension ConsoleState {
  /// Tells what became of an order of this console; others' pass by.
  public mutating func take(answerTo id: CommandID, _ refusal: Refusal?) {
    guard let index = awaited.firstIndex(where: { $0.id == id }) else { return }
    let order = awaited.remove(at: index)
    if let refusal {
      for place in undoable.indices { undoable[place].pairs.removeAll { $0.id == order.id } }
      undoable.removeAll { $0.pairs.isEmpty }
      refusals[order.batch.first, default: []].append(
        (order.verb.notebook.map { shown.name(of: $0) + ": " } ?? "") + refusal.text)
    }
    let refused = refusals[order.batch.first] ?? []
    if let first = refused.first {
      let what =
        order.batch.count == 1
        ? "\(order.text): refused: \(refusal?.text ?? first)"
        : "\(order.text): \(refused.count) of \(order.batch.count) refused: \(first)"
      flash = Flash(.warning, what, until: clock + Flash.span)
    } else {
      // How to take it back, and how long, is counted down beside it.
      flash = Flash(.good, order.text, until: clock + Flash.span)
    }
    if !awaited.contains(where: { $0.batch == order.batch }) { refusals[order.batch.first] = nil }
  }

  /// Takes in what is told of the session on the screen. Where that is another one, everything that names its predecessor's
  /// notebooks is forgotten: their numbers are others' now.
  public mutating func turn(to facts: SessionFacts, isAnother: Bool) {
    var facts = facts
    facts.isReadOnly = facts.isReadOnly || session.isReadOnly
    session = facts
    guard isAnother else { return }
    let lost = selected.flatMap { shown[$0] }
    let had = !tagged.isEmpty || !undoable.isEmpty || layer != nil
    // Not the orders that wait for an answer: a server that was started anew knows what became of them.
    (tagged, tagAnchor, undoable, redoable) = ([], nil, [], [])
    (layer, details, marked, frozen) = (nil, nil, nil, nil)
    (cursor, isCursorLost, strayed) = (nil, cursor != nil || isCursorLost, nil)
    if let lost { sought = SoughtNotebook(lost, until: clock + SoughtNotebook.span) }
    if had { say(.warning, "the server was started anew: tags, questions and what could be undone are gone with it") }
  }
}

/// Whose session is on the screen.
public struct SessionFacts: Sendable, Hashable {
  public enum Mode: Sendable, Hashable {
    case live, simulated, replay
  }

  public var mode: Mode
  /// The session's number in the history; 0 where none is kept.
  public var number: Int64
  public var user: String
  /// Wall time of the session's beginning, in microseconds since 1970.
  public var beganWallMicroseconds: Int64
  /// What the place's clocks are ahead of UTC, in seconds.
  public var utcOffsetSeconds: Int
  /// Whether no orders may be given at present.
  public var isReadOnly: Bool
  /// Whether no orders may be given however it is asked for.
  public var isReadOnlyForGood: Bool
  /// Whether leaving ends what others use, so that it is asked first.
  public var confirmsQuit: Bool
  /// Whether a live session waits behind this replay.
  public var hasLive = false
  /// Whether orders may be given to the user's own notebooks alone.
  public var ordersOwnOnly = false
  /// Whether there is a server behind a live session; where there never was one, the node is shown as it is found.
  public var hasServer = true

  public init(
    mode: Mode, number: Int64, user: String, beganWallMicroseconds: Int64, utcOffsetSeconds: Int,
    isReadOnly: Bool = false, confirmsQuit: Bool = false
  ) {
    self.mode = mode
    self.number = number
    self.user = user
    self.beganWallMicroseconds = beganWallMicroseconds
    self.utcOffsetSeconds = utcOffsetSeconds
    self.isReadOnly = isReadOnly
    isReadOnlyForGood = isReadOnly
    self.confirmsQuit = confirmsQuit
  }
}

/// Where a replay stands.
public struct TransportFacts: Sendable, Hashable {
  public var isPlaying: Bool
  /// Seconds of the session a second.
  public var speed: Double
  public var end: Instant
  public var markers: [Marker]
  /// Entries applied, of how many.
  public var entry: Int
  public var entries: Int

  public init(isPlaying: Bool, speed: Double, end: Instant, markers: [Marker], entry: Int, entries: Int) {
    self.isPlaying = isPlaying
    self.speed = speed
    self.end = end
    self.markers = markers
    self.entry = entry
    self.entries = entries
  }
}

/// What lies over the panes.
public enum Layer: Sendable, Hashable {
  /// The keys; a page of them where they do not fit, counted from 0, starting again after the last.
  case help(page: Int)
  case explain(NotebookID)
  case prompt(Prompt)
  case confirmQuit
  /// What changed between the marked moment and the one that is shown.
  case changes
  case sessions(SessionList)
  /// How a running cell is to give way.
  case menu(PreemptMenu)
  /// Whether an order is really meant.
  case confirm(Confirmation)
  /// Cores and GPUs to choose.
  case editor(PlaceEditor)
  case themes(ThemePicker)
  /// The columns of the table, to show, hide and sort by.
  case columns(TableColumn)
}

/// The recorded sessions, to choose from.
public struct SessionList: Sendable, Hashable {
  /// A recorded session in words.
  public struct Row: Sendable, Hashable {
    public var number: Int64
    public var began: String
    public var length: Span
    public var kind: String
    public var user: String
    public var entries: Int64
    public var actions: Int64
    public var note: String

    public init(
      number: Int64, began: String, length: Span, kind: String, user: String, entries: Int64, actions: Int64,
      note: String
    ) {
      self.number = number
      self.began = began
      self.length = length
      self.kind = kind
      self.user = user
      self.entries = entries
      self.actions = actions
      self.note = note
    }
  }

  public var rows: [Row]
  var cursor = 0

  public init(_ rows: [Row]) { self.rows = rows }
}

/// The session as it might have been, at the instant that is shown.
public struct Alternative: Sendable, Hashable {
  public var table: SideBySide
  public var board: Board
  /// Whether it is on the screen; hidden, a key brings it back.
  public var isShown = true

  public init(table: SideBySide, board: Board) {
    self.table = table
    self.board = board
  }
}

/// A line being typed.
public struct Prompt: Sendable, Hashable {
  public enum Purpose: Sendable, Hashable {
    case filter, filterEvents, command, seek, whatIf
  }

  /// What can be typed, in characters.
  static let lengthMost = 200

  public var purpose: Purpose
  public var text = ""
  /// Which line of the history it shows; nil for none.
  var recalled: Int?
}

/// A message that stands for a few seconds.
public struct Flash: Sendable, Hashable {
  public enum Level: Sendable, Hashable {
    case good, warning
  }

  static let span = Span(seconds: 6)
  /// How long it is told what is wrong with a file that is read at the start: nobody asked, and somebody may be looking elsewhere.
  static let startSpan = Span(seconds: 30)

  public var level: Level
  public var text: String
  public var until: Instant

  init(_ level: Level, _ text: String, until: Instant) {
    self.level = level
    self.text = text
    self.until = until
  }
}

struct Awaited: Sendable, Hashable {
  var id: CommandID
  var verb: Verb
  var text: String
  /// The orders that were given together: the first one's number, and how many.
  var batch: Batch

  struct Batch: Sendable, Hashable {
    var first: UInt64
    var count: Int
  }
}

/// What the console wants done by whoever drives it.
public enum Intent: Sendable, Hashable {
  case quit
  /// Leave, and let the engine go on in the background.
  case detach
  case redraw
  case order(Command)
  case replay(ReplayOrder)
  case toggleMouse
  /// Show the recorded sessions (`show(sessions:)`).
  case listSessions
  case open(session: Int64)
  /// Into the past of the live session that is shown, and back.
  case enterHistory
  case leaveHistory
  /// Decide again from a moment on, with these changes.
  case whatIf(String, from: Instant)
  /// Write the screen as text into a file.
  case dump(String)
  /// Find out what orders are likely to bring (`show(_:)` with the answer).
  case preview([Verb])
  /// Put a text where the terminal pastes from.
  case copy(String)
  /// Show the themes to choose from (`show(themes:current:)`).
  case listThemes
  /// Draw with a theme for the time being, or from now on and with the next console.
  case showTheme(String)
  case keepTheme(String)
  /// Read the theme and the keys again.
  case reload
  /// Tell what drawing has cost (`tell(_:_:)`).
  case tellFigures
  /// Keep a line of the palette for later consoles.
  case remember(String)
}

/// What a replay shall do.
public enum ReplayOrder: Sendable, Hashable {
  case togglePlaying
  case step(Int)
  case changeSpeed(Int)
  case setSpeed(Double)
  case seek(Instant)
  case seekShare(Double)
  case seekMarker(Int)
  case seekMarkerOf(Marker.Kind, Int)
  /// To the next (1) or previous (-1) cell that matches.
  case search(String, Int)
}

extension ConsoleState {
  /// Shows the recorded sessions to choose from.
  public mutating func show(sessions rows: [SessionList.Row]) {
    var list = SessionList(rows)
    list.cursor = rows.firstIndex { $0.number == session.number } ?? 0
    layer = .sessions(list)
  }

  /// Shows one pane alone.
  public mutating func zoom(_ pane: Pane) {
    focus = pane
    isZoomed = true
  }

  /// Puts the cursor onto a notebook, where it is among the rows.
  public mutating func select(found id: NotebookID) { if rowOrder.contains(id) { selected = id } }

  /// Shows a message of the driver's for a few seconds.
  public mutating func tell(_ level: Flash.Level, _ text: String) { say(level, text) }

  /// Takes a message back that is no longer true, where it still stands.
  public mutating func retract(_ text: String) { if flash?.text == text { flash = nil } }

  /// Tells what was found wrong at the start, for longer; once the clock is known.
  public mutating func tell(trouble text: String) { say(.warning, text, for: Flash.startSpan) }
}
