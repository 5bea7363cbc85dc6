import CLinux
import Domain
import Foundation
import GateLink
import Projections
import ServerLink
import Testing
import Verbs

@testable import Session

@Suite struct QuestionTests {
  private func isGrant(_ message: EngineMessage) -> Bool { if case .grant = message { true } else { false } }

  @Test("a console that attached is told what orders are likely to bring, and orders nothing by asking")
  func preview() throws {
    let stage = try Stage(cores: 1)
    let (first, second) = (try stage.gate("first"), try stage.gate("second"))
    first.submit(1)
    #expect(first.await(isGrant) != nil)
    second.submit(1)
    #expect(stage.eventually { $0.notebooks.count == 2 && $0.notebooks[1].state == .queued })
    let running = try #require(stage.live.board.take().notebooks[0].cell?.cell.id)
    let console = try AttachedSession(
      [stage.socket], Attach(client: "test", stream: .packed, form: Board.wireForm))
    console.start()
    defer { console.leave() }
    let verbs: [Verb] = [.suspend(NotebookID(0), cell: running)]
    console.ask([.hold(NotebookID(1))])
    console.ask(verbs)
    #expect(eventually(seconds: 10) { console.preview?.verbs == verbs })
    let preview = try #require(console.preview)
    #expect(preview.refusals.isEmpty && preview.horizon > .zero)
    // The look ahead is the engine's own, asked in its process.
    let box = Answer()
    stage.live.preview(verbs) { box.preview = $0 }
    #expect(eventually(seconds: 10) { box.preview != nil })
    #expect(preview.changes.map(\.notebook) == box.preview?.changes.map(\.notebook))
    #expect(preview.changes.contains { $0.notebook == NotebookID(1) && ($0.waitAfter ?? .zero) < Span(seconds: 1) })
    #expect(stage.live.board.take().notebooks[0].state == .running)
    console.ask([.suspend(NotebookID(0), cell: CellID(99))])
    #expect(eventually(seconds: 10) { console.preview?.refusals.first?.cause == .stale })
  }

  @Test("one that only looks is told that it may not, and is shown the processes of its own user")
  func observer() throws {
    let stage = try Stage()
    let gate = try stage.gate("first")
    gate.send(.kernel(state: .ready, pid: getpid()))
    #expect(stage.eventually { $0.notebooks.count == 1 })
    #expect(eventually(seconds: 10) { stage.live.kernelProcess(of: NotebookID(0)) == getpid() })
    let console = try AttachedSession(
      [stage.socket], Attach(client: "test", stream: .packed, form: Board.wireForm, readOnly: true))
    console.start()
    defer { console.leave() }
    console.ask([.hold(NotebookID(0))])
    #expect(eventually(seconds: 10) { console.preview?.refusals.first?.cause == .notAllowed })
    console.askProcesses(of: NotebookID(0))
    #expect(eventually(seconds: 10) { console.processes?.rows.first?.pid == getpid() })
    #expect(console.processes?.why == nil)
    console.askProcesses(of: NotebookID(7))
    #expect(eventually(seconds: 10) { console.processes?.why == "there is no notebook 7" })
  }

  @Test("of more orders than a question has room for the first are looked into, and the answer says so")
  func many() throws {
    let stage = try Stage(cores: 4)
    let gate = try stage.gate("first")
    defer { _ = gate }
    #expect(stage.eventually { $0.notebooks.count == 1 })
    let console = try AttachedSession(
      [stage.socket], Attach(client: "test", stream: .packed, form: Board.wireForm))
    console.start()
    defer { console.leave() }
    let pin = Pin(node: NodeID(0), cores: CoreSet(stride(from: 0, to: 200, by: 2)), gpus: GPUSet(), reserves: true)
    for verbs in [
      Array(repeating: Verb.hold(NotebookID(0)), count: PreviewAsked.verbsMost + 1),
      Array(repeating: Verb.pin(NotebookID(0), pin), count: 900),
    ] {
      console.ask(verbs)
      #expect(eventually(seconds: 10) { console.preview?.verbs == verbs })
      #expect(console.preview?.isCutShort == true)
    }
    console.ask([.hold(NotebookID(0))])
    #expect(eventually(seconds: 10) { console.preview?.verbs == [.hold(NotebookID(0))] })
  }

