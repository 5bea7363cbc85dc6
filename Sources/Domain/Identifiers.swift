/// A machine with cores and GPUs; numbered from 0 in the order in which the session met them.
@frozen public struct NodeID: Hashable, Comparable, Sendable, Codable {
  public var number: Int32
  @inlinable public init(_ number: Int32) { self.number = number }
  @inlinable public static func < (a: NodeID, b: NodeID) -> Bool { a.number < b.number }
}

/// A notebook (one kernel behind one gate); numbered from 0 in the order of opening and never used again in a session.
@frozen public struct NotebookID: Hashable, Comparable, Sendable, Codable {
  public var number: Int32
  @inlinable public init(_ number: Int32) { self.number = number }
  @inlinable public static func < (a: NotebookID, b: NotebookID) -> Bool { a.number < b.number }
}

/// A cell's one execution; numbered from 1 in the order of acceptance and never used again in a session.
@frozen public struct CellID: Hashable, Comparable, Sendable, Codable {
  public var number: Int64
  @inlinable public init(_ number: Int64) { self.number = number }
  @inlinable public static func < (a: CellID, b: CellID) -> Bool { a.number < b.number }
}

/// An operator's or author's command; chosen by who sends it, so that sending it twice does it once.
@frozen public struct CommandID: Hashable, Comparable, Sendable, Codable {
  public var number: UInt64
  @inlinable public init(_ number: UInt64) { self.number = number }
  @inlinable public static func < (a: CommandID, b: CommandID) -> Bool { a.number < b.number }
}
