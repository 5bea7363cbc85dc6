import Domain

/// Reads the CSV of the AdobeTrace: `job_id,num_gpu,submit_time,iterations,model_name,duration,interval`.
///
/// Times are whole minutes. The rows of a session stand together, but nothing labels the sessions: a new one begins where
/// a row was submitted before the row above it ended. Think time is the next submission less the previous end. The
/// hosts' cores are not in the data: each cell asks for one. **Source**: the trace published with NotebookOS
/// (Carver et al., "NotebookOS: A Replicated Notebook Platform for Interactive Training with On-Demand GPUs", 2025).
public enum AdobeTrace {
  static let header = "job_id,num_gpu,submit_time,iterations,model_name,duration,interval"

  /// Reads a trace, plain or gzip-compressed.
  ///
  /// - Throws: `TraceError` for a file that cannot be read, and for the first line that is not as the format wants it.
  public static func read(_ path: String, name: String = "adobe") throws(TraceError) -> Imported {
    var reader = try LineReader(path)
    guard let first = try reader.next(), String(decoding: first, as: UTF8.self) == header else {
      throw TraceError(
        file: path, line: 1, because: "is not the AdobeTrace's header", mend: "The file begins with \(header).")
    }
    var trace = Trace(name: name, note: "AdobeTrace, \(path)", notebooks: [])
    var previousEnd: Int64?
    var atOnce = 0
    while let line = try reader.next() {
      if line.isEmpty { continue }
      let row = try Row(line, file: path, number: reader.number)
      if let end = previousEnd, row.submitted >= end {
        let think = Span(microseconds: (row.submitted - end) * 60_000_000)
        if think == .zero { atOnce += 1 }
        trace.notebooks[trace.notebooks.count - 1].cells.append(row.cell(think: think))
      } else {
        let number = trace.notebooks.count + 1
        trace.notebooks.append(
          TraceNotebook(
            name: "session-\(number)", user: "user-\(number)",
            arrival: Instant(microseconds: row.submitted * 60_000_000), cells: [row.cell(think: .zero)]))
      }
      previousEnd = row.submitted + row.duration
    }
    if let damage = reader.damage {
      throw TraceError(file: path, because: "cannot be read to its end: \(damage)", mend: "Unpack it by hand.")
    }
    guard !trace.notebooks.isEmpty else {
      throw TraceError(file: path, because: "holds a header and no row", mend: "Is it the whole file?")
    }
    var notes = [
      "times are whole minutes; sessions are told by a submission before the previous end; users are not named"
    ]
    if atOnce > 0 { notes.append("\(atOnce) cells followed within the minute: their think time is 0") }
    return Imported(trace: trace, notes: notes)
  }

  /// One row; minutes.
  private struct Row {
    var gpus: Int32
    var submitted: Int64
    var duration: Int64

    init(_ line: ArraySlice<UInt8>, file: String, number: Int) throws(TraceError) {
      let fields = line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
      guard fields.count == 7 else {
        throw TraceError(
          file: file, line: number, because: "has \(fields.count) columns", mend: "There are 7: \(AdobeTrace.header).")
      }
      func whole(_ column: Int, _ name: String, _ most: Int64) throws(TraceError) -> Int64 {
        let text = String(decoding: fields[column], as: UTF8.self)
        guard let value = Int64(text), (0...most).contains(value) else {
          throw TraceError(
            file: file, line: number, field: name, because: "is '\(text.printable(at: 20))'",
            mend: "Write a whole number from 0 to \(most).")
        }
        return value
      }
      gpus = Int32(try whole(1, "num_gpu", Int64(GPUSet.greatest)))
      submitted = try whole(2, "submit_time", 52_560_000)
      duration = try whole(5, "duration", 52_560_000)
    }

    func cell(think: Span) -> TraceCell {
      TraceCell(think: think, run: Span(microseconds: duration * 60_000_000), gpus: gpus)
    }
  }
}
