import Domain

/// Reads a table of timings, a cell a row, with a header that names its columns (RFC 4180 without line breaks in fields).
///
/// One of `run`, `run_s`, `duration`, `duration_s`, and one of `think`, `think_s`, `think_s_before`, in seconds; an empty
/// think time is a notebook's first cell. Or `start` and `end`, each a stamp like `2026-06-14T19:26:15.495Z`. `notebook` and `user`
/// are optional: rows of a notebook stand together where the times are columns, and anywhere where they are stamps. `cell_index` names
/// the cell. Other columns are passed over. A table of think times alone will do for fitting.
public enum TimingTable {
  /// A longer gap begins another session.
  public static let sessionGapSecondsDefault = 3600.0

  /// What is believed of a table that has both.
  public enum Times: Sendable {
    /// The columns of run and think times.
    case columns
    /// The stamps, by which sessions also stand at their own time: what a play in order of time needs.
    case stamps
  }

  private static let runNames = ["run", "run_s", "duration", "duration_s"]
  private static let thinkNames = ["think", "think_s", "think_s_before"]

  /// Where a header has what.
  private struct Columns {
    var think: Int?
    var run: Int?
    var stamps: (start: Int, end: Int)?
    var notebook: Int?
    var user: Int?
    var cell: Int?
    let count: Int

    /// Nil where no times are among them.
    init?(_ names: [String]) {
      think = names.firstIndex(where: thinkNames.contains)
      run = names.firstIndex(where: runNames.contains)
      if let start = names.firstIndex(of: "start"), let end = names.firstIndex(of: "end") { stamps = (start, end) }
      notebook = names.firstIndex(of: "notebook")
      user = names.firstIndex(of: "user")
      cell = names.firstIndex(of: "cell_index")
      count = names.count
      if think == nil, stamps == nil { return nil }
    }
  }

  /// Whether a file's first line is such a header.
  static func isHeader(_ line: ArraySlice<UInt8>) -> Bool {
    guard let names = fields(line.prefix(4096)), names.count <= 64 else { return false }
    return Columns(names) != nil
  }

  /// Reads a table, plain or gzip-compressed.
  ///
  /// - Throws: `TraceError` for a file that cannot be read, has no such header, or no row.
  public static func read(
    _ path: String, name: String = "timings", sessionGapSeconds: Double = sessionGapSecondsDefault,
    times: Times = .columns
  ) throws(TraceError) -> Imported {
    var reader = try LineReader(path)
    guard let first = try reader.next(), let header = fields(first), let columns = Columns(header) else {
      throw TraceError(
        file: path, line: 1, because: "is no header with a column of think times, or with start and end",
        mend: "Name the columns, like notebook,duration_s,think_s_before.")
    }
    var making = Making(columns, gap: Span(seconds: sessionGapSeconds), times: columns.think == nil ? .stamps : times)
    while let line = try reader.next() {
      if line.trimmed.isEmpty { continue }
      making.take(fields(line), at: "\(path):\(reader.number)")
    }
    if let damage = reader.damage { making.leftOut.add("the rest of the file: \(damage)", at: path) }
    let imported = making.imported(name: name, note: "timings, \(path)")
    guard !imported.trace.notebooks.isEmpty else {
      throw TraceError(file: path, because: "holds a header and no row", mend: "Is it the whole file?")
    }
    return imported
  }

  /// Puts rows together to sessions.
  private struct Making {
    private struct Row {
      var title: String
      var user: String
      var start: Instant
      var end: Instant
      var source: CellSource
    }

    private let columns: Columns
    private let gap: Span
    private let byStamps: Bool
    var leftOut = Omissions()
    private var notebooks: [TraceNotebook] = []
    private var current = ""
    private var rows: [Row] = []

    init(_ columns: Columns, gap: Span, times: Times) {
      self.columns = columns
      self.gap = gap
      byStamps = times == .stamps && columns.stamps != nil
    }

    mutating func take(_ fields: [String]?, at place: String) {
      guard let fields, fields.count == columns.count else {
        leftOut.add("rows with another number of columns than the header's", at: place)
        return
      }
      let title = columns.notebook.map { fields[$0] } ?? "notebook"
      let user = columns.user.map { fields[$0] } ?? ""
      let source = CellSource(jupyterCell: columns.cell.flatMap { NativeTrace.cellName(fields[$0]) })
      guard byStamps, let stamps = columns.stamps else {
        return take(fields, title, user.isEmpty ? title : user, source, at: place)
      }
      guard let start = Timestamp.reading(Array(fields[stamps.start].utf8)[...])?.time.microseconds,
        let end = Timestamp.reading(Array(fields[stamps.end].utf8)[...])?.time.microseconds
      else {
        leftOut.add("rows without a stamp for their start and their end", at: place)
        return
      }
      rows.append(
        Row(
          title: title, user: user.isEmpty ? title : user, start: Instant(microseconds: start),
          end: Instant(microseconds: end), source: source))
    }

    private mutating func take(
      _ fields: [String], _ title: String, _ user: String, _ source: CellSource, at place: String
    ) {
      func seconds(_ column: Int?) -> Double?? {
        guard let column, !fields[column].isEmpty else { return .some(nil) }
        guard let value = Double(fields[column]), (0...NativeTrace.secondsMost).contains(value) else { return nil }
        return value
      }
      guard let run = seconds(columns.run), let think = seconds(columns.think) else {
        leftOut.add("rows with a time that is negative or no number", at: place)
        return
      }
      let isNew = notebooks.isEmpty || title != current
      if isNew || (think ?? 0) > gap.seconds {
        if !isNew { tellOfGap(at: place) }
        current = title
        notebooks.append(TraceNotebook(name: title, user: user, cells: []))
      }
      let isFirst = notebooks[notebooks.count - 1].cells.isEmpty
      // A table without notebooks is one long list of think times: the first one counts too.
      let keepsThink = !isFirst || columns.notebook == nil
      notebooks[notebooks.count - 1].append(
        TraceCell(think: Span(seconds: keepsThink ? think ?? 0 : 0), run: Span(seconds: run ?? 0)), source)
    }

    private mutating func tellOfGap(at place: String) {
      leftOut.add("gaps of more than \(Int(gap.seconds)) s, which begin another session", at: place)
    }

    /// The rows by their stamps. Where those of consecutive cells overlap, the later one begins where the earlier one ended.
    private mutating func sortRows() {
      let zero = rows.map(\.start).min() ?? .zero
      var last: Row?
      var free = Instant.zero
      for row in rows.sorted(by: { ($0.title, $0.start, $0.end) < ($1.title, $1.start, $1.end) }) {
        let isNew = last?.title != row.title
        if isNew || row.start - (last?.end ?? row.start) > gap {
          if !isNew { tellOfGap(at: row.title.printable(at: 80)) }
          notebooks.append(
            TraceNotebook(
              name: row.title, user: row.user, arrival: Instant(microseconds: (row.start - zero).microseconds),
              cells: []))
          free = row.start
        }
        last = row
        let start = max(row.start, free)
        let run = max(row.end - row.start, .zero)
        notebooks[notebooks.count - 1].append(TraceCell(think: start - free, run: run), row.source)
        free = start + run
      }
      rows = []
    }

    mutating func imported(name: String, note: String) -> Imported {
      sortRows()
      var trace = Trace(name: name, note: note, notebooks: notebooks)
      trace.nameApart()
      return Imported(trace: trace, leftOut: leftOut)
    }
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
