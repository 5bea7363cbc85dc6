import Domain
import GateLink
import JupyterWire
import Testing

@testable import KernelGate

/// Writes the acts of all shells down as words.
private struct SubshellDesk {
  var queues = ShellQueues<String>()
  var now = Instant.zero

  func words(_ acts: [ShellQueue<String>.Act]) -> [String] {
    acts.map { act in
      switch act {
      case .forward(let what): "forward \(what)"
      case .announce(let submission): "announce \(submission.key)"
      case .start(let cell, _): "start \(cell.payload)"
      case .tellBusy(let cell): "busy \(cell.payload)"
      case .tellAborted(let cell, _): "abort \(cell.payload)"
      case .tellRefused(let cell, _, let why): "refuse \(cell.payload): \(why)"
      case .probe(let cell): "probe behind \(cell.payload)"
      case .withdrawn(let key, let outcome): "withdrawn \(key) \(outcome.word)"
      case .ended(let key, let outcome): "ended \(key) \(outcome.word)"
      }
    }
  }

  mutating func cell(_ name: String, in shell: String? = nil) -> [String] {
    words(queues.arrive(.cell(.init(messageID: name, payload: name)), in: shell, at: now))
  }
  mutating func comm(_ name: String, in shell: String? = nil) -> [String] {
    words(queues.arrive(.comm(name), in: shell, at: now))
  }
  mutating func grant(_ key: UInt64) -> [String]? { queues.grant(key, at: now).map { words($0) } }
  mutating func refuse(_ key: UInt64) -> [String]? { queues.refuse(key, why: "no", at: now).map { words($0) } }
  mutating func end(_ name: String, _ status: ReplyStatus = .ok) -> [String] {
    let replied = words(queues.replied(to: name, status, at: now))
    return replied + words(queues.published(.idle, for: name, at: now).acts)
  }
  mutating func interrupt() -> [String] { words(queues.interrupted(at: now)) }
  mutating func death() -> [String] { words(queues.kernelDied()) }
}

@Suite("The shells of one kernel")
struct ShellQueuesTests {
  @Test("a held cell's busy is told again behind a kernel's first status, which belongs to no request")
  func starting() {
    var desk = SubshellDesk()
    _ = desk.cell("a")
    #expect(desk.words(desk.queues.published(.other, for: "", at: desk.now).acts) == [], "nothing was told yet")
    desk.now = desk.now + ShellQueue<String>.busyAfter
    #expect(desk.words(desk.queues.tick(at: desk.now)) == ["busy a"])
    #expect(desk.words(desk.queues.published(.other, for: "", at: desk.now).acts) == ["busy a"])
    #expect(desk.words(desk.queues.published(.busy, for: "", at: desk.now).acts) == [])
  }

  @Test("a subshell's cell with nothing else at work is the notebook's cell, held and granted like any")
  func alone() {
    var desk = SubshellDesk()
    #expect(desk.cell("s", in: "one") == ["announce 1"])
    #expect(desk.queues.headKey == 1 && desk.queues.runningKey == nil)
    #expect(desk.cell("s2", in: "one") == [])
    #expect(desk.queues.backlog == 1)
    #expect(desk.grant(1) == ["start s"])
    #expect(desk.queues.runningKey == 1)
    #expect(desk.end("s") == ["ended 1 ok", "announce 2"])
  }

