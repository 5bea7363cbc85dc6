import Domain
import Foundation
import GateLink
import ServerLink
import Testing

/// Holds the examples of Docs/PROTOCOL.md against the decoders that read the wire.
@Suite struct ProtocolDocumentTests {
  /// The lines of JSON in blocks that are marked as said by `speaker`.
  private static func examples(_ speaker: String) throws -> [String] {
    var path = #filePath
    for _ in 0..<3 { path = (path as NSString).deletingLastPathComponent }
    let text = try String(contentsOfFile: path + "/Docs/PROTOCOL.md", encoding: .utf8)
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
