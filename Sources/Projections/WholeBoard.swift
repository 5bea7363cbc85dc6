import Domain

// The board as it goes over a socket: a key frame with more of the past, and what is left of the notebooks that are gone.
extension Board {
  /// Names the packed form of boards and entries: two celltops whose forms differ cannot read one another.
  public static let wireForm = "1.\(frameVersion).\(LogPacker.format)"

  /// The past that goes over a socket: segments of a notebook.
  public static let segmentsSent = 512

  /// The board in the packed form `wireForm`.
  public var packedWhole: [UInt8] {
    var sink = PackBytes()
    let closed = notebooks.filter { $0.state == .gone }
    sink.put(UInt64(closed.count))
    for facts in closed { ClosedNotebook(facts).pack(into: &sink) }
    packFrame(
      into: &sink, segments: Self.segmentsSent, markers: Self.markersMost, marks: Self.segmentsSent)
    return sink.bytes
  }

  /// Reads what `packedWhole` gave.
  ///
  /// - Throws: `PackError` where the bytes are not such a board.
  public init(whole bytes: [UInt8]) throws(PackError) {
    let result: Result<Board, PackError> = bytes.withUnsafeBytes { buffer in
      do throws(PackError) {
        var source = PackSource(buffer)
        let closed: [ClosedNotebook] = try source.list()
        var byNumber: [NotebookID: ClosedNotebook] = [:]
        for notebook in closed { byNumber[notebook.notebook.id] = notebook }
        let board = try Board(frame: &source) { byNumber[$0] }
        guard source.isAtEnd else { throw PackError("bytes follow the board") }
        return .success(board)
      } catch { return .failure(error) }
    }
    self = try result.get()
  }
}

extension ClosedNotebook {
  /// What is left of a notebook that is gone.
  init(_ facts: NotebookFacts) {
    self.init(
      facts.notebook, opened: facts.segments.first?.from ?? facts.since, closed: facts.since, priority: facts.priority,
      cellsEnded: Int64(facts.cellsEnded), cellsFailed: Int64(facts.cellsFailed), waited: facts.waited, ran: facts.ran)
  }
}

extension ClosedNotebook: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(notebook)
    sink.put(opened)
    sink.put(closed)
    sink.put(priority)
    sink.put(cellsEnded)
    sink.put(cellsFailed)
    sink.put(waited)
    sink.put(ran)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(
      try source.value(), opened: try source.value(), closed: try source.value(), priority: try source.int32(),
      cellsEnded: try source.signed(), cellsFailed: try source.signed(), waited: try source.value(),
      ran: try source.value())
  }
}
