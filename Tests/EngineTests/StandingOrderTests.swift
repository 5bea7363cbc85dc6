import Domain
import Engine
import Testing

@Suite("Pins, drains and holds")
struct StandingOrderTests {
  static let id = Stage.subject
  static let other = NotebookID(1)
  static let node = NodeID(0)

  static func pin(_ cores: String, gpus: GPUSet = GPUSet(), reserves: Bool = false) -> Pin {
    Pin(node: node, cores: .list(cores), gpus: gpus, reserves: reserves)
  }

  /// The subject runs on cores 0-1, and the other on 2-3.
  static func full() throws -> Stage {
    var stage = try Stage("fcfs")
    stage.open()
    stage.open(path: "b.ipynb")
    stage.submit(id, cores: 2)
    stage.submit(other, cores: 2)
    return stage
  }

  static func moved(_ cores: String) -> Event {
    .cellResized(Stage.cell, id, Allotment(node: node, cores: .list(cores)), Reason(.pinned))
  }

  @Test("a running cell moves to its pin at once where the pin's cores are idle")
  func moves() throws {
    var stage = try Self.full()
    stage.end(Self.other)
    let pin = Self.pin("2-3")
    #expect(stage.order(.pin(Self.id, pin)) == [.pinned(Self.id, pin), Self.moved("2-3")])
    #expect(stage.state[Self.node].idleCores == .list("0-1"))
    #expect(stage.timer() == [], "it is there")
  }

  @Test("it stays where it is until the pin's cores are idle")
  func waits() throws {
    var stage = try Self.full()
    let pin = Self.pin("2-3")
    #expect(stage.order(.pin(Self.id, pin)) == [.pinned(Self.id, pin)])
    #expect(stage.end(Self.other) == [.cellEnded(CellID(2), Self.other, .ok), Self.moved("2-3")])
  }

  @Test("it moves to a part of the pin that is enough, its own cores among them")
  func partly() throws {
    var stage = try Stage("fcfs")
    stage.open()
    stage.open(path: "b.ipynb")
    stage.submit(Self.id, cores: 2, least: 1)
    stage.submit(Self.other, cores: 2)
    #expect(stage.order(.pin(Self.id, Self.pin("1-2"))).last == Self.moved("1"))
  }

  @Test("a pin of GPUs alone moves nothing")
  func gpusOnly() throws {
    var stage = try Self.full()
    let pin = Pin(node: Self.node, cores: CoreSet(), gpus: GPUSet([1]))
    #expect(stage.order(.pin(Self.id, pin)) == [.pinned(Self.id, pin)])
  }

  @Test("the next cell starts within the pin")
  func startsWithin() throws {
    var stage = try Stage("fcfs")
    stage.open()
    stage.order(.pin(Self.id, Self.pin("2", gpus: GPUSet([1]))))
    stage.submit(Self.id, cores: 3, least: 1, gpus: 1)
    #expect(stage.state[Self.id].allotment == Allotment(node: Self.node, cores: .list("2"), gpus: GPUSet([1])))
  }

  @Test("a reserving pin keeps others off while its notebook thinks; another pin does not", arguments: [true, false])
  func reserves(reserving: Bool) throws {
    var stage = try Stage("fcfs")
    stage.open()
    stage.open(path: "b.ipynb")
    stage.order(.pin(Self.id, Self.pin("0-2", gpus: GPUSet([0]), reserves: reserving)))
    stage.submit(Self.other, cores: 2, least: 2, gpus: 1)
    #expect(stage.state[Self.other].state == (reserving ? .queued : .running))
    stage.submit(Self.other, cores: 1, gpus: 1)
    #expect(stage.state[Self.other].allotment.cores == .list(reserving ? "3" : "0"))
    #expect(stage.state[Self.other].allotment.gpus == GPUSet([reserving ? 1 : 0]))
  }

  @Test("a pin ends with its notebook, and whoever waited for it starts")
  func endsWithNotebook() throws {
    var stage = try Stage("fcfs")
    stage.open()
    stage.open(path: "b.ipynb")
    stage.order(.pin(Self.id, Self.pin("0-3", reserves: true)))
    stage.submit(Self.other)
    #expect(stage.state[Self.other].state == .queued)
    stage.tell(.notebookClosed(Self.id))
    #expect(stage.state.reserving.isEmpty && stage.state.pinnedCount == 0)
    #expect(stage.state[Self.other].state == .running)
  }

