import Glibc
import Synchronization

/// Writes lines to a descriptor on a thread of its own, so that whoever logs never waits for a journal that is slow.
///
/// At most `linesMost` lines wait; what comes beyond is counted, and told as soon as there is room again.
public final class LineSink: Sendable {
  public static let linesMost = 1000

  private struct Queue {
    var lines: [String] = []
    var dropped = 0
    var isStopping = false
    var isWriting = false
  }

  private let queue = Mutex(Queue())
  private let signal = Signal()
  private let descriptor: Int32
  private let linesMost: Int

  /// - Parameter descriptor: stays open, and is the caller's.
  public init(_ descriptor: Int32, linesMost: Int = LineSink.linesMost) {
    self.descriptor = descriptor
    self.linesMost = linesMost
    let own = Unmanaged.passRetained(self)
    var thread = pthread_t()
    let failed = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<LineSink>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, own.toOpaque())
    if failed == 0 { pthread_detach(thread) } else { own.release() }
  }

  /// Takes a line, without its newline.
  public func write(_ line: String) {
    queue.withLock { queue in
      guard !queue.isStopping else { return }
      guard queue.lines.count < linesMost else {
        queue.dropped += 1
        return
      }
      queue.lines.append(line)
    }
    signal.raise()
  }

  /// Writes what waits, then takes no more; gives up after two seconds on a descriptor that takes nothing.
  public func finish() {
    queue.withLock { $0.isStopping = true }
    signal.raise()
    for _ in 0..<200 {
      if queue.withLock({ $0.lines.isEmpty && !$0.isWriting }) { return }
      poll(nil, 0, 10)
    }
  }

  private func run() {
    while true {
      let (lines, dropped, isStopping) = queue.withLock { queue in
        defer { (queue.lines, queue.dropped) = ([], 0) }
        queue.isWriting = !queue.lines.isEmpty || queue.dropped > 0
        return (queue.lines, queue.dropped, queue.isStopping)
      }
      if !lines.isEmpty || dropped > 0 {
        var text = lines.map { $0 + "\n" }.joined()
        if dropped > 0 { text += "celltop: \(dropped) lines of the log were left out, because it was not read\n" }
        put(Array(text.utf8))
        queue.withLock { $0.isWriting = false }
        continue
      }
      if isStopping { return }
      signal.wait()
    }
  }

  private func put(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if count < 0, errno == EAGAIN {
        var one = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&one, 1, 1000)
      } else if count < 0, errno != EINTR {
        // Nobody is there to be told.
        return
      }
    }
  }
}

/// Wakes one thread that waits. `@unchecked Sendable`: sem_t is made for several threads (sem_overview(7)).
private final class Signal: @unchecked Sendable {
  private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
  init() { sem_init(semaphore, 0, 0) }
  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }
  func raise() { sem_post(semaphore) }
  func wait() { while sem_wait(semaphore) != 0, errno == EINTR {} }
}
