import Domain
import GateLink
import JupyterWire
import Testing

@testable import KernelGate

/// Writes a queue's acts down as words, so that a test reads as a protocol.
private struct ShellDesk {
  var queue = ShellQueue<String>()
  var now = Instant.zero

  func words(_ acts: [ShellQueue<String>.Act]) -> [String] {
    acts.map { act in
      switch act {
      case .forward(let what): "forward \(what)"
      case .announce(let submission): "announce \(submission.key)"
      case .start(let cell, let key): "start \(cell.payload) as \(key)"
      case .tellBusy(let cell): "busy \(cell.payload)"
      case .tellAborted(let cell, let told): "abort \(cell.payload)\(told ? ", busy told" : "")"
      case .tellRefused(let cell, _, let why): "refuse \(cell.payload): \(why)"
      case .probe(let cell): "probe behind \(cell.payload)"
      case .withdrawn(let key, let outcome): "withdrawn \(key) \(outcome.word)"
      case .ended(let key, let outcome): "ended \(key) \(outcome.word)"
      }
    }
  }

  mutating func cell(_ name: String, stopOnError: Bool = true) -> [String] {
    words(
      queue.arrive(.cell(.init(messageID: name, payload: name, stopOnError: stopOnError)), at: now))
  }
  mutating func reading(_ name: String) -> [String] { words(queue.arrive(.reading(name), at: now)) }
  mutating func ordered(_ name: String) -> [String] { words(queue.arrive(.ordered(name), at: now)) }
  mutating func comm(_ name: String) -> [String] { words(queue.arrive(.comm(name), at: now)) }
  mutating func grant(_ key: UInt64) -> [String]? {
    guard let acts = queue.grant(key, at: now) else { return nil }
    return words(acts)
  }
  mutating func refuse(_ key: UInt64, why: String) -> [String]? {
    guard let acts = queue.refuse(key, why: why, at: now) else { return nil }
    return words(acts)
  }
  mutating func death() -> [String] { words(queue.kernelDied()) }
  mutating func reply(_ name: String, _ status: ReplyStatus = .ok) -> [String] {
    words(queue.replied(to: name, status, at: now))
  }
  mutating func idle(_ name: String) -> [String] { words(queue.published(.idle, for: name, at: now).acts) }
  mutating func busyIsSuppressed(_ name: String) -> Bool { queue.published(.busy, for: name, at: now).suppress }
  mutating func interrupt() -> [String] { words(queue.interrupted(at: now)) }
  mutating func answer(_ key: UInt64) -> [String] { words(queue.answered(probeBehind: key, at: now)) }
  mutating func pass(_ milliseconds: Int64) -> [String] {
    now = now + Span(microseconds: milliseconds * 1000)
    return words(queue.tick(at: now))
  }
}

@Suite("The engine's orders")
struct OrderLogTests {
  @Test("an order that has been carried out is old, and so is every one before it, until a new welcome")
  func old() {
    var log = OrderLog()
    #expect(!log.isOld(5))
    log.carriedOut(5)
    #expect(log.isOld(5) && log.isOld(4) && !log.isOld(6))
    log.carriedOut(3)
    #expect(log.isOld(5))
    log.welcomed()
    #expect(!log.isOld(1) && !log.isOld(5))
  }
}

@Suite("What waits on the shell channel")
struct ShellQueueTests {
  @Test("announces the head alone, and starts cells one at a time, each when granted")
  func order() {
    var desk = ShellDesk()
    #expect(desk.cell("a") == ["announce 1"])
    #expect(desk.cell("b") == [])
    #expect(desk.queue.backlog == 1)
    #expect(desk.grant(1) == ["start a as 1"])
    #expect(desk.reply("a") == [])
    #expect(desk.idle("a") == ["ended 1 ok", "announce 2"])
    #expect(desk.queue.backlog == 0)
    #expect(desk.grant(2) == ["start b as 2"])
  }

  @Test("takes a cell for ended once reply and idle have come, in either order")
  func bothOrders() {
    var desk = ShellDesk()
    _ = desk.cell("a")
    _ = desk.grant(1)
    #expect(desk.idle("a") == [])
    #expect(desk.reply("a") == ["ended 1 ok"])
  }

