import Domain
import GateLink
import Testing

@testable import KernelGate

@Suite("A grant's line")
struct GrantLineTests {
  @Test("is read as the decoder reads it", arguments: [CoreSet(), CoreSet([3]), CoreSet([0, 1, 2, 63, 64, 4095])])
  func same(cores: CoreSet) throws {
    let grant = EngineMessage.grant(sequence: .max, key: .max, cores: cores, gpus: [])
    #expect(EngineMessage(grantLine: Array(LineCodec.line(grant).dropLast())) == grant)
    let mixed = #" { "grant" : {"key":7 ,"gpus":[], "sequence":1,"cores":"0,1"} } "#
    #expect(
      EngineMessage(grantLine: Array(mixed.utf8)) == .grant(sequence: 1, key: 7, cores: CoreSet([0, 1]), gpus: []))
  }

  @Test(
    "is left to the decoder where it is anything else",
    arguments: [
      "", "{}", #"{"ping":{}}"#, #"{"grant":{}}"#, #"{"grant":{"sequence":1,"key":7,"cores":"0"}}"#,
      #"{"grant":{"sequence":1,"key":7,"cores":"0","gpus":[{"id":"GPU-1"}]}}"#,
      #"{"grant":{"sequence":1,"key":7,"cores":"x","gpus":[]}}"#,
      #"{"grant":{"sequence":1,"key":-7,"cores":"0","gpus":[]}}"#,
      #"{"grant":{"sequence":+1,"key":7,"cores":"0","gpus":[]}}"#,
      #"{"grant":{"sequence":01,"key":7,"cores":"0","gpus":[]}}"#,
      #"{"grant":{"sequence":1,"key":7,"key":8,"cores":"0","gpus":[]}}"#,
      #"{"grant":{"sequence":1,"key":7,"cores":"0","gpus":[],"gpus":[]}}"#,
      #"{"grant":{"sequence":1.5,"key":7,"cores":"0","gpus":[]}}"#,
      #"{"grant":{"sequence":1,"key":7,"cores":"0","gpus":[]}"#,
      #"{"grant":{"sequence":1,"key":7,"cores":"0","gpus":[]}}x"#,
      #"{"grant":{"sequence":1,"key":7,"cores":"0","gpus":[],"new":1}}"#,
      #"{"grant":{"sequence":1,"key":7,"cores":"0","gpus":[]},"ping":{}}"#,
    ])
  func other(line: String) { #expect(EngineMessage(grantLine: Array(line.utf8)) == nil) }
}
