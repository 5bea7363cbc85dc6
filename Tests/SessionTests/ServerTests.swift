import CLinux
import Domain
import Foundation
import GateLink
import Projections
import ServerLink
import Testing

@testable import Session

extension Stage {
  /// A client that follows the packed stream.
  func console(readOnly: Bool = false) throws -> ServerConnection {
    try ServerConnection(
      [socket], Attach(client: "test", stream: .packed, form: Board.wireForm, readOnly: readOnly ? true : nil))
  }

  func client(_ stream: Attach.Stream = .none) throws -> ServerConnection {
    try ServerConnection([socket], Attach(client: "test", stream: stream))
  }
}

extension ServerConnection {
  /// Follows the stream until the board is as `wanted`; false after five seconds.
  func follow(_ fold: inout AttachedBoard, until wanted: (Board) -> Bool) throws -> Bool {
    let deadline = celltop_boottime_us() + 5_000_000
    while celltop_boottime_us() < deadline {
      if fold.isComplete, wanted(fold.board) { return true }
      if let message = try receive(seconds: 0.2) { try fold.take(message) }
    }
    return false
  }
}

@Suite struct ServerTests {
  @Test("gives a console a snapshot and then every entry: its board is the live one")
  func attach() throws {
    let stage = try Stage(cores: 1)
    let first = try stage.gate("first")
    first.submit(1)
    #expect(stage.eventually { $0.notebooks.first?.state == .running })
    let console = try stage.console()
    #expect(console.welcome.role == .operator && console.welcome.version == 1 && !console.welcome.isVeiled)
    var fold = AttachedBoard()
    #expect(try console.follow(&fold) { $0.notebooks.first?.state == .running })
    let second = try stage.gate("second")
    second.submit(1)
    first.send(.ended(key: 1, outcome: .ok))
    #expect(stage.eventually { $0.notebooks.count == 2 && $0.notebooks[1].state == .running })
    second.send(.ended(key: 1, outcome: .ok))
    #expect(stage.eventually { $0.notebooks.count == 2 && $0.notebooks[1].cellsEnded == 1 })
    let live = stage.live.board.take()
    #expect(try console.follow(&fold) { $0.sequence == live.sequence })
    #expect(fold.board == live)
  }

  @Test("answers a command once the engine has decided, and a key that comes again with the first answer")
  func commands() throws {
    let stage = try Stage(cores: 1)
    let gate = try stage.gate("first")
    gate.submit(1)
    #expect(stage.eventually { $0.notebooks.first?.state == .running })
    let client = try stage.client()
    let order = Order(key: 77, verb: .setPriority(NotebookID(0), 5), why: "it is late")
    let answer = try client.command(order)
    #expect(answer.accepted && answer.key == 77 && answer.sequence != nil)
    #expect(stage.live.board.take().notebooks[0].priority == 5)
    let before = stage.live.board.take().sequence
    #expect(try client.command(order) == answer)
    let other = try stage.client()
    #expect(try other.command(order) == answer, "another connection of the same user gets the same")
    #expect(stage.live.board.take().sequence == before)
    let stale = try client.command(Order(key: 78, verb: .suspend(NotebookID(0), cell: CellID(99))))
    #expect(stale.refusal == Refusal(.stale, "the cell on the screen has ended since"))
    let late = try client.command(Order(key: 79, verb: .hold(NotebookID(0)), instance: "another"))
    #expect(late.refusal?.cause == .stale && late.sequence == nil)
    #expect(stage.live.board.take().answers.map(\.command.author) == [NSUserName(), NSUserName()])
    #expect(try client.status().notebooks.first?.priority == 5)
  }

  @Test("tells other programs the same in JSON")
  func entries() throws {
    let stage = try Stage(cores: 1)
    let client = try stage.client(.entries)
    let gate = try stage.gate("first")
    gate.submit(1)
    gate.send(.ended(key: 1, outcome: .ok))
    var last: Int64?
    var events: [String] = []
    while !events.contains("cellEnded"), let message = try client.receive(seconds: 5) {
      switch message {
      case .snapshot(let snapshot):
        #expect(snapshot.report?.sequence == snapshot.sequence)
        last = snapshot.sequence
      case .tail(let tail):
        #expect(tail.first == last.map { $0 + 1 })
        last = tail.last
        events += try #require(tail.entries).map(\.event)
      case .welcome, .unwelcome, .answer, .status, .preview, .processes, .code, .refused, .ping, .ending, .unknown:
        Issue.record("\(message)")
      }
    }
    #expect(events.contains("cellQueued") || events.contains("cellEnded"))
  }

