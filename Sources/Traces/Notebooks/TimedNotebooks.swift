import Domain
import Foundation

/// Reads saved notebooks whose cells carry the times at which they ran: one, several, or folders of them.
///
/// The submission of a cell is not in the file; it is taken to be its start, so that a cell that stood in its kernel's line
/// (Run All) has a think time near 0. A gap of more than `sessionGapSeconds` begins another session.
public enum TimedNotebooks {
  public static let sessionGapSecondsDefault = 3600.0
  /// No larger file is read: 256 MiB. A notebook's text is in memory while it is read.
  public static let bytesMost = 1 << 28

  /// Reads notebooks; folders are searched, their `.ipynb_checkpoints` not.
  ///
  /// - Throws: `TraceError` where a path cannot be read, a file that was named is no notebook, or none has times.
  public static func read(
    _ paths: [String], name: String = "notebooks", sessionGapSeconds: Double = sessionGapSecondsDefault,
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws(TraceError) -> Imported {
    let files = try found(paths)
    var making = Making(gap: Int64((sessionGapSeconds * 1e6).rounded()))
    for (index, file) in files.enumerated() {
      progress(index, files.count)
      do throws(TraceError) {
        try making.take(file.path, title: file.title)
      } catch {
        // A file that was named must be what it was said to be; one of a folder is counted.
        if !file.isOfFolder { throw error }
        making.leftOut.add("files that are no notebooks", at: error.description)
      }
    }
    guard !making.sessions.isEmpty else {
      throw TraceError(
        file: paths.first ?? "",
        because: "\(files.count == 1 ? "the notebook has" : "\(files.count) notebooks have") no cell with times",
        mend: "Record them: 'Record timing' in JupyterLab's settings, papermill, or the ExecuteTime extension.")
    }
    return making.imported(name: name, files: files.count)
  }

  private struct File {
    var path: String
    var title: String
    var isOfFolder: Bool
  }

  private static func found(_ paths: [String]) throws(TraceError) -> [File] {
    var files: [File] = []
    for path in paths {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw TraceError(file: path, because: "is not there", mend: "Name a notebook or a folder of notebooks.")
      }
      guard isFolder.boolValue else {
        files.append(
          File(path: path, title: path.split(separator: "/").last.map(String.init) ?? path, isOfFolder: false))
        continue
      }
      guard let inside = FileManager.default.enumerator(atPath: path) else {
        throw TraceError(file: path, because: "cannot be searched", mend: "Name a folder that can be read.")
      }
      var titles: [String] = []
      while let title = inside.nextObject() as? String {
        if title.hasSuffix(".ipynb"), !title.contains(".ipynb_checkpoints/") { titles.append(title) }
      }
      files += titles.sorted().map { File(path: path + "/" + $0, title: $0, isOfFolder: true) }
    }
    return files
  }

  /// What is known of one run of a cell.
  private struct TimedCell {
    var times: CellTimes
    var count: Int?
    var outcome: CellOutcome
    var demand: Demand
    var source: CellSource
  }

  private struct SavedNotebook: Decodable {
    var cells: [Lenient<SavedCell>]?
    /// Before nbformat 4 cells stood in worksheets.
    var worksheets: [Sheet]?

    struct Sheet: Decodable { var cells: [Lenient<SavedCell>]? }
  }

  private struct Making {
    let gap: Int64
    var leftOut = Omissions()
    var sessions: [(start: Int64, notebook: TraceNotebook)] = []
    private var sources: [CellTimes.Source: Int] = [:]
    private var broken = 0
    private var overlaps = 0
    private var stale = 0

    init(gap: Int64) { self.gap = gap }