  @Test("a pin moves no cell onto cores that are drained or that another's pin reserves", arguments: [true, false])
  func pinMeetsOthers(drained: Bool) throws {
    var stage = try Self.full()
    stage.end(Self.other)
    if drained {
      stage.order(.drain(Self.node, .list("2-3"), GPUSet()))
    } else {
      stage.order(.pin(Self.other, Self.pin("2-3", reserves: true)))
    }
    let pin = Self.pin("2-3")
    #expect(stage.order(.pin(Self.id, pin)) == [.pinned(Self.id, pin)])
    let freed =
      drained ? stage.order(.undrain(Self.node, .list("2-3"), GPUSet())) : stage.order(.unpin(Self.other))
    #expect(freed.last == Self.moved("2-3"))
  }

  @Test("pins never give two cells the same GPUs, each for itself")
  func sharedGPUs() throws {
    var stage = try Stage("os")
    stage.open()
    stage.open(path: "b.ipynb")
    stage.submit(Self.id, gpus: 2)
    stage.submit(Self.other, gpus: 2)
    for (id, cores) in [(Self.id, "0"), (Self.other, "1")] {
      stage.order(.pin(id, Self.pin(cores)))
      for event in stage.events {
        if case .invariantBroken(let text) = event { Issue.record("\(text)") }
        if case .decisionRefused(let refusal) = event { Issue.record("\(refusal)") }
      }
    }
    #expect(stage.state.brokenInvariants() == [])
    let alone = [Self.id, Self.other].filter { !stage.state[$0].allotment.shared }
    #expect(alone.count < 2, "two cells have the same GPUs, each for itself")
  }

  @Test("drained cores and GPUs are given to nobody, and whoever is on them stays")
  func drains() throws {
    var stage = try Self.full()
    #expect(stage.order(.drain(Self.node, .list("0-1"), GPUSet([0]))).count == 1)
    #expect(stage.state[Self.id].state == .running)
    stage.end(Self.id)
    stage.submit(Self.id, gpus: 1)
    #expect(stage.state[Self.id].state == .queued)
    stage.end(Self.other)
    #expect(stage.state[Self.id].allotment == Allotment(node: Self.node, cores: .list("2"), gpus: GPUSet([1])))
  }

  @Test("a held notebook starts nothing, keeps what runs, and goes on when released")
  func holds() throws {
    var stage = try Stage("fcfs")
    stage.open()
    stage.submit(Self.id)
    stage.order(.hold(Self.id))
    #expect(stage.state[Self.id].state == .running)
    stage.end(Self.id)
    stage.submit(Self.id)
    #expect(stage.state[Self.id].state == .queued)
    stage.order(.release(Self.id))
    #expect(stage.state[Self.id].state == .running)
  }

  @Test("a hold keeps no cell back that has started: suspended, it is the policy's to let go on")
  func holdsNothingThatStarted() throws {
    var stage = try Stage("fcfs", explains: true)
    stage.open()
    stage.submit(Self.id)
    stage.order(.hold(Self.id))
    stage.order(.suspend(Self.id, cell: Stage.cell))
    #expect(stage.state[Self.id].wait?.cause == .operatorSuspended)
    #expect(!stage.state.isStartable(Self.id))
    stage.order(.resume(Self.id, cell: Stage.cell))
    #expect(stage.state[Self.id].state == .running)
    #expect(stage.state[Self.id].isHeld, "the hold stands")
    stage.end(Self.id)
    stage.submit(Self.id)
    #expect(stage.state[Self.id].wait?.cause == .held)
  }
}

@Suite("Orders for a document")
struct LegacyTests {
  static let pin = Pin(node: NodeID(0), cores: .list("0"), gpus: GPUSet(), reserves: true)
  static let demand = Demand(coresLeast: 2, coresMost: 2)

  /// A notebook with every standing order, gone.
  static func gone() throws -> Stage {
    var stage = try Stage()
    let id = stage.open()
    stage.order(.setPriority(id, 7))
    stage.order(.pin(id, pin))
    stage.order(.hold(id))
    stage.order(.overrideDemand(id, demand))
    stage.tell(.notebookClosed(id))
    return stage
  }

