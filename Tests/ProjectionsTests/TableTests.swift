import Domain
import Projections
import Testing

@Suite("Tables made from a board") struct TableTests {
  @Test("sums up what is allotted and what the notebooks do")
  func overview() {
    var tape = Tape(cores: 8, gpus: 2)
    tape.add(.policyChanged("fcfs"))
    let running = tape.open("a")
    _ = tape.run(running, on: CoreSet([0, 1]), gpus: GPUSet([1]))
    let suspended = tape.open("b")
    let cell = tape.run(suspended, on: CoreSet([2]))
    tape.add(.cellSuspended(cell, suspended, Reason(.preempted)))
    let queued = tape.open("c")
    _ = tape.queue(queued)
    let thinking = tape.open("d")
    let ended = tape.run(thinking, on: CoreSet([3]))
    tape.add(.cellEnded(ended, thinking, .ok))
    tape.add(.kernelDied(tape.open("e")))
    tape.add(.notebookClosed(tape.open("f")))
    let overview = Overview(tape.board)
    #expect(overview.nodeName == "node7")
    #expect((overview.coresAllotted, overview.cores) == (2, 8))
    #expect((overview.gpusAllotted, overview.gpus) == (1, 2))
    #expect(overview.notebooks == 5)
    let counts = [overview.running, overview.suspended, overview.queued, overview.thinking, overview.starting]
    #expect(counts == [1, 1, 1, 1, 1])
    #expect(overview.cellsEnded == 1)
    #expect(overview.policy == "fcfs")
  }

  @Test("counts a shared core once, and names no node before there is one")
  func sharing() {
    #expect(Overview(Board()).nodeName == "no node")
    var tape = Tape()
    for name in ["a", "b"] {
      let id = tape.open(name)
      let cell = tape.queue(id)
      tape.add(.cellStarted(cell, id, .on(CoreSet(0..<4), shared: true), Reason(.sharedByAll)))
    }
    #expect(Overview(tape.board).coresAllotted == 4)
    let map = NodeMap(tape.board.nodes[0], of: tape.board)
    #expect(map.cores.map(\.users) == Array(repeating: [NotebookID(0), NotebookID(1)], count: 4))
  }

  @Test("maps cores and GPUs to users, pins and drains, by the system's own numbers")
  func nodeMap() {
    var tape = Tape()
    var board = Board()
    let node = Node(
      id: NodeID(0), name: "n", cores: CoreSet([2, 3, 8, 9]), gpus: [GPU(uuid: "a"), GPU(uuid: "b")])
    board.apply(Entry(sequence: 1, at: .zero, event: .nodeAdded(node)))
    let id = tape.open("a")
    let gone = tape.open("b")
    _ = tape.run(id, on: CoreSet([3, 8]), gpus: GPUSet([1]))
    tape.add(.pinned(id, Pin(node: NodeID(0), cores: CoreSet([8, 9]), gpus: GPUSet([0]))))
    tape.add(.pinned(gone, Pin(node: NodeID(0), cores: CoreSet([2]))), .notebookClosed(gone))
    tape.add(.drainChanged(NodeID(0), CoreSet([2]), GPUSet([0])))
    for entry in tape.entries.dropFirst() { board.apply(entry) }
    let map = NodeMap(board.nodes[0], of: board)
    #expect(map.cores.map(\.number) == [2, 3, 8, 9])
    #expect(map.cores.map(\.users) == [[], [id], [id], []])
    #expect(map.cores.map(\.pinned) == [[], [], [id], [id]])
    #expect(map.cores.map(\.isDrained) == [true, false, false, false])
    #expect(map.gpus.map(\.users) == [[], [id]])
    #expect(map.gpus.map(\.pinned) == [[id], []])
    #expect(map.gpus.map(\.isDrained) == [true, false])
  }

  @Test("orders the queue by place, cells not yet looked at last, ties by the order of acceptance")
  func queue() {
    var tape = Tape()
    let ids = ["a", "b", "c", "d"].map { tape.open($0) }
    let cells = ids.map { tape.queue($0, at: 5) }
    tape.add(.cellWaits(cells[3], ids[3], Wait(cause: .cores, lacking: 2, holders: [ids[0]], place: 1)))
    tape.add(.cellWaits(cells[1], ids[1], Wait(cause: .turn, place: 2)))
    let table = QueueTable(tape.board)
    #expect(table.rows.map(\.name) == ["d", "b", "a", "c"])
    #expect(
      table.rows.map(\.reason) == [
        "needs 2 more cores, held by a", "its turn has not come", "being looked at", "being looked at",
      ])
    #expect(table.rows.allSatisfy { $0.since == Instant(seconds: 5) })
  }

  @Test("lists suspended cells among the waiting, since their suspension, and no running ones")
  func suspended() {
    var tape = Tape()
    let id = tape.open("a")
    let cell = tape.run(id, on: CoreSet([0]), at: 1)
    #expect(QueueTable(tape.board).rows.isEmpty)
    tape.add(.cellSuspended(cell, id, Reason(.operatorSuspended)), at: 9)
    let rows = QueueTable(tape.board).rows
    #expect(rows.map(\.state) == [.suspended])
    #expect(rows.map(\.since.seconds) == [9])
  }
}