    mutating func take(_ path: String, title: String) throws(TraceError) {
      let saved = try parsed(path)
      var cells: [TimedCell] = []
      for cell in (saved.cells ?? []) + (saved.worksheets ?? []).flatMap({ $0.cells ?? [] }) {
        guard let cell = cell.value, cell.type == nil || cell.type == "code" else { continue }
        guard let times = cell.metadata?.times else {
          leftOut.add("code cells without times", at: path)
          continue
        }
        if cell.outcome == .aborted {
          leftOut.add("cells that never ran, because one before them failed", at: path)
          continue
        }
        sources[times.source, default: 0] += 1
        if times.hadStaleStart { stale += 1 }
        var demand = Demand.oneCore
        if let comment = cell.source.flatMap({ DemandComment.reading(code: $0.text).comment }) {
          demand = comment.over(demand)
        }
        cells.append(
          TimedCell(
            times: times, count: cell.executionCount, outcome: cell.outcome, demand: demand,
            source: cell.identity))
      }
      if cells.isEmpty { leftOut.add("notebooks without a timed cell", at: path) } else { cut(cells, title: title) }
    }

    private func parsed(_ path: String) throws(TraceError) -> SavedNotebook {
      let bytes = try TraceFile.contents(of: path, bytesMost: TimedNotebooks.bytesMost)
      let notebook = try? JSONDecoder().decode(SavedNotebook.self, from: Data(bytes))
      guard let notebook, notebook.cells != nil || notebook.worksheets != nil else {
        throw TraceError(
          file: path, line: 1,
          because: "'\(bytes[...].prefix(200).shown(at: 40))' is not the beginning of a notebook in JSON",
          mend: "Name a file with the ending .ipynb, as Jupyter saves it.")
      }
      return notebook
    }

    /// Puts a notebook's cells in the order in which they ran, and cuts it where it was left.
    private mutating func cut(_ unordered: [TimedCell], title: String) {
      let cells = unordered.enumerated().sorted {
        ($0.element.times.start, $0.element.times.end, $0.offset) < (
          $1.element.times.start, $1.element.times.end, $1.offset
        )
      }.map(\.element)
      var previous: TimedCell?
      var previousEnd = Int64.min
      for cell in cells {
        let times = cell.times
        let isNew = previous == nil || times.start - previousEnd > gap
        if isNew {
          sessions.append((times.start, TraceNotebook(name: title, user: title, cells: [])))
        } else {
          if times.start < previousEnd { overlaps += 1 }
          if let before = previous?.count, let count = cell.count, count != before + 1 { broken += 1 }
        }
        // Where stamps overlap, the later cell is what is left of it after the earlier one.
        let start = max(times.start, previousEnd)
        sessions[sessions.count - 1].notebook.append(
          TraceCell(
            think: Span(microseconds: isNew ? 0 : start - previousEnd),
            run: Span(microseconds: max(times.end - start, 0)), cores: cell.demand.coresMost, gpus: cell.demand.gpus,
            memory: cell.demand.memory, gpuMemory: cell.demand.gpuMemory, outcome: cell.outcome),
          cell.source)
        previousEnd = max(times.end, isNew ? times.end : previousEnd)
        previous = cell
      }
    }

    func imported(name: String, files: Int) -> Imported {
      let sorted = sessions.sorted { ($0.start, $0.notebook.name) < ($1.start, $1.notebook.name) }
      let zero = sorted.first?.start ?? 0
      var trace = Trace(
        name: name, note: "timed notebooks, \(files) files, from \(Timestamp.text(zero))",
        notebooks: sorted.map { session in
          var notebook = session.notebook
          notebook.arrival = Instant(microseconds: session.start - zero)
          return notebook
        })
      trace.nameApart()
      var notes = [
        CellTimes.Source.allCases.filter { sources[$0] != nil }.map { "\(sources[$0] ?? 0) by \($0.rawValue)" }
          .joined(separator: ", ") + " times"
      ]
      if broken > 0 {
        notes.append("\(broken) think times may hold runs of other cells in between: the execution counts have a gap")
      }
      if overlaps > 0 { notes.append("\(overlaps) cells overlap the one before them; what is left after it was kept") }
      if stale > 0 { notes.append("\(stale) cells had a stale 'started' of an earlier run, which was passed over") }
      return Imported(trace: trace, notes: notes, leftOut: leftOut)
    }
  }
}
