import Chance
import Domain
import Testing

@testable import GateLink

@Suite("The line protocol between gate and engine")
struct LineCodecTests {
  static let submission: Submission = {
    var demand = DemandComment()
    demand.coresLeast = 1
    demand.coresMost = 4
    return Submission(key: 7, cell: "c\"\n", codeHash: .max, demand: demand)
  }()

  static let gateMessages: [GateMessage] = [
    .hello(
      Hello(
        pid: 1, kernelPid: 2, gate: "ab", path: "/a b/é.ipynb", language: "python", connection: "kernel-1.json",
        running: RunningCell(submission: submission, ranSeconds: 1.5, cores: CoreSet(0..<2), suspended: true),
        waiting: nil, backlog: 3)),
    .submitted(submission), .ended(key: 1, outcome: .error), .withdrawn(key: 2, outcome: .aborted), .backlog(count: 9),
    .kernel(state: .ready, pid: 5), .applied(sequence: 1, cores: CoreSet([0, 2, 3])), .failed(sequence: 1, why: "no"),
    .pong,
  ]

  static let engineMessages: [EngineMessage] = [
    .welcome(version: 1, session: 4, notebook: 0), .unwelcome(why: "old"),
    .welcome(version: 1, session: 4, notebook: 0, hides: [.nvidia, .amd], evicts: true),
    .grant(
      sequence: 1, key: 2, cores: CoreSet(0..<3), gpus: [VisibleGPU(id: "GPU-1"), VisibleGPU(id: "0", maker: .amd)]),
    .resize(sequence: 1, key: 2, cores: CoreSet([1])), .suspend(sequence: 1, key: 2),
    .resume(sequence: 1, key: 2, cores: CoreSet([1])), .interrupt(sequence: 1, key: 2),
    .refuse(sequence: 1, key: 2, why: "never"), .ping,
    .welcome(version: 1, session: 4, notebook: 0, tells: Telling(.nobody, afterSeconds: 0.5)),
    .standing(
      key: 2, now: Standing(need: "waiting for 1 GPU", place: 2, expectedSeconds: 40, latestSeconds: 90)),
    .standing(key: 2, now: Standing(need: "held by an operator", place: nil)),
  ]

  @Test("gives back each message that it wrote, as one line")
  func roundTrips() throws {
    for message in Self.gateMessages {
      let line = LineCodec.line(message)
      #expect(line.last == 10 && line.filter { $0 == 10 }.count == 1)
      #expect(try LineCodec.read(GateMessage.self, from: line.dropLast()) == message)
    }
    for message in Self.engineMessages {
      #expect(try LineCodec.read(EngineMessage.self, from: LineCodec.line(message).dropLast()) == message)
    }
  }

  @Test("is written by hand just as the encoder would write it")
  func quick() {
    let cells = [nil, "", "3b0e", "a b/c-~", "\"", "\\", "é", "\n", "\u{7f}"]
    let messages: [GateMessage] =
      cells.map { .submitted(Submission(key: .max, cell: $0, codeHash: .max, demand: nil)) }
      + [
        .submitted(Self.submission), .ended(key: 3, outcome: .lost), .applied(sequence: .max, cores: CoreSet()),
        .applied(sequence: 1, cores: CoreSet([0, 2, 3, 200])), .applied(sequence: 1, cores: CoreSet([1]), saved: true),
      ]
    for message in messages {
      #expect(LineCodec.line(message) == LineCodec.encoded(message), "\(message)")
      // And what was written so is read so, all of it.
      let line = Array(LineCodec.line(message).dropLast())
      #expect(GateMessage(quickLine: line) == (message.quickLine == nil ? nil : message), "\(message)")
      #expect(GateMessage(quickLine: line + [32]) == nil && GateMessage(quickLine: Array(line.dropLast())) == nil)
    }
    #expect(messages.filter { $0.quickLine != nil }.count == 7)
  }

