import CLinux
import Domain
import Foundation
import GateLink
import Projections
import ServerLink
import Synchronization
import Testing

@testable import Session

/// A connection that says what it likes.
private final class RawPeer {
  private let descriptor: Int32
  private var heard = [UInt8]()

  init(_ path: String) throws {
    descriptor = celltop_connect_unix(path)
    guard descriptor >= 0 else { throw POSIXError(.ECONNREFUSED) }
  }

  deinit { close(descriptor) }

  func say(_ text: String) {
    var bytes = Array(text.utf8)
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { celltop_send(descriptor, $0.baseAddress, $0.count) }
      if count > 0 { bytes.removeFirst(count) } else if errno != EAGAIN { return }
    }
  }

  /// All that is said to it until it is hung up on; nil where that does not happen within `seconds`.
  func end(seconds: Double = 8) -> String? {
    let deadline = celltop_boottime_us() + Int64(seconds * 1e6)
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while celltop_boottime_us() < deadline {
      var one = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&one, 1, 50) > 0 else { continue }
      let count = recv(descriptor, &chunk, chunk.count, 0)
      if count <= 0 { return String(decoding: heard, as: UTF8.self) }
      heard += chunk[..<count]
    }
    return nil
  }
}

/// Threads that connect and leave again and again.
private final class Flood: Sendable {
  let isOver = Atomic(false)
  let rounds = Atomic(0)
}

@Suite struct LimitTests {
  private static let attach = "{\"attach\":{\"versions\":[1],\"client\":\"t\",\"stream\":\"none\"}}\n"

  @Test("refuses a line that is too long")
  func lineTooLong() throws {
    let stage = try Stage(limits: { $0.lineBytes = 2000 })
    let raw = try RawPeer(stage.socket)
    raw.say(String(repeating: "x", count: 2100))
    #expect(raw.end()?.contains("a line is longer than this side takes") == true)
    let client = try RawPeer(stage.socket)
    client.say(Self.attach + "{\"status\":{\"id\":1}," + String(repeating: " ", count: 2100) + "}\n")
    #expect(client.end()?.contains("a line is longer than this side takes") == true)
  }

  @Test("refuses more connections than there may be, in all and of one user, and takes new ones once some have gone")
  func connections() throws {
    for isOfUser in [true, false] {
      let stage = try Stage(limits: { if isOfUser { $0.connectionsPerUser = 3 } else { $0.connections = 3 } })
      var held = try (0..<3).map { _ in try stage.client() }
      let raw = try RawPeer(stage.socket)
      let why =
        isOfUser ? "\(NSUserName()) has 3 connections, and a user can have no more" : "the server has 3 connections"
      #expect(raw.end()?.contains(why) == true)
      held.removeLast()
      let deadline = celltop_boottime_us() + 5_000_000
      var next: ServerConnection?
      while next == nil, celltop_boottime_us() < deadline { next = try? stage.client() }
      #expect(next != nil && held.count == 2)
    }
  }

  @Test("whoever connects and leaves without an end, and reads nothing, holds up nobody, nor the server's end")
  func endless() throws {
    let stage = try Stage()
    let client = try stage.client()
    let gate = try stage.gate("a")
    #expect(stage.eventually { $0.notebooks.count == 1 })
    let path = stage.socket
    let flood = Flood()
    for _ in 0..<3 {
      Thread {
        while !flood.isOver.load(ordering: .relaxed) {
          let descriptor = celltop_connect_unix(path)
          if descriptor >= 0 { close(descriptor) }
          flood.rounds.add(1, ordering: .relaxed)
        }
      }.start()
    }
    defer { flood.isOver.store(true, ordering: .relaxed) }
    while flood.rounds.load(ordering: .relaxed) < 1000 { poll(nil, 0, 1) }
    for _ in 0..<5 {
      let status = try client.status()
      #expect(status.notebooks.count == 1)
    }
    gate.submit(1)
    #expect(stage.eventually { $0.notebooks.first?.state == .running })
    stage.live.stop()
  }

