import CLinux
import Domain
import Foundation
import Testing

@testable import NodeControl

@Suite("Locks on files") struct FileLockTests {
  @Test("are told by process, those that are waited for and those of others not")
  func reading() {
    let text = """
      1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF
      2: FLOCK  ADVISORY  WRITE 3517 fd:00:2531448 0 EOF
      2: -> FLOCK  ADVISORY  WRITE 3568 fd:00:2531448 0 EOF
      3: POSIX  ADVISORY  READ  3568 fd:00:7 1073741826 1073742335
      4: OFDLCK ADVISORY  WRITE -1 fd:00:8 0 EOF
      nonsense
      """
    let held = FileLocks.held(by: [3568, 1], in: text)
    #expect(held == ["POSIX WRITE fd:00:2531452 0 EOF", "POSIX READ fd:00:7 1073741826 1073742335"])
    #expect(FileLocks.held(by: [3517], in: text) == ["FLOCK WRITE fd:00:2531448 0 EOF"])
    #expect(FileLocks.held(by: [], in: text).isEmpty && FileLocks.held(by: [1], in: nil).isEmpty)
  }

  /// A process that locks a file, again and again for a moment or once for good, and says when it has begun.
  private static func locker(_ body: String) throws -> (Process, ProcessTree) {
    let file = NSTemporaryDirectory() + "/locked-\(UUID().uuidString)"
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "python3", "-c",
      """
      import fcntl, os, sys, time
      file = open(sys.argv[1], 'w')
      os.unlink(sys.argv[1])
      def spin(seconds):
          end = time.process_time() + seconds
          while time.process_time() < end: pass
      fcntl.lockf(file, fcntl.LOCK_EX)
      print('begun', flush=True)
      \(body)
      """, file,
    ]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    _ = output.fileHandleForReading.availableData
    return (process, ProcessTree(root: process.processIdentifier))
  }

  @Test("a tree is stopped at a moment in which it has none")
  func moment() throws {
    let (process, tree) = try Self.locker(
      """
      while True:
          fcntl.lockf(file, fcntl.LOCK_UN)
          spin(0.004)
          fcntl.lockf(file, fcntl.LOCK_EX)
          spin(0.004)
      """)
    defer {
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    let node = LinuxNode()
    for _ in 0..<20 {
      try node.suspend(tree)
      #expect(FileLocks.held(by: tree.members()).isEmpty)
      try node.resume(tree)
    }
  }

  @Test("one that keeps a lock for good is stopped with it")
  func kept() throws {
    let (process, tree) = try Self.locker("time.sleep(1000)")
    defer {
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    let node = LinuxNode()
    for _ in 0..<3 {
      try node.suspend(tree)
      #expect(FileLocks.held(by: tree.members()).count == 1)
      // A signal is sent before it is heeded.
      let end = Date() + 30
      while ProcessRecord.now(process.processIdentifier)?.isStopped != true, Date() < end { poll(nil, 0, 1) }
      #expect(ProcessRecord.now(process.processIdentifier)?.isStopped == true)
      try node.resume(tree)
    }
  }
}
