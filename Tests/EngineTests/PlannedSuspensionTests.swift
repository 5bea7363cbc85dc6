import Domain
import Engine
import Testing

@Suite("Suspensions planned for later")
struct PlannedSuspensionTests {
  static let id = Stage.subject
  static let cell = Stage.cell
  static let suspended = Event.cellSuspended(cell, id, Reason(.operatorSuspended))

  /// A running cell that is to be suspended after 20 s, ordered at 10 s.
  private static func planned() throws -> Stage {
    var stage = try Stage()
    stage.adopt(.list("0-1"))
    stage.clock = 10
    stage.order(.suspendAfter(id, cell: cell, Span(seconds: 20)))
    return stage
  }

  @Test("happen at the end of the grace, for which the engine asks to be woken")
  func grace() throws {
    var stage = try Self.planned()
    #expect(stage.scheduler.wakeAt == Instant(seconds: 30))
    #expect(stage.state[Self.id].planned == PlannedSuspension(Self.cell, due: Instant(seconds: 30)))
    stage.clock = 29.9
    #expect(stage.timer() == [])
    #expect(stage.scheduler.wakeAt == Instant(seconds: 30))
    stage.clock = 30
    #expect(stage.timer() == [Self.suspended])
    #expect(stage.state[Self.id].planned == nil && stage.state.plannedCount == 0)
    #expect(stage.state[Self.id].isOperatorSuspended)
    #expect(stage.scheduler.wakeAt == .never)
  }

  @Test("happen with whatever input comes first after the grace")
  func late() throws {
    var stage = try Self.planned()
    stage.clock = 45
    #expect(stage.tell(.kernelReady(Self.id)).contains(Self.suspended))
  }

  @Test("do not happen once called off, nor to the next cell")
  func calledOff() throws {
    var stage = try Self.planned()
    #expect(stage.order(.callOff(Self.id, cell: Self.cell)) == [.suspensionCalledOff(Self.id, Self.cell)])
    stage.clock = 60
    #expect(stage.timer() == [])
    #expect(stage.state[Self.id].state == .running)

    stage = try Self.planned()
    stage.end(Self.id)
    stage.find(Self.id, on: .list("0"))
    stage.clock = 60
    #expect(stage.timer() == [])
    #expect(stage.state[Self.id].state == .running && stage.state.plannedCount == 0)
  }

  @Test("are planned anew by a later order")
  func again() throws {
    var stage = try Self.planned()
    stage.order(.suspendAfter(Self.id, cell: Self.cell, Span(seconds: 5)))
    #expect(stage.scheduler.wakeAt == Instant(seconds: 15))
    #expect(stage.state.plannedCount == 1)
  }

  @Test("wait for a cell that does not run when the grace ends, and take it when it does")
  func notRunning() throws {
    var stage = try Stage("dynamic")
    stage.adopt(.list("0-3"), demand: Demand(coresLeast: 4, coresMost: 4))
    stage.order(.suspendAfter(Self.id, cell: Self.cell, Span(seconds: 20)))
    stage.order(.suspend(Self.id, cell: Self.cell))
    #expect(stage.state.plannedCount == 0, "an operator's own suspension is what was planned")
    stage.order(.resume(Self.id, cell: Self.cell))
    stage.clock = 60
    stage.timer()
    #expect(stage.state[Self.id].state == .running)
  }

  @Test("at the cell's end hold the notebook, whatever the end", arguments: [CellOutcome.ok, .error, .interrupted])
  func atEnd(outcome: CellOutcome) throws {
    var stage = try Stage("fcfs")
    stage.adopt(.list("0-1"))
    stage.order(.suspendAtEnd(Self.id, cell: Self.cell))
    #expect(!stage.state[Self.id].isHeld)
    #expect(
      stage.tell(.cellEnded(Self.id, Self.cell, outcome)) == [.cellEnded(Self.cell, Self.id, outcome), .held(Self.id)])
    stage.submit(Self.id)
    #expect(stage.state[Self.id].state == .queued)
    stage.order(.release(Self.id))
    #expect(stage.state[Self.id].state == .running)
  }

  @Test("are in the packed state, and in that of version 2 where nothing is planned")
  func packed() throws {
    for state in [try Self.planned().state, try Stage().state] {
      var sink = PackBytes()
      state.packFrame(into: &sink)
      let back = try sink.bytes.withUnsafeBytes { bytes -> SchedulerState in
        var source = PackSource(bytes)
        return try SchedulerState(frame: &source) { _ in nil }
      }
      #expect(back == state)
    }
    #expect(SchedulerState.frameVersionLeast == 2)
  }

  @Test("give the same digest in two runs, and are folded from the log alone")
  func deterministic() throws {
    var digests: [String] = []
    for _ in 0..<2 {
      var stage = try Self.planned()
      var folded = SchedulerState()
      stage.clock = 31
      stage.timer()
      digests.append(stage.scheduler.ledger.digest.hexadecimal)
      stage = try Self.planned()
      for entry in stage.scheduler.entries { folded.apply(entry) }
    }
    #expect(digests[0] == digests[1])
  }
}