  @Test("questions without an end delay no grant, and the newest of a client is answered")
  func flood() throws {
    let stage = try Stage(cores: 4, limits: { $0.messagesPerSecond = 1_000_000 })
    let gate = try stage.gate("first")
    #expect(stage.eventually { $0.notebooks.count == 1 })
    let clients = try (0..<4).map { _ in try stage.client() }
    var slowest: Int64 = 0
    for key in UInt64(1)...40 {
      for client in clients {
        for number in 0..<10 {
          try client.send(.preview(PreviewAsked(id: key * 100 + UInt64(number), verbs: [.hold(NotebookID(0))])))
          try client.send(.processes(id: key * 100 + UInt64(number), notebook: NotebookID(0)))
        }
      }
      let began = celltop_boottime_us()
      gate.submit(key)
      #expect(gate.await(isGrant) != nil)
      slowest = max(slowest, celltop_boottime_us() - began)
      gate.send(.ended(key: key, outcome: .ok))
    }
    #expect(slowest < 20_000_000, "the slowest grant took \(slowest) µs")
    for client in clients {
      var (previews, processes): ([UInt64], [UInt64]) = ([], [])
      let deadline = celltop_boottime_us() + 20_000_000
      while previews.last != 4009 || processes.last != 4009, celltop_boottime_us() < deadline {
        switch try client.receive(seconds: 0.5) {
        case .preview(let answer): previews.append(answer.id)
        case .processes(let answer): processes.append(answer.id)
        case .welcome, .unwelcome, .snapshot, .tail, .answer, .status, .code, .refused, .ping, .ending, .unknown, nil:
          break
        }
      }
      #expect(previews.last == 4009 && processes.last == 4009 && previews.count < 400)
      #expect(previews == previews.sorted())
    }
  }

  @Test(
    "the code of a cell is told to its author and to operators where that is configured, and to nobody else or elsewhere"
  )
  func code() throws {
    let open = try Stage(access: { $0.showsCode = true })
    let gate = try open.gate("first")
    guard case .welcome(_, _, _, _, _, _, let wants)? = gate.await({ if case .welcome = $0 { true } else { false } })
    else {
      Issue.record("no welcome came")
      return
    }
    #expect(wants == true)
    gate.submit(1)
    gate.send(.code(key: 1, text: "model.fit(x)\n"))
    #expect(gate.await(isGrant) != nil)
    let client = try open.client()
    #expect(client.welcome.answers(.code))
    #expect(
      eventually(seconds: 10) { (try? ask(client)) == CodeAnswer(id: 5, notebook: 0, cell: 1, text: "model.fit(x)\n") })
    let looker = try ServerConnection(
      [open.socket], Attach(client: "test", stream: .none, readOnly: true))
    #expect(try ask(looker)?.why == "you are an observer here: code is the author's and the operators' to see")
    // Another cell's code is not this one's.
    gate.send(.ended(key: 1, outcome: .ok))
    gate.submit(2)
    #expect(gate.await(isGrant) != nil)
    #expect(eventually(seconds: 10) { (try? ask(client)?.why) == "its gate has not told the code" })
    open.live.stop()
    let bytes = ["", "-wal", "-forecaster"].compactMap { FileManager.default.contents(atPath: open.history.path + $0) }
    #expect(bytes.contains { $0.range(of: Data("first".utf8)) != nil }, "what is recorded would be found")
    #expect(bytes.allSatisfy { $0.range(of: Data("model.fit".utf8)) == nil }, "it is recorded nowhere")

    let closed = try Stage()
    let other = try closed.gate("first")
    guard case .welcome(_, _, _, _, _, _, let wanted)? = other.await({ if case .welcome = $0 { true } else { false } })
    else {
      Issue.record("no welcome came")
      return
    }
    #expect(wanted == nil)
    other.send(.code(key: 1, text: "secret"))
    other.submit(1)
    #expect(other.await(isGrant) != nil)
    let stranger = try closed.client()
    #expect(!stranger.welcome.answers(.code))
    #expect(try ask(stranger)?.text == nil)
  }

  @Test("code is cut so that its line is never too long, whatever it holds", arguments: ["a", "\u{1}", "\"", "日", "👩‍👩‍👧"])
  func cut(piece: String) {
    let text = CodeText.beginning(of: String(repeating: piece, count: 40_000))
    let line = LineCodec.line(GateMessage.code(key: .max, text: text))
    #expect(line.count < LineCodec.lineBytesMost && text.hasSuffix("…") && text.hasPrefix(piece))
    #expect(CodeText.beginning(of: piece) == piece)
  }

  private func ask(_ client: ServerConnection) throws -> CodeAnswer? {
    try client.send(.code(id: 5, notebook: NotebookID(0)))
    while let message = try client.receive(seconds: 5) { if case .code(let answer) = message { return answer } }
    return nil
  }

  /// Where an answer is left by another thread.
  private final class Answer: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Preview?
    var preview: Preview? {
      get { lock.withLock { value } }
      set { lock.withLock { value = newValue } }
    }
  }
}
