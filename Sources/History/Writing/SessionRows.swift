import Domain
import GRDB

/// Writes a session's rows within a transaction.
struct SessionRows {
  let session: Int64
  let db: Database

  func write(_ stretch: LogStretch) throws {
    let statement = try RowStatement(
      db,
      """
      INSERT OR REPLACE INTO stretch (session, first, last, first_us, last_us, format, digest, log)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)
      """)
    statement.bind(1, session)
    statement.bind(2, stretch.first)
    statement.bind(3, stretch.last)
    statement.bind(4, stretch.firstAt.microseconds)
    statement.bind(5, stretch.lastAt.microseconds)
    statement.bind(6, LogPacker.format)
    try stretch.bytes.withUnsafeBytes { bytes in
      statement.bind(7, Self.digest(bytes))
      statement.bind(8, bytes)
      try statement.run()
    }
  }

  func write(_ frame: PackedFrame) throws {
    let statement = try RowStatement(
      db,
      """
      INSERT OR REPLACE INTO keyframe (session, kind, sequence, at_us, version, digest, frame)
      VALUES (?, ?, ?, ?, ?, ?, ?)
      """)
    statement.bind(1, session)
    statement.bind(2, Int64(frame.kind))
    statement.bind(3, frame.sequence)
    statement.bind(4, frame.at.microseconds)
    statement.bind(5, Int64(frame.version))
    try frame.bytes.withUnsafeBytes { bytes in
      statement.bind(6, Self.digest(bytes))
      statement.bind(7, bytes)
      try statement.run()
    }
  }

  /// The digest that is kept beside bytes.
  static func digest(_ bytes: UnsafeRawBufferPointer) -> Int64 {
    var digest = Digest()
    digest.absorb(bytes: bytes)
    return Int64(bitPattern: digest.value)
  }

  static func digest(of bytes: [UInt8]) -> Int64 { bytes.withUnsafeBytes { digest($0) } }

  /// Writes what waits in the projector; its `written` is to be called once the transaction has been committed.
  func write(_ projector: Projector) throws {
    try writeCells(projector)
    try writeNotebooks(projector)
    try writeMarkers(projector.markers)
    try writeUsages(projector.usages)
    for action in projector.actions { try write(action) }
  }

  private func writeCells(_ projector: Projector) throws {
    let statement = try RowStatement(
      db,
      """
      INSERT OR REPLACE INTO cell (session, cell, notebook, queued, submitted_us, started_us, ended_us, outcome,
        ran_us, core_us, gpu_us, suspensions, cores, gpus, memory, code, basis, forecast_p05_us, forecast_p50_us,
        forecast_p95_us)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """)
    for row in projector.ended { try write(row, statement) }
    for index in projector.dirty {
      let notebook = projector.notebooks[Int(index)]
      if notebook.hasCell, notebook.cell.isDirty { try write(notebook.cell, statement) }
    }
  }

  private func write(_ row: Projector.CellRow, _ statement: RowStatement) throws {
    let cell = row.cell
    statement.bind(1, session)
    statement.bind(2, cell.id.number)
    statement.bind(3, Int64(cell.notebook.number))
    statement.bind(4, row.queued)
    statement.bind(5, cell.submitted.microseconds)
    statement.bind(6, row.started?.microseconds)
    statement.bind(7, row.ended?.microseconds)
    statement.bind(8, row.outcome?.word)
    statement.bind(9, row.ran.microseconds)
    statement.bind(10, row.coreMicroseconds)
    statement.bind(11, row.gpuMicroseconds)
    statement.bind(12, row.suspensions)
    statement.bind(13, Int64(cell.demand.coresMost))
    statement.bind(14, Int64(cell.demand.gpus))
    statement.bind(15, cell.demand.memory.count)
    statement.bind(16, cell.source.codeHash == 0 ? nil : Int64(bitPattern: cell.source.codeHash))
    statement.bind(17, cell.forecast.map { Int64($0.basis.rawValue) })
    statement.bind(18, cell.forecast?.run.p05.microseconds)
    statement.bind(19, cell.forecast?.run.p50.microseconds)
    statement.bind(20, cell.forecast?.run.p95.microseconds)
    try statement.run()
  }

  private func writeNotebooks(_ projector: Projector) throws {
    let statement = try RowStatement(
      db,
      """
      INSERT OR REPLACE INTO notebook (session, notebook, node, user, path, kernel, gate, priority, priority_first,
        opened, opened_us, closed, closed_us, cells, failed, waited_us, ran_us)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """)
    for index in projector.dirty {
      let row = projector.notebooks[Int(index)]
      statement.bind(1, session)
      statement.bind(2, Int64(index))
      statement.bind(3, Int64(row.notebook.node.number))
      statement.bind(4, row.notebook.user)
      statement.bind(5, row.notebook.path)
      statement.bind(6, row.notebook.kernel)
      statement.bind(7, row.notebook.gate)
      statement.bind(8, Int64(row.priority))
      statement.bind(9, Int64(row.notebook.priority))
      statement.bind(10, row.opened)
      statement.bind(11, row.openedAt.microseconds)
      statement.bind(12, row.closed)
      statement.bind(13, row.closedAt?.microseconds)
      statement.bind(14, row.cells)
      statement.bind(15, row.failed)
      statement.bind(16, row.waited.microseconds)
      statement.bind(17, row.ran.microseconds)
      try statement.run()
    }
  }

  private func writeMarkers(_ markers: [RecordedMarker]) throws {
    let statement = try RowStatement(
      db, "INSERT OR REPLACE INTO marker (session, sequence, at_us, kind, notebook) VALUES (?, ?, ?, ?, ?)")
    for marker in markers {
      statement.bind(1, session)
      statement.bind(2, marker.sequence)
      statement.bind(3, marker.at.microseconds)
      statement.bind(4, marker.kind.rawValue)
      statement.bind(5, marker.notebook.map { Int64($0.number) })
      try statement.run()
    }
  }

  private func writeUsages(_ rows: [Projector.UsageRow]) throws {
    let statement = try RowStatement(
      db, "INSERT OR REPLACE INTO usage (session, notebook, at_us, millicores, memory) VALUES (?, ?, ?, ?, ?)")
    for row in rows {
      statement.bind(1, session)
      statement.bind(2, Int64(row.notebook.number))
      statement.bind(3, row.at.microseconds)
      statement.bind(4, Int64(row.usage.millicores))
      statement.bind(5, row.usage.memory.count)
      try statement.run()
    }
  }

  private func write(_ action: Projector.Action) throws {
    let command = action.command
    try db.cachedStatement(
      sql: """
        INSERT OR REPLACE INTO action (session, sequence, at_us, author, verb, notebook, why, refused)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      session, action.sequence, action.at.microseconds, command.author, command.verb.word,
      command.verb.notebook.map { Int64($0.number) }, command.why, action.refused,
    ])
  }
}

/// A stretch of the log that is ready to be written.
struct LogStretch {
  var first: Int64
  var last: Int64
  var firstAt: Instant
  var lastAt: Instant
  var bytes: [UInt8]

  init(_ packer: LogPacker) {
    first = packer.first
    last = packer.last
    firstAt = packer.firstAt
    lastAt = packer.lastAt
    bytes = packer.bytes.bytes
  }
}
