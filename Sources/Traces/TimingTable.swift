import Domain

/// Reads a table of timings, a cell a row, with a header that names its columns (RFC 4180 without line breaks in fields).
///
/// One of `run`, `run_s`, `duration`, `duration_s`, and one of `think`, `think_s`, `think_s_before`, in seconds; an empty
/// think time is a notebook's first cell. `notebook` and `user` are optional: rows of a notebook stand together. Other
/// columns are passed over. A table of think times alone will do for fitting.
public enum TimingTable {
  /// A longer gap begins another session.
  public static let sessionGapSecondsDefault = 3600.0

  private static let runNames = ["run", "run_s", "duration", "duration_s"]
  private static let thinkNames = ["think", "think_s", "think_s_before"]

  /// Whether a file's first line is such a header.
  static func isHeader(_ line: ArraySlice<UInt8>) -> Bool {
    guard let names = fields(line.prefix(4096)), names.count <= 64 else { return false }
    return names.contains { thinkNames.contains($0) }
  }

  /// Reads a table, plain or gzip-compressed.
  ///
  /// - Throws: `TraceError` for a file that cannot be read, has no such header, or no row.
  public static func read(
    _ path: String, name: String = "timings", sessionGapSeconds: Double = sessionGapSecondsDefault
  ) throws(TraceError) -> Imported {
    var reader = try LineReader(path)
    guard let first = try reader.next(), let header = fields(first),
      let think = header.firstIndex(where: thinkNames.contains)
    else {
      throw TraceError(
        file: path, line: 1, because: "is no header with a column of think times",
        mend: "Name the columns, like notebook,duration_s,think_s_before.")
    }
    let run = header.firstIndex(where: runNames.contains)
    let notebookColumn = header.firstIndex(of: "notebook")
    let userColumn = header.firstIndex(of: "user")
    var trace = Trace(name: name, note: "timings, \(path)", notebooks: [])
    var leftOut = Omissions()
    var current = ""
    while let line = try reader.next() {
      if line.trimmed.isEmpty { continue }
      let place = "\(path):\(reader.number)"
      guard let row = fields(line), row.count == header.count else {
        leftOut.add("rows with another number of columns than the header's", at: place)
        continue
      }
      func seconds(_ column: Int?) -> Double?? {
        guard let column, !row[column].isEmpty else { return .some(nil) }
        guard let value = Double(row[column]), (0...NativeTrace.secondsMost).contains(value) else { return nil }
        return value
      }
      guard let run = seconds(run), let think = seconds(think) else {
        leftOut.add("rows with a time that is negative or no number", at: place)
        continue
      }
      let title = notebookColumn.map { row[$0] } ?? "notebook"
      let isNew = trace.notebooks.isEmpty || title != current
      if isNew || (think ?? 0) > sessionGapSeconds {
        if !isNew {
          leftOut.add("gaps of more than \(Int(sessionGapSeconds)) s, which begin another session", at: place)
        }
        current = title
        let user = userColumn.map { row[$0] } ?? ""
        trace.notebooks.append(TraceNotebook(name: title, user: user.isEmpty ? title : user, cells: []))
      }
      let isFirst = trace.notebooks[trace.notebooks.count - 1].cells.isEmpty
      // A table without notebooks is one long list of think times: the first one counts too.
      let keepsThink = !isFirst || notebookColumn == nil
      trace.notebooks[trace.notebooks.count - 1].cells.append(
        TraceCell(think: Span(seconds: keepsThink ? think ?? 0 : 0), run: Span(seconds: run ?? 0)))
    }
    if let damage = reader.damage { leftOut.add("the rest of the file: \(damage)", at: path) }
    guard !trace.notebooks.isEmpty else {
      throw TraceError(file: path, because: "holds a header and no row", mend: "Is it the whole file?")
    }
    trace.nameApart()
    return Imported(trace: trace, leftOut: leftOut)
  }

  /// The fields of a line; quoted ones may hold commas. Nil where a quote is not closed.
  private static func fields(_ line: ArraySlice<UInt8>) -> [String]? {
    var fields: [String] = []
    var field: [UInt8] = []
    var isQuoted = false
    var index = line.startIndex
    while index < line.endIndex {
      let byte = line[index]
      let next = index + 1
      if isQuoted {
        if byte != 0x22 {
          field.append(byte)
        } else if next < line.endIndex, line[next] == 0x22 {
          field.append(byte)
          index += 1
        } else {
          isQuoted = false
        }
      } else if byte == 0x22, field.isEmpty {
        isQuoted = true
      } else if byte == 0x2C {
        fields.append(String(decoding: field, as: UTF8.self))
        field = []
        if fields.count > 1024 { return nil }
      } else {
        field.append(byte)
      }
      index += 1
    }
    if isQuoted { return nil }
    fields.append(String(decoding: field, as: UTF8.self))
    return fields
  }
}