  @Test("lets one that only looks look, and refuses its orders with the reason")
  func observer() throws {
    let stage = try Stage()
    let gate = try stage.gate("first")
    defer { _ = gate }
    #expect(stage.eventually { $0.notebooks.count == 1 })
    let console = try stage.console(readOnly: true)
    #expect(console.welcome.role == .observer)
    let answer = try console.command(Order(key: 1, verb: .hold(NotebookID(0))))
    #expect(answer.refusal == Refusal(.notAllowed, "you are an observer here: you may look, and order nothing"))
    try console.send(.stop)
    var refused: String?
    while refused == nil, let message = try console.receive(seconds: 5) {
      if case .refused(let why) = message { refused = why }
    }
    #expect(refused == "only an operator may end the server")
  }

  @Test("refuses versions and forms that it does not speak, with a sentence that says what to do")
  func versions() throws {
    let stage = try Stage()
    #expect(
      throws: AttachError.unwelcome(
        "this server speaks version 1 of the clients' protocol, and the client 2, 3. Run the same celltop on both sides"
      )
    ) { try ServerConnection([stage.socket], Attach(versions: [2, 3], client: "test", stream: .none)) }
    #expect {
      try ServerConnection([stage.socket], Attach(client: "test", stream: .packed, form: "0.0.0"))
    } throws: { "\($0)".contains("the server's packed form is \(Board.wireForm), and the client's 0.0.0") }
    _ = try stage.client()
  }

  @Test("never lets a stuck console delay a grant, and drops it to a fresh snapshot")
  func stuck() throws {
    let stage = try Stage(cores: 1, limits: { $0.queuedBytes = 20_000 })
    let console = try stage.client(.entries)
    var sequence: Int64 = 0
    if case .snapshot(let snapshot)? = try console.receive(seconds: 5) { sequence = snapshot.sequence }
    #expect(sequence > 0)
    // From here on the console reads nothing.
    let gate = try stage.gate("first")
    var slowest: Int64 = 0
    for key in UInt64(1)...400 {
      let began = celltop_boottime_us()
      gate.submit(key)
      #expect(gate.await { if case .grant(_, key, _, _) = $0 { true } else { false } } != nil)
      slowest = max(slowest, celltop_boottime_us() - began)
      gate.send(.ended(key: key, outcome: .ok))
    }
    #expect(slowest < 2_000_000)
    #expect(stage.eventually { $0.notebooks.first?.cellsEnded == 400 })
    let live = stage.live.board.take().sequence
    var snapshots: [Snapshot] = []
    let deadline = celltop_boottime_us() + 10_000_000
    while sequence < live, celltop_boottime_us() < deadline {
      switch try console.receive(seconds: 0.5) {
      case .snapshot(let snapshot):
        snapshots.append(snapshot)
        sequence = snapshot.sequence
      case .tail(let tail):
        #expect(tail.first == sequence + 1, "no gap, whatever was dropped")
        sequence = tail.last
      case .welcome, .unwelcome, .answer, .status, .preview, .processes, .code, .refused, .ping, .ending, .unknown, nil:
        break
      }
    }
    #expect(!snapshots.isEmpty && snapshots.allSatisfy { $0.why == .behind } && sequence == live)
    #expect(snapshots.last?.report?.notebooks.first?.cellsEnded == 400)
  }
}

@Suite struct ClientDeskTests {
  @Test("lets go of a client that is silent, and of none because the machine was suspended")
  func silence() throws {
    var desk = ClientDesk(limits: Limits(), board: BoardBox())
    var pair: [Int32] = [0, 0]
    try #require(celltop_socket_pair(&pair) == 0)
    defer { close(pair[1]) }
    celltop_set_nonblocking(pair[0])
    let peer = try #require(PeerConnection(accepted: pair[0], seat: { _ in nil }))
    let client = ClientConnection(
      peer, Attach(client: "t", stream: .none), role: .author, veiledFor: nil, limits: Limits(), at: .zero)
    let welcome = Welcome(
      server: "t", instance: "i", session: 0, host: "h", user: "u", role: .author, isVeiled: false,
      beganMicroseconds: 0,
      at: 0)
    desk.seat(client, welcome)
    var now = Instant.zero
    func pass(_ seconds: Double) {
      now = now + Span(seconds: seconds)
      desk.ping(trouble: nil, at: now)
    }
    for _ in 0..<10 { pass(2) }
    pass(8 * 3600)
    #expect(!client.isBroken, "an hour asleep is nobody's silence")
    for _ in 0..<29 { pass(2) }
    #expect(!client.isBroken)
    for _ in 0..<3 { pass(2) }
    #expect(client.isBroken, "a minute awake is")
    desk.dropGone()
    #expect(desk.clients.isEmpty && desk.wakeAt(isGathering: false) == .never)
  }
}

