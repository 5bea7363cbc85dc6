import CLinux
import Domain
import Foundation
import GateLink
import Projections
import ServerLink
import Testing

@testable import Session

@Suite("Orders of clients whose connection or server was another before") struct ClientAnswersTests {
  /// A client of this process's user, and its end of the socket.
  private func client(_ role: ClientRole, stream: Attach.Stream = .none, veiled: Bool = false) throws -> (
    client: ClientConnection, theirs: Int32
  ) {
    var pair: [Int32] = [0, 0]
    try #require(celltop_socket_pair(&pair) == 0)
    celltop_set_nonblocking(pair[0])
    celltop_set_nonblocking(pair[1])
    let peer = try #require(PeerConnection(accepted: pair[0], seat: { _ in nil }))
    return (
      ClientConnection(
        peer, Attach(client: "t", stream: stream), role: role, veiledFor: veiled ? peer.user : nil, limits: Limits(),
        at: .zero), pair[1]
    )
  }

  private func heard(_ descriptor: Int32) throws -> [ServerMessage] {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = recv(descriptor, &chunk, chunk.count, 0)
    var buffer = LineBuffer()
    return try buffer.add(chunk[..<max(count, 0)]).map { try LineCodec.read(ServerMessage.self, from: $0) }
  }

  /// A board with a notebook of that user.
  private func board(of user: String) -> BoardBox {
    let box = BoardBox()
    box.update { board in
      board.apply(
        Entry(
          sequence: 1, at: .zero, event: .nodeAdded(Node(id: NodeID(0), name: "n", cores: CoreSet([0])))))
      board.apply(
        Entry(
          sequence: 2, at: .zero,
          event: .notebookOpened(Notebook(id: NotebookID(0), node: NodeID(0), user: user, path: "/x/a.ipynb"))))
    }
    return box
  }

  @Test("an answer goes to the connection that asked last, for the one before may have broken")
  func saidAgain() throws {
    let (first, second) = (try client(.operator), try client(.operator))
    defer { for one in [first.theirs, second.theirs] { close(one) } }
    var desk = ClientDesk(limits: Limits(), board: board(of: first.client.peer.user))
    let order = Order(key: 7, verb: .hold(NotebookID(0)))
    let taken = desk.take(order, from: first.client, instance: "i")
    let command = try #require(taken)
    let again = desk.take(order, from: second.client, instance: "i")
    #expect(again == nil, "it is obeyed once")
    desk.tell([Entry(sequence: 3, at: .zero, event: .commandAccepted(command))], (1, nil), at: .zero)
    #expect(try heard(second.theirs) == [.answer(Answered(key: 7, accepted: true, sequence: 3))])
    #expect(try heard(first.theirs).isEmpty)
    let later = desk.take(order, from: first.client, instance: "i")
    #expect(later == nil)
    #expect(try heard(first.theirs) == [.answer(Answered(key: 7, accepted: true, sequence: 3))])
  }

  @Test("another order under a key that was used is refused, and told which one had it and what became of that")
  func anotherOrder() throws {
    let client = try client(.operator)
    defer { close(client.theirs) }
    let (id, cell) = (NotebookID(0), CellID(4))
    var desk = ClientDesk(limits: Limits(), board: board(of: client.client.peer.user))
    func answers(_ verb: Verb) throws -> Answered? {
      let command = desk.take(Order(key: 7, verb: verb, why: "\(verb)"), from: client.client, instance: "i")
      #expect(command == nil, "\(verb)")
      guard case .answer(let answer) = try heard(client.theirs).first else { return nil }
      return answer
    }
    func refusal(_ what: String) -> Refusal {
      Refusal(
        .alreadyTaken, "its key was used for another order (suspend a[4]), which \(what); give this one another key")
    }
    let first = desk.take(Order(key: 7, verb: .suspend(id, cell: cell)), from: client.client, instance: "i")
    let command = try #require(first)
    let others: [Verb] = [
      .hold(id), .suspend(id, cell: CellID(5)), .suspend(NotebookID(1), cell: cell), .setPolicy("fcfs"),
    ]
    for verb in others { #expect(try answers(verb)?.refusal == refusal("is not answered yet"), "\(verb)") }
    desk.tell([Entry(sequence: 3, at: .zero, event: .commandAccepted(command))], (1, nil), at: .zero)
    #expect(try heard(client.theirs) == [.answer(Answered(key: 7, accepted: true, sequence: 3))])
    for verb in others { #expect(try answers(verb)?.refusal == refusal("was done"), "\(verb)") }
    #expect(try answers(.suspend(id, cell: cell)) == Answered(key: 7, accepted: true, sequence: 3))
  }

  @Test("the names of others' notebooks are not told with it")
  func veiledOrder() throws {
    let client = try client(.author, veiled: true)
    defer { close(client.theirs) }
    var desk = ClientDesk(limits: Limits(), board: board(of: "ben"))
    for verb in [Verb.hold(NotebookID(0)), .release(NotebookID(0))] {
      let command = desk.take(Order(key: 7, verb: verb), from: client.client, instance: "i")
      #expect(command == nil)
    }
    let told = try heard(client.theirs)
    guard case .answer(let answer) = told.last else {
      Issue.record("\(told)")
      return
    }
    #expect(
      answer.text
        == "its key was used for another order (hold on notebook-0), which was refused; give this one another key")
  }

  @Test("over a restart an order is known by its document, for notebooks have other numbers then")
  func pastOrder() throws {
    let client = try client(.operator)
    defer { close(client.theirs) }
    let user = client.client.peer.user
    let notebook = Notebook(id: NotebookID(5), node: NodeID(0), user: user, path: "/x/a.ipynb")
    let first = Answered(key: 7, accepted: true, sequence: 30)
    let past = { (notebook: Notebook?) in
      PastAnswer(
        user: user, answer: first,
        order: GivenOrder(
          verb: .suspend(NotebookID(5), cell: CellID(9)), past: GivenOrder.Past(notebook: notebook), answer: first))
    }
    /// The answer to an order of key 7, on a board where notebook 0 is `/x/a.ipynb`.
    func answer(_ verb: Verb, _ past: PastAnswer, instance: String? = nil) throws -> Answered? {
      var desk = ClientDesk(limits: Limits(), board: board(of: user), past: [past])
      let order = Order(key: 7, verb: verb, instance: instance)
      let command = desk.take(order, from: client.client, instance: "new")
      #expect(command == nil)
      guard case .answer(let answer) = try heard(client.theirs).first else { return nil }
      return answer
    }
    let known = past(notebook)
    // As it was sent to the server before, and as it is bound now.
    #expect(try answer(.suspend(NotebookID(5), cell: CellID(9)), known, instance: "old") == first)
    #expect(try answer(.suspend(NotebookID(0), cell: CellID(1)), known, instance: "new") == first)
    #expect(try answer(.suspend(NotebookID(0), cell: CellID(1)), past(nil)) == first)
    var other = notebook
    other.path = "/x/b.ipynb"
    for (verb, past) in [
      (Verb.suspend(NotebookID(0), cell: CellID(1)), past(other)), (.hold(NotebookID(0)), known),
      (.suspendAtEnd(NotebookID(0), cell: CellID(1)), known), (.setPolicy("fcfs"), known),
    ] {
      let refused = try answer(verb, past, instance: "new")
      #expect(refused?.refusal?.cause == .alreadyTaken, "\(verb)")
      let name = past.order.past?.notebook?.name ?? ""
      #expect(
        refused?.text?.contains("(suspend on \(name), before the server was started anew), which was done") == true)
    }
  }