  @Test("refuses more clients than there may be, while gates are still taken")
  func clients() throws {
    let stage = try Stage(limits: { $0.clientsPerUser = 1 })
    let first = try stage.client()
    #expect(throws: AttachError.unwelcome("\(NSUserName()) has 1 clients here, and a user can have no more")) {
      try stage.client()
    }
    let gate = try stage.gate("a")
    #expect(gate.await { if case .welcome = $0 { true } else { false } } != nil)
    #expect(stage.eventually { $0.notebooks.count == 1 })
    #expect(try first.status().notebooks.count == 1)
    let none = try Stage(limits: { $0.clients = 0 })
    #expect(throws: AttachError.unwelcome("the server has 0 clients, and takes no more")) { try none.client() }
  }

  @Test("refuses more notebooks of a user than there may be, and takes one back that has one already")
  func notebooks() throws {
    let stage = try Stage(limits: { $0.notebooksPerUser = 1 })
    let first = try stage.gate("a")
    #expect(first.await { if case .welcome = $0 { true } else { false } } != nil)
    let second = try stage.gate("b")
    let answer = second.await { if case .unwelcome = $0 { true } else { false } }
    #expect(answer == .unwelcome(why: "\(NSUserName()) has 1 notebook open here, and a user can have no more"))
    let again = try stage.gate("a")
    #expect(again.await { if case .welcome = $0 { true } else { false } } != nil)
  }

  @Test("hears a client that says too much at once later, and loses nothing of it; others are heard meanwhile")
  func rate() throws {
    let stage = try Stage(limits: { $0.messagesPerSecond = 50 })
    let gate = try stage.gate("a")
    defer { _ = gate }
    #expect(stage.eventually { $0.notebooks.count == 1 })
    let other = try stage.client()
    var wasHeardMeanwhile = false
    // A machine that is busy may keep this thread from asking in time: then it shows nothing, and is done again.
    for turn in UInt64(1)...5 where !wasHeardMeanwhile {
      let many = try stage.client()
      let began = celltop_boottime_us()
      let keys = (turn * 1000 + 1)...(turn * 1000 + 150)
      for key in keys { try many.send(.command(Order(key: key, verb: .setPriority(NotebookID(0), Int32(key % 100))))) }
      let answer = try other.command(
        Order(key: turn * 1000 + 999, verb: turn % 2 == 1 ? .hold(NotebookID(0)) : .release(NotebookID(0))))
      // The last of the others' is heard after two seconds at the earliest.
      wasHeardMeanwhile = answer.accepted && celltop_boottime_us() - began < 1_500_000
      var answered: [Answered] = []
      while answered.count < 150, let message = try many.receive(seconds: 20) {
        if case .answer(let answer) = message { answered.append(answer) }
      }
      #expect(answered.map(\.key) == Array(keys))
      #expect(celltop_boottime_us() - began > 1_500_000)
      if wasHeardMeanwhile {
        let (last, between) = (try #require(answered.last?.sequence), try #require(answer.sequence))
        #expect(between < last)
      }
    }
    #expect(wasHeardMeanwhile)
  }

  @Test("carries out what was ordered before its client hung up, however much it was")
  func ordersBeforeTheEnd() throws {
    let stage = try Stage()
    let gate = try stage.gate("a")
    defer { _ = gate }
    #expect(stage.eventually { $0.notebooks.count == 1 })
    var client: RawPeer? = try RawPeer(stage.socket)
    let orders = (1...180).map {
      "{\"command\":{\"key\":\($0),\"verb\":{\"priority\":{\"notebook\":0,\"value\":-\($0 % 90)}}}}\n"
    }
    client?.say(Self.attach + orders.joined())
    // Gone before it has read a word.
    client = nil
    #expect(stage.eventually { board in board.markers.count { $0.kind == .action } == 180 })
    #expect(stage.live.board.take().answers.last?.command.verb == .setPriority(NotebookID(0), 0))
  }

  @Test("refuses gates of a user who connects too often, with when to try again, and never an operator's client")
  func connectionRate() throws {
    let stage = try Stage(limits: {
      $0.connectionsPerUser = 50
      $0.connectionsPerSecond = 1
    })
    var told: EngineMessage?
    // More than one a second, for as long as it takes; a machine that is busy gives some of them back meanwhile.
    for _ in 1...400 where told == nil {
      let gate = try FakeGate(stage.socket, name: "loop", document: "/x/loop.ipynb")
      let answer = gate.await {
        switch $0 {
        case .welcome, .unwelcome: true
        case .grant, .resize, .suspend, .resume, .interrupt, .refuse, .standing, .ping: false
        }
      }
      if case .unwelcome(let why, _)? = answer, why.contains("too often") { told = answer }
    }
    #expect(
      told
        == .unwelcome(why: "\(NSUserName()) connects too often: more than 1 times a second", retrySeconds: 1))
    for _ in 0..<5 { #expect(try stage.client().welcome.role == .operator) }
  }

  @Test("lets each user go on at a steady pace after a burst, and remembers only those who are in one")
  func pace() {
    var pace = Pace(4, inSeconds: 60, atOnce: 10)
    func take(_ uid: UInt32, _ seconds: Double) -> Bool { pace.take(uid, at: Instant(seconds: seconds)) }
    func retry(_ seconds: Double) -> Double { pace.retrySeconds(1, at: Instant(seconds: seconds)) }
    #expect((0..<12).count { _ in take(1, 0) } == 10)
    #expect(retry(0) == 15)
    #expect(take(2, 0), "another user is another matter")
    #expect(!take(1, 14) && retry(14.5) == 1 && take(1, 15.001))
    #expect((2...40).allSatisfy { take(1, Double($0) * 15.01) }, "at a steady pace nobody is refused")
    for uid in UInt32(10)..<2000 { #expect(take(uid, Double(uid) * 20)) }
    #expect(pace.remembered < 300)
  }

  @Test("hears a gate that says too much later, and loses nothing of it")
  func gateRate() throws {
    let stage = try Stage(cores: 1, limits: { $0.gateMessagesPerSecond = 20 })
    let gate = try stage.gate("a")
    let began = celltop_boottime_us()
    for count in 1...40 { gate.send(.backlog(count: count)) }
    #expect(stage.eventually { $0.notebooks.first?.backlog == 40 })
    #expect(celltop_boottime_us() - began > 500_000, "40 messages at 20 a second take a second")
  }

  @Test("lets go of one that does not say who it is, and of a client that is silent for too long")
  func silence() throws {
    let stage = try Stage(limits: {
      $0.greetingSeconds = 1
      $0.silenceSeconds = 3
    })
    let guest = try RawPeer(stage.socket)
    let client = try RawPeer(stage.socket)
    client.say(Self.attach)
    #expect(guest.end()?.contains("nothing was said within 1 s") == true)
    #expect(client.end()?.contains("nothing was heard of the client for 3 s") == true)
  }

  @Test("reads limits and roles from the configuration, and says what is wrong with it")
  func settings() throws {
    let settings = try ServerSettings(
      parsing: """
        [node]
        cores = "0-3"
        [access]
        operators = ["olga"]
        observer_groups = ["guests"]
        everyone = "observer"
        show_paths = true
        [limits]
        clients_per_user = 3
        connections_per_second = 7
        notebooks_per_minute = 8
        """, path: "c.toml")
    #expect(settings.access.operators == ["olga"] && settings.access.observerGroups == ["guests"])
    #expect(settings.access.everyone == .observer && settings.access.showsPaths)
    #expect(settings.limits.clientsPerUser == 3 && settings.limits.connections == Limits().connections)
    #expect(settings.limits.connectionsPerSecond == 7 && settings.limits.notebooksPerMinute == 8)
    let wrong = [
      ("[access]\noperators = 3", "access.operators is no list of names in quotes"),
      ("[access]\nevery = 1", "there is no 'access.every'; there are operators, operator_groups"),
      ("[access]\neveryone = \"all\"", "access.everyone is neither"),
      ("[limits]\nclients = -1", "limits.clients is no number from 0 to 1000000"),
      ("[limits]\nclient = 1", "there is no 'limits.client'; there are line_bytes"),
      ("limits = 1", "limits is no table"),
      (
        "[access]\nshow_code = true\n[limits]\nline_bytes = 4096",
        "with access.show_code limits.line_bytes is 65536 at least"
      ),
    ]
    for (text, why) in wrong {
      #expect { try ServerSettings(parsing: text, path: "c.toml") } throws: {
        "\($0)".hasPrefix("the configuration c.toml: \(why)")
      }
    }
  }
}

