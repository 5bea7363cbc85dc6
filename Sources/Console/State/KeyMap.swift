import Canvas

/// What a key can mean.
public enum KeyAction: String, Sendable, Hashable, CaseIterable {
  case quit, help, palette, filter, nextPane, back, zoom
  case pane1, pane2, pane3, pane4, pane5, pane6, layoutNext, layoutPrevious
  case down, up, first, last, pageDown, pageUp, details
  case sortNext, sortPrevious, sortInvert, tree, columns, follow
  case raise, lower, preempt, pin, hold, release, interrupt, explain, undo
  case narrower, wider, freeze, toggleMouse, redraw
  case play, stepBack, stepForward, slower, faster, back5, forward5, backTenth, forwardTenth, go
  case redo, callOff, editor, drain, demand, policy, tag, tagRange, untag, copy, themes, reload
  case searchNext, searchPrevious, mark, changes, whatIf, sessions, intoHistory, backToLive

  /// A few words for the help and the key bar.
  var words: String {
    switch self {
    case .quit: "quit"
    case .help: "help"
    case .palette: "command"
    case .filter: "filter"
    case .nextPane: "next pane"
    case .back: "back, clear the filter"
    case .zoom: "zoom the pane"
    case .pane1: "to the notebooks"
    case .pane2: "to the queue"
    case .pane3: "to the timeline"
    case .pane4: "to the cores and GPUs"
    case .pane5: "to the events"
    case .pane6: "to the graphs"
    case .layoutNext: "next layout"
    case .layoutPrevious: "previous layout"
    case .details: "details; unfold a user"
    case .down: "next row"
    case .up: "previous row"
    case .first: "first row"
    case .last: "last row"
    case .pageDown: "ten rows on"
    case .pageUp: "ten rows back"
    case .sortNext: "sort by the next column"
    case .sortPrevious: "sort by the previous column"
    case .sortInvert: "invert the order"
    case .tree: "group by user"
    case .columns: "columns: sort, show, hide"
    case .follow: "follow: to the newest, to now"
    case .raise: "raise the priority (replay: next marker)"
    case .lower: "lower the priority (replay: previous marker)"
    case .preempt: "suspend the running cell (menu) or resume it"
    case .redo: "do again what was undone"
    case .callOff: "call off a planned suspension"
    case .editor: "cores and GPUs on a grid"
    case .drain: "drain or undrain cores and GPUs"
    case .demand: "what its later cells ask for"
    case .policy: "decide by another policy"
    case .tag: "tag the row"
    case .tagRange: "tag from the last tag to here"
    case .untag: "untag all"
    case .copy: "copy what is known of the row"
    case .themes: "themes"
    case .reload: "read theme and keys again"
    case .pin: "pin to the cores it is on, or unpin"
    case .hold: "hold: start no more of its cells"
    case .release: "release what is held"
    case .interrupt: "interrupt the running cell"
    case .explain: "explain why it waits"
    case .undo: "undo the last order"
    case .narrower: "timeline: less time"
    case .wider: "timeline: more time"
    case .freeze: "freeze the screen"
    case .toggleMouse: "mouse on or off"
    case .redraw: "redraw"
    case .play: "play or pause (live: tag)"
    case .stepBack: "one entry back"
    case .stepForward: "one entry on"
    case .slower: "slower"
    case .faster: "faster"
    case .back5: "5 s back (timeline: cursor)"
    case .forward5: "5 s on (timeline: cursor)"
    case .backTenth: "a tenth back (timeline: pan)"
    case .forwardTenth: "a tenth on (timeline: pan)"
    case .go: "go to 13:41:07, 45%, error, /name"
    case .searchNext: "next one found"
    case .searchPrevious: "previous one found"
    case .mark: "mark this moment"
    case .changes: "what changed since the mark"
    case .whatIf: "what if, from this moment on"
    case .sessions: "the recorded sessions"
    case .intoHistory: "back in time: this session's history"
    case .backToLive: "back to the live session"
    }
  }

  /// Whether it means something in a replay only, in a live session only, or in both (nil).
  var isForReplay: Bool? {
    switch self {
    case .play, .stepBack, .stepForward, .slower, .faster, .go,
      .searchNext, .searchPrevious, .mark, .changes, .whatIf, .backToLive:
      true
    case .preempt, .pin, .hold, .release, .interrupt, .undo, .redo, .callOff, .drain, .demand, .policy,
      .intoHistory:
      false
    case .quit, .help, .palette, .filter, .nextPane, .back, .zoom, .pane1, .pane2, .pane3, .pane4, .pane5, .pane6,
      .layoutNext, .layoutPrevious, .down, .up, .first, .last, .pageDown, .pageUp, .details, .sortNext, .sortPrevious,
      .sortInvert, .tree, .columns, .follow, .raise, .lower, .explain, .narrower, .wider, .freeze, .toggleMouse,
      .redraw, .sessions, .back5, .forward5, .backTenth, .forwardTenth, .editor, .tag, .tagRange, .untag, .copy,
      .themes, .reload:
      nil
    }
  }
}

