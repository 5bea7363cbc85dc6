import Domain
import Glibc
import Testing

@testable import NodeControl

@Suite("The processes of a kernel, for people") struct ProcessListingTests {
  @Test("lists a tree with each process below the one that started it, and nothing of a tree that is gone")
  func tree() throws {
    let own = ProcessTree(root: getpid()).listing()
    #expect(own.first?.pid == getpid())
    #expect(own.first?.depth == 0)
    #expect(own.first.map { $0.memory > .zero && $0.threads > 0 && !$0.name.isEmpty } == true)
    for (index, process) in own.enumerated().dropFirst() {
      #expect(process.depth <= own[index - 1].depth + 1)
    }
    #expect(ProcessTree(root: Int32.max).listing().isEmpty)
  }
}
