import Domain
import Glibc
import Testing

@testable import NodeControl

@Suite("Sampling trees")
struct TreeWatchTests {
  @Test("finds children that came since the last look, and forgets those that went")
  func follows() throws {
    let family = Family(command: "read x; sleep 600 & read x; kill $!; wait $!; read x")
    let tree = ProcessTree(root: family.pid)
    var watch = TreeWatch()
    try #require(family.until { watch.usage(of: [tree])[0]?.processes == 1 })
    family.say("go")
    try #require(family.until { watch.usage(of: [tree])[0]?.processes == 2 })
    family.say("go")
    try #require(family.until { watch.usage(of: [tree])[0]?.processes == 1 })
    family.say("go")
    try #require(family.until { watch.usage(of: [tree])[0] == nil })
  }

  @Test("counts the time of children that came and went")
  func keepsTime() throws {
    let family = Family(command: "read x; sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; read x")
    let tree = ProcessTree(root: family.pid)
    var watch = TreeWatch()
    let before = try #require(watch.usage(of: [tree])[0])
    family.say("go")
    var last = before.cpu
    try #require(
      family.until(seconds: 30) {
        guard let now = watch.usage(of: [tree])[0] else { return false }
        #expect(now.cpu >= last, "time never falls, though a child went")
        last = now.cpu
        return now.processes == 1 && now.cpu > before.cpu + Domain.Span(microseconds: 20_000)
      })
  }

  @Test("knows the tree of a kernel behind its keeper by the keeper's name")
  func keeper() {
    #expect(ProcessTree.ofKernel(getpid()) == ProcessTree(root: getpid()))
    #expect(ProcessTree.ofKernel(0x3fff_ffff) == ProcessTree(root: 0x3fff_ffff))
    let family = Family(command: "printf \(ProcessTree.keeperName) > /proc/self/comm; sleep 600 & wait")
    let tree = ProcessTree(root: family.pid)
    #expect(family.until { tree.members().count == 2 })
    guard let child = tree.members().last else { return }
    #expect(
      family.until { ProcessTree.ofKernel(child) == ProcessTree(root: family.pid, includesRoot: false) },
      "the shell has the keeper's name")
  }

  @Test("says nothing of trees that are gone, nor of none")
  func gone() {
    var watch = TreeWatch()
    let gone = ProcessTree(root: 0x3fff_ffff)
    for _ in 0..<2 { #expect(watch.usage(of: [gone]) == [nil]) }
    #expect(watch.usage(of: []).isEmpty)
  }
}

@Suite("Keeping to cores")
struct KeepingCoresTests {
  @Test("binds what runs elsewhere, and leaves alone what keeps itself to fewer")
  func keeps() throws {
    let family = Family()
    let tree = ProcessTree(root: family.pid)
    try #require(family.until { tree.members().count == 3 })
    let all = try #require(LinuxNode.affinity(of: 0))
    let node = LinuxNode()
    let one = all.smallest(1)
    #expect(node.keepCores(all, of: tree) == 0)
    #expect(try node.setCores(one, of: tree) == one)
    #expect(node.keepCores(all, of: tree) == 0, "fewer are no fault")
    #expect(tree.members().allSatisfy { LinuxNode.affinity(of: $0) == one })
    guard all.count > 1 else {
      print("skipped: one core cannot be left")
      return
    }
    let child = try #require(tree.members().last)
    #expect(try node.setCores(all, of: ProcessTree(root: child)) == all)
    #expect(node.keepCores(one, of: tree) == 1)
    #expect(LinuxNode.affinity(of: child) == one)
    #expect(node.keepCores(CoreSet(), of: tree) == 0)
  }
}

@Suite("cuda-checkpoint")
struct CUDACheckpointTests {
  @Test(
    "needs driver 550",
    arguments: [("550.54.14", true), ("570.86.15", true), ("535.1", false), ("", false), ("x.y", false)])
  func driver(version: String, served: Bool) { #expect(CUDACheckpoint.isServed(byDriver: version) == served) }

  @Test("is looked for on PATH, and its end is told")
  func runs() throws {
    #expect(CUDACheckpoint.find(environment: ["PATH": "/nowhere:relative"]) == nil)
    #expect(CUDACheckpoint(program: "/nowhere/cuda-checkpoint").toggle(1) == nil)
    let ends = [("/bin/true", true), ("/bin/false", false)]
    for (program, isWell) in ends {
      let child = try #require(CUDACheckpoint(program: program).toggle(1))
      var outcome: Bool?
      for _ in 0..<5000 where outcome == nil {
        outcome = CUDACheckpoint.outcome(of: child)
        poll(nil, 0, 1)
      }
      #expect(outcome == isWell)
    }
  }
}
