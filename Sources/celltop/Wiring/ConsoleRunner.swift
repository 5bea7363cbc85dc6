import CLinux
import Canvas
import Console
import Domain
import Foundation
import NodeControl
import Projections
import Session
import Synchronization
import Terminal
import Verbs

/// Where a console's boards come from and its orders go.
protocol ConsoleSource: AnyObject {
  /// Sets what wakes the console when there is something new.
  func callOnChange(_ body: (@Sendable () -> Void)?)
  /// Brings the state up to date for drawing now.
  func refresh(_ state: inout ConsoleState)
  func obey(_ order: ReplayOrder, _ state: inout ConsoleState)
  func submit(_ command: Command)
  /// How long the picture can stand still, in seconds; nil for as long as nothing happens.
  func secondsToNextFrame(_ state: ConsoleState) -> Double?
  /// The history of the session so far, and a console over it.
  ///
  /// - Throws: why there is none.
  func past(of state: ConsoleState) throws -> (any ConsoleSource, ConsoleState)
  /// Decides again from a moment on; the answer comes with a later `refresh`.
  func whatIf(_ text: String, from: Instant, _ state: inout ConsoleState)
  /// Looks ahead at what orders are likely to bring; the answer comes with a later `refresh`.
  func preview(_ verbs: [Verb])
}

extension ConsoleSource {
  func preview(_ verbs: [Verb]) {}
}

/// How a console was left.
enum Leaving {
  /// By its operator, with what it drives.
  case end
  /// By its operator; what it drives shall go on.
  case stay
  /// Without a word: its terminal is gone, or the process was told to end.
  case lost
}

/// Runs a console on a terminal until it is left.
final class ConsoleRunner {
  private let screen: CursesScreen
  private let looks: Looks
  private var theme: ResolvedTheme
  private var glyphs: GlyphSet
  private let files = ChangedFiles()
  private let loop = TerminalLoop()
  private var source: any ConsoleSource
  /// The live session behind a replay that was opened from it.
  private var live: (source: any ConsoleSource, state: ConsoleState)?
  private var state: ConsoleState
  private var hasMouse = true
  private var keptLook: KeptLook
  /// What was wrong at the start and has not been told.
  private var trouble: String?
  /// What was told of theme and keys, until they are read without a mistake.
  private var toldOfLooks: String?

  /// - Throws: `ScreenError` where the terminal cannot show it.
  init(_ source: any ConsoleSource, state: ConsoleState, looks: Looks, log: String?) throws {
    var options = ScreenOptions.fromEnvironment()
    options.errorLog = log
    screen = try CursesScreen(options)
    self.looks = looks
    theme = looks.theme.resolved(for: screen.depth)
    glyphs = looks.theme.glyphs(for: screen.repertoire)
    self.source = source
    var state = state
    state.paletteHistory = Looks.paletteHistory()
    keptLook = Looks.keptLook ?? state.look
    state.look = keptLook
    self.state = state
    trouble = looks.trouble
  }

  /// Until the operator leaves, the terminal is gone or the process is told to end; says which.
  func run() -> Leaving {
    var leaving = Leaving.lost
    let waker = loop.waker
    source.callOnChange { waker.wake() }
    let folders = Tool.themeFolders() + [Tool.configurationFolder()]
    let watch = FolderWatch(folders) { [files] in
      files.tell()
      waker.wake()
    }
    defer { withExtendedLifetime(watch) {} }
    draw()
    loop.run(on: screen, until: nextFrame) { [self] events in
      for event in events {
        guard case .leave(let how) = handle(event) else { continue }
        leaving = how
        return .stop
      }
      draw()
      return .wait(until: nextFrame)
    }
    source.callOnChange(nil)
    screen.close()
    keepLook()
    return leaving
  }

  /// When the picture has to be drawn again though nothing happens.
  private var nextFrame: ContinuousClock.Instant? {
    source.secondsToNextFrame(state).map { ContinuousClock.now + .seconds($0) }
  }

  /// Keeps how the screen is arranged for the next console, where it was changed in this one.
  private func keepLook() {
    guard state.look != keptLook else { return }
    keptLook = state.look
    Looks.keep(keptLook)
  }

  private enum Verdict {
    case stay
    case leave(Leaving)
  }

