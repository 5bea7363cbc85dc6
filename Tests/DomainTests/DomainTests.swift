import Chance
import Domain
import Testing

@Suite struct NodeTests {
  @Test("says what is too large as people say it, and exactly where that would read the same")
  func refusals() {
    let node = Node(
      id: NodeID(0), name: "vm", cores: CoreSet(0..<4), gpus: [GPU(uuid: "a", memory: Bytes(8 << 30))],
      memory: Bytes(25_276_510_208))
    func refusal(_ demand: Demand) -> String? { node.refusal(of: demand)?.text }
    #expect(refusal(Demand(memory: Bytes(900 << 30))) == "asks for 900G of memory, and vm has 23.5G")
    #expect(
      refusal(Demand(memory: Bytes(25_276_510_209)))
        == "asks for 25276510209 bytes of memory, and vm has 25276510208 bytes")
    #expect(refusal(Demand(gpus: 2)) == "asks for 2 GPUs, and vm has 1")
    #expect(refusal(Demand(gpus: 1, gpuMemory: Bytes(16 << 30))) == "asks for 1 GPU of at least 16G, and vm has 0")
  }
}

@Suite struct ResourceSetTests {
  @Test(
    "reads and writes the list format of cpuset files",
    arguments: [
      ("", ""), ("0", "0"), ("0-3,8", "0-3,8"), ("3,1,2", "1-3"), ("5-5", "5"), ("0,2,4-6", "0,2,4-6"),
      ("255-258", "255-258"), ("4095", "4095"),
    ])
  func roundTrip(text: String, canonical: String) throws {
    #expect(try CoreSet(parsing: text).description == canonical)
  }

  @Test(
    "refuses what is no list, and says which part and how to mend it",
    arguments: [
      ("0,x", "cannot read the core list '0,x': 'x' is neither a number nor a range. Write it like 0-3,8"),
      ("3-1", "cannot read the core list '3-1': '3-1' runs backwards. Write it like 0-3,8"),
      ("-1", "cannot read the core list '-1': '-1' is neither a number nor a range. Write it like 0-3,8"),
      ("5000", "cannot read the core list '5000': '5000' is beyond 4095. Write it like 0-3,8"),
      ("0,,1", "cannot read the core list '0,,1': '' is neither a number nor a range. Write it like 0-3,8"),
      ("1-2-3", "cannot read the core list '1-2-3': '1-2-3' is neither a number nor a range. Write it like 0-3,8"),
    ])
  func refusal(text: String, message: String) {
    #expect { try CoreSet(parsing: text) } throws: { "\($0)" == message }
  }

  @Test("behaves as a set of numbers does", arguments: UInt64(1)...20)
  func likeSet(seed: UInt64) {
    var random = SplitMix(seed: seed)
    var ours = (CoreSet(), CoreSet())
    var plain = (Set<Int>(), Set<Int>())
    for _ in 0..<60 {
      let number = Int(random.next() % (seed % 2 == 0 ? 256 : 600))
      if random.next() % 3 == 0 {
        ours.0.remove(number)
        plain.0.remove(number)
      } else {
        ours.0.insert(number)
        plain.0.insert(number)
      }
      let other = Int(random.next() % 600)
      ours.1.insert(other)
      plain.1.insert(other)
    }
    #expect(Array(ours.0) == plain.0.sorted())
    #expect(ours.0.count == plain.0.count)
    #expect(Array(ours.0.union(ours.1)) == plain.0.union(plain.1).sorted())
    #expect(Array(ours.0.intersection(ours.1)) == plain.0.intersection(plain.1).sorted())
    #expect(Array(ours.0.subtracting(ours.1)) == plain.0.subtracting(plain.1).sorted())
    #expect(ours.0.isSubset(of: ours.1) == plain.0.isSubset(of: plain.1))
    #expect(Array(ours.0.smallest(7)) == Array(plain.0.sorted().prefix(7)))
    #expect(Array(ours.0.smallest(7, outside: ours.1)) == Array(plain.0.subtracting(plain.1).sorted().prefix(7)))
    #expect(ours.0.count(outside: ours.1) == plain.0.subtracting(plain.1).count)
    #expect(ours.0.isDisjoint(with: ours.1) == plain.0.isDisjoint(with: plain.1))
    #expect(ours.0.subtracting(ours.0) == CoreSet())
  }
}