  @Test("survive its kernel's restart, once")
  func restart() throws {
    var stage = try Self.gone()
    let id = stage.open()
    #expect(
      stage.events.dropFirst() == [
        .priorityChanged(id, 7), .pinned(id, Self.pin), .held(id), .demandOverridden(id, Self.demand),
      ])
    stage.tell(.notebookClosed(id))
    stage.order(.release(stage.open()))
    let third = NotebookID(2)
    stage.order(.unpin(third))
    stage.order(.setPriority(third, 0))
    stage.order(.overrideDemand(third, nil))
    stage.tell(.notebookClosed(third))
    stage.open()
    #expect(stage.events.count == 1, "what was taken back is not there again")
  }

  @Test("are its successor's before the old kernel is gone, and nobody's again after it")
  func overlapping() throws {
    var stage = try Stage()
    let old = stage.open()
    stage.order(.setPriority(old, 7))
    stage.order(.pin(old, Self.pin))
    stage.order(.hold(old))
    stage.order(.overrideDemand(old, Self.demand))
    let new = stage.open()
    #expect(
      stage.events.dropFirst() == [.priorityChanged(new, 7), .held(new), .demandOverridden(new, Self.demand)],
      "what the old one reserves, it keeps the new one off")
    stage.tell(.notebookClosed(old))
    #expect(stage.events.last == .pinned(new, Self.pin))
    stage.order(.release(new))
    stage.order(.unpin(new))
    stage.order(.setPriority(new, 0))
    stage.order(.overrideDemand(new, nil))
    stage.tell(.notebookClosed(new))
    stage.open()
    #expect(stage.events.count == 1, "the old kernel's are not there again")
  }

  @Test("are changed for each of two kernels by itself while both are open")
  func apart() throws {
    var stage = try Stage()
    let one = stage.open()
    stage.order(.setPriority(one, 3))
    let two = stage.open()
    stage.order(.setPriority(two, 0))
    stage.order(.hold(two))
    stage.tell(.notebookClosed(two))
    #expect(stage.events.last == .notebookClosed(two))
    #expect(stage.state[one].priority == 3 && !stage.state[one].isHeld)
    let three = stage.open()
    #expect(stage.events.dropFirst() == [.held(three)], "it comes after the second, not after the first")
  }

  @Test("a hold planned for the cell's end is its successor's, though the cell has not ended yet")
  func plannedHold() throws {
    var stage = try Stage("fcfs")
    let old = stage.open()
    stage.submit(old)
    stage.order(.suspendAtEnd(old, cell: Stage.cell))
    let new = stage.open()
    #expect(stage.state[new].isHeld)
    stage.tell(.notebookClosed(old))
    #expect(stage.state[new].isHeld && stage.state[new].state != .gone)
  }

  @Test("survive a second restart too")
  func again() throws {
    var stage = try Self.gone()
    stage.tell(.notebookClosed(stage.open()))
    let id = stage.open()
    #expect(stage.state[id].priority == 7 && stage.state[id].pin == Self.pin)
    #expect(stage.state[id].isHeld && stage.state[id].demandOverride == Self.demand)
  }

  @Test("do not pass to another user or another document", arguments: [("ben", "a.ipynb"), ("ana", "b.ipynb")])
  func another(user: String, path: String) throws {
    var stage = try Self.gone()
    stage.open(user: user, path: path)
    #expect(stage.events.count == 1)
  }

  @Test("that were taken back leave nothing")
  func takenBack() throws {
    var stage = try Stage()
    let id = stage.open(priority: 3)
    stage.order(.setPriority(id, 7))
    stage.order(.setPriority(id, 3))
    stage.order(.hold(id))
    stage.order(.release(id))
    stage.order(.pin(id, Self.pin))
    stage.order(.unpin(id))
    stage.order(.overrideDemand(id, Self.demand))
    stage.order(.overrideDemand(id, nil))
    stage.tell(.notebookClosed(id))
    stage.open(priority: 3)
    #expect(stage.events.count == 1)
  }

  @Test("are kept of the documents that closed last, so many and no more")
  func bounded() {
    var legacies = Legacies<Int>(most: 3)
    for number in 1...3 { legacies.leave(number, for: "\(number)") }
    // Said anew it is the latest; taken or taken back it makes room.
    legacies.leave(10, for: "1")
    legacies.leave(4, for: "4")
    #expect(legacies.count == 3 && legacies.take("2") == nil)
    #expect(legacies.take("1") == 10 && legacies.take("1") == nil)
    legacies.leave(nil, for: "3")
    #expect(legacies.count == 1)
    for number in 5...1000 { legacies.leave(number, for: "\(number)") }
    #expect(legacies.count == 3 && legacies.take("4") == nil && legacies.take("998") == 998)
    #expect(legacies.take("1000") == 1000 && legacies.take("999") == 999 && legacies.count == 0)
  }

  @Test("leave out a pin on a node where the new kernel is not")
  func anotherNode() throws {
    var stage = try Self.gone()
    stage.tell(.nodeFound(Stage.node))
    let successor = Notebook(id: NotebookID(1), node: NodeID(1), user: "ana", path: "a.ipynb")
    stage.tell(.notebookOpened(successor))
    #expect(stage.state[NotebookID(1)].pin == nil && stage.state[NotebookID(1)].priority == 7)
  }
}
