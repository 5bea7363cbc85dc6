import Canvas
import Domain
import Projections

/// The rows of the notebook table in order, kept between frames: an order that hardly changes is hardly sorted, and one
/// that cannot have changed is not looked at.
struct RowArrangement: Sendable {
  /// What the rows were made from.
  private struct Basis: Equatable {
    var sequence: Int64
    /// Nil where the order does not depend on the time.
    var now: Instant?
    var sort: TableColumn
    var isInverted: Bool
    var filter: String
    var isTree: Bool
    var folded: Set<String>
  }

  /// What the table shows, in order.
  private(set) var rows: [TableRow] = []
  /// The notebooks that match, in order, whether folded away or not.
  private(set) var notebooks: [NotebookID] = []
  /// Each user's notebooks that match, where they are grouped.
  private(set) var members: [String: [NotebookID]] = [:]
  /// The cells that wait, first to start first.
  private(set) var waiting = WaitingOrder(Board())
  private var basis: Basis?
  /// What a filter looks through, by the notebook's number: name and user in lower case, a line each.
  private var texts: [[UInt8]] = []
  /// The first name seen, so that another session's texts are not taken for this one's.
  private var first: Notebook?

  mutating func update(
    _ board: Board, at now: Instant, sort: TableColumn, isInverted: Bool, filter: String, isTree: Bool,
    folded: Set<String>
  ) {
    let next = Basis(
      sequence: board.sequence, now: sort.movesWithTime ? now : nil, sort: sort, isInverted: isInverted, filter: filter,
      isTree: isTree, folded: folded)
    guard next != basis || first != board.notebooks.first?.notebook else { return }
    if first != board.notebooks.first?.notebook || board.notebooks.count < texts.count { (texts, basis) = ([], nil) }
    first = board.notebooks.first?.notebook
    if basis?.sequence != board.sequence { waiting = WaitingOrder(board) }
    let isSameOrder = basis?.sort == sort && basis?.isInverted == isInverted
    basis = next
    let open = filter.isEmpty ? board.openNotebooks : matching(filter.lowercased(), board)
    order(open, board, now, sort, isInverted, isSameOrder)
    if isTree { group(board, folded) } else { rows = notebooks.map { .notebook($0) } }
    if !isTree { members = [:] }
  }

  private mutating func matching(_ wanted: String, _ board: Board) -> [NotebookID] {
    let needle = Array(wanted.utf8)
    let states = NotebookState.allCases.map { $0.word.contains(wanted) }
    for index in texts.count..<max(texts.count, board.notebooks.count) {
      let facts = board.notebooks[index]
      texts.append(Array((facts.name + "\n" + facts.notebook.user).lowercased().utf8))
    }
    return board.openNotebooks.filter { id in
      states[Int(board.notebooks.look(at: id) { $0.pointee.state.rawValue })]
        || texts[Int(id.number)].contains(run: needle)
    }
  }

  private mutating func order(
    _ open: [NotebookID], _ board: Board, _ now: Instant, _ sort: TableColumn, _ isInverted: Bool, _ isSameOrder: Bool
  ) {
    if sort == .number {
      notebooks = isInverted ? open.reversed() : open
      return
    }
    // The order of last time is nearly right, and a nearly sorted list is sorted in one pass.
    var start = open
    if isSameOrder, !notebooks.isEmpty {
      var isOpen = [Bool](repeating: false, count: board.notebooks.count)
      for id in open { isOpen[Int(id.number)] = true }
      start = notebooks.filter { id in
        let index = Int(id.number)
        guard index < isOpen.count, isOpen[index] else { return false }
        isOpen[index] = false
        return true
      }
      start += open.filter { isOpen[Int($0.number)] }
    }
    switch sort {
    case .name: sortTexts(&start, board, isInverted) { $0.pointee.name }
    case .owner: sortTexts(&start, board, isInverted) { $0.pointee.notebook.user }
    case .number, .state, .time, .priority, .cores, .gpus, .used, .memory, .pin, .behind, .done, .ran, .waited:
      sortAmounts(&start, board, now, sort, isInverted)
    }
    notebooks = start
  }

  private func sortTexts(
    _ ids: inout [NotebookID], _ board: Board, _ isInverted: Bool, _ text: (UnsafePointer<NotebookFacts>) -> String
  ) {
    var keyed = zip(board.notebooks.values(of: ids, text), ids).map { (text: $0, id: $1) }
    keyed.sort { $0.text == $1.text ? $0.id < $1.id : ($0.text < $1.text) != isInverted }
    ids = keyed.map(\.id)
  }