@Suite struct AccessTests {
  @Test("knows who may do what by the user at the other end")
  func roles() {
    var rules = AccessRules()
    rules.operators = ["olga"]
    rules.operatorGroups = ["wheel"]
    rules.observers = ["wall"]
    func role(_ user: String, _ uid: UInt32, _ groups: Set<String> = []) -> ClientRole? {
      rules.role(uid: uid, user: user, groups: groups, serverUser: 900)
    }
    #expect(role("root", 0) == .operator)
    #expect(role("celltop", 900) == .operator)
    #expect(role("olga", 1000) == .operator)
    #expect(role("ana", 1001, ["wheel", "users"]) == .operator)
    #expect(role("ana", 1001, ["users"]) == .author)
    #expect(role("wall", 1002) == .observer)
    rules.everyone = .observer
    #expect(role("ana", 1001) == .observer)
    rules.everyone = .nobody
    #expect(role("ana", 1001) == nil)
    #expect(role("wall", 1002) == .observer)
  }

  @Test("refuses an author what is not an author's, with the reason")
  func authors() {
    let own = NotebookID(1)
    func why(_ verb: Verb, owner: String? = "ana", isOverridden: Bool = false) -> String? {
      AccessRules.refusal(of: verb, by: "ana", .author, owner: owner, isOverridden: isOverridden)?.text
    }
    #expect(why(.hold(own)) == nil)
    #expect(why(.interrupt(own, cell: CellID(1))) == nil)
    #expect(why(.setPriority(own, -5)) == nil)
    #expect(why(.pin(own, Pin(node: NodeID(0), cores: CoreSet([0])))) == nil)
    #expect(why(.hold(own), owner: "ben") == "it is ben's notebook: you may order your own about")
    #expect(why(.setPriority(own, 5)) == "only an operator may raise a priority above 0")
    #expect(
      why(.pin(own, Pin(node: NodeID(0), cores: CoreSet([0]), reserves: true)))
        == "only an operator may keep others off cores and GPUs")
    #expect(
      why(.release(own), isOverridden: true) == "an operator ordered it so: only an operator may take it back")
    #expect(why(.hold(own), isOverridden: true) == "an operator holds it already")
    for verb: Verb in [
      .suspend(own, cell: CellID(1)), .suspendAfter(own, cell: CellID(1), Span(seconds: 1)),
      .suspendAtEnd(own, cell: CellID(1)),
    ] {
      #expect(why(verb) == nil)
      #expect(why(verb, isOverridden: true) == "an operator has suspended it, or is going to")
    }
    #expect(why(.setPolicy("dynamic")) == "'policy' is about the whole node: only an operator may say so")
    #expect(
      why(.drain(NodeID(0), CoreSet([0]), GPUSet())) == "'drain' is about the whole node: only an operator may say so")
  }

  @Test("remembers which standing orders are operators' until they are taken back or have no object")
  func standing() {
    var orders = OperatorsOrders()
    let (one, two) = (NotebookID(1), NotebookID(2))
    orders.note(.hold(one), byOperator: true)
    orders.note(.hold(two), byOperator: false)
    orders.note(.suspend(one, cell: CellID(1)), byOperator: true)
    #expect(orders.stands(against: .release(one)) && !orders.stands(against: .release(two)))
    #expect(orders.stands(against: .resume(one, cell: CellID(1))))
    orders.forget(one, all: false)
    #expect(!orders.stands(against: .resume(one, cell: CellID(1))) && orders.stands(against: .release(one)))
    orders.note(.release(one), byOperator: true)
    #expect(!orders.stands(against: .release(one)))
    // A kernel that is started anew has its orders from the one before, and an author does not get rid of them by it.
    orders.note(.hold(one), byOperator: true)
    orders.note(.suspend(one, cell: CellID(2)), byOperator: true)
    orders.close(one, "ana a.ipynb")
    let three = NotebookID(3)
    orders.open(three, "ana b.ipynb")
    #expect(!orders.stands(against: .release(three)))
    orders.open(three, "ana a.ipynb")
    #expect(orders.stands(against: .release(three)) && !orders.stands(against: .release(one)))
    #expect(!orders.stands(against: .resume(three, cell: CellID(3))))
    // One that comes before the old one is gone has them too, and what is taken back does not come back.
    let four = NotebookID(4)
    orders.open(four, "ana a.ipynb")
    #expect(orders.stands(against: .release(four)))
    orders.close(three, "ana a.ipynb")
    orders.note(.release(four), byOperator: true)
    orders.close(four, "ana a.ipynb")
    let five = NotebookID(5)
    orders.open(five, "ana a.ipynb")
    #expect(!orders.stands(against: .release(five)))
  }

  @Test("an author's order never takes an operator's mark away, and a plan keeps its giver once its time has come")
  func marks() {
    let (id, cell) = (NotebookID(1), CellID(1))
    var orders = OperatorsOrders()
    orders.note(.hold(id), byOperator: true)
    orders.note(.hold(id), byOperator: false)
    #expect(orders.stands(against: .release(id)) && orders.stands(against: .hold(id)))
    orders.note(.release(id), byOperator: true)
    #expect(!orders.stands(against: .hold(id)))

    orders.note(.suspendAtEnd(id, cell: cell), byOperator: true)
    for verb: Verb in [
      .callOff(id, cell: cell), .suspendAfter(id, cell: cell, Span(seconds: 1)), .suspend(id, cell: cell),
    ] { #expect(orders.stands(against: verb, isPlanned: true)) }
    #expect(!orders.stands(against: .resume(id, cell: cell), isPlanned: true), "an author's own suspension")
    orders.note(.suspendAfter(id, cell: cell, Span(seconds: 1)), byOperator: false)
    orders.forget(id, all: false)
    #expect(orders.stands(against: .release(id)), "the plan has become a hold")
    orders.note(.release(id), byOperator: true)

    orders.note(.suspendAfter(id, cell: cell, Span(seconds: 1)), byOperator: true)
    #expect(orders.stands(against: .resume(id, cell: cell), isPlanned: false), "it suspended the cell")
    orders.note(.resume(id, cell: cell), byOperator: true, isPlanned: false)
    #expect(!orders.stands(against: .suspend(id, cell: cell)))
    orders.note(.suspendAfter(id, cell: cell, Span(seconds: 1)), byOperator: true)
    orders.forget(id, all: false)
    #expect(!orders.stands(against: .release(id)), "a grace that the cell did not outlive becomes no hold")
  }

  @Test("hides other users' paths, code and words from who may not see them, and nothing of the own")
  func veil() {
    let veil = Veil(for: "ana")
    var board = Board()
    let users = ["ana", "ben"]
    var covered = Board()
    var sequence: Int64 = 0
    func add(_ event: Event) {
      sequence += 1
      let entry = Entry(sequence: sequence, at: Instant(microseconds: sequence), event: event)
      board.apply(entry)
      covered.apply(veil.cover(entry) { board[$0]?.notebook.user })
    }
    for (index, user) in users.enumerated() {
      let id = NotebookID(Int32(index))
      add(.notebookOpened(Notebook(id: id, node: NodeID(0), user: user, path: "/home/\(user)/secret.ipynb", gate: "g")))
      let source = CellSource(jupyterCell: "c", codeHash: 7, key: 1)
      add(
        .cellQueued(
          Cell(id: CellID(Int64(index + 1)), notebook: id, submitted: .zero, demand: .oneCore, source: source)))
      add(.commandAccepted(Command(id: CommandID(UInt64(index)), author: user, why: "private", verb: .hold(id))))
    }
    #expect(veil.cover(board) == covered, "a snapshot and a tail hide the same")
    #expect(covered.notebooks[0].notebook.path == "/home/ana/secret.ipynb")
    #expect(covered.notebooks[0].cell?.cell.source.codeHash == 7)
    #expect(covered.notebooks[1].notebook.path == "notebook-1" && covered.notebooks[1].name == "notebook-1")
    #expect(covered.notebooks[1].notebook.user == "ben")
    #expect(covered.notebooks[1].cell?.cell.source == CellSource(key: 1))
    #expect(covered.answers.map(\.command.why) == ["private", ""])
    #expect(!String(decoding: covered.packedWhole, as: UTF8.self).contains("/home/ben"))
  }
}
