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
  private func client(_ role: ClientRole, stream: Attach.Stream = .none) throws -> (
    client: ClientConnection, theirs: Int32
  ) {
    var pair: [Int32] = [0, 0]
    try #require(celltop_socket_pair(&pair) == 0)
    celltop_set_nonblocking(pair[0])
    celltop_set_nonblocking(pair[1])
    let peer = try #require(PeerConnection(accepted: pair[0], seat: { _ in nil }))
    return (
      ClientConnection(
        peer, Attach(client: "t", stream: stream), role: role, veiledFor: nil, limits: Limits(), at: .zero), pair[1]
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