  @Test("does not wait for ever for an idle or a reply that a kernel leaves out")
  func leftOut() {
    for first in ["reply", "idle"] {
      var desk = ShellDesk()
      _ = desk.cell("a")
      _ = desk.grant(1)
      _ = first == "reply" ? desk.reply("a") : desk.idle("a")
      #expect(desk.pass(1999) == [])
      desk.queue.showedSign(at: desk.now)
      #expect(desk.pass(1999) == [], "output that still comes shows that the idle is on its way")
      #expect(desk.queue.wake == desk.now + Span(microseconds: 1000))
      #expect(desk.pass(1) == ["ended 1 ok"])
    }
  }

  @Test("aborts what waited when the failing reply came, and not what came after it")
  func abort() {
    var desk = ShellDesk()
    for name in ["a", "b", "c"] { _ = desk.cell(name) }
    _ = desk.grant(1)
    #expect(desk.reply("a", .error(name: "ValueError")) == [])
    #expect(desk.cell("d") == [])
    #expect(desk.idle("a") == ["ended 1 error", "abort b", "abort c", "announce 2"])
    #expect(desk.grant(2) == ["start d as 2"])
  }

  @Test("aborts too when the kernel answers an interrupt with abort, as IRkernel does")
  func abortWord() {
    var desk = ShellDesk()
    for name in ["a", "b"] { _ = desk.cell(name) }
    _ = desk.grant(1)
    #expect(desk.busyIsSuppressed("a") == false)
    #expect(desk.interrupt() == [], "a running cell's interrupt is the kernel's to answer")
    _ = desk.reply("a", .aborted)
    #expect(desk.idle("a") == ["ended 1 interrupted", "abort b"])
  }

  @Test("aborts nothing where the failing cell says stop_on_error: false")
  func goOn() {
    var desk = ShellDesk()
    _ = desk.cell("a", stopOnError: false)
    _ = desk.cell("b")
    _ = desk.grant(1)
    _ = desk.reply("a", .error(name: "E"))
    #expect(desk.idle("a") == ["ended 1 error", "announce 2"])
  }

  @Test("aborts all that waits when interrupted while nothing runs")
  func interruptWaiting() {
    var desk = ShellDesk()
    for name in ["a", "b", "c"] { _ = desk.cell(name) }
    #expect(desk.interrupt() == ["abort a", "withdrawn 1 interrupted", "abort b", "abort c"])
    #expect(desk.queue.backlog == 0)
    #expect(desk.cell("d") == ["announce 2"])
  }

  @Test("calls an interrupted cell interrupted, whatever the kernel's word for it")
  func outcomes() {
    let table: [(ReplyStatus, Bool, String)] = [
      (.ok, false, "ok"), (.ok, true, "ok"), (.error(name: "E"), false, "error"),
      (.error(name: "E"), true, "interrupted"),
      (.error(name: "KeyboardInterrupt"), false, "interrupted"), (.aborted, false, "aborted"),
      (.aborted, true, "interrupted"),
    ]
    for (status, interrupted, word) in table {
      var desk = ShellDesk()
      _ = desk.cell("a")
      _ = desk.grant(1)
      if interrupted { _ = desk.interrupt() }
      _ = desk.idle("a")
      #expect(desk.reply("a", status) == ["ended 1 \(word)"])
    }
  }

  @Test("tells busy once a hold is felt, and suppresses the kernel's own then")
  func busy() {
    var desk = ShellDesk()
    _ = desk.cell("a")
    #expect(desk.pass(19) == [])
    #expect(desk.pass(1) == ["busy a"])
    #expect(desk.pass(10) == [])
    _ = desk.grant(1)
    #expect(desk.busyIsSuppressed("a") == true)
    #expect(desk.busyIsSuppressed("other") == false)
  }