/// Which key means what. The help is made from it, so that it cannot lie.
public struct KeyMap: Sendable {
  private var bindings: [(key: KeyPress, action: KeyAction)] = []

  /// The keys of the design.
  public static let standard = KeyMap([
    ("q", .quit), ("ctrl-c", .quit), ("?", .help), ("F1", .help), (":", .palette), ("/", .filter), ("F4", .filter),
    ("tab", .nextPane), ("escape", .back), ("e", .zoom), ("1", .pane1), ("2", .pane2), ("3", .pane3), ("4", .pane4),
    ("5", .pane5), ("6", .pane6), ("+", .layoutNext), ("_", .layoutPrevious), ("enter", .details),
    ("j", .down), ("down", .down), ("k", .up), ("up", .up), ("home", .first), ("G", .last), ("end", .last),
    ("pagedown", .pageDown), ("pageup", .pageUp),
    (">", .sortNext), ("F6", .sortNext), ("<", .sortPrevious), ("I", .sortInvert), ("t", .tree), ("F5", .tree),
    ("s", .columns), ("F", .follow),
    ("]", .raise), ("F7", .raise), ("[", .lower), ("F8", .lower), ("x", .preempt), ("F9", .preempt), ("P", .pin),
    ("h", .hold), ("r", .release), ("i", .interrupt), ("w", .explain), ("z", .undo),
    ("Z", .redo), ("X", .callOff), ("a", .editor), ("D", .drain), ("d", .demand), ("O", .policy), ("insert", .tag),
    ("v", .tagRange), ("U", .untag), ("y", .copy),
    ("T", .themes), ("ctrl-r", .reload),
    ("=", .narrower), ("minus", .wider), ("p", .freeze), ("m", .toggleMouse), ("ctrl-l", .redraw),
    ("space", .play), (",", .stepBack), (".", .stepForward), ("{", .slower), ("}", .faster), ("left", .back5),
    ("right", .forward5), ("shift-left", .backTenth), ("shift-right", .forwardTenth), ("g", .go),
    ("n", .searchNext), ("N", .searchPrevious), ("M", .mark), ("c", .changes), ("W", .whatIf), ("S", .sessions),
    ("H", .intoHistory), ("L", .backToLive),
  ])

  /// The same map with other keys for some actions; those that a key loses by it keep their others.
  init(_ map: KeyMap, with keys: [(action: KeyAction, keys: [KeyPress])]) {
    bindings = map.bindings.filter { binding in
      !keys.contains { $0.action == binding.action || $0.keys.contains(binding.key) }
    }
    for change in keys { bindings += change.keys.map { ($0, change.action) } }
  }

  private init(_ names: [(String, KeyAction)]) {
    bindings = names.compactMap { name, action in KeyPress(named: name).map { ($0, action) } }
  }

  public func action(for key: KeyPress) -> KeyAction? { bindings.first { $0.key == key }?.action }

  /// Every key of an action, in the order of the map.
  public func keys(for action: KeyAction) -> [String] {
    bindings.filter { $0.action == action }.map(\.key.description)
  }

  /// How many keys are bound.
  public var count: Int { bindings.count }
}

extension KeyAction {
  /// Whom the orders of a key in a live session are about; nil where it gives none.
  enum OrderReach {
    /// The tagged notebooks, or the selected one.
    case selection
    /// Whomever orders were given before.
    case given
    /// The whole node: operators' to give.
    case node
  }

  var reach: OrderReach? {
    switch self {
    case .preempt, .pin, .hold, .release, .interrupt, .callOff, .editor, .demand, .raise, .lower: .selection
    case .drain, .policy: .node
    case .undo, .redo: .given
    case .quit, .help, .palette, .filter, .nextPane, .back, .zoom, .pane1, .pane2, .pane3, .pane4, .pane5, .pane6,
      .layoutNext, .layoutPrevious, .down, .up, .first, .last, .pageDown, .pageUp, .details, .sortNext, .sortPrevious,
      .sortInvert, .tree, .columns, .follow, .explain, .narrower, .wider, .freeze, .toggleMouse, .redraw, .sessions,
      .back5, .forward5, .backTenth, .forwardTenth, .tag, .tagRange, .untag, .copy, .themes, .reload, .play, .stepBack,
      .stepForward, .slower, .faster, .go, .searchNext, .searchPrevious, .mark, .changes, .whatIf, .intoHistory,
      .backToLive:
      nil
    }
  }
}
