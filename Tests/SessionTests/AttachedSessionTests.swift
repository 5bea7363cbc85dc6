import CLinux
import Domain
import Foundation
import GateLink
import Projections
import ServerLink
import Synchronization
import Testing

@testable import Session

/// Stands between clients and a server, and hangs up on the first client instead of passing an answer on.
///
/// `@unchecked Sendable`: everything but the box belongs to its thread.
private final class Relay: @unchecked Sendable {
  let path: String
  private let target: String
  private let listening: Int32
  private let box = Mutex<(orders: [[String]], isOver: Bool)>(([], false))
  private let finished = DispatchSemaphore(value: 0)

  init(at path: String, to target: String) throws {
    (self.path, self.target) = (path, target)
    listening = celltop_unix_listen(path)
    try #require(listening >= 0)
    Thread { [self] in
      run()
      finished.signal()
    }.start()
  }

  /// The orders that clients gave, by connection.
  var orders: [[String]] { box.withLock { $0.orders } }

  func end() {
    box.withLock { $0.isOver = true }
    finished.wait()
    close(listening)
  }

  private var isOver: Bool { box.withLock { $0.isOver } }

  private func run() {
    var isFirst = true
    while !isOver {
      var one = pollfd(fd: listening, events: Int16(POLLIN), revents: 0)
      guard poll(&one, 1, 20) > 0 else { continue }
      let client = celltop_accept(listening)
      guard client >= 0 else { continue }
      let server = celltop_connect_unix(target)
      box.withLock { $0.orders.append([]) }
      pass(client, server, hangsUp: isFirst)
      isFirst = false
      close(client)
      close(server)
    }
  }

  private func pass(_ client: Int32, _ server: Int32, hangsUp: Bool) {
    var (said, told) = (LineBuffer(lineBytesMost: 1 << 24), LineBuffer(lineBytesMost: 1 << 24))
    while !isOver {
      var both = [
        pollfd(fd: client, events: Int16(POLLIN), revents: 0), pollfd(fd: server, events: Int16(POLLIN), revents: 0),
      ]
      guard poll(&both, 2, 20) > 0 else { continue }
      for (index, one) in both.enumerated() where one.revents != 0 {
        guard let lines = index == 0 ? read(one.fd, &said) : read(one.fd, &told) else { return }
        for line in lines {
          let text = String(decoding: line, as: UTF8.self)
          if index == 0, text.hasPrefix("{\"command\"") { box.withLock { $0.orders[$0.orders.count - 1].append(text) } }
          if index == 1, hangsUp, text.hasPrefix("{\"answer\"") { return }
          write(line + [10], to: both[1 - index].fd)
        }
      }
    }
  }

  private func read(_ descriptor: Int32, _ buffer: inout LineBuffer) -> [[UInt8]]? {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = recv(descriptor, &chunk, chunk.count, 0)
    if count < 0, errno == EAGAIN || errno == EINTR { return [] }
    return count > 0 ? try? buffer.add(chunk[..<count]) : nil
  }

  private func write(_ bytes: [UInt8], to descriptor: Int32) {
    var sent = 0
    while sent < bytes.count, !isOver {
      let count = bytes.withUnsafeBytes { celltop_send(descriptor, $0.baseAddress! + sent, $0.count - sent) }
      if count > 0 { sent += count } else if errno != EAGAIN { return }
    }
  }
}

@Suite("A session that is attached to") struct AttachedSessionTests {
  @Test("an order whose answer went down with the connection is given again under its key, and obeyed once")
  func answerLost() throws {
    let stage = try Stage(cores: 1)
    let gate = try stage.gate("a")
    defer { _ = gate }
    #expect(stage.eventually { $0.notebooks.count == 1 })
    let relay = try Relay(at: stage.folder + "/relay.sock", to: stage.socket)
    defer { relay.end() }
    let attached = try AttachedSession(
      [relay.path], Attach(client: "t", stream: .packed, form: Board.wireForm))
    attached.start()
    defer { attached.leave() }
    #expect(eventually(seconds: 20) { attached.board.take().notebooks.count == 1 })
    let command = Command(id: CommandID(77), author: "x", verb: .setPriority(NotebookID(0), 5))
    attached.submit(command, seenOf: attached.boardInstance)
    var answers: [Answered] = []
    #expect(
      eventually(seconds: 20) {
        answers += attached.takeAnswers()
        return !answers.isEmpty
      })
    #expect(answers.map(\.key) == [77] && answers.first?.accepted == true)
    #expect(relay.orders.count == 2 && relay.orders[0].count == 1 && relay.orders[0] == relay.orders[1])
    #expect(relay.orders[0].first?.contains("\"key\":77") == true)
    let board = stage.live.board.take()
    #expect(board.answers.count == 1 && board.notebooks[0].priority == 5)
    #expect(answers.first?.sequence.map { $0 <= board.sequence } == true)
    // It follows the server again.
    stage.order(.hold(NotebookID(0)), id: 1)
    #expect(eventually(seconds: 20) { attached.board.take().notebooks.first?.isHeld == true })
    #expect(attached.standing.away == nil)
  }

  @Test("a server that says nothing for too long is given up, however well its socket stands")
  func silence() throws {
    let folder = "/tmp/celltop-test-" + UUID().uuidString.prefix(8)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let listening = celltop_unix_listen(folder + "/mute.sock")
    try #require(listening >= 0)
    defer { close(listening) }
    // It says its welcome beforehand, and never anything again.
    let thread = Thread {
      var one = pollfd(fd: listening, events: Int16(POLLIN), revents: 0)
      guard poll(&one, 1, 20_000) > 0 else { return }
      let client = celltop_accept(listening)
      let line = LineCodec.line(
        ServerMessage.welcome(
          Welcome(
            server: "t", instance: "i", session: 0, host: "h", user: "u", role: .operator, isVeiled: false,
            beganMicroseconds: 0, at: 0)))
      _ = line.withUnsafeBytes { celltop_send(client, $0.baseAddress, $0.count) }
      var chunk = [UInt8](repeating: 0, count: 4096)
      // Until the client has hung up.
      while true {
        var one = pollfd(fd: client, events: Int16(POLLIN), revents: 0)
        if poll(&one, 1, 20_000) <= 0 || recv(client, &chunk, chunk.count, 0) == 0 { break }
      }
      close(client)
    }
    thread.start()
    let began = celltop_boottime_us()
    let connection = try ServerConnection(
      [folder + "/mute.sock"], Attach(client: "t", stream: .none), secondsMost: 20, silenceSecondsMost: 1)
    #expect(throws: AttachError.silent(seconds: 1)) { _ = try connection.receive(seconds: 60) }
    #expect(celltop_boottime_us() - began > 900_000)
  }
}
