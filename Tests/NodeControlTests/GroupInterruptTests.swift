import Foundation
import Glibc
import Testing

@testable import NodeControl

/// Interrupts of a process group through its leader's main thread.
@Suite struct GroupInterruptTests {
  @Test("reaches the leader and the others of its group, and nobody else", arguments: [false, true])
  func reaches(afterStop: Bool) throws {
    let place = FileManager.default.temporaryDirectory.path + "/celltop-interrupt-\(UUID().uuidString)"
    defer { unlink(place) }
    // The shell comes to its trap when the sleep in its foreground has ended, too.
    let family = Family(
      command: "exec setsid sh -c 'trap \"echo told > \(place); exit\" INT; setsid sleep 600 & sleep 600; sleep 600'")
    func sleepers() -> [Int32] { ProcessTree(root: family.pid).members().filter { $0 != family.pid } }
    func isInGroup(_ pid: Int32) -> Bool { ProcessRecord.now(pid)?.group == family.pid }
    #expect(family.until { sleepers().contains { !isInGroup($0) } && sleepers().contains(where: isInGroup) })
    let stranger = try #require(sleepers().first { !isInGroup($0) })
    defer { kill(stranger, SIGKILL) }
    if afterStop {
      kill(-family.pid, SIGSTOP)
      #expect(family.until { ProcessRecord.now(family.pid)?.isStopped == true })
      kill(-family.pid, SIGCONT)
    }
    // A shell that is starting a program blocks signals for a moment; nothing is sent then, as the result says.
    #expect(family.until { GroupInterrupt.send(toGroupOf: family.pid, among: ProcessTree(root: family.pid).members()) })
    #expect(family.until { access(place, F_OK) == 0 })
    #expect(kill(stranger, 0) == 0)
  }

  @Test("is left to kill(2) where the main thread blocks interrupts, or there is nobody")
  func blocked() {
    let family = Family(command: "exec sleep 600", blocks: SIGINT)
    #expect(!GroupInterrupt.send(toGroupOf: family.pid, among: []))
    #expect(!GroupInterrupt.send(toGroupOf: Int32.max, among: []))
    #expect(!GroupInterrupt.send(toGroupOf: 0, among: []))
  }
}