@Suite struct ClaimTests {
  @Test("believes a gate only what the system confirms of its kernel")
  func claims() throws {
    let (own, uid) = (getpid(), getuid())
    #expect(KernelClaim(kernel: own, gate: own, uid: uid) == .holds)
    #expect(KernelClaim(kernel: own, gate: getppid(), uid: uid) == .holds)
    #expect(KernelClaim(kernel: 0, gate: own, uid: uid) == .unknown)
    #expect(KernelClaim(kernel: 1 << 30, gate: own, uid: uid) == .unknown)
    #expect(
      KernelClaim(kernel: own, gate: own, uid: uid + 1) == .fails("process \(own) is not a kernel of the gate's user"))
    #expect(
      KernelClaim(kernel: getppid(), gate: own, uid: uid)
        == .fails("process \(getppid()) does not descend from the gate, process \(own)"))
  }

  @Test("lets a gate go that names a kernel which is not its own, at the greeting and later")
  func foreignKernel() throws {
    let stage = try Stage()
    let raw = try FakeGate(raw: stage.socket)
    raw.send(.hello(Hello(pid: getpid(), kernelPid: getppid(), gate: "x", path: nil, language: nil, connection: "k")))
    let why = "process \(getppid()) does not descend from the gate, process \(getpid())"
    #expect(raw.await { if case .unwelcome = $0 { true } else { false } } == .unwelcome(why: why))
    #expect(stage.live.board.take().notebooks.isEmpty)
    let gate = try stage.gate("a")
    gate.send(.kernel(state: .ready, pid: getppid()))
    #expect(gate.await { if case .unwelcome = $0 { true } else { false } } == .unwelcome(why: why))
  }
}