  private func handle(_ event: LoopEvent) -> Verdict {
    switch event {
    case .input(let key):
      catchUp()
      state.size = screen.size
      for intent in state.handle(key, keys: looks.keys) {
        if case .leave(let how) = perform(intent) { return .leave(how) }
      }
      return .stay
    case .interrupted:
      for intent in state.handle(.key(KeyPress(.character("c"), .control))) {
        if case .leave(let how) = perform(intent) { return .leave(how) }
      }
      return .stay
    case .modelChanged:
      if files.takeNews() {
        catchUp()
        reload(isAsked: false)
      }
      return .stay
    case .deadline, .resized, .suspendRequested: return .stay
    case .resumed:
      screen.redraw()
      return .stay
    case .terminated, .inputEnded: return .leave(.lost)
    }
  }

  /// Brings a replay's clock up to date, which may have stood since the last picture. Not a live board: what is ordered is meant
  /// for the cells that are on the screen.
  private func catchUp() {
    if state.session.mode == .replay { source.refresh(&state) }
  }

  private func perform(_ intent: Intent) -> Verdict {
    switch intent {
    case .quit: return .leave(.end)
    case .detach: return .leave(.stay)
    case .redraw: screen.redraw()
    case .order(let command): source.submit(command)
    case .replay(let order): source.obey(order, &state)
    case .whatIf(let text, let from): source.whatIf(text, from: from, &state)
    case .listSessions: telling { state.show(sessions: try PastSessions.rows()) }
    case .open(let number): telling { turn(to: try PastSessions.open(number, hasLive: isLive || live != nil)) }
    case .enterHistory: telling { turn(to: try source.past(of: state)) }
    case .leaveHistory: leaveHistory()
    case .toggleMouse:
      hasMouse.toggle()
      screen.setMouse(hasMouse)
    case .preview(let verbs): source.preview(verbs)
    case .copy(let text): screen.copy(text, throughTmux: getenv("TMUX") != nil)
    case .listThemes: state.show(themes: looks.names, current: looks.name)
    case .showTheme(let name): choose(name, keeps: false)
    case .keepTheme(let name): choose(name, keeps: true)
    case .reload: reload(isAsked: true)
    case .tellFigures: state.tell(.good, figures)
    case .remember(let line): Looks.remember(line)
    case .dump(let path):
      let text = state.screen(size: screen.size, glyphs: glyphs).text
      do {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        state.tell(.good, "the screen was written to \(path)")
      } catch {
        state.tell(.warning, "cannot write \(path): \(error.localizedDescription)")
      }
    }
    return .stay
  }

  /// What drawing has cost since the screen was opened.
  private var figures: String {
    let seen = screen.statistics
    let spent = seen.cpu.components
    let microseconds = (spent.seconds * 1_000_000 + spent.attoseconds / 1_000_000_000_000) / Int64(max(seen.drawn, 1))
    return "\(seen.drawn) frames drawn, \(seen.skipped) without a change; \(microseconds) µs to write one, "
      + "\(seen.cellsChanged / max(seen.drawn, 1)) cells; \(loop.wakeUps) wake-ups"
  }

  private func choose(_ name: String, keeps: Bool) {
    let problem = looks.choose(name, keeps: keeps)
    adoptLooks()
    if let problem { state.tell(.warning, problem) } else if keeps { state.tell(.good, "the theme is \(name)") }
  }

  /// Reads theme and keys again; what cannot be used leaves what is there.
  private func reload(isAsked: Bool) {
    if let toldOfLooks { state.retract(toldOfLooks) }
    toldOfLooks = looks.reload()
    if let problem = toldOfLooks {
      state.tell(.warning, problem)
    } else if isAsked {
      state.tell(.good, "theme \(looks.name) and keys read again")
    }
    adoptLooks()
  }

  private func adoptLooks() {
    theme = looks.theme.resolved(for: screen.depth)
    glyphs = looks.theme.glyphs(for: screen.repertoire)
  }

  private var isLive: Bool { state.session.mode != .replay }

  /// Does what may fail; the operator is told why.
  private func telling(_ body: () throws -> Void) {
    do { try body() } catch { state.tell(.warning, "\(error)") }
  }

