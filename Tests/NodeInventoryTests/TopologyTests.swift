import Domain
import NodeControl
import Testing

@testable import NodeInventory

/// Choices on machines that hwloc makes up. Cores are numbered as hwloc numbers them: siblings beside each other.
@Suite("Cores that belong together")
struct TopologyTests {
  /// Two packages, each a NUMA node with two caches of four cores of two threads: 32 logical cores.
  private func large() throws -> CoreTopology {
    try #require(HardwareTopology.synthetic("pack:2 [numa] l3:2 core:4 pu:2"))
  }

  private func cores(_ text: String) throws -> CoreSet { try CoreSet(parsing: text) }

  @Test("are found with their packages, NUMA nodes, caches and siblings")
  func finds() throws {
    let topology = try large()
    #expect(topology.packages == [CoreSet(0..<16), CoreSet(16..<32)])
    #expect(topology.numaNodes == topology.packages)
    #expect(topology.caches.map(\.description) == ["0-7", "8-15", "16-23", "24-31"])
    #expect(topology.physical.count == 16 && topology.physical[1] == CoreSet([2, 3]))
    #expect(topology.restricted(to: try cores("8-9,30")).physical.map(\.description) == ["8-9", "30"])
    #expect(HardwareTopology.synthetic("nonsense:") == nil)
  }

  @Test(
    "are given to a cell by cache, then NUMA node, and siblings last",
    arguments: [
      // One cache has four physical cores: one thread of each.
      (4, "0-31", "0,2,4,6"), (1, "0-31", "0"),
      // More than a cache: the NUMA node.
      (8, "0-31", "0,2,4,6,8,10,12,14"), (5, "0-31", "0,2,4,6,8"),
      // More than the physical cores of a NUMA node: those of the other before any sibling.
      (16, "0-31", "0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30"),
      (17, "0-31", "0-2,4,6,8,10,12,14,16,18,20,22,24,26,28,30"),
      // The fullest cache that has room, so that large ones stay whole.
      (2, "0-11", "8,10"), (2, "0-7,24-27", "24,26"), (3, "0-7,24-27", "0,2,4"),
      // Siblings of somebody else's cores come after whole ones.
      (2, "1,3,5,7,16-19", "16,18"), (3, "1,3,16-19", "16-18"), (5, "1,3,16-19", "1,16-19"),
      // All, and none.
      (40, "3,5", "3,5"), (0, "0-31", ""),
    ])
  func chooses(count: Int, free: String, chosen: String) throws {
    #expect(try large().choose(count, from: cores(free)).description == chosen)
  }

  @Test(
    "grow beside what a cell has",
    arguments: [
      (2, "8-31", "2,4", "8,10"),  // its cache is full: the same NUMA node
      (2, "4-15,16-31", "0-3", "4,6"),  // its cache
      (1, "3,8-15", "2", "8"),  // a whole core elsewhere in the node before its own sibling
      (1, "3,9", "2", "3"),  // its own sibling before a sibling of somebody else's
      (6, "4-7,16-31", "0-3", "4,6,16,18,20,22"),  // beyond its node where it must
    ])
  func grows(count: Int, free: String, present: String, chosen: String) throws {
    #expect(try large().choose(count, from: cores(free), beside: cores(present)).description == chosen)
  }

  @Test("shrink onto what lies together", arguments: [(2, "0,2,16,18,20", "0,2"), (3, "0,2,16,18,20", "16,18,20")])
  func shrinks(count: Int, own: String, kept: String) throws {
    #expect(try large().choose(count, from: cores(own)).description == kept)
  }

  @Test("are a NUMA node's where one package has several")
  func severalNUMANodes() throws {
    let topology = try #require(HardwareTopology.synthetic("pack:1 numa:4 l3:1 core:2 pu:1"))
    #expect(topology.numaNodes.count == 4 && topology.packages.count == 1)
    #expect(topology.choose(2, from: CoreSet([1, 2, 3, 4])) == CoreSet([2, 3]))
  }

  @Test("lie under the last cache that cores share, where there is no third level")
  func secondLevel() throws {
    let topology = try #require(HardwareTopology.synthetic("pack:1 l2:2 core:2 pu:1"))
    #expect(topology.caches.map(\.description) == ["0-1", "2-3"])
    let private2 = try #require(HardwareTopology.synthetic("pack:2 core:2 l2:1 pu:1"))
    #expect(private2.caches == private2.packages)
  }

  @Test("are always as many as asked for, and free ones", arguments: UInt64(1)...40)
  func total(seed: UInt64) throws {
    let shapes = [
      "pack:2 [numa] l3:2 core:4 pu:2", "pack:1 core:6 pu:1", "numa:3 pack:1 l3:3 core:2 pu:4", "core:3 pu:2",
    ]
    let topology = try #require(HardwareTopology.synthetic(shapes[Int(seed) % shapes.count]))
    let all = topology.physical.reduce(into: CoreSet()) { $0.formUnion($1) }
    var state = seed
    func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state >> 33
    }
    for _ in 0..<50 {
      var free = CoreSet()
      var present = CoreSet()
      // Some that the topology does not know: a core that came later.
      for core in Array(all) + [90, 91] {
        switch next() % 3 {
        case 0: free.insert(core)
        case 1: present.insert(core)
        default: break
        }
      }
      let count = Int(next() % 12)
      let chosen = topology.choose(count, from: free, beside: present)
      #expect(chosen.count == min(count, free.count) && chosen.isSubset(of: free), "seed \(seed)")
    }
  }

  @Test("are those of this machine")
  func here() throws {
    let cores = NodeCapacity.here().cores
    let topology = try #require(HardwareTopology.here(cores: cores))
    #expect(topology.physical.reduce(into: CoreSet()) { $0.formUnion($1) } == cores)
    #expect(!topology.caches.isEmpty && !topology.packages.isEmpty)
  }
}
