import Glibc

/// What drawing has cost so far: the console's debug line, and the budget tests.
public struct FrameStatistics: Hashable, Sendable {
  /// Frames that changed something.
  public internal(set) var drawn = 0
  /// Frames that were equal to what was shown, and cost a comparison only.
  public internal(set) var skipped = 0
  /// Cells handed to ncurses.
  public internal(set) var cellsChanged = 0
  /// CPU time of this thread in `present`, comparison and output included.
  public internal(set) var cpu: Duration = .zero
  /// The same for the last frame.
  public internal(set) var cpuOfLastFrame: Duration = .zero
  /// Bytes written to the terminal, or nil when they are not counted: see ``ScreenOptions/countsBytes``.
  public internal(set) var bytes: Int?
  /// The same for the last frame drawn.
  public internal(set) var bytesOfLastFrame: Int?
  /// Styles drawn in other colours because the terminal has too few colour pairs.
  public internal(set) var pairsRefused = 0
}

/// The CPU time that this thread has used.
func threadCPU() -> Duration {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}

/// The bytes that this thread has written, to anything (proc(5), `/proc/pid/io`, `wchar`); nil where the kernel does
/// not count them.
func threadBytesWritten() -> Int? {
  let file = open("/proc/thread-self/io", O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return nil }
  defer { close(file) }
  var buffer = [UInt8](repeating: 0, count: 512)
  let count = read(file, &buffer, buffer.count)
  guard count > 0 else { return nil }
  for line in buffer[..<count].split(separator: 0x0A) where line.starts(with: "wchar: ".utf8) {
    return Int(String(decoding: line.dropFirst(7), as: UTF8.self))
  }
  return nil
}
