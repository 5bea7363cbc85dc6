import CLinux
import Domain
import Foundation
import GateLink
import Projections
import ServerLink
import Synchronization
import Verbs

/// A session of another process: its board kept up to date by a thread that follows the server, and attaches anew when the
/// server was away.
///
/// `@unchecked Sendable`: everything but the box and the board belongs to its thread once it runs.
public final class AttachedSession: @unchecked Sendable {
  /// How the connection stands.
  public struct Standing: Sendable {
    /// What the server said of itself last.
    public var welcome: Welcome
    /// Why the server is away; nil while it is there.
    public var away: String?
    /// Why the recording is incomplete at present; nil where it is complete.
    public var trouble: String?
    /// The local clock's reading at which the session's clock stood at 0.
    var epochMicroseconds: Int64
  }

  private struct Box {
    var standing: Standing
    var orders: [Order] = []
    var answers: [Answered] = []
    var questions: [QuestionKind: ClientMessage] = [:]
    /// The orders that were asked about last, the number of the question, and how many of them it has room for.
    var asked: (id: UInt64, verbs: [Verb], count: Int)?
    var preview: Preview?
    var processes: ProcessesAnswer?
    var code: CodeAnswer?
    var last: [ClientMessage] = []
    var isLeaving = false
    /// The server process whose board is in `board`.
    var boardInstance: String
  }

  static let retryPeriodMilliseconds: Int32 = 500

  public let board = BoardBox()
  private let paths: [String]
  private let attach: Attach
  private let box: Mutex<Box>
  private let wake: Int32 = celltop_eventfd()
  private var connection: ServerConnection?
  private var fold = AttachedBoard()
  /// Orders that have no answer yet: they are sent again to the server that comes back.
  private var unanswered: [Order] = []
  private var thread: Thread?
  private let finished = DispatchSemaphore(value: 0)

  /// Attaches to the first of the places at which a server answers.
  ///
  /// - Throws: `AttachError`.
  public init(_ paths: [String], _ attach: Attach) throws(AttachError) {
    let made = try ServerConnection(paths, attach)
    self.paths = [made.path] + paths.filter { $0 != made.path }
    self.attach = attach
    connection = made
    box = Mutex(
      Box(
        standing: Standing(welcome: made.welcome, away: nil, epochMicroseconds: made.epochMicroseconds),
        boardInstance: made.welcome.instance))
  }

  deinit { close(wake) }

  /// How the connection stands.
  public var standing: Standing { box.withLock { $0.standing } }

  /// The session's present instant.
  public var now: Instant { Instant(microseconds: celltop_boottime_us() - standing.epochMicroseconds) }

  /// Starts following.
  public func start() {
    let thread = Thread { [self] in
      run()
      finished.signal()
    }
    thread.name = "attached"
    thread.stackSize = 4 << 20
    self.thread = thread
    thread.start()
  }

  /// Which server process the board is of; one that is taken after this was read is of the same or of a later one.
  public var boardInstance: String { box.withLock { $0.boardInstance } }

  /// Hands an order to the server; the answer comes with `takeAnswers`.
  ///
  /// - Parameter instance: the server process on whose board the order was given; another one refuses it.
  public func submit(_ command: Command, seenOf instance: String) {
    box.withLock { box in
      box.orders.append(Order(key: command.id.number, verb: command.verb, why: command.why, instance: instance))
    }
    celltop_eventfd_signal(wake)
  }

  /// Asks the server what orders are likely to bring; `preview` is the answer once it has come. Of more orders than a question
  /// has room for, the first are looked into, and the answer is marked as cut short.
  public func ask(_ verbs: [Verb]) {
    let isAsked = box.withLock { box in
      guard box.standing.welcome.answers(.preview), !verbs.isEmpty else { return false }
      let question = PreviewAsked.fitting(id: (box.asked?.id ?? 0) + 1, verbs)
      box.asked = (question.id, verbs, question.verbs.count)
      box.questions[.preview] = .preview(question)
      box.preview = nil
      return true
    }
    if isAsked { celltop_eventfd_signal(wake) }
  }

  /// Asks the server for the processes of a notebook's kernel; `processes` is the answer once it has come.
  public func askProcesses(of id: NotebookID) {
    box.withLock { box in
      guard box.standing.welcome.answers(.processes) else { return }
      box.questions[.processes] = .processes(id: 1, notebook: id)
    }
    celltop_eventfd_signal(wake)
  }

