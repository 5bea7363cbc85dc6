import Domain
import Engine
import Testing

@testable import Policies

/// Eight cores below two caches of four; each core of one thread.
@Suite("Cores by topology, whatever the policy")
struct TopologyPlacementTests {
  private func bench(_ policy: String) throws -> Bench {
    let halves = [CoreSet(0..<4), CoreSet(4..<8)]
    let topology = CoreTopology(
      physical: (0..<8).map { CoreSet([$0]) }, caches: halves, numaNodes: halves, packages: [CoreSet(0..<8)])
    return try Bench(
      policy, node: Node(id: NodeID(0), name: "n", cores: CoreSet(0..<8), topology: topology))
  }

  @Test(
    "puts a cell below one cache, though lower cores are idle",
    arguments: ["fcfs", "sjf", "backfill", "fairshare", "reservation", "dynamic"])
  func oneCache(policy: String) throws {
    var bench = try bench(policy)
    // Rigid cells, which no policy makes larger or smaller.
    let first = bench.submit(cores: 3, run: 100, at: 0)
    let second = bench.submit(cores: 2, run: 100, at: 1)
    #expect(bench.scheduler.state[first].allotment.cores == CoreSet([0, 1, 2]))
    #expect(bench.scheduler.state[second].allotment.cores == CoreSet([4, 5]))
    let third = bench.submit(cores: 1, run: 100, at: 2)
    #expect(bench.scheduler.state[third].allotment.cores == CoreSet([3]), "the fullest cache that has room")
    #expect(bench.scheduler.state.brokenInvariants().isEmpty)
  }

  @Test("honours a pin before any nearness", arguments: ["fcfs", "dynamic"])
  func pins(policy: String) throws {
    var bench = try bench(policy)
    let id = bench.submit(cores: 1, run: 1, at: 0)
    bench.end(id, at: 1)
    bench.order(.pin(id, Pin(node: NodeID(0), cores: CoreSet([3, 4, 6]))), at: 2)
    bench.again(id, cores: 2, run: 10, at: 3)
    #expect(bench.scheduler.state[id].allotment.cores == CoreSet([4, 6]))
  }

  @Test("grows a cell beside what it has")
  func grows() throws {
    var bench = try bench("dynamic")
    let first = bench.submit(cores: 3, run: 100, at: 0)
    let second = bench.submit(cores: 4, least: 1, run: 100, at: 1)
    let before = bench.scheduler.state[second].allotment.cores
    #expect(before == CoreSet(4..<8))
    bench.end(first, at: 2)
    #expect(bench.scheduler.state[second].allotment.cores == before)
  }

  @Test("takes the lowest cores where no topology is known")
  func lowest() throws {
    var bench = try Bench("fcfs", cores: 8)
    _ = bench.submit(cores: 3, run: 100, at: 0)
    let second = bench.submit(cores: 2, run: 100, at: 1)
    #expect(bench.scheduler.state[second].allotment.cores == CoreSet([3, 4]))
  }
}
