import CLinux
import Glibc

/// NVIDIA's `cuda-checkpoint`, which moves all of a process's GPU memory into its ordinary memory and back, and keeps its
/// CUDA calls waiting meanwhile (github.com/NVIDIA/cuda-checkpoint, README). Driver 550 has it, 570 has it well; it
/// refuses processes that use unified memory or NCCL. The process must run while it is at work: a stopped one cannot
/// answer it.
public struct CUDACheckpoint: Sendable {
  /// The program's path.
  public let program: String

  public init(program: String) { self.program = program }

  /// The first of that name on `PATH`; nil where there is none.
  public static func find(environment: [String: String]) -> String? {
    for folder in (environment["PATH"] ?? "").split(separator: ":") where folder.hasPrefix("/") {
      let path = String(folder) + "/cuda-checkpoint"
      if access(path, X_OK) == 0 { return path }
    }
    return nil
  }

  /// Whether a driver of this version has what the program needs.
  public static func isServed(byDriver version: String) -> Bool {
    version.split(separator: ".").first.flatMap { Int($0) }.map { $0 >= 550 } ?? false
  }

  /// Starts to move a process's GPU memory out, or back where it is out already.
  ///
  /// - Returns: the program's process, a child of this one that must be waited for; nil where it does not start.
  public func toggle(_ pid: Int32) -> Int32? {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    let words: [String] = [program, "--toggle", "--pid", "\(pid)"]
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    var child: pid_t = 0
    return posix_spawn(&child, program, nil, &attributes, arguments, environ) == 0 ? child : nil
  }

  /// How a child of `toggle` ended: true for well; nil while it is at work.
  public static func outcome(of child: Int32) -> Bool? {
    var status: Int32 = 0
    let ended = waitpid(child, &status, WNOHANG)
    guard ended != 0 else { return nil }
    return ended == child && celltop_status_signalled(status) == 0 && celltop_status_exit(status) == 0
  }
}