  @Test("says busy again when another request's idle went by, since clients go by the latest status")
  func othersIdle() {
    var desk = ShellDesk()
    _ = desk.cell("a")
    #expect(desk.words(desk.queue.othersIdle()) == [], "nothing was told yet")
    _ = desk.pass(20)
    #expect(desk.words(desk.queue.othersIdle()) == ["busy a"])
    _ = desk.grant(1)
    #expect(desk.words(desk.queue.othersIdle()) == [])
    #expect(desk.busyIsSuppressed("a") == false, "the kernel's own is the word that counts then")
    #expect(desk.words(desk.queue.othersIdle()) == [])
    #expect(desk.busyIsSuppressed("a") == true)
  }

  @Test("lets the kernel's busy through where none was told, and aborts with a busy told only once")
  func busyNotTold() {
    var desk = ShellDesk()
    _ = desk.cell("a")
    _ = desk.grant(1)
    #expect(desk.busyIsSuppressed("a") == false)
    var other = ShellDesk()
    _ = other.cell("a")
    _ = other.pass(50)
    #expect(other.interrupt() == ["abort a, busy told", "withdrawn 1 interrupted"])
  }

  @Test("keeps strict order for 200 ms, then lets what reads and comm messages pass a held cell")
  func passing() {
    var desk = ShellDesk()
    _ = desk.cell("a")
    #expect(desk.comm("comm1") == [])
    #expect(desk.reading("info") == [])
    #expect(desk.comm("comm2") == [])
    #expect(desk.pass(199) == ["busy a"])
    #expect(desk.queue.wake == desk.now + Span(microseconds: 1000))
    #expect(desk.pass(1) == ["forward comm1", "forward info", "forward comm2"])
    #expect(desk.reading("later") == ["forward later"])
  }

  @Test(
    "keeps what is silent behind the cells that it was sent after while another runs; comm messages and what reads pass"
  )
  func commOrder() {
    var desk = ShellDesk()
    _ = desk.cell("a")
    _ = desk.grant(1)
    #expect(desk.ordered("first") == ["forward first"], "nothing waits: the kernel keeps the order")
    _ = desk.cell("b")
    #expect(desk.ordered("silent") == [])
    #expect(desk.comm("comm1") == [], "a burst keeps its order")
    #expect(desk.reading("info") == [])
    #expect(desk.queue.wake == desk.now + ShellQueue<String>.strictOrder)
    #expect(desk.pass(200) == ["forward comm1", "forward info"], "a running cell may await a comm message")
    #expect(desk.comm("comm2") == ["forward comm2"])
    _ = desk.reply("a")
    #expect(desk.idle("a") == ["ended 1 ok", "announce 2"])
    #expect(desk.grant(2) == ["start b as 2", "forward silent"])
  }

  @Test("forwards at once while nothing waits")
  func open() {
    var desk = ShellDesk()
    #expect(desk.reading("info") == ["forward info"])
    #expect(desk.ordered("silent") == ["forward silent"])
    #expect(desk.comm("comm") == ["forward comm"])
    #expect(desk.queue.wake == .never)
  }

  @Test("knows a grant that comes too late or twice")
  func lateGrant() {
    var desk = ShellDesk()
    _ = desk.cell("a")
    _ = desk.interrupt()
    #expect(desk.grant(1) == nil)
    _ = desk.cell("b")
    #expect(desk.grant(1) == nil)
    #expect(desk.grant(2) != nil)
    #expect(desk.grant(2) == nil)
    #expect(desk.queue.runningKey == 2)
  }

  @Test("a refused cell fails with the reason, and aborts what waits behind it")
  func refuse() {
    var desk = ShellDesk()
    for name in ["a", "b"] { _ = desk.cell(name) }
    #expect(desk.refuse(1, why: "no GPU") == ["refuse a: no GPU", "abort b"])
    #expect(desk.refuse(1, why: "") == nil)
  }

