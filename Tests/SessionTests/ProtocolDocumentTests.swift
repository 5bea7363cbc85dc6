import Domain
import Foundation
import GateLink
import Projections
import ServerLink
import Testing

@testable import Session

/// Holds the examples of Docs/PROTOCOL.md against the decoders that read the wire.
@Suite struct ProtocolDocumentTests {
  private static func page(_ name: String = "PROTOCOL.md") throws -> String {
    var path = #filePath
    for _ in 0..<3 { path = (path as NSString).deletingLastPathComponent }
    return try String(contentsOfFile: path + "/Docs/" + name, encoding: .utf8)
  }

  /// The lines of JSON in blocks that are marked as said by `speaker`.
  private static func examples(_ speaker: String) throws -> [String] {
    let text = try page()
    var lines: [String] = []
    var isInside = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("```") {
        isInside = line == "```json \(speaker)"
      } else if isInside {
        lines.append(String(line))
      }
    }
    return lines
  }

  /// What is read of a line and written again must say the same; what the document leaves out is what need not be said.
  private func expectTrue<Message: Codable & Equatable>(_ type: Message.Type, _ line: String) throws {
    let message = try LineCodec.read(type, from: Array(line.utf8))
    let again = LineCodec.line(message)
    #expect(try LineCodec.read(type, from: again.dropLast()) == message)
    let said = try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    let written = try #require(JSONSerialization.jsonObject(with: Data(again)) as? [String: Any])
    #expect(said.keys.sorted() == written.keys.sorted(), "\(line)")
    for (name, value) in said {
      guard let members = value as? [String: Any], let others = written[name] as? [String: Any] else { continue }
      for key in members.keys where !(members[key] is NSNull) { #expect(others[key] != nil, "\(line): \(key)") }
    }
  }

  @Test("what a client says")
  func client() throws {
    let lines = try Self.examples("client")
    #expect(lines.count >= 22)
    for line in lines { try expectTrue(ClientMessage.self, line) }
    let words = lines.joined()
    for name in ["attach", "command", "status", "preview", "processes", "code", "stay", "stop", "pong"] {
      #expect(words.contains("{\"\(name)\":"))
    }
    #expect(words.contains("\"stream\":\"packed\",\"form\":\"\(Board.wireForm)\""))
  }

  @Test("the configuration in OPERATIONS is read as it stands there, and has every key of [access]")
  func access() throws {
    let text = try Self.page("OPERATIONS.md")
    let begin = try #require(text.range(of: "```toml\n[access]\n"))
    let end = try #require(text.range(of: "```", range: begin.upperBound..<text.endIndex))
    let lines = text[begin.upperBound..<end.lowerBound].split(separator: "\n")
    let rules = try ServerSettings(parsing: "[access]\n" + lines.joined(separator: "\n"), path: "OPERATIONS.md").access
    #expect(rules.operators == ["olga"] && rules.operatorGroups == ["wheel"] && rules.observers == ["wallboard"])
    #expect(rules.everyone == AccessRules().everyone && !rules.showsCode && !rules.showsPaths)
    for one in AccessRules.Everyone.allCases { #expect(lines.contains { $0.contains("\"\(one)\"") }, "\(one)") }
    // The error lists the keys there are.
    let error = #expect(throws: SessionError.self) { try ServerSettings(parsing: "[access]\nx = 1", path: "") }
    let known = try #require(error?.description.components(separatedBy: "; there are ").last)
    let keys = known.components(separatedBy: ", ")
    #expect(keys.count >= 7)
    for key in keys { #expect(lines.contains { $0.hasPrefix(key + " = ") }, "\(key)") }
  }

  @Test("what the server says to a client")
  func server() throws {
    let lines = try Self.examples("server")
    #expect(lines.count >= 11)
    for line in lines {
      try expectTrue(ServerMessage.self, line)
      #expect(try LineCodec.read(ServerMessage.self, from: Array(line.utf8)) != .unknown, "\(line)")
    }
  }

  @Test("what a gate and the engine say to one another")
  func gates() throws {
    let (gate, engine) = (try Self.examples("gate"), try Self.examples("engine"))
    #expect(gate.count >= 10 && engine.count >= 9)
    for line in gate { try expectTrue(GateMessage.self, line) }
    for line in engine { try expectTrue(EngineMessage.self, line) }
  }

  @Test("every limit with its default, every event, every cause of a refusal and every verb")
  func names() throws {
    let text = try Self.page()
    for (name, place, _) in ServerSettings.numbers {
      #expect(text.contains("`\(name)` (\(Limits()[keyPath: place]))"), "\(name)")
    }
    for kind in EventKind.allCases { #expect(text.contains("`\(kind)`"), "\(kind)") }
    for cause in Refusal.Cause.allCases { #expect(text.contains("`\(cause)`"), "\(cause)") }
    let orders = try Self.examples("client").joined()
    for name in VerbForm.names { #expect(orders.contains("\"verb\":{\"\(name)\":"), "\(name)") }
  }

  @Test("the times that the page names are those that are kept")
  func times() throws {
    let text = try Self.page().replacing("\n", with: " ")
    func says(_ words: String, _ isSo: Bool) { #expect(isSo && text.contains(words), "\(words)") }
    says("within five seconds", Limits().greetingSeconds == 5)
    says("a sign of life every two seconds", ClientDesk.pingPeriod == Span(seconds: 2))
    says("heard nothing for six", ServerConnection.silenceSecondsMost == 6)
    says("attach anew, every half second", AttachedSession.retryPeriodMilliseconds == 500)
    says("60 s (`limits.silence_seconds`)", Limits().silenceSeconds == 60)
    says("about every 25 ms", ClientDesk.gatherSpan == Span(microseconds: 25_000))
    says("The last 512 of a user", ClientDesk.answersKept == 512)
    says("a server ends 10 s after", ConsoleWatch.awaySpan == Span(seconds: 10))
    says("orders (1,000 at the most)", PreviewAsked.verbsMost == 1000)
    says("The look takes 0.3 s at the most", PreviewDesk.deadline == .milliseconds(300))
    says("beyond the first 1,000", ProcessesAnswer.rowsMost == 1000)
    says("32 KiB of it at the most", CodeText.bytesMost == 32 << 10)
    says("on a gate at 1 MiB", GateConnection.outboxBytesMost == 1 << 20)
    says("is kept for three seconds", GateDesk.graceSpan == Span(seconds: 3))
    says("3 s at the most", Recovery.patience == Span(seconds: 3))
    says("from 1 to 9007199254740991", Order.keyMost == 9_007_199_254_740_991)
  }

  @Test("refuses lines that are nested too deep, at whatever depth they end")
  func deep() throws {
    for (count, sign) in (65...1100).flatMap({ [($0, "["), ($0, "{\"a\":")] }) {
      let line = Array(String(repeating: sign, count: count).utf8)
      #expect(throws: LinkError.malformed("it is nested deeper than 64")) {
        try LineCodec.read(ClientMessage.self, from: line)
      }
    }
    let quoted = #"{"command":{"key":1,"verb":{"policy":{"name":"\""# + String(repeating: "[", count: 600) + #""}}}}"#
    #expect(throws: Never.self) { try LineCodec.read(ClientMessage.self, from: Array(quoted.utf8)) }
  }

  @Test("a client passes over what it does not know, and a server does not")
  func unknown() throws {
    #expect(try LineCodec.read(ServerMessage.self, from: Array(#"{"weather":{"sun":true}}"#.utf8)) == .unknown)
    let more = #"{"ping":{"at":1,"sequence":2,"mood":"good"},"extra":3}"#
    #expect(
      try LineCodec.read(ServerMessage.self, from: Array(more.utf8)) == .ping(at: 1, sequence: 2, trouble: nil))
    for line in [#"{"weather":{}}"#, "{}", "[]", "7", #"{"stop":{},"stay":{}}"#, #"{"command":{"key":0,"verb":{}}}"#] {
      #expect(throws: LinkError.self, "\(line)") { try LineCodec.read(ClientMessage.self, from: Array(line.utf8)) }
    }
  }
}
