import Domain
import Glibc

/// The descriptors that the gate sleeps on, listed once and anew only when its sockets have changed.
struct Watch {
  /// The others' places behind the sockets.
  enum Other: Int, CaseIterable {
    case signals, keeper, parent, link
  }

  private var sockets: [ZeroMQSocket] = []
  private var items: [pollfd] = []
  private var isStale = true
  private var hasLookedAgain = false

  /// The sockets have changed.
  mutating func forget() { isStale = true }

  /// Lists the sockets, where that must be done anew.
  mutating func list(_ all: () -> [ZeroMQSocket]) {
    guard isStale else { return }
    isStale = false
    sockets = all()
    items = sockets.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
    items += Other.allCases.map { _ in pollfd(fd: -1, events: Int16(POLLIN), revents: 0) }
  }

  /// Whether a socket must be read again before anybody may sleep.
  private var isPending: Bool {
    for socket in sockets where socket.mayHoldMore { return true }
    return false
  }

  /// What is watched beside the sockets; poll(2) passes over a descriptor of -1.
  mutating func watch(_ other: Other, _ descriptor: Int32, isWriting: Bool = false) {
    let place = sockets.count + other.rawValue
    items[place].fd = descriptor
    items[place].events = Int16(POLLIN) | (isWriting ? Int16(POLLOUT) : 0)
  }

  /// Sleeps until something comes, `milliseconds` at the most; -1 for as long as nothing comes.
  ///
  /// A socket that was written to must be read once more, and mostly there is nothing: so the first time it is only read, and
  /// the descriptors are asked when there was something again. In a flood they are thus asked every other time, so that
  /// signals and the engine do not wait behind it.
  ///
  /// - Parameter resting: is not looked at.
  mutating func sleep(milliseconds: Int32, resting: ZeroMQSocket?) {
    let isPending = isPending
    if isPending, !hasLookedAgain {
      hasLookedAgain = true
      for other in Other.allCases { items[sockets.count + other.rawValue].revents = 0 }
      return
    }
    hasLookedAgain = false
    for index in sockets.indices {
      items[index].fd = sockets[index] === resting ? -1 : sockets[index].descriptor
    }
    guard poll(&items, nfds_t(items.count), isPending ? 0 : milliseconds) >= 0 else {
      for index in items.indices { items[index].revents = 0 }
      return
    }
    for index in sockets.indices where items[index].revents != 0 { sockets[index].mayHoldMore = true }
  }

  /// Whether the last sleep was ended by this one; true before the first.
  func woke(_ other: Other) -> Bool { items.isEmpty || items[sockets.count + other.rawValue].revents != 0 }
}
