import Domain

/// A session as one CSV table (RFC 4180, with a header), row by row as its entries come.
public struct CSVExport {
  private var reader: TableReader
  private let table: ExportTable
  private var hasHeader = false

  public init(_ table: ExportTable, of session: ExportedSession) {
    self.table = table
    reader = TableReader(session)
  }

  /// The lines that an entry brings.
  public mutating func take(_ entry: Entry) -> String {
    reader.take(entry)
    return lines()
  }

  /// The lines that only the end brings; the header alone where there was nothing.
  public mutating func finish() -> String {
    reader.finish()
    let last = lines()
    return hasHeader ? last : Self.columns(of: table).joined(separator: ",") + "\r\n"
  }

  private mutating func lines() -> String {
    var text = ""
    for row in reader.rows where row.table == table {
      if !hasHeader {
        text += row.fields.map(\.name).joined(separator: ",") + "\r\n"
        hasHeader = true
      }
      text += row.fields.map(\.value.csv).joined(separator: ",") + "\r\n"
    }
    return text
  }

  /// The columns of an empty table.
  private static func columns(of table: ExportTable) -> [String] {
    switch table {
    case .entries: ["sequence", "at", "time", "event", "notebook", "name", "cell", "fields", "sentence"]
    case .cells: ["cell", "notebook", "name", "user", "submitted"]
    case .notebooks: ["notebook", "name", "user", "path"]
    case .actions: ["action", "sequence", "at", "time", "author", "verb"]
    case .usage: ["sequence", "at", "time", "notebook", "name", "user", "millicores", "memory"]
    }
  }
}

/// A session as one JSON document: the session, then an array a table, each row on a line of its own. Times are
/// microseconds since the beginning, sizes bytes.
public struct JSONExport {
  private let session: ExportedSession

  public init(_ session: ExportedSession) { self.session = session }

  /// - Parameters:
  ///   - forEach: goes through the session's entries from the beginning; called once a table.
  ///   - write: takes the text, piece by piece.
  public func write(
    entries forEach: (@escaping (Entry) throws -> Void) throws -> Void, to write: @escaping (String) throws -> Void
  ) throws {
    var head = "{\"celltop-session\": 1, \"session\": "
    session.fields.json(into: &head)
    try write(head)
    for table in ExportTable.allCases {
      try write(",\n\"\(table.rawValue)\": [")
      var reader = TableReader(session)
      var isFirst = true
      func put(_ rows: [TableReader.Row]) throws {
        for row in rows where row.table == table {
          var text = isFirst ? "\n" : ",\n"
          isFirst = false
          row.fields.json(into: &text)
          try write(text)
        }
      }
      try forEach { entry in
        reader.take(entry)
        try put(reader.rows)
      }
      reader.finish()
      try put(reader.rows)
      try write("\n]")
    }
    try write("}\n")
  }
}
