import CLinux
import Console
import Domain
import Foundation
import GateLink
import Projections
import ServerLink
import Session
import Verbs

/// A console over the session of this node's server, which is started where there is none.
final class AttachedRun {
  private let session: AttachedSession
  private let looks: Looks
  /// Whether the server was started for this console.
  private let isOwner: Bool
  /// What is to be told of options that change nothing, because a server was there.
  private let passedOver: String?

  /// How long a server that was started is given to listen.
  private static let startSecondsMost = 15.0

  /// Attaches, or starts a server and attaches to that.
  ///
  /// - Throws: `AttachError`, or `ToolError` with what the server said where it could not be started.
  init(_ options: LiveOptions) throws {
    looks = try Looks(theme: options.theme)
    let environment = ProcessInfo.processInfo.environment
    let paths = SocketPath.candidates(environment: environment, uid: getuid())
    let attach = Attach(
      client: "celltop \(Celltop.version)", stream: .packed, form: Board.wireForm,
      readOnly: options.readOnly ? true : nil)
    switch Self.attempt(paths, attach) {
    case .success(let made): (session, isOwner) = (made, false)
    case .failure(.nobody):
      let log = try Tool.logPath()
      let before = Self.size(of: log)
      let pid = try ChildProcess.spawn(
        [Installation().program, "serve", "--with-console"] + options.engine.arguments, environment: environment,
        log: log, leadsSession: true)
      (session, isOwner) = (try Self.attached([paths[0]], attach, to: pid, log: log, from: before), true)
    case .failure(let error): throw error
    }
    passedOver = isOwner ? nil : options.engine.passedOver
    session.start()
  }

  private static func size(of path: String) -> UInt64 {
    var facts = stat()
    return stat(path, &facts) == 0 ? UInt64(facts.st_size) : 0
  }

  private static func attached(
    _ paths: [String], _ attach: Attach, to pid: pid_t, log: String, from place: UInt64
  ) throws -> AttachedSession {
    let deadline = celltop_boottime_us() + Int64(startSecondsMost * 1e6)
    while true {
      switch attempt(paths, attach) {
      case .success(let made): return made
      case .failure(.nobody): break
      case .failure(let error): throw error
      }
      var status: Int32 = 0
      guard waitpid(pid, &status, WNOHANG) == 0 else {
        throw ToolError("the server could not be started: \(tail(of: log, from: place))")
      }
      guard celltop_boottime_us() < deadline else {
        kill(pid, SIGTERM)
        throw ToolError("the server did not listen at \(paths[0]) within \(Int(startSecondsMost)) s; see \(log)")
      }
      poll(nil, 0, 10)
    }
  }

  private static func attempt(_ paths: [String], _ attach: Attach) -> Result<AttachedSession, AttachError> {
    do throws(AttachError) { return .success(try AttachedSession(paths, attach)) } catch { return .failure(error) }
  }

  /// What a file has got since it had `place` bytes, in one line.
  private static func tail(of path: String, from place: UInt64) -> String {
    guard let file = FileHandle(forReadingAtPath: path) else { return "see \(path)" }
    try? file.seek(toOffset: place)
    let text = String(decoding: file.readData(ofLength: 4096), as: UTF8.self)
    let lines = text.split(separator: "\n").map { $0.hasPrefix("celltop: ") ? $0.dropFirst(9) : $0[...] }
    return lines.isEmpty ? "see \(path)" : lines.joined(separator: "; ").printable(at: 400)
  }

  /// Shows the console until it is left.
  func show() throws {
    let source = AttachedSource(session)
    var state = ConsoleState(
      session: source.facts(isOwner: isOwner), firstCommand: UInt64.random(in: 1...(1 << 40)))
    state.policies = LiveRun.policies
    if let passedOver {
      // Not before the source has set the person's clock, by which messages go.
      source.refresh(&state)
      state.tell(.warning, passedOver)
    }
    var leaving = Leaving.end
    defer {
      // A server that was started for this console ends with it unless it is told to stay; others' stays anyway.
      switch leaving {
      case .stay: session.leave(saying: isOwner ? [.stay] : [])
      case .end: session.leave(saying: isOwner ? [.stop] : [])
      case .lost: session.leave()
      }
    }
    leaving = try ConsoleRunner(source, state: state, looks: looks, log: try Tool.logPath()).run()
  }
}

/// A session of the server's as a console's source.
final class AttachedSource: ConsoleSource {
  /// The time between two questions for the processes whose notebook's details are on the screen.
  private static let readingPeriod = Span(seconds: 1)

  private let session: AttachedSession
  private var asked: (notebook: NotebookID, at: Instant)?
  /// The server process whose board is on the screen.
  private var instance: String

  init(_ session: AttachedSession) {
    self.session = session
    instance = session.boardInstance
  }

