import Domain
import WhatIf

/// A recorded session that is in memory as a whole.
struct RecordingInMemory: Recording, Sendable {
  var inputs: [(at: Instant, after: Int64, input: Input)]
  var entries: [Entry]

  /// - Parameters:
  ///   - inputs: in order, each with the sequence of the last entry before it.
  ///   - entries: in order, without gaps, from sequence 1 on.
  init(inputs: [(at: Instant, after: Int64, input: Input)], entries: [Entry]) {
    self.inputs = inputs
    self.entries = entries
  }

  func forEachInput(_ body: (GivenInput) throws -> Bool) throws {
    for (index, given) in inputs.enumerated() {
      let from = min(max(Int(given.after), 0), entries.count)
      let next = index + 1 < inputs.count ? Int(inputs[index + 1].after) : entries.count
      let to = min(max(next, from), entries.count)
      let recorded = GivenInput(ordinal: index + 1, at: given.at, input: given.input, entries: entries[from..<to])
      guard try body(recorded) else { return }
    }
  }
}
