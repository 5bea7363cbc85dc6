/// What was sent to a kernel before its first word.
///
/// A kernel that finds one of its ports taken ends without having read any of it, and is started again on others: what was
/// on its way would be lost with the sockets. So it is kept until the kernel speaks, and sent once more to the next.
struct EarlyMessages {
  private enum Item {
    case forwarded(Multipart, Channel)
    case own([[UInt8]], client: [UInt8])
  }

  private var items: [Item] = []

  /// A client's message is being forwarded, its identity in front.
  mutating func note(_ message: Multipart, _ channel: Channel) {
    items.append(.forwarded(message.copied(), channel))
  }

  /// A request of the gate's own is being sent on a client's shell connection.
  mutating func note(_ frames: [[UInt8]], of client: [UInt8]) { items.append(.own(frames, client: client)) }

  /// Sends all of it again, in the same order, and keeps it still.
  ///
  /// - Parameter peer: gives a client's connections to the new kernel.
  func repeatAll(to peer: ([UInt8]) -> Peer?) {
    for item in items {
      switch item {
      case .forwarded(let message, let channel):
        guard let peer = peer(Array(message[0])) else { continue }
        message.copied().send(to: channel == .control ? peer.control : peer.shell, from: 1)
      case .own(let frames, let client): peer(client)?.shell.send(frames)
      }
    }
  }
}