  func preview(_ verbs: [Verb]) { session.ask(verbs) }

  /// What the console is told of the session as the server last described it.
  func facts(isOwner: Bool) -> SessionFacts {
    SessionFacts(session.standing.welcome, confirmsQuit: isOwner)
  }

  func callOnChange(_ body: (@Sendable () -> Void)?) { session.board.callOnChange(body) }

  func refresh(_ state: inout ConsoleState) {
    // Before the board, so that orders never bear the name of a later server than the one whose cells are on the screen.
    let shownInstance = session.boardInstance
    let standing = session.standing
    let isAnother = shownInstance != instance
    if isAnother || standing.welcome.beganMicroseconds != state.session.beganWallMicroseconds
      || standing.welcome.session != state.session.number
    {
      state.turn(to: facts(isOwner: state.session.confirmsQuit), isAnother: isAnother)
      instance = shownInstance
    }
    state.trouble = standing.trouble
    state.away = standing.away
    state.clock = Instant(microseconds: celltop_boottime_us())
    for answer in session.takeAnswers() { state.take(answerTo: CommandID(answer.key), answer.refusal) }
    state.show(session.board.take(), at: session.now)
    if let preview = session.preview { state.show(preview) }
    showProcesses(&state)
  }

  /// Asks for the kernel's processes while its notebook's details are open, once a second.
  private func showProcesses(_ state: inout ConsoleState) {
    state.readsProcesses = session.standing.welcome.answers(.processes)
    guard state.readsProcesses, state.details != nil, let id = state.selected else {
      (state.processes, state.code, asked) = (nil, nil, nil)
      return
    }
    if let answer = session.code, answer.notebook == id.number { state.code = CodeFacts(answer) }
    if let answer = session.processes, answer.notebook == id.number { state.processes = ProcessFacts(answer) }
    if let asked, asked.notebook == id, state.clock < asked.at + Self.readingPeriod { return }
    asked = (id, state.clock)
    session.askProcesses(of: id)
    session.askCode(of: id)
  }

  func obey(_ order: ReplayOrder, _ state: inout ConsoleState) {}

  func past(of state: ConsoleState) throws -> (any ConsoleSource, ConsoleState) {
    let welcome = session.standing.welcome
    guard welcome.session > 0 else { throw ToolError("this session is not recorded, and has no history") }
    if let trouble = session.standing.trouble { throw ToolError("its history cannot be read at present: \(trouble)") }
    guard let history = welcome.history else {
      throw ToolError("the server's history is its operators' to read")
    }
    return try PastSessions.open(welcome.session, in: history, hasLive: true, at: state.momentOfInterest ?? .never)
  }

  func whatIf(_ text: String, from: Instant, _ state: inout ConsoleState) {}

  func submit(_ command: Command) { session.submit(command, seenOf: instance) }

  /// Once a second, for the clock: one that stands still looks like a console that hangs.
  func secondsToNextFrame(_ state: ConsoleState) -> Double? {
    1 - Double(session.now.microseconds % 1_000_000) / 1e6 + 0.001
  }
}

extension SessionFacts {
  /// A session as its server describes it.
  init(_ welcome: Welcome, confirmsQuit: Bool) {
    let began = Date(timeIntervalSince1970: Double(welcome.beganMicroseconds) / 1e6)
    self.init(
      mode: .live, number: welcome.session, user: welcome.user, beganWallMicroseconds: welcome.beganMicroseconds,
      utcOffsetSeconds: TimeZone.current.secondsFromGMT(for: began), isReadOnly: welcome.role == .observer,
      confirmsQuit: confirmsQuit)
    ordersOwnOnly = welcome.role == .author
  }
}

extension CodeFacts {
  /// What a server says of a cell's code; hostile until it is drawn.
  init(_ answer: CodeAnswer) {
    let lines = (answer.text ?? "").split(separator: "\n", omittingEmptySubsequences: false).prefix(CodeFacts.linesMost)
    self.init(
      notebook: NotebookID(answer.notebook), cell: answer.cell.map(CellID.init),
      lines: lines.map { $0.replacingOccurrences(of: "\t", with: "    ").printable(at: 400) },
      why: answer.why?.printable(at: 200))
  }
}

extension ProcessFacts {
  /// What a server says of a kernel's processes; hostile until it is drawn.
  init(_ answer: ProcessesAnswer) {
    self.init(
      notebook: NotebookID(answer.notebook),
      rows: answer.rows.map {
        Row(
          pid: $0.pid, depth: min(max($0.depth, 0), 100), state: $0.state.first ?? "?", name: $0.name.printable(at: 64),
          threads: $0.threads, cpu: Span(microseconds: $0.cpu), memory: Bytes($0.memory))
      }, more: max(answer.more, 0), why: answer.why?.printable(at: 200))
  }
}
