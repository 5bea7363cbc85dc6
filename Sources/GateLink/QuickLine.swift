import Domain

extension GateMessage {
  /// The line of a message that goes with every cell, put together by hand: the general encoder takes 20 to 30 µs for each, a
  /// tenth of what a cell costs its gate. The bytes are the same. Nil for what only the general encoder writes.
  var quickLine: [UInt8]? {
    switch self {
    case .submitted(let cell):
      guard cell.demand == nil else { return nil }
      var name = ""
      if let id = cell.cell {
        guard id.utf8.allSatisfy(Self.isPlain) else { return nil }
        name = #""cell":"\#(id)","#
      }
      return Array(#"{"submitted":{"_0":{\#(name)"codeHash":\#(cell.codeHash),"key":\#(cell.key)}}}"#.utf8) + [10]
    case .ended(let key, let outcome):
      return Array(#"{"ended":{"key":\#(key),"outcome":\#(outcome.rawValue)}}"#.utf8) + [10]
    case .applied(let sequence, let cores, nil):
      return Array(#"{"applied":{"cores":"\#(cores.description)","sequence":\#(sequence)}}"#.utf8) + [10]
    case .hello, .withdrawn, .backlog, .kernel, .applied, .failed, .code, .pong: return nil
    }
  }
}