  @Test("one shell's idle has the busy of the cells told again that other shells hold, and of no others")
  func busyAcrossShells() {
    var desk = SubshellDesk()
    _ = desk.cell("m")
    _ = desk.grant(1)
    #expect(desk.cell("s", in: "one") == ["start s"])
    #expect(desk.end("m") == [], "the rider has its cores")
    #expect(desk.cell("n") == ["ended 1 ok", "announce 2"])
    #expect(desk.cell("t", in: "two") == [], "behind the announced one")
    desk.now = desk.now + ShellQueue<String>.busyAfter
    #expect(desk.words(desk.queues.tick(at: desk.now)) == ["busy n", "busy t"])
    #expect(desk.end("s") == ["busy n", "busy t"])
    #expect(desk.grant(2) == ["start n", "start t"])
    let suppressed = desk.queues.published(.busy, for: "n", at: desk.now).suppress
    #expect(suppressed, "it stands since the rider's idle")
    #expect(
      desk.end("n") == [], "its own idle brings nothing; the one of the other, which has not begun, stands no longer")
    let told = desk.queues.published(.busy, for: "t", at: desk.now).suppress
    #expect(!told)
    #expect(desk.end("t") == ["ended 2 ok"])
  }

  @Test(
    "cells of other shells start at once beside a running one, and the grant lasts until the last of them has ended")
  func riders() {
    var desk = SubshellDesk()
    _ = desk.cell("m")
    _ = desk.grant(1)
    #expect(desk.cell("s", in: "one") == ["start s"])
    #expect(desk.cell("t", in: "two") == ["start t"])
    #expect(desk.end("m") == [], "its cores are still in use")
    #expect(desk.queues.runningKey == 1)
    #expect(desk.end("s") == [])
    #expect(desk.end("t") == ["ended 1 ok"])
    #expect(desk.queues.runningKey == nil)
  }

  @Test("a cell that comes while only riders run gets a grant of its own; the riders go on")
  func newLead() {
    var desk = SubshellDesk()
    _ = desk.cell("m")
    _ = desk.grant(1)
    _ = desk.cell("s", in: "one")
    #expect(desk.end("m", .error(name: "E")) == [])
    #expect(desk.cell("n") == ["ended 1 error", "announce 2"])
    #expect(desk.end("s") == [], "nobody's books have it")
    #expect(desk.grant(2) == ["start n"])
    #expect(desk.end("n") == ["ended 2 ok"])
  }

  @Test("heads that wait together start together, and each shell keeps its own order")
  func together() {
    var desk = SubshellDesk()
    #expect(desk.cell("m") == ["announce 1"])
    #expect(desk.cell("s", in: "one") == [])
    #expect(desk.cell("s2", in: "one") == [])
    #expect(desk.queues.backlog == 2)
    #expect(desk.grant(1) == ["start m", "start s"])
    #expect(desk.end("s") == ["start s2"])
    #expect(desk.end("m") == [])
    #expect(desk.end("s2") == ["ended 1 ok"])
  }

  @Test("comm messages of a subshell never wait for the main shell")
  func comms() {
    var desk = SubshellDesk()
    _ = desk.cell("m")
    #expect(desk.comm("c", in: "one") == ["forward c"])
    #expect(desk.comm("d") == [], "the main shell's own stand behind its cell")
  }

  @Test("an error aborts its own shell alone")
  func abort() {
    var desk = SubshellDesk()
    for (name, shell) in [("m", nil), ("n", nil), ("s", "one"), ("s2", "one")] as [(String, String?)] {
      _ = desk.cell(name, in: shell)
    }
    _ = desk.grant(1)
    #expect(desk.end("s", .error(name: "E")) == ["abort s2"])
    #expect(desk.end("m") == ["ended 1 ok", "announce 2"])
  }

  @Test("an interrupt while the main shell rests aborts what waits, and leaves a running subshell alone")
  func interrupt() {
    var desk = SubshellDesk()
    _ = desk.cell("s", in: "one")
    _ = desk.grant(1)
    #expect(desk.interrupt() == [])
    #expect(desk.end("s") == ["ended 1 ok"])
    _ = desk.cell("m")
    _ = desk.cell("t", in: "one")
    #expect(desk.interrupt().filter { $0.hasPrefix("abort") } == ["abort m", "abort t"])
    #expect(desk.queues.headKey == nil && desk.queues.backlog == 0)
  }

  @Test("a refused cell gives its place to the next")
  func refuse() {
    var desk = SubshellDesk()
    _ = desk.cell("m")
    _ = desk.cell("s", in: "one")
    #expect(desk.refuse(1) == ["refuse m: no", "announce 2"])
    #expect(desk.grant(1) == nil)
    #expect(desk.grant(2) == ["start s"])
  }

  @Test("the books lose one cell with the kernel, whatever ran")
  func death() {
    var desk = SubshellDesk()
    _ = desk.cell("m")
    _ = desk.grant(1)
    _ = desk.cell("s", in: "one")
    #expect(desk.death() == ["ended 1 lost"])
    #expect(desk.cell("m2") == ["announce 2"], "keys never repeat")
    #expect(desk.death() == ["withdrawn 2 lost"])
  }

  @Test("for any run of inputs nothing waits but for the engine or its own shell", arguments: UInt64(1)...200)
  func noDeadlock(seed: UInt64) {
    // Again with: swift test --filter ShellQueuesTests (the seed is the argument that the failure names)
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    func next(_ bound: UInt64) -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state % bound
    }
    let names: [String?] = [nil, "one", "two"]
    var desk = SubshellDesk()
    var running: [Set<String>] = [[], [], []]
    var waiting = [0, 0, 0]
    var (announced, over) = (0, 0)
    func note(_ words: [String]) {
      for word in words {
        let parts = word.split(separator: " ").map(String.init)
        let shell = parts.count > 1 ? Int(parts[1].prefix(1)) : nil
        switch parts[0] {
        case "announce": announced += 1
        case "ended", "withdrawn": over += 1
        case "start":
          #expect(running[shell!].isEmpty, "one cell a shell")
          running[shell!].insert(parts[1])
          waiting[shell!] -= 1
        case "abort": waiting[shell!] -= 1
        case _: break
        }
      }
    }
    for step in 0..<300 {
      let shell = Int(next(3))
      switch next(6) {
      case 0, 1:
        waiting[shell] += 1
        note(desk.cell("\(shell)c\(step)", in: names[shell]))
      case 2: if let key = desk.queues.headKey { note(desk.grant(key) ?? []) }
      case 3, 4:
        if let cell = running[shell].popFirst() {
          note(desk.end(cell, next(5) == 0 ? .error(name: "E") : .ok))
        }
      case _: if next(8) == 0, running[0].isEmpty { note(desk.interrupt()) }
      }
      #expect(announced - over == (desk.queues.headKey == nil ? 0 : 1) + (desk.queues.runningKey == nil ? 0 : 1))
      #expect(desk.queues.headKey == nil || desk.queues.runningKey == nil)
      for shell in 0..<3 where waiting[shell] > 0 && running[shell].isEmpty {
        #expect(desk.queues.headKey != nil, "a cell waits and the engine has not been asked")
      }
      #expect(waiting.reduce(0, +) == desk.queues.backlog + (desk.queues.headKey == nil ? 0 : 1))
    }
  }
}

@Suite("The gate's own requests")
struct OwnRequestsTests {
  @Test("are kept from clients until reply and idle have come, in either order, and forgotten then")
  func course() {
    var own = OwnRequests()
    own.sent("a")
    own.sent("b", isRead: false)
    let others = [own.published(for: "x", isIdle: true), own.replied(to: "x")]
    #expect(others == [false, false])
    let busy = own.published(for: "a", isIdle: false)
    let replied = own.replied(to: "a")
    let idle = own.published(for: "a", isIdle: true)
    #expect(busy && replied && idle)
    let late = own.published(for: "a", isIdle: true)
    #expect(!late && !own.isEmpty)
    let unread = own.published(for: "b", isIdle: true)
    #expect(unread && own.isEmpty)
    for number in 0..<100 { own.sent("\(number)") }
    let first = own.replied(to: "0")
    let last = own.replied(to: "99")
    #expect(!first && last, "a kernel that answers nothing costs nothing")
  }
}
