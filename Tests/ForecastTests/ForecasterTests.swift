import Domain
import Testing

@testable import Forecast

@Suite("The forecaster")
struct ForecasterTests {
  @Test("knows nothing before it has seen anything, and nothing of notebooks that are not open")
  func empty() {
    var past = Past()
    #expect(past.forecast(1, in: 0) == nil)
    past.open(0, "a.ipynb")
    #expect(past.forecast(1, in: 0) == nil)
    past.run(0, code: 7, seconds: 1)
    #expect(past.forecast(1, in: 0) != nil)
    #expect(past.forecast(1, in: 1) == nil)
  }

  @Test("says what it rests on: the code, the notebook, the user, everyone")
  func basis() {
    var past = Past()
    past.open(0, "a.ipynb", user: "ana")
    past.open(1, "b.ipynb", user: "bob")
    past.open(2, "c.ipynb", user: "bob")
    past.open(3, "d.ipynb", user: "zoe")
    for _ in 0..<10 { past.run(0, code: 7, seconds: 10) }
    for code in 20..<30 { past.run(1, code: UInt64(code), seconds: 100) }
    #expect(past.forecast(7, in: 3)?.basis == .code)
    #expect(past.forecast(99, in: 1)?.basis == .notebook)
    #expect(past.forecast(99, in: 2)?.basis == .user)
    #expect(past.forecast(99, in: 3)?.basis == .everyone)
  }

  @Test("takes a code that always runs alike to do so again, and counts no time of suspension")
  func code() throws {
    var past = Past()
    past.open(0, "a.ipynb")
    var dice = Dice(state: 5)
    for _ in 0..<100 {
      past.run(0, code: 7, seconds: 10)
      past.run(0, code: 1 + UInt64(dice.number(100..<100_000)), seconds: dice.time())
    }
    let run = try #require(past.forecast(7, in: 0)).run
    #expect(abs(run.p50.seconds - 10) < 1)
    #expect(run.p25.seconds > 7 && run.p75.seconds < 14)
  }

  @Test("learns run times only from cells that ended well")
  func onlyOk() {
    var past = Past()
    past.open(0, "a.ipynb")
    for outcome in [CellOutcome.error, .interrupted, .aborted, .lost] {
      past.run(0, code: 7, seconds: 10, outcome: outcome)
    }
    #expect(past.forecast(7, in: 0) == nil)
  }

  @Test("follows the recent past and forgets the distant one")
  func recency() throws {
    var past = Past()
    past.open(0, "a.ipynb")
    for _ in 0..<60 { past.run(0, code: 7, seconds: 100) }
    for _ in 0..<60 { past.run(0, code: 7, seconds: 1) }
    #expect(abs(try #require(past.forecast(7, in: 0)).run.p50.seconds - 1) < 0.2)
  }

  @Test("knows from one run of a document what another run of it has left at each cell")
  func left() throws {
    var past = Past()
    func run(_ number: Int32, _ path: String, _ cells: [(code: UInt64, seconds: Double)]) {
      past.open(number, path)
      for cell in cells { past.run(number, code: cell.code, seconds: cell.seconds) }
      past.add(.notebookClosed(NotebookID(number)))
    }
    let long: [(code: UInt64, seconds: Double)] = [(1, 2), (2, 400), (3, 30)]
    run(0, "long.ipynb", long)
    run(1, "short.ipynb", [(1, 2), (4, 1)])
    past.open(2, "long.ipynb", user: "bob")
    past.open(3, "short.ipynb", user: "bob")
    past.open(4, "new.ipynb", user: "bob")
    func median(_ code: UInt64, _ number: Int32) throws -> Double {
      try #require(past.forecast(code, in: number)?.further).notebookLeft.p50.seconds
    }
    // The same import at the top of both.
    #expect(abs(try median(1, 2) / 432 - 1) < 0.25)
    #expect(abs(try median(1, 3) / 3 - 1) < 0.25)
    // Of a document that was never run, only how long notebooks are is known.
    #expect(try median(1, 4) < 100)
    past.run(2, code: 1, seconds: 2)
    past.run(2, code: 2, seconds: 400)
    #expect(abs(try median(3, 2) / 30 - 1) < 0.25)
  }

  @Test("remembers of a notebook that is open for months no more than its first cells")
  func steps() {
    var past = Past()
    past.open(0, "a.ipynb")
    for code in 0..<600 { past.run(0, code: UInt64(code) + 1, seconds: 1) }
    #expect(past.forecaster.sittings[0]?.steps.count == Sitting.stepsMost)
  }

  @Test("remembers of a thousand open notebooks together no more cells than it could learn from")
  func stepsOfAll() {
    var past = Past()
    for number in 0..<1000 { past.open(Int32(number), "\(number).ipynb") }
    for code in 0..<70 { past.run(7, code: UInt64(code) + 1, seconds: 1) }
    #expect(past.forecaster.sittings[7]?.steps.count == Sitting.stepsOfAllMost / 1000)
    // A few notebooks may have as many as ever.
    #expect(Sitting.stepsOfAllMost / Sitting.stepsMost >= 200)
  }

