import Domain
import GateLink

/// One gate's end of the socket: messages in, messages out. Belongs to the engine's thread once it has arrived there.
final class GateConnection {
  /// The most bytes that may wait for a gate that does not read; beyond it the gate is let go, and fails open.
  static let outboxBytesMost = 1 << 20
  /// How many messages are handled at a time: the other gates' turn comes between.
  static let messagesMost = 32
  /// The most frequent line of all says nothing, and is not worth reading.
  private static let pong = Array(LineCodec.line(GateMessage.pong).dropLast())

  let peer: PeerConnection
  var notebook: NotebookID?
  /// Whether it wants to know where its waiting cell stands.
  var hearsStanding = false
  private var allowance: Allowance
  private var isRefused = false

  /// - Parameter peer: what has come of it already is read first.
  init(_ peer: PeerConnection, messagesPerSecond: Int, at now: Instant) {
    self.peer = peer
    allowance = Allowance(perSecond: messagesPerSecond, at: now)
  }

  var isBroken: Bool { peer.isBroken }

  /// Reads what there is and what is left of before; the messages that are complete, as many as it may send now and
  /// `messagesMost` at the most. A message that cannot be read breaks the connection.
  func receive(at now: Instant) -> [GateMessage] {
    var messages: [GateMessage] = []
    do throws(LinkError) {
      if !peer.hasLines { try peer.receive() }
      // The rest of what a gate said before it went is in `lastWords`.
      while messages.count < Self.messagesMost, let line = peer.nextLine(within: &allowance, at: now) {
        if line != Self.pong { messages.append(try LineCodec.read(GateMessage.self, from: line)) }
      }
    } catch {
      refuse("a message could not be read: \(error.sentence)")
    }
    return messages
  }

  /// What a gate that has gone had said before, whole; nothing of one that was shown the door.
  func lastWords() -> [GateMessage] {
    guard !isRefused else { return [] }
    var messages: [GateMessage] = []
    repeat {
      while let line = peer.nextLine() {
        guard line != Self.pong else { continue }
        guard let message = try? LineCodec.read(GateMessage.self, from: line) else { return messages }
        messages.append(message)
      }
    } while peer.receiveRest()
    return messages
  }

  /// When more of what has come already may be handled; nil where nothing is left. A gate that says too much is heard later,
  /// and what it says meanwhile waits in its socket.
  func hearAgain(at now: Instant) -> Instant? { peer.hearAgain(within: allowance, at: now) }

  /// Says why the gate is not wanted, and hangs up.
  ///
  /// - Parameter retrySeconds: after which it may try again, where what stands against it passes by itself.
  func refuse(_ why: String, retrySeconds: Double? = nil) {
    isRefused = true
    peer.refuse(why, retrySeconds: retrySeconds)
  }

  /// Queues a message and writes as much as the gate takes now.
  func send(_ message: EngineMessage) { send(line: LineCodec.line(message)) }

  /// Queues a message that has been made into a line already, and writes as much as the gate takes now.
  func send(line: [UInt8]) {
    guard !isBroken else { return }
    peer.send(line)
    if peer.unsentCount > Self.outboxBytesMost { peer.hangUp() }
  }
}

/// A gate that has said hello, on its way from the reception's thread to the engine's.
///
/// `@unchecked Sendable`: whoever hands it over keeps nothing of it.
struct Arrival: @unchecked Sendable {
  let gate: GateConnection
  let hello: Hello
}
