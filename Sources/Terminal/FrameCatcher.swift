import CLinux
import Glibc

/// Catches what ncurses writes for a frame: while it writes, its descriptor leads into a file in memory.
///
/// ncurses itself only ever writes to the descriptor that it was opened with, and asks of it what only a terminal can tell; so it
/// has the terminal at all other times.
final class FrameCatcher {
  private let descriptor: Int32
  private let terminal: Int32
  private let memory: Int32

  /// - Parameter descriptor: ncurses' own.
  ///
  /// Nil where there are no files in memory (memfd_create(2)), or too many files are open.
  init?(_ descriptor: Int32) {
    let memory = celltop_memory_file("frame")
    let terminal = celltop_duplicate(descriptor)
    guard memory >= 0, terminal >= 0 else {
      if memory >= 0 { close(memory) }
      if terminal >= 0 { close(terminal) }
      return nil
    }
    (self.descriptor, self.terminal, self.memory) = (descriptor, terminal, memory)
  }

  deinit {
    close(terminal)
    close(memory)
  }

  /// What is written meanwhile; nil where it cannot be caught, and nothing was done.
  func written(_ body: () -> Void) -> [UInt8]? {
    guard lseek(memory, 0, SEEK_SET) == 0, celltop_replace(memory, descriptor) >= 0 else { return nil }
    body()
    _ = celltop_replace(terminal, descriptor)
    let count = max(lseek(memory, 0, SEEK_CUR), 0)
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
      length = max(pread(memory, buffer.baseAddress, count, 0), 0)
    }
  }
}
