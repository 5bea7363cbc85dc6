import CZeroMQ
import Domain
import Glibc

/// The sockets that clients connect to, in the kernel's place.
final class FrontSockets {
  let shell: ZeroMQSocket
  let control: ZeroMQSocket
  let stdin: ZeroMQSocket
  let heartbeat: ZeroMQSocket
  let iopub: ZeroMQSocket

  /// Output that a slow client has not fetched yet is kept up to this many messages; ZeroMQ's own 1,000 lose output.
  static let iopubMessagesKept: Int32 = 1_000_000
  /// How long the last messages may take to leave once the kernel has ended.
  static let lingerMilliseconds: Int32 = 1000

  /// - Parameter parent: a descriptor that is readable when nobody is left to bind them for; -1 for none.
  /// - Throws: `ZeroMQError` where a port cannot be bound.
  init(_ context: ZeroMQContext, at file: ConnectionFile, parent: Int32) throws(ZeroMQError) {
    func make(_ type: Int32) throws(ZeroMQError) -> ZeroMQSocket {
      let socket = try ZeroMQSocket(context, type)
      try socket.set(ZMQ_LINGER, Self.lingerMilliseconds)
      try socket.set(ZMQ_RCVHWM, 0)
      try socket.set(ZMQ_SNDHWM, type == ZMQ_XPUB ? Self.iopubMessagesKept : 0)
      if type == ZMQ_ROUTER { try socket.set(ZMQ_ROUTER_HANDOVER, 1) }
      if file.ip.contains(":") { try socket.set(ZMQ_IPV6, 1) }
      if let curve = file.curve {
        try socket.set(ZMQ_CURVE_SERVER, 1)
        try socket.set(ZMQ_CURVE_PUBLICKEY, Array(curve.publicKey.utf8) + [0])
        try socket.set(ZMQ_CURVE_SECRETKEY, Array(curve.secretKey.utf8) + [0])
      }
      return socket
    }
    shell = try make(ZMQ_ROUTER)
    control = try make(ZMQ_ROUTER)
    stdin = try make(ZMQ_ROUTER)
    heartbeat = try make(ZMQ_ROUTER)
    iopub = try make(ZMQ_XPUB)
    try iopub.set(ZMQ_XPUB_VERBOSE, 1)
    for (socket, channel) in [
      (shell, Channel.shell), (control, .control), (stdin, .stdin), (heartbeat, .hb), (iopub, .iopub),
    ] {
      try Self.bind(socket, file.endpoint(channel), parent)
    }
  }

  /// A restarted kernel gets the same ports, and the one before may still be letting go of them. Nothing tells when a port is
  /// free, so it is tried again and again, as long as the gate's parent lives.
  private static func bind(_ socket: ZeroMQSocket, _ endpoint: String, _ parent: Int32) throws(ZeroMQError) {
    var tries = 40
    while true {
      do throws(ZeroMQError) { return try socket.bind(endpoint) } catch {
        tries -= 1
        var waits = pollfd(fd: parent, events: Int16(POLLIN), revents: 0)
        guard error.number == EADDRINUSE, tries > 0, poll(&waits, 1, 25) <= 0 else { throw error }
      }
    }
  }
}

/// One client on the kernel's side: a socket a channel, under the client's own identity.
///
/// The kernel thus sees its clients apart, as without a gate: its answers, and its questions on stdin, go to the one
/// that they are for. Shell and stdin share the identity, because that is how a kernel finds whom to ask.
final class Peer {
  /// The client's identity in front.
  let identity: [UInt8]
  let shell: ZeroMQSocket
  let control: ZeroMQSocket
  let stdin: ZeroMQSocket
  var lastUsed: Instant

  init(_ context: ZeroMQContext, identity: [UInt8], kernel: ConnectionFile, now: Instant) throws(ZeroMQError) {
    self.identity = identity
    lastUsed = now
    // An identity that libzmq made up begins with a zero byte, which nobody may choose.
    let own =
      identity.first == 0
      ? Array("celltop-".utf8) + identity.dropFirst().flatMap { Array(String($0, radix: 16).utf8) } : identity
    func make() throws(ZeroMQError) -> ZeroMQSocket {
      let socket = try ZeroMQSocket(context, ZMQ_DEALER)
      try socket.set(ZMQ_ROUTING_ID, own)
      try BackSockets.prepare(socket, kernel)
      return socket
    }
    // stdin first: it must be there when the first cell asks.
    (stdin, shell, control) = (try make(), try make(), try make())
    try stdin.connect(kernel.endpoint(.stdin))
    try shell.connect(kernel.endpoint(.shell))
    try control.connect(kernel.endpoint(.control))
  }
}

/// What all sockets towards the kernel have in common.
enum BackSockets {
  /// A kernel is being started while its gate connects: look often, but each look of each socket is a score of system calls, on
  /// cores that the kernel wants for its start. libzmq adds up to as long again, by lot; clients themselves look every 100 ms.
  static let reconnectMilliseconds: Int32 = 10

  static func prepare(_ socket: ZeroMQSocket, _ kernel: ConnectionFile) throws(ZeroMQError) {
    try socket.set(ZMQ_LINGER, 0)
    try socket.set(ZMQ_RCVHWM, 0)
    try socket.set(ZMQ_SNDHWM, 0)
    try socket.set(ZMQ_RECONNECT_IVL, reconnectMilliseconds)
    if let curve = kernel.curve {
      try socket.set(ZMQ_CURVE_SERVERKEY, Array(curve.publicKey.utf8) + [0])
      try socket.set(ZMQ_CURVE_PUBLICKEY, Array(curve.publicKey.utf8) + [0])
      try socket.set(ZMQ_CURVE_SECRETKEY, Array(curve.secretKey.utf8) + [0])
    }
  }

  /// The kernel's output, all of it.
  static func output(_ context: ZeroMQContext, _ kernel: ConnectionFile) throws(ZeroMQError) -> ZeroMQSocket {
    let socket = try ZeroMQSocket(context, ZMQ_SUB)
    try prepare(socket, kernel)
    try socket.set(ZMQ_SUBSCRIBE, [])
    try socket.connect(kernel.endpoint(.iopub))
    return socket
  }
}