@Suite struct DemandTests {
  @Test("reads what the author wrote on the first lines, in any language's comment")
  func comment() {
    let read = DemandComment.reading(code: "#celltop: cores=4 gpus=1 memory=8G\nx = 1")
    #expect(read.problems.isEmpty)
    #expect(read.comment?.over(.oneCore) == Demand(coresLeast: 4, coresMost: 4, gpus: 1, memory: Bytes(8 << 30)))
    #expect(DemandComment.reading(code: "// celltop: cores=1-3").comment?.coresMost == 3)
    #expect(DemandComment.reading(code: "-- celltop: gpus=2").comment?.gpus == 2)
    #expect(DemandComment.reading(code: "%  celltop: memory=512M").comment?.memory == Bytes(512 << 20))
    #expect(DemandComment.reading(code: "print('#celltop: cores=4')").comment == nil)
    #expect(DemandComment.reading(code: "\n\n\n\n\n\n#celltop: cores=4").comment == nil)
  }

  @Test("tells what it cannot read, and keeps the rest")
  func problems() {
    let read = DemandComment.reading(code: "# celltop: cores=0 gpus=two color=red cores=2")
    #expect(read.comment?.coresLeast == 2)
    #expect(
      read.problems.map(\.description) == [
        "cannot read the demand 'cores=0': '0' is not a number of cores from 1 to 4096, or a range of them. "
          + "Write it like cores=4 gpus=1 memory=8G",
        "cannot read the demand 'gpus=two': 'two' is not a number of GPUs from 0 to 4096. "
          + "Write it like cores=4 gpus=1 memory=8G",
        "cannot read the demand 'color=red': there is no demand named 'color'; there are cores, gpus, memory and gpu-memory. "
          + "Write it like cores=4 gpus=1 memory=8G",
      ])
  }

  @Test(
    "takes the marker in any case, and tells a demand without its colon", arguments: ["celltop", "CELLTOP", "CellTop"])
  func marker(marker: String) {
    for colon in [":", " :", "\t:  "] {
      let read = DemandComment.reading(code: "#\(marker)\(colon)cores=2")
      #expect(read.comment?.coresLeast == 2 && read.problems.isEmpty, "\(colon)")
    }
    for asked in ["cores=2", "gpus=1", "memory=1G", "gpu-memory=1G", "\tcores=2"] {
      let read = DemandComment.reading(code: "# \(marker) \(asked)")
      #expect(read.comment == nil)
      #expect(
        read.problems.map(\.description) == [
          "cannot read the demand '\("celltop \(asked)".printable(at: 80))': there is no colon after 'celltop'. "
            + "Write it like #celltop: cores=4 gpus=1 memory=8G"
        ])
    }
    for remark in ["", " is a scheduler", "s cores=2", " needs cores=2"] {
      let read = DemandComment.reading(code: "# \(marker)\(remark)")
      #expect(read.comment == nil && read.problems.isEmpty, "\(remark)")
    }
  }

  @Test("counts what is asked for twice once, and tells the second")
  func twice() {
    let code = "#celltop: cores=2 cores=1 gpus=1 memory=1G\n#celltop: gpus=0 memory=2G gpu-memory=3G gpuMemory=4G"
    let read = DemandComment.reading(code: code)
    let wanted = Demand(coresLeast: 2, coresMost: 2, gpus: 1, memory: Bytes(1 << 30), gpuMemory: Bytes(3 << 30))
    #expect(read.comment?.over(.oneCore) == wanted)
    let told = [("cores=1", "cores"), ("gpus=0", "gpus"), ("memory=2G", "memory"), ("gpuMemory=4G", "gpu-memory")]
    let wantedProblems = told.map { word, name in
      "cannot read the demand '\(word)': '\(name)' is asked for twice. Write it like cores=4 gpus=1 memory=8G"
    }
    #expect(read.problems.map(\.description) == wantedProblems)
  }

  @Test("survives any bytes on a cell's first lines", arguments: UInt64(1)...50)
  func hostile(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let bytes = (0..<200).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    for marker in ["#celltop: ", "#CELLTOP", "#celltop cores="] {
      let read = DemandComment.reading(code: marker + String(decoding: bytes, as: UTF8.self))
      #expect(!read.problems.contains { $0.description.unicodeScalars.contains(where: isHostile) })
    }
  }

  @Test(
    "reads sizes in powers of 1,024",
    arguments: [
      ("512", 512), ("64K", 65_536), ("1.5G", 1_610_612_736), ("8GiB", 8_589_934_592), ("2MB", 2_097_152), ("0", 0),
    ])
  func sizes(text: String, count: Int64) throws { #expect(try Bytes(parsing: text).count == count) }

  @Test("refuses what is no size", arguments: ["", "G", "-1", "1.2.3G", "8X", "1e5", "9999999T", "nan"])
  func noSizes(text: String) { #expect(throws: ParseError.self) { try Bytes(parsing: text) } }

  @Test(
    "reads lengths of time",
    arguments: [
      ("20", 20_000_000), ("20s", 20_000_000), ("1.5h", 5_400_000_000), ("5m", 300_000_000), ("90d", 7_776_000_000_000),
      ("250ms", 250_000), ("7us", 7), ("0", 0),
    ])
  func times(text: String, microseconds: Int64) throws {
    #expect(try Domain.Span(parsing: text).microseconds == microseconds)
  }

  @Test("refuses what is no length of time", arguments: ["", "s", "d", "-1s", "1w", "soon", "nan", "inf", "1e30d"])
  func noTimes(text: String) { #expect(throws: ParseError.self) { try Domain.Span(parsing: text) } }

  @Test("counts a shared allotment as what the cell asks for, another whole")
  func counted() {
    var allotment = Allotment(node: NodeID(0), cores: CoreSet([0, 1, 2, 3]), gpus: GPUSet([0, 1]))
    let whole = allotment.counted(coresMost: 2, gpus: 1)
    #expect(whole.cores == 4 && whole.gpus == 2)
    allotment.shared = true
    let shared = allotment.counted(coresMost: 2, gpus: 1)
    #expect(shared.cores == 2 && shared.gpus == 1)
  }
}

@Suite struct PackingTests {
  @Test("gives back every event and input that it packed", arguments: UInt64(1)...30)
  func roundTrip(seed: UInt64) throws {
    var samples = Samples(seed: seed)
    for event in samples.events() {
      let entry = Entry(sequence: Int64(seed), at: Instant(microseconds: 12), event: event)
      #expect(try Entry(packed: entry.packed) == entry)
    }
    for input in samples.inputs() { #expect(try Input(packed: input.packed) == input) }
  }

  @Test("refuses damaged bytes and never crashes", arguments: UInt64(1)...50)
  func damaged(seed: UInt64) {
    var random = SplitMix(seed: seed)
    var samples = Samples(seed: seed)
    for event in samples.events() {
      var bytes = event.packed
      for _ in 0..<3 where !bytes.isEmpty {
        bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
      }
      _ = try? Event(packed: bytes)
      _ = try? Event(packed: bytes.dropLast())
      #expect(throws: PackError.self) { try Event(packed: event.packed + [0]) }
    }
  }

  @Test("digests the same entries to the same value, and others to another")
  func digest() {
    var first = Digest()
    var second = Digest()
    var third = Digest()
    let entry = Entry(sequence: 1, at: .zero, event: .policyChanged("fcfs"))
    first.absorb(entry)
    second.absorb(entry)
    third.absorb(Entry(sequence: 1, at: .zero, event: .policyChanged("fcfr")))
    #expect(first == second)
    #expect(first != third)
    // Pinned: the digest is the same in every process and on every machine.
    #expect(first.hexadecimal == "9a12b2abe7d2dbb3")
  }
}