  @Test("knows what comes next where a notebook is run from top to bottom again")
  func transition() throws {
    var past = Past()
    for turn in 0..<12 {
      past.open(Int32(turn), "a.ipynb")
      for (code, seconds, gpus) in [(1, 1.0, 0), (2, 300.0, 2), (3, 5.0, 0)] {
        past.run(
          Int32(turn), code: UInt64(code), seconds: seconds, think: code == 2 ? 60 : 2,
          demand: Demand(gpus: Int32(gpus)))
      }
      past.add(.notebookClosed(NotebookID(Int32(turn))))
    }
    past.open(12, "a.ipynb")
    let further = try #require(past.forecast(1, in: 12)?.further)
    #expect(abs(try #require(further.nextRun).p50.seconds / 300 - 1) < 0.2)
    #expect(abs(try #require(further.think).p50.seconds / 60 - 1) < 0.2)
    #expect(further.nextNeed.gpus?.p50 == 2)
    #expect(abs(further.notebookLeft.p50.seconds / 306 - 1) < 0.7)
  }

  @Test("learns what cells used: cores, memory, and how parallel they are")
  func needs() throws {
    var past = Past()
    past.open(0, "a.ipynb")
    for _ in 0..<40 {
      past.run(
        0, code: 7, seconds: 10, demand: Demand(coresMost: 4, gpus: 1, gpuMemory: Bytes(8 << 30)),
        usage: Usage(millicores: 2500, memory: Bytes(3 << 30)), cores: [0, 1, 2, 3])
    }
    let forecast = try #require(past.forecast(7, in: 0, demand: Demand(coresMost: 4, gpus: 1)))
    let need = try #require(forecast.further).need
    #expect(abs(Double(try #require(need.millicores).p50) / 2500 - 1) < 0.1)
    #expect(abs(Double(try #require(need.memory).p50) / Double(3 << 30) - 1) < 0.1)
    #expect(abs(Double(try #require(need.gpuMemory).p50) / Double(8 << 30) - 1) < 0.1)
    #expect(need.gpus?.p50 == 1)
    // 2.5 of 4 cores busy: p = (1 - 1/2.5) / (1 - 1/4) = 0.8.
    #expect(abs(forecast.parallelThousandths - 800) < 40)
  }

  @Test("gives quantiles in order, whatever it has seen", arguments: UInt64(1)...3)
  func ordered(seed: UInt64) throws {
    var past = Past.drawn(seed, cells: 120)
    past.open(90, "book1.ipynb", user: "user1")
    for code in UInt64(0)..<25 {
      let forecast = try #require(past.forecast(code, in: 90))
      let further = try #require(forecast.further)
      for quantiles in [forecast.run, further.notebookLeft, further.think, further.nextRun].compactMap({ $0 }) {
        #expect(quantiles.isOrdered && quantiles.p05 >= .zero)
      }
    }
  }

  @Test("gives the same for the same, in every process")
  func deterministic() {
    #expect(Past.drawn(4).forecaster == Past.drawn(4).forecaster)
    var digest = Digest()
    for byte in Past.drawn(4, cells: 100).forecaster.saved { digest.put(UInt64(byte)) }
    #expect(digest.hexadecimal == "185d4683475cb9d2")
  }

  @Test("does a bounded work for an update, and remembers a bounded number of contexts")
  func bounded() {
    var predictor = Predictor(keysMost: 200, isCount: false)
    var dice = Dice(state: 9)
    var most = 0
    for number in 0..<1000 {
      var contexts = Contexts()
      contexts.set(.everyone)
      contexts.set(.user, UInt64(dice.number(0..<300)))
      contexts.set(.code, UInt64(number))
      predictor.learn(dice.time(), contexts, foreseen: predictor.foresee(contexts))
      most = max(most, predictor.binsRead(contexts))
      #expect(predictor.table.count <= 200)
    }
    // Everyone's bins, a user's and a code's: however many came before.
    #expect(most <= LogScale.bins + Level.user.binsMost + Level.code.binsMost)
  }

  @Test("holds no notebook that was closed")
  func closed() {
    var past = Past.drawn(2)
    #expect(!past.forecaster.sittings.isEmpty)
    past.forecaster.beginSession()
    #expect(past.forecaster.sittings.isEmpty)
    past.open(0, "a.ipynb")
    past.add(.notebookClosed(NotebookID(0)))
    #expect(past.forecaster.sittings.isEmpty)
  }
}

@Suite("Lifetimes")
struct LifetimesTests {
  @Test("leave what has run for long the more, where nothing else is known")
  func prior() {
    let lifetimes = Lifetimes()
    for attained in [1.0, 100, 10_000] {
      let left = lifetimes.left(after: attained, keys: [1])
      #expect(abs(left[2] / attained - 1) < 0.1, "half of what has run for t runs for 2t")
      #expect(zip(left, left.dropFirst()).allSatisfy { $0 <= $1 })
    }
  }

  @Test("learn how long notebooks are, and count open ones as survivors")
  func learned() {
    var lifetimes = Lifetimes()
    for number in 0..<400 {
      lifetimes.passed(from: nil, to: 0, keys: [1])
      let end = Lifetimes.place(of: 1000)
      lifetimes.passed(from: 0, to: end, keys: [1])
      // Every other one is still open.
      if number % 2 == 0 { lifetimes.closed(in: end, keys: [1]) }
    }
    let left = lifetimes.left(after: 10, keys: [1])
    #expect(left[0] > 500, "nothing ended before a thousand seconds")
    #expect(left[1] < 1200)
    #expect(left[4] > 1500, "those still open will be longer")
  }
}
