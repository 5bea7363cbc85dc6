import Domain

/// One input of a recorded session with the entries that it brought.
public struct GivenInput: Sendable {
  /// 1 for the session's first input.
  public var ordinal: Int
  public var at: Instant
  public var input: Input
  public var entries: ArraySlice<Entry>

  public init(ordinal: Int, at: Instant, input: Input, entries: ArraySlice<Entry>) {
    self.ordinal = ordinal
    self.at = at
    self.input = input
    self.entries = entries
  }
}

/// A recorded session that can be gone through, as often as needed, from its beginning.
public protocol Recording {
  /// Calls `body` with each input in order, until it returns false.
  ///
  /// - Throws: what `body` throws, or why the recording cannot be read.
  func forEachInput(_ body: (GivenInput) throws -> Bool) throws
}

/// A recorded session that is in memory as a whole.
public struct RecordingInMemory: Recording, Sendable {
  public var inputs: [(at: Instant, after: Int64, input: Input)]
  public var entries: [Entry]

  /// - Parameters:
  ///   - inputs: in order, each with the sequence of the last entry before it.
  ///   - entries: in order, without gaps, from sequence 1 on.
  public init(inputs: [(at: Instant, after: Int64, input: Input)], entries: [Entry]) {
    self.inputs = inputs
    self.entries = entries
  }

  public func forEachInput(_ body: (GivenInput) throws -> Bool) throws {
    for (index, given) in inputs.enumerated() {
      let from = min(max(Int(given.after), 0), entries.count)
      let next = index + 1 < inputs.count ? Int(inputs[index + 1].after) : entries.count
      let to = min(max(next, from), entries.count)
      let recorded = GivenInput(ordinal: index + 1, at: given.at, input: given.input, entries: entries[from..<to])
      guard try body(recorded) else { return }
    }
  }
}

/// Why a session cannot be decided again, in words.
public struct WhatIfError: Error, Equatable, Sendable, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}