  @Test(
    "an author's own order is the author's after a restart, and an operator's is the operators'",
    arguments: [true, false])
  func authority(isOwn: Bool) throws {
    let author = try client(.author)
    defer { close(author.theirs) }
    let user = author.client.peer.user
    var desk = ClientDesk(limits: Limits(), board: board(of: user))
    let command = Command(
      id: CommandID(OrderNumbers.own + 1), author: isOwn ? user : "olga", why: "as before", verb: .hold(NotebookID(0)))
    desk.tell([Entry(sequence: 3, at: .zero, event: .commandAccepted(command))], (1, nil), at: .zero)
    let refusal = desk.refusal(of: .release(NotebookID(0)), author.client)
    #expect((refusal == nil) == isOwn)
  }

  @Test("an author does not undo an operator's orders by giving the same or another in their place")
  func bypass() throws {
    let (author, operating) = (try client(.author), try client(.operator))
    defer { for one in [author.theirs, operating.theirs] { close(one) } }
    let (id, cell) = (NotebookID(0), CellID(1))
    for (first, second, third) in [
      (Verb.hold(id), Verb.hold(id), Verb.release(id)),
      (.suspendAtEnd(id, cell: cell), .suspendAfter(id, cell: cell, Span(seconds: 86_400)), .callOff(id, cell: cell)),
    ] {
      let board = board(of: author.client.peer.user)
      var desk = ClientDesk(limits: Limits(), board: board)
      var key: UInt64 = 0
      /// Gives an order, which the engine accepts where it comes to it.
      func accepts(_ verb: Verb, _ client: ClientConnection) -> Bool {
        key += 1
        guard let command = desk.take(Order(key: key, verb: verb), from: client, instance: "i") else { return false }
        desk.tell([Entry(sequence: 2 + Int64(key), at: .zero, event: .commandAccepted(command))], (1, nil), at: .zero)
        return true
      }
      #expect(accepts(first, operating.client))
      #expect(!accepts(second, author.client))
      #expect(!accepts(third, author.client))
      #expect(accepts(third, operating.client))
      #expect(accepts(first, author.client) && accepts(third, author.client), "what is the author's own")
    }
  }

  @Test(
    "one who begins to follow gets a snapshot and every entry after it, though few were kept before anybody followed",
    arguments: [0, 12])
  func gaps(more: Int64) throws {
    let (client, theirs) = try client(.operator, stream: .entries)
    defer { close(theirs) }
    let board = board(of: "ana")
    func entry(_ sequence: Int64) -> Entry {
      Entry(sequence: sequence, at: .zero, event: .backlogChanged(NotebookID(0), Int32(sequence)))
    }
    board.update { board in for sequence in Int64(3)...49 { board.apply(entry(sequence)) } }
    var desk = ClientDesk(limits: Limits(), board: board)
    desk.seat(
      client,
      Welcome(
        server: "t", instance: "i", session: 0, host: "h", user: "u", role: .operator, isVeiled: false,
        beganMicroseconds: 0, at: 0))
    desk.tell([], (1, nil), at: .zero)
    // A cell's end is kept for the desk, what came after it was not; from the snapshot on all is.
    let last = 50 + more
    desk.tell([entry(43)] + (50...last).map(entry), (1, nil), at: .zero)
    var told: [Int64] = []
    for message in try heard(theirs) {
      if case .snapshot(let snapshot) = message { told.append(snapshot.sequence) }
      if case .tail(let tail) = message { told += try #require(tail.entries).map(\.sequence) }
    }
    #expect(told == Array(49...last))
  }
}
