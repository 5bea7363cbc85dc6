import Dispatch
import Domain
import NodeControl
import ServerLink
import Synchronization
import Verbs

/// Answers what clients ask beside their orders: what orders are likely to bring, and which processes a kernel has.
///
/// Used from the reception's thread; the work is done on a queue of its own, and the engine's thread only gives a copy of
/// itself. One question is worked on at a time, by turns; of each client and sort the newest one waits. Looks ahead keep a
/// distance, so that nobody keeps the engine busy with copying itself.
final class QuestionDesk {
  /// Where answers come from.
  struct Sources: Sendable {
    /// Looks ahead, and calls back from another thread.
    var preview: @Sendable ([Verb], @escaping @Sendable (Preview) -> Void) -> Void
    /// The process of a notebook's kernel; nil where none is known.
    var kernel: @Sendable (NotebookID) -> Int32?
    /// Nil where cells' code is not told.
    var codes: CodeBook?
  }

  private enum Question: Sendable {
    case preview([Verb])
    case processes(NotebookID)

    var kind: QuestionKind {
      switch self {
      case .preview: .preview
      case .processes: .processes
      }
    }
  }

  private struct Asked {
    weak var client: ClientConnection?
    var id: UInt64
    var question: Question
  }

  /// The least time between the beginnings of two looks ahead.
  static let distance = Span(microseconds: 50_000)

  let sources: Sources
  private let queue = DispatchQueue(label: "celltop.questions", qos: .utility)
  private var waiting: [Asked] = []
  private var current: Asked?
  private var nextLook = Instant.zero
  private let found: Found

  /// - Parameter wake: called from another thread once there is an answer; it must be quick.
  init(_ sources: Sources, wake: @escaping @Sendable () -> Void) {
    self.sources = sources
    found = Found(wake: wake)
  }

  func ask(_ asked: PreviewAsked, from client: ClientConnection) {
    put(Asked(client: client, id: asked.id, question: .preview(asked.verbs)))
  }

  func askProcesses(id: UInt64, of notebook: NotebookID, from client: ClientConnection) {
    put(Asked(client: client, id: id, question: .processes(notebook)))
  }

  private func put(_ asked: Asked) {
    let place = waiting.firstIndex { $0.client === asked.client && $0.question.kind == asked.question.kind }
    if let place { waiting[place] = asked } else { waiting.append(asked) }
  }

  /// When there is something to do though no answer comes; `never` where there is nothing.
  var wakeAt: Instant { current == nil && !waiting.isEmpty ? nextLook : .never }

  /// Gives an answer to the one who asked, and begins with the next question.
  func turn(at now: Instant) {
    if let answer = found.take() {
      current?.client?.send(answer)
      current = nil
    }
    waiting.removeAll { $0.client?.isBroken ?? true }
    guard current == nil,
      let place = waiting.firstIndex(where: { nextLook <= now || $0.question.kind != .preview })
    else { return }
    begin(waiting.remove(at: place), at: now)
  }

  private func begin(_ asked: Asked, at now: Instant) {
    current = asked
    let id = asked.id
    switch asked.question {
    case .preview(let verbs):
      nextLook = now + Self.distance
      sources.preview(verbs) { [found] in found.put(.preview(PreviewAnswer(id: id, $0))) }
    case .processes(let notebook):
      let kernel = sources.kernel(notebook)
      queue.async { [found] in
        let rows = kernel.map { ProcessTree.ofKernel($0).listing() } ?? []
        found.put(.processes(ProcessesAnswer(id: id, of: notebook, rows)))
      }
    }
  }
}

/// Where an answer is left by the thread that found it.
private final class Found: Sendable {
  private let answer = Mutex<ServerMessage?>(nil)
  private let wake: @Sendable () -> Void

  init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

  func put(_ found: ServerMessage) {
    answer.withLock { $0 = found }
    wake()
  }

  func take() -> ServerMessage? {
    answer.withLock { answer in
      defer { answer = nil }
      return answer
    }
  }
}

extension PreviewAnswer {
  init(id: UInt64, _ preview: Preview) {
    func outcome(_ outcome: Preview.Outcome) -> Outcome {
      Outcome(waitMean: outcome.waitMean, antt: outcome.antt, stp: outcome.stp)
    }
    self.init(
      id: id, refusals: preview.refusals.map { Refused($0.refusal, order: $0.order) }, before: outcome(preview.before),
      after: outcome(preview.after),
      changes: preview.changes.map {
        Change(
          notebook: $0.notebook.number, wait: ($0.waitBefore?.microseconds, $0.waitAfter?.microseconds),
          end: ($0.endBefore?.microseconds, $0.endAfter?.microseconds))
      }, horizon: preview.horizon.microseconds, unknown: preview.unknown, isCutShort: preview.isCutShort)
  }

  /// The answer as consoles show it.
  public func preview(of verbs: [Verb]) -> Preview {
    func outcome(_ outcome: Outcome?) -> Preview.Outcome {
      Preview.Outcome(waitMean: outcome?.waitMean ?? 0, antt: outcome?.antt ?? 0, stp: outcome?.stp ?? 0)
    }
    func span(_ microseconds: Int64?) -> Span? { microseconds.map { Span(microseconds: $0) } }
    return Preview(
      verbs: verbs, before: outcome(before), after: outcome(after),
      changes: changes.map {
        Preview.Change(
          NotebookID($0.notebook), wait: (span($0.waitBefore), span($0.waitAfter)),
          end: (span($0.endBefore), span($0.endAfter)))
      },
      refusals: refusals.map {
        // A server of an earlier celltop does not say which.
        Preview.Refused(order: $0.order ?? 0, Refusal($0.refusal.cause, $0.text.printable(at: 300)))
      },
      horizon: Span(microseconds: horizon), unknown: unknown, isCutShort: isCutShort)
  }
}

extension ProcessesAnswer {
  init(id: UInt64, of notebook: NotebookID, _ listed: [ListedProcess]) {
    let rows = listed.prefix(Self.rowsMost).map {
      Row(
        pid: $0.pid, depth: $0.depth, state: "\($0.state)", name: $0.name.printable(at: 64), threads: $0.threads,
        cpu: $0.cpu.microseconds, memory: $0.memory.count)
    }
    self.init(id: id, notebook: notebook.number, rows: rows, more: listed.count - rows.count)
  }
}
