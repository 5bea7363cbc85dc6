import CLinux
import Glibc

/// Writes on the terminal, and waits for it no longer than until the process shall end: a terminal that takes nothing any more (a
/// connection that stands still) must not keep it from ending.
///
/// The terminal is opened once more for that: the descriptor that we were given is shared with whoever started us, so that writing
/// without waiting would be theirs too, and ncurses spins on it.
final class TerminalOutput {
  /// How long a terminal that takes nothing is waited for once the process shall end, and while the screen is put away.
  private static let patienceMilliseconds: Int32 = 300
  /// What is written at once to a descriptor that waits; less than a terminal keeps free when it says that it is ready.
  private static let pieceBytes = 128

  private let descriptor: Int32
  private let isOwn: Bool
  /// Readable while a signal that ends the process waits for the loop; it is left there for the loop.
  private let endings: Int32
  /// Whether bytes were given up since this was last set to false: nobody knows what the screen shows.
  var isCut = false
  /// Whether the screen is being put away, so that a terminal that takes nothing is not waited for long.
  var isEnding = false

  init(_ shared: Int32) {
    let opened = open("/proc/self/fd/\(shared)", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
    (descriptor, isOwn) = (opened >= 0 ? opened : shared, opened >= 0)
    var set = sigset_t()
    sigemptyset(&set)
    for number in [SIGTERM, SIGHUP, SIGINT, SIGQUIT] { sigaddset(&set, number) }
    endings = celltop_signalfd_of(&set)
  }

  deinit {
    if isOwn { close(descriptor) }
    if endings >= 0 { close(endings) }
  }

  /// Writes all of it, or what the terminal takes before the process shall end; ``isCut`` says so.
  func write(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard waitUntilReady() else {
        isCut = true
        return
      }
      let piece = isOwn ? rest : rest.prefix(Self.pieceBytes)
      let count = piece.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 || errno == EAGAIN || errno == EINTR else { return }
      rest = rest.dropFirst(max(0, count))
    }
  }

  /// False where the terminal takes nothing and the process shall end.
  private func waitUntilReady() -> Bool {
    while true {
      var ready = [
        pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0),
        pollfd(fd: endings, events: Int16(POLLIN), revents: 0),
      ]
      let count = poll(&ready, 2, isEnding ? Self.patienceMilliseconds : -1)
      if count < 0, errno == EINTR { continue }
      if ready[0].revents != 0 { return true }
      if ready[1].revents != 0 { return poll(&ready, 1, Self.patienceMilliseconds) > 0 }
      return false
    }
  }
}
