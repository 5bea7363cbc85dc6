import Foundation
import Synchronization

/// The signals that end a program without a screen: blocked in every thread, and waited for by one.
struct EndingSignals {
  private let set: sigset_t

  /// Blocks them; to be made before the first thread is.
  init() {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&signals, number) }
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    signal(SIGPIPE, SIG_IGN)
    set = signals
  }

  /// Waits for one of them; its number.
  func wait() -> Int32 {
    var signals = set
    var number: Int32 = 0
    while sigwait(&signals, &number) != 0 {}
    return number
  }
}

/// Why a client asked for the end, told between two threads.
final class WhyEnded: Sendable {
  private let box = Mutex<String?>(nil)

  var text: String? {
    get { box.withLock { $0 } }
    set { box.withLock { $0 = newValue } }
  }
}