  private func sortAmounts(
    _ ids: inout [NotebookID], _ board: Board, _ now: Instant, _ sort: TableColumn, _ isInverted: Bool
  ) {
    let sign: Int64 = sort.isAscending != isInverted ? 1 : -1
    let keys = board.notebooks.values(of: ids) { sign &* Self.amount($0, sort, now) }
    var keyed = zip(keys, ids).map { (key: $0, id: $1) }
    keyed.sort { ($0.key, $0.id) < ($1.key, $1.id) }
    ids = keyed.map(\.id)
  }

  private static func amount(_ place: UnsafePointer<NotebookFacts>, _ column: TableColumn, _ now: Instant) -> Int64 {
    switch column {
    case .number, .name, .owner: Int64(place.pointee.notebook.id.number)
    case .state: Int64(place.pointee.state.rawValue)
    case .time: (now - place.pointee.since).microseconds
    case .priority: Int64(place.pointee.priority)
    case .cores: Int64(place.pointee.cell?.allotment?.cores.count ?? 0)
    case .gpus: Int64(place.pointee.cell?.allotment?.gpus.count ?? 0)
    case .used: place.pointee.state == .running ? Int64(place.pointee.usage?.millicores ?? 0) : 0
    case .memory: place.pointee.usage?.memory.count ?? 0
    case .pin: Int64(place.pointee.pin?.cores.first { _ in true } ?? (place.pointee.pin == nil ? 1 << 20 : 1 << 19))
    case .behind: Int64(place.pointee.backlog)
    case .done: Int64(place.pointee.cellsEnded)
    case .ran: (place.pointee.ran + (place.pointee.cell?.ran(at: now) ?? .zero)).microseconds
    case .waited: place.pointee.waited(at: now).microseconds
    }
  }

  private mutating func group(_ board: Board, _ folded: Set<String>) {
    members = [:]
    for id in notebooks { members[board.notebooks.look(at: id) { $0.pointee.notebook.user }, default: []].append(id) }
    rows = []
    rows.reserveCapacity(notebooks.count + members.count)
    for user in members.keys.sorted() {
      rows.append(.user(user))
      guard !folded.contains(user), let own = members[user] else { continue }
      rows += own.map { .notebook($0) }
    }
  }
}

extension [UInt8] {
  /// Whether these bytes stand in it, one after the other.
  fileprivate func contains(run needle: [UInt8]) -> Bool {
    guard let head = needle.first, needle.count <= count else { return needle.isEmpty }
    return withUnsafeBufferPointer { hay in
      for start in 0...(hay.count - needle.count) where hay[start] == head {
        var length = 1
        while length < needle.count, hay[start + length] == needle[length] { length += 1 }
        if length == needle.count { return true }
      }
      return false
    }
  }
}

extension ConsoleState {
  /// The notebook under the cursor; nil where there is none, or a user is.
  public internal(set) var selected: NotebookID? {
    get { if case .notebook(let id) = cursor { id } else { nil } }
    set {
      cursor = newValue.map { .notebook($0) }
      strayed = nil
    }
  }

  /// The notebooks in the order of the table's rows, filtered; those that are folded away are left out.
  var rowOrder: [NotebookID] {
    guard isTree else { return table.notebooks }
    return table.rows.compactMap { if case .notebook(let id) = $0 { id } else { nil } }
  }

  /// Whether the least comes first.
  var isSortAscending: Bool { sort.isAscending != isSortInverted }

  /// Brings the rows up to date. Where the cursor's own is gone, the first one takes it if the operator asked for other rows. If
  /// they changed by themselves it goes to whoever stands in that place now, and an order that was on its way is refused once
  /// (``Strayed``).
  mutating func arrangeRows(isAsked: Bool = true) {
    table.update(
      shown, at: shownNow, sort: sort, isInverted: isSortInverted, filter: filter, isTree: isTree, folded: folded)
    if !tagged.isEmpty { tagged = tagged.filter { id in shown[id].map { $0.state != .gone } ?? false } }
    if let cursor {
      if let place = table.rows.firstIndex(of: cursor) {
        cursorPlace = place
        sought = nil
        return
      }
      // A notebook that was folded away leaves the cursor on its user.
      if case .notebook(let id) = cursor, isTree, let user = shown[id]?.notebook.user,
        table.rows.contains(.user(user))
      {
        self.cursor = .user(user)
        return
      }
      // A filter that nobody matches does not blank the page that is being read.
      if details != nil, table.rows.isEmpty, let selected, shown[selected].map({ $0.state != .gone }) ?? false {
        return
      }
    }
    if !isAsked, cursor == nil, let sought { return find(sought) }
    sought = nil
    if !isAsked, session.mode != .replay, cursor != nil || isCursorLost {
      stray()
      return
    }
    isCursorLost = false
    strayed = nil
    cursor = table.rows.first { if case .notebook = $0 { true } else { false } } ?? table.rows.first
  }

