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

/// Why a session cannot be decided again, in words.
public struct WhatIfError: Error, Equatable, Sendable, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}