  @Test("gives up an interrupted request once the kernel has answered what was asked behind it, and tells its client")
  func neverTakenUp() {
    var desk = ShellDesk()
    for name in ["a", "b"] { _ = desk.cell(name) }
    _ = desk.grant(1)
    #expect(desk.interrupt() == ["probe behind a"])
    _ = desk.pass(60_000)
    #expect(desk.interrupt() == [], "a kernel that starts slowly will still take it up")
    #expect(desk.answer(9) == [], "that was about another cell")
    #expect(desk.answer(1) == ["abort a", "ended 1 aborted", "abort b"])
    #expect(desk.queue.runningKey == nil)
  }

  @Test("waits a little for a sign that comes after the answer")
  func signBehindAnswer() {
    var desk = ShellDesk()
    _ = desk.cell("a")
    _ = desk.grant(1)
    _ = desk.interrupt()
    #expect(desk.answer(1) == [])
    #expect(desk.queue.wake == desk.now + Span(microseconds: 2_000_000))
    #expect(desk.pass(1999) == [])
    #expect(desk.pass(1) == ["abort a", "ended 1 aborted"])
  }

  @Test("leaves an interrupted request to the kernel that takes it up late, whatever else it answers")
  func takenUpLate() {
    var desk = ShellDesk()
    _ = desk.cell("a")
    _ = desk.grant(1)
    #expect(desk.interrupt() == ["probe behind a"])
    _ = desk.busyIsSuppressed("a")
    #expect(desk.answer(1) == [])
    #expect(desk.interrupt() == [])
    _ = desk.reply("a", .error(name: "KeyboardInterrupt"))
    #expect(desk.idle("a") == ["ended 1 interrupted"])
  }

  @Test("loses its cell with the kernel")
  func death() {
    var desk = ShellDesk()
    for name in ["a", "b"] { _ = desk.cell(name) }
    let waiting = desk.queue
    _ = desk.grant(1)
    #expect(desk.death() == ["ended 1 lost"])
    desk.queue = waiting
    #expect(desk.death() == ["withdrawn 1 lost"])
    #expect(desk.queue.backlog == 0)
  }

  @Test("tells an engine that comes later what waits, and what runs and since when")
  func adoption() {
    var desk = ShellDesk()
    _ = desk.cell("a")
    _ = desk.pass(1500)
    #expect(desk.queue.waiting?.key == 1)
    _ = desk.grant(1)
    _ = desk.pass(500)
    #expect(desk.queue.waiting == nil)
    #expect(desk.queue.runningNow(at: desk.now)?.ran == Span(microseconds: 500_000))
    #expect(desk.queue.runningNow(at: desk.now)?.submission.key == 1)
  }

  @Test("for any run of inputs, every accepted cell starts, is aborted, or still waits", arguments: UInt64(1)...200)
  func conservation(seed: UInt64) {
    // Again with: swift test --filter ShellQueueTests (the seed is the argument that the failure names)
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    func next(_ bound: UInt64) -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state % bound
    }
    var desk = ShellDesk()
    var (accepted, started, ended, aborted) = (0, 0, 0, 0)
    var running: String?
    func count(_ words: [String]) {
      for word in words {
        if word.hasPrefix("start") {
          started += 1
          running = String(word.split(separator: " ")[1])
        }
        if word.hasPrefix("ended") { ended += 1 }
        if word.hasPrefix("abort") || word.hasPrefix("refuse") { aborted += 1 }
      }
    }
    for step in 0..<200 {
      switch next(9) {
      case 0, 1:
        accepted += 1
        count(desk.cell("c\(step)", stopOnError: next(2) == 0))
      case 2: count(desk.ordered("o"))
      case 3: if let key = desk.queue.headKey { count(desk.grant(key) ?? []) }
      case 4: if let running { count(desk.reply(running, [.ok, .aborted, .error(name: "E")][Int(next(3))])) }
      case 5: if let running { count(desk.idle(running)) }
      case 6: count(next(10) == 0 ? desk.interrupt() : [])
      case 7: count(desk.comm("m"))
      case _: count(desk.pass(Int64(next(900))))
      }
      let waits = (desk.queue.headKey == nil ? 0 : 1) + desk.queue.backlog
      #expect(accepted == started + aborted + waits)
      #expect(started == ended + (desk.queue.runningKey == nil ? 0 : 1))
    }
  }
}