  /// Puts the cursor onto whoever stands now where it was; onto nobody where there is nobody.
  private mutating func stray() {
    guard let lost = cursor, !table.rows.isEmpty else {
      (cursor, isCursorLost) = (nil, true)
      return
    }
    let place = min(cursorPlace, table.rows.count - 1)
    let before = strayed.map(\.name) ?? name(of: lost)
    // A line that is being typed may have been begun long ago.
    let until = layer == nil ? clock + Strayed.span : .never
    strayed = Strayed(name: before, isBack: cursorPlace > place, until: until)
    (cursor, cursorPlace, isCursorLost) = (table.rows[place], place, false)
    guard details != nil else { return }
    details = nil
    say(.warning, "\(before) has left the table; the cursor is on \(name(of: table.rows[place])) now")
  }

  /// Puts the cursor onto a notebook that the server knew before it was started anew, as soon as it is back; onto its neighbour where
  /// it stays away.
  private mutating func find(_ lost: SoughtNotebook) {
    let rows = table.rows
    func first(_ isSame: (Notebook) -> Bool) -> Int? {
      rows.firstIndex { row in
        guard case .notebook(let id) = row, let notebook = shown[id]?.notebook else { return false }
        return isSame(notebook)
      }
    }
    if let place = first(lost.isSameGate) ?? first(lost.isSameDocument) {
      (cursor, cursorPlace, isCursorLost, strayed, sought) = (rows[place], place, false, nil, nil)
    } else if lost.until <= clock, !rows.isEmpty {
      let place = min(cursorPlace, rows.count - 1)
      strayed = Strayed(name: lost.name, isBack: cursorPlace > place, until: clock + Strayed.span)
      (cursor, cursorPlace, isCursorLost, sought) = (rows[place], place, false, nil)
    }
  }

  private func name(of row: TableRow) -> String {
    switch row {
    case .notebook(let id): shown.name(of: id)
    case .user(let user): user
    }
  }

  /// Whether an order on the row under the cursor is to be held back, because somebody else stood there when its key was on its way;
  /// says so, once.
  mutating func isStray() -> Bool {
    guard tagged.isEmpty, let found = strayed else { return false }
    strayed = nil
    guard found.until >= clock, let cursor else { return false }
    let here = name(of: cursor)
    say(
      .warning,
      "\(found.name) has left the table, and nothing was done; the cursor is on \(here) now: once more, if that is meant"
    )
    return true
  }
}

/// A notebook that was under the cursor when the server was started anew, which gives it another number.
struct SoughtNotebook: Sendable, Hashable {
  /// How long it is waited for: gates try to come back every half second.
  static let span = Span(seconds: 5)

  var notebook: Notebook
  var name: String
  var until: Instant

  init(_ facts: NotebookFacts, until: Instant) { (notebook, name, self.until) = (facts.notebook, facts.name, until) }

  /// Whether the same gate came back.
  func isSameGate(_ other: Notebook) -> Bool {
    !notebook.gate.isEmpty && notebook.gate == other.gate && notebook.user == other.user
  }

  /// Whether it is a kernel of the same document.
  func isSameDocument(_ other: Notebook) -> Bool { notebook.documentKey == other.documentKey }
}

/// The cursor went to another row because its own was gone, not because somebody moved it.
struct Strayed: Sendable, Hashable {
  /// How long a key may be meant for the row that is gone.
  static let span = Span(seconds: 2)

  /// Who was under the cursor.
  var name: String
  /// Whether it went to the row before, since there was none in its place.
  var isBack: Bool
  var until: Instant

  /// How many rows a step is from where the cursor is now, when it is counted from the row that is gone.
  func steps(_ count: Int) -> Int { isBack ? (count < 0 ? count + 1 : count) : (count > 0 ? count - 1 : count) }
}
