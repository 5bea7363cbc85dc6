import CZeroMQ
import Glibc

/// What a ZeroMQ call refused, with its number and words.
struct ZeroMQError: Error, CustomStringConvertible {
  var doing: String
  var number: Int32

  init(_ doing: String) {
    self.doing = doing
    number = zmq_errno()
  }

  var description: String { "cannot \(doing): \(String(cString: zmq_strerror(number)))" }
}

/// One libzmq context; its sockets belong to the gate's only thread.
final class ZeroMQContext {
  let raw: UnsafeMutableRawPointer

  init() throws(ZeroMQError) {
    guard let raw = zmq_ctx_new() else { throw ZeroMQError("make a ZeroMQ context") }
    self.raw = raw
    zmq_ctx_set(raw, ZMQ_MAX_SOCKETS, 4096)
  }

  /// Waits until the sockets' lingering is over. All of them must be closed.
  func terminate() { zmq_ctx_term(raw) }
}

/// One socket, closed when it goes.
///
/// `zmq_poll` asks every socket twice at each waking, a system call each; with a dozen sockets a gate that would be most
/// of a cell's cost. So the loop polls the sockets' descriptors itself, under the rules of ZMQ_FD (zmq_getsockopt(3)): a
/// descriptor is readable when *something* happened, a socket must then be read until it has no more, and sending on it
/// may swallow the sign of what has come. `mayHoldMore` keeps account of that.
final class ZeroMQSocket {
  let raw: UnsafeMutableRawPointer
  /// Readable when something happened on the socket.
  let descriptor: Int32
  /// Whether there may be a message that no descriptor will tell of any more.
  var mayHoldMore = true

  init(_ context: ZeroMQContext, _ type: Int32) throws(ZeroMQError) {
    guard let raw = zmq_socket(context.raw, type) else { throw ZeroMQError("make a ZeroMQ socket") }
    self.raw = raw
    var descriptor: Int32 = -1
    var size = MemoryLayout<Int32>.size
    zmq_getsockopt(raw, ZMQ_FD, &descriptor, &size)
    self.descriptor = descriptor
  }

  deinit { zmq_close(raw) }

  func set(_ option: Int32, _ value: Int32) throws(ZeroMQError) {
    var value = value
    guard zmq_setsockopt(raw, option, &value, MemoryLayout<Int32>.size) == 0 else {
      throw ZeroMQError("set socket option \(option)")
    }
  }

  func set(_ option: Int32, _ value: [UInt8]) throws(ZeroMQError) {
    guard zmq_setsockopt(raw, option, value, value.count) == 0 else { throw ZeroMQError("set socket option \(option)") }
  }

  func bind(_ endpoint: String) throws(ZeroMQError) {
    guard zmq_bind(raw, endpoint) == 0 else { throw ZeroMQError("bind \(endpoint)") }
  }

  func connect(_ endpoint: String) throws(ZeroMQError) {
    guard zmq_connect(raw, endpoint) == 0 else { throw ZeroMQError("connect to \(endpoint)") }
  }

  /// Sends frames of our own, best effort: a peer that is gone is no error.
  func send(_ frames: [[UInt8]]) {
    mayHoldMore = true
    for (index, frame) in frames.enumerated() {
      let flags = ZMQ_DONTWAIT | (index + 1 < frames.count ? ZMQ_SNDMORE : 0)
      if zmq_send(raw, frame, frame.count, flags) < 0 { return }
    }
  }
}

/// The frames of one message, owned by libzmq and moved from socket to socket without a copy.
final class Multipart {
  private var frames: UnsafeMutablePointer<zmq_msg_t>
  private var capacity = 0
  private(set) var count = 0

  /// Nothing is allocated before the first message.
  init() { frames = .allocate(capacity: 0) }

  deinit {
    clear()
    frames.deallocate()
  }

  private func clear() {
    for index in 0..<count { zmq_msg_close(frames + index) }
    count = 0
  }

  private func grow() {
    let room = max(8, capacity * 2)
    let more = UnsafeMutablePointer<zmq_msg_t>.allocate(capacity: room)
    for index in 0..<count {
      zmq_msg_init(more + index)
      zmq_msg_move(more + index, frames + index)
      zmq_msg_close(frames + index)
    }
    frames.deallocate()
    (frames, capacity) = (more, room)
  }

  /// Takes the next message of a socket; false where there is none now.
  func receive(from socket: ZeroMQSocket) -> Bool {
    clear()
    guard socket.mayHoldMore else { return false }
    repeat {
      if count == capacity { grow() }
      zmq_msg_init(frames + count)
      // Parts of a message arrive together: once the first is here, none of the others is waited for.
      if zmq_msg_recv(frames + count, socket.raw, ZMQ_DONTWAIT) < 0 {
        zmq_msg_close(frames + count)
        socket.mayHoldMore = false
        return false
      }
      count += 1
    } while zmq_msg_more(frames + count - 1) != 0
    return true
  }

  /// Sends the frames from `first` on, behind `prefix` where there is one; they are moved away, not copied.
  ///
  /// Best effort: a peer that is gone is no error, as with a kernel itself.
  func send(to socket: ZeroMQSocket, from first: Int = 0, prefix: [UInt8]? = nil) {
    socket.mayHoldMore = true
    if let prefix, zmq_send(socket.raw, prefix, prefix.count, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0 { return }
    for index in first..<max(first, count) {
      let flags = ZMQ_DONTWAIT | (index + 1 < count ? ZMQ_SNDMORE : 0)
      if zmq_msg_send(frames + index, socket.raw, flags) < 0 { return }
    }
  }

  /// The same frames once more; libzmq shares the bytes of all but small ones.
  func copied() -> Multipart {
    let copy = Multipart()
    while copy.capacity < count { copy.grow() }
    for index in 0..<count {
      zmq_msg_init(copy.frames + index)
      zmq_msg_copy(copy.frames + index, frames + index)
      copy.count += 1
    }
    return copy
  }

  /// All frames' bytes together.
  var byteCount: Int { (0..<count).reduce(0) { $0 + zmq_msg_size(frames + $1) } }

  /// A frame's bytes, valid until the message is sent or received anew.
  subscript(index: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: zmq_msg_data(frames + index), count: zmq_msg_size(frames + index))
  }
}
