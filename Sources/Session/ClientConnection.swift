import Domain
import GateLink
import ServerLink

/// One client's end of the socket. What waits for it is bounded: answers are kept, the tail is dropped for a fresh snapshot.
final class ClientConnection {
  let peer: PeerConnection
  let attach: Attach
  let role: ClientRole
  /// The user from whom others' paths are withheld; nil where nothing is.
  let veiledFor: String?
  /// The last entry that was queued for it.
  var sentThrough: Int64 = 0
  /// Why it is to have a snapshot before anything else of the stream; nil where it has one.
  var needsSnapshot: Snapshot.Why?
  var heard: Instant
  private var allowance: Allowance
  private let queuedBytesMost: Int
  /// Whether what it says is heard no longer, because it was shown the door or all of it has been heard.
  private var isDone = false
  /// Lines of the stream that have not begun to be written; the peer holds at most one that has.
  private var stream: [[UInt8]] = []
  private var streamBytes = 0
  /// How often the tail was dropped.
  private(set) var timesBehind = 0

  init(
    _ peer: PeerConnection, _ attach: Attach, role: ClientRole, veiledFor: String?, limits: Limits, at now: Instant
  ) {
    self.peer = peer
    self.attach = attach
    self.role = role
    self.veiledFor = veiledFor
    heard = now
    needsSnapshot = attach.stream == .none ? nil : .attached
    allowance = Allowance(perSecond: limits.messagesPerSecond, at: now)
    queuedBytesMost = limits.queuedBytes
  }

  var isBroken: Bool { peer.isBroken }
  /// Whether it has left, and all that it had said before was heard.
  var isGone: Bool { peer.isBroken && isDone }
  var wantsToWrite: Bool { peer.unsentCount > 0 || !stream.isEmpty }

  /// Reads what there is and what is left of before; the messages that are complete, as many as it may send now. One that
  /// cannot be read ends the connection. What had come before the client hung up is heard like everything else.
  func receive(at now: Instant) -> [ClientMessage] {
    guard !isDone else { return [] }
    var messages: [ClientMessage] = []
    do throws(LinkError) {
      if !peer.hasLines {
        if !peer.isBroken {
          try peer.receive()
        } else if !peer.receiveRest() {
          isDone = true
        }
      }
      while let line = peer.nextLine(within: &allowance, at: now) {
        heard = now
        messages.append(try LineCodec.read(ClientMessage.self, from: line))
      }
    } catch {
      refuse("a message could not be read: \(error.sentence)")
    }
    return messages
  }

  /// When more of what has come already may be handled; nil where nothing is left. A client that says too much is heard later,
  /// and what it says meanwhile waits in its socket.
  func hearAgain(at now: Instant) -> Instant? {
    guard peer.hasLines || peer.isBroken, !isDone else { return nil }
    return allowance.exhaustedUntil(now) ?? now
  }

  /// Queues what must not be lost. A client that has too much of it waiting is let go.
  func send(_ message: ServerMessage) {
    peer.send(LineCodec.line(message))
    if peer.unsentCount > queuedBytesMost * 2 { drop() }
  }

  /// Queues a line of the stream; where too much waits, all of it is dropped and a snapshot is due instead.
  func send(stream line: [UInt8], isSnapshot: Bool) {
    guard !isBroken else { return }
    guard isSnapshot || streamBytes + peer.unsentCount + line.count <= queuedBytesMost else {
      stream.removeAll()
      streamBytes = 0
      needsSnapshot = .behind
      timesBehind += 1
      return
    }
    stream.append(line)
    streamBytes += line.count
    flush()
  }

  /// Writes as much as the client takes now.
  func flush() {
    peer.flush()
    while peer.unsentCount == 0, !stream.isEmpty, !isBroken {
      let line = stream.removeFirst()
      streamBytes -= line.count
      peer.send(line)
    }
  }

  /// Whether all that was queued is written, so that a snapshot would be fresh when it is read.
  var isDrained: Bool { peer.unsentCount == 0 && stream.isEmpty }

  func refuse(_ why: String) {
    peer.refuse(why)
    isDone = true
  }

  /// Hangs up without a word: nothing that is sent is read.
  private func drop() {
    peer.hangUp()
    isDone = true
  }
}

extension LinkError {
  /// The error as a clause for whoever sent the line.
  var sentence: String {
    switch self {
    case .malformed(let why): why.printable(at: 200)
    case .lineTooLong: "a line is longer than this side takes"
    }
  }
}