  /// Shows another session; a live one goes on behind it.
  private func turn(to next: (source: any ConsoleSource, state: ConsoleState)) {
    if isLive { live = (source, state) }
    source.callOnChange(nil)
    let look = state.look
    (source, state) = next
    state.look = look
    let waker = loop.waker
    source.callOnChange { waker.wake() }
  }

  private func leaveHistory() {
    guard let live else {
      return state.tell(.warning, "there is no live session behind this replay; q leaves")
    }
    self.live = nil
    turn(to: live)
  }

  private func draw() {
    source.refresh(&state)
    // Not before the source has set the person's clock, by which messages go.
    if let trouble {
      state.tell(trouble: trouble)
      (self.trouble, toldOfLooks) = (nil, trouble)
    }
    screen.present(state.screen(size: screen.size, glyphs: glyphs, keys: looks.keys), theme: theme)
  }
}

/// A live session as a console's source.
final class LiveSource: ConsoleSource {
  /// The time between two readings of the processes whose details are on the screen.
  private static let readingPeriod = Span(seconds: 1)

  private let session: LiveSession
  private let looks = LookAheadBox()
  private var readAt: (notebook: NotebookID, at: Instant)?

  init(_ session: LiveSession) { self.session = session }

  func callOnChange(_ body: (@Sendable () -> Void)?) {
    looks.callOnChange(body)
    session.board.callOnChange(body)
  }

  func preview(_ verbs: [Verb]) {
    looks.forget()
    session.preview(verbs) { [looks] in looks.take($0) }
  }

  func refresh(_ state: inout ConsoleState) {
    state.trouble = session.trouble
    state.clock = session.clock.now
    state.show(session.board.take(), at: session.clock.now)
    if let preview = looks.preview { state.show(preview) }
    readProcesses(&state)
  }

  /// Reads the kernel's processes while its notebook's details are open, once a second.
  private func readProcesses(_ state: inout ConsoleState) {
    state.readsProcesses = true
    guard state.details != nil, let id = state.selected else {
      (state.processes, readAt) = (nil, nil)
      return
    }
    if let readAt, readAt.notebook == id, state.clock < readAt.at + Self.readingPeriod { return }
    readAt = (id, state.clock)
    let listed = session.kernelProcess(of: id).map { ProcessTree.ofKernel($0).listing() } ?? []
    state.processes = ProcessFacts(
      notebook: id,
      rows: listed.map { process in
        ProcessFacts.Row(
          pid: process.pid, depth: process.depth, state: process.state, name: process.name, threads: process.threads,
          cpu: process.cpu, memory: process.memory)
      })
  }

  func obey(_ order: ReplayOrder, _ state: inout ConsoleState) {}

  func past(of state: ConsoleState) throws -> (any ConsoleSource, ConsoleState) {
    guard session.number > 0 else { throw ToolError("this session is not recorded, and has no history") }
    if let trouble = session.trouble { throw ToolError("its history cannot be read at present: \(trouble)") }
    return try PastSessions.open(session.number, hasLive: true, at: state.momentOfInterest ?? .never)
  }

  func whatIf(_ text: String, from: Instant, _ state: inout ConsoleState) {}

  func submit(_ command: Command) { session.submit(command) }

  /// Once a second, for the clock: one that stands still looks like a console that hangs.
  func secondsToNextFrame(_ state: ConsoleState) -> Double? {
    1 - Double(session.clock.now.microseconds % 1_000_000) / 1e6 + 0.001
  }
}

/// Where a look ahead is left for the console by the thread that made it.
final class LookAheadBox: Sendable {
  private let found = Mutex<Preview?>(nil)
  private let onChange = Mutex<(@Sendable () -> Void)?>(nil)

  var preview: Preview? { found.withLock { $0 } }

  func callOnChange(_ body: (@Sendable () -> Void)?) { onChange.withLock { $0 = body } }

  /// Forgets what was found, because something is asked anew.
  func forget() { found.withLock { $0 = nil } }

  func take(_ preview: Preview) {
    found.withLock { $0 = preview }
    onChange.withLock { $0 }?()
  }
}

/// Whether files of themes or keys have changed since it was last asked; told by the thread that watches them.
private final class ChangedFiles: Sendable {
  private let isNews = Mutex(false)

  func tell() { isNews.withLock { $0 = true } }

  func takeNews() -> Bool {
    isNews.withLock { news in
      defer { news = false }
      return news
    }
  }
}