  @Test("what is read by hand is what the decoder reads, whatever comes")
  func quickReading() {
    var numbers = SplitMix(seed: 7)
    let lines =
      Self.gateMessages.map { Array(LineCodec.line($0).dropLast()) }
      + [
        #"{"submitted":{"_0":{"cell":"3b0e-1","codeHash":14,"key":25}}}"#,
        #"{"submitted":{"_0":{"codeHash":304,"key":21}}}"#, #"{"applied":{"cores":"0-3,8","sequence":1}}"#,
        #"{"ended":{"key":18446744073709551615,"outcome":0}}"#, #"{"ended":{"key":18446744073709551616,"outcome":0}}"#,
        #"{"ended":{"key":01,"outcome":0}}"#, #"{"ended":{"key":1,"outcome":300}}"#,
        #"{"ended":{"key":1,"outcome":-1}}"#,
        #"{"applied":{"cores":"3-1","sequence":1}}"#, #"{"applied":{"cores":"0","sequence":9223372036854775808}}"#,
        #"{"applied":{"cores":"","sequence":0}}"#, #"{"submitted":{"_0":{"cell":"a\u0062","codeHash":1,"key":2}}}"#,
        #"{"submitted":{"_0":{"codeHash":1,"key":2}}} "#, #"{"submitted":{"_0":{"codeHash":,"key":2}}}"#,
      ].map { Array($0.utf8) }
    var read: [Int: Int] = [:]
    for line in lines {
      let digits = line.indices.filter { (48..<58).contains(line[$0]) }
      for turn in 0..<300 {
        var line = line
        // The first as it is; of half of the others a digit is another byte, of the other half up to three bytes are changed, taken
        // out or cut off.
        if turn > 0, turn.isMultiple(of: 2), let digit = digits.randomElement(using: &numbers) {
          line[digit] =
            turn.isMultiple(of: 4) ? UInt8(48 + numbers.next() % 10) : UInt8(truncatingIfNeeded: numbers.next())
        }
        for _ in 0..<(turn.isMultiple(of: 2) ? 0 : Int(numbers.next() % 3) + 1) where !line.isEmpty {
          let place = Int(numbers.next() % UInt64(line.count))
          switch numbers.next() % 4 {
          case 0: line.remove(at: place)
          case 1: line[place] = UInt8(truncatingIfNeeded: numbers.next())
          case 2: line[place] = Array("0123456789\"\\,:{}-".utf8)[Int(numbers.next() % 17)]
          default: line.removeLast(line.count - place)
          }
        }
        guard let message = GateMessage(quickLine: line) else { continue }
        switch message {
        case .submitted(let cell): read[cell.cell == nil ? 0 : 1, default: 0] += 1
        case .ended: read[2, default: 0] += 1
        default: read[3, default: 0] += 1
        }
        #expect(
          (try? LineCodec.decoded(GateMessage.self, from: line)) == message, "\(String(decoding: line, as: UTF8.self))")
      }
    }
    // Cells without and with a name, ends, and what was applied: each was read often, spoiled or whole.
    #expect((0..<4).allSatisfy { read[$0, default: 0] > 20 }, "\(read)")
  }

  @Test("is written as documented, so that others can speak it")
  func written() {
    func text(_ message: EngineMessage) -> String { String(decoding: LineCodec.line(message), as: UTF8.self) }
    #expect(
      text(.grant(sequence: 1, key: 2, cores: CoreSet(0..<3), gpus: []))
        == #"{"grant":{"cores":"0-2","gpus":[],"key":2,"sequence":1}}"# + "\n")
    #expect(
      text(.grant(sequence: 1, key: 2, cores: CoreSet([0]), gpus: [VisibleGPU(id: "0", maker: .amd)]))
        == #"{"grant":{"cores":"0","gpus":[{"id":"0","maker":"amd"}],"key":2,"sequence":1}}"# + "\n")
    #expect(text(.ping) == #"{"ping":{}}"# + "\n")
  }

  @Test(
    "refuses what is no message",
    arguments: [
      "", "x", "{}", #"{"grant":{}}"#, #"{"grant":{"sequence":1,"key":-1,"cores":"0","gpus":[]}}"#, "[]", "null",
      #"{"resize":{"sequence":1,"key":1,"cores":"x"}}"#, #"{"nobody":{}}"#,
      #"{"grant":{"sequence":1,"key":1,"cores":"0","gpus":[{"id":"a'b"}]}}"#,
      #"{"grant":{"sequence":1,"key":1,"cores":"0","gpus":[{"id":"0","maker":"x"}]}}"#,
      #"{"welcome":{"version":1,"session":1,"notebook":0,"hides":["x"]}}"#,
    ])
  func refuses(line: String) {
    #expect(throws: LinkError.self) { try LineCodec.read(EngineMessage.self, from: Array(line.utf8)) }
  }

  @Test("cuts lines however the bytes arrive")
  func cuts() throws {
    let stream = Self.engineMessages.flatMap { LineCodec.line($0) }
    for step in [1, 2, 3, 7, 64, stream.count] {
      var buffer = LineBuffer()
      var lines: [[UInt8]] = []
      for start in stride(from: 0, to: stream.count, by: step) {
        lines += try buffer.add(stream[start..<min(start + step, stream.count)])
      }
      #expect(try lines.map { try LineCodec.read(EngineMessage.self, from: $0) } == Self.engineMessages)
    }
  }

  @Test("ends where a line has no end")
  func endless() {
    var buffer = LineBuffer()
    #expect(throws: LinkError.lineTooLong) {
      _ = try buffer.add([UInt8](repeating: 65, count: LineCodec.lineBytesMost + 1))
    }
  }

  @Test("listens where it is told to, or in a directory of the user's own")
  func socketPath() {
    #expect(SocketPath.standard(environment: ["CELLTOP_SOCKET": "/x"], uid: 5) == "/x")
    #expect(
      SocketPath.standard(environment: ["XDG_RUNTIME_DIR": "/run/user/5"], uid: 5) == "/run/user/5/celltop/engine.sock")
    #expect(SocketPath.standard(environment: ["XDG_RUNTIME_DIR": "relative"], uid: 5) == "/tmp/celltop-5/engine.sock")
  }
}