  /// Asks the server for the code of a notebook's cell; `code` is the answer once it has come.
  public func askCode(of id: NotebookID) {
    box.withLock { box in
      guard box.standing.welcome.answers(.code) else { return }
      box.questions[.code] = .code(id: 1, notebook: id)
    }
    celltop_eventfd_signal(wake)
  }

  /// The code of the notebook that was asked about last.
  public var code: CodeAnswer? { box.withLock { $0.code } }

  /// What was found about the orders that were asked about last.
  public var preview: Preview? { box.withLock { $0.preview } }

  /// The processes of the notebook that was asked about last.
  public var processes: ProcessesAnswer? { box.withLock { $0.processes } }

  /// The answers that came since the last call.
  public func takeAnswers() -> [Answered] {
    box.withLock { box in
      defer { box.answers = [] }
      return box.answers
    }
  }

  /// Leaves the server, having said `last` to it.
  public func leave(saying last: [ClientMessage] = []) {
    box.withLock { box in
      box.last = last
      box.isLeaving = true
    }
    celltop_eventfd_signal(wake)
    if thread != nil { finished.wait() }
    thread = nil
  }
}

// MARK: Its thread

extension AttachedSession {
  private func run() {
    while true {
      if box.withLock({ $0.isLeaving }) { return sayGoodbye() }
      do throws(AttachError) {
        if let connection {
          try follow(connection)
        } else {
          try comeBack()
        }
      } catch { lose(error) }
    }
  }

  private func sayGoodbye() {
    for message in box.withLock({ $0.last }) { try? connection?.send(message) }
    connection = nil
  }

  private func follow(_ connection: ServerConnection) throws(AttachError) {
    celltop_eventfd_clear(wake)
    let (orders, questions) = box.withLock { box in
      defer { (box.orders, box.questions) = ([], [:]) }
      return (box.orders, box.questions.values)
    }
    unanswered += orders
    for order in orders { try connection.send(.command(order)) }
    for question in questions { try connection.send(question) }
    guard let message = try connection.receive(seconds: 1, waker: wake) else { return note(connection) }
    if case .answer(let answer) = message {
      unanswered.removeAll { $0.key == answer.key }
      box.withLock { $0.answers.append(answer) }
      board.update { _ in }
    }
    takeAnswer(message)
    if try fold.take(message) {
      let folded = fold.board
      note(connection)
      board.update { $0 = folded }
      box.withLock { $0.boardInstance = connection.welcome.instance }
    }
  }

  private func takeAnswer(_ message: ServerMessage) {
    let isNews = box.withLock { box in
      if case .preview(let answer) = message, let asked = box.asked, asked.id == answer.id {
        box.preview = answer.preview(of: asked.verbs)
        if asked.count < asked.verbs.count { box.preview?.isCutShort = true }
        return true
      }
      if case .processes(let answer) = message {
        box.processes = answer
        return true
      }
      if case .code(let answer) = message {
        box.code = answer
        return true
      }
      return false
    }
    if isNews { board.update { _ in } }
  }

  private func note(_ connection: ServerConnection) {
    box.withLock { box in
      box.standing.trouble = connection.trouble
      box.standing.epochMicroseconds = connection.epochMicroseconds
    }
  }

  private func comeBack() throws(AttachError) {
    var one = pollfd(fd: wake, events: Int16(POLLIN), revents: 0)
    let isLeaving = poll(&one, 1, Self.retryPeriodMilliseconds) > 0 && box.withLock { $0.isLeaving }
    if isLeaving { return }
    celltop_eventfd_clear(wake)
    let made = try ServerConnection(paths, attach)
    fold = AttachedBoard()
    connection = made
    box.withLock { box in
      box.standing = Standing(welcome: made.welcome, away: nil, epochMicroseconds: made.epochMicroseconds)
      // What the server before it said is not this one's word; what was asked about orders is asked again.
      (box.preview, box.processes, box.code, box.questions) = (nil, nil, nil, [:])
      if let asked = box.asked {
        box.questions[.preview] = .preview(PreviewAsked(id: asked.id, verbs: Array(asked.verbs.prefix(asked.count))))
      }
    }
    board.update { _ in }
    for order in unanswered { try made.send(.command(order)) }
  }

  private func lose(_ error: AttachError) {
    connection = nil
    box.withLock { $0.standing.away = error.description }
    board.update { _ in }
  }
}
