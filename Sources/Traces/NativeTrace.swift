import Domain

/// celltop's own trace format: a header line, then a notebook a line (`Docs/TRACES.md` shows it).
public enum NativeTrace {
  /// The version that is written and read.
  public static let version = 1
  /// No time in a trace is longer: a hundred years.
  static let secondsMost = 3.2e9

  /// Reads a trace.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - file: its name, for errors.
  /// - Throws: `TraceError` for the first line that is not as the format wants it. Unknown keys are errors, because a
  ///   misspelled key that is passed over changes a result silently.
  public static func read(_ bytes: [UInt8], file: String) throws(TraceError) -> Trace {
    let outcome: Result<Trace, TraceError> = bytes.withUnsafeBufferPointer { buffer in
      var reader = NativeReader(bytes: buffer, file: file)
      do throws(TraceError) { return .success(try reader.trace()) } catch { return .failure(error) }
    }
    return try outcome.get()
  }

  /// The trace in the native format.
  public static func write(_ trace: Trace) -> [UInt8] {
    var out: [UInt8] = []
    out.append(
      contentsOf:
        "{\"celltop-trace\": \(version), \"name\": \(trace.name.jsonQuoted), \"note\": \(trace.note.jsonQuoted)}\n"
        .utf8)
    for notebook in trace.notebooks {
      out.append(
        contentsOf: "{\"notebook\": \(notebook.name.jsonQuoted), \"user\": \(notebook.user.jsonQuoted), ".utf8)
      out.append(
        contentsOf: "\"arrival\": \(seconds(notebook.arrival.microseconds)), \"priority\": \(notebook.priority), ".utf8)
      out.append(contentsOf: "\"cells\": [".utf8)
      for (index, cell) in notebook.cells.enumerated() {
        if index > 0 { out.append(contentsOf: ", ".utf8) }
        out.append(contentsOf: written(cell, notebook.source(of: index)).utf8)
      }
      out.append(contentsOf: "]}\n".utf8)
    }
    return out
  }

  private static func written(_ cell: TraceCell, _ source: CellSource) -> String {
    var text = "{\"think\": \(seconds(cell.think.microseconds)), \"run\": \(seconds(cell.run.microseconds))"
    if cell.cores != 1 { text += ", \"cores\": \(cell.cores)" }
    if cell.parallelThousandths != 1000 { text += ", \"parallel\": \(Double(cell.parallelThousandths) / 1000)" }
    if cell.gpus != 0 { text += ", \"gpus\": \(cell.gpus)" }
    if cell.memory != .zero { text += ", \"memory\": \(cell.memory.count)" }
    if cell.gpuMemory != .zero { text += ", \"gpuMemory\": \(cell.gpuMemory.count)" }
    if cell.outcome != .ok { text += ", \"outcome\": \"\(cell.outcome.word)\"" }
    if source.codeHash != 0 { text += ", \"code\": \"\(String(source.codeHash, radix: 16))\"" }
    if let name = source.jupyterCell { text += ", \"cell\": \(name.jsonQuoted)" }
    return text + "}"
  }

  /// Seconds with as many decimals as the microseconds need.
  static func seconds(_ microseconds: Int64) -> String {
    let sign = microseconds < 0 ? "-" : ""
    let magnitude = microseconds.magnitude
    var fraction = String(magnitude % 1_000_000)
    fraction = String(repeating: "0", count: 6 - fraction.count) + fraction
    while fraction.count > 1, fraction.last == "0" { fraction.removeLast() }
    return "\(sign)\(magnitude / 1_000_000).\(fraction)"
  }

  /// No cell's name is longer, in characters.
  static let cellNameMost = 64

  /// A cell's name as a trace may hold it: on one line, and not too long; nil where nothing is left of it.
  static func cellName(_ text: String) -> String? { text.isEmpty ? nil : text.printable(at: cellNameMost) }

}

/// Reads a native trace line by line.
private struct NativeReader {
  let bytes: UnsafeBufferPointer<UInt8>
  let file: String
  var line = 0
  var names: [String: Int] = [:]

  init(bytes: UnsafeBufferPointer<UInt8>, file: String) {
    self.bytes = bytes
    self.file = file
  }

  func fail(_ field: String = "", _ because: String, _ mend: String) -> TraceError {
    TraceError(file: file, line: line, field: field, because: because, mend: mend)
  }

  mutating func trace() throws(TraceError) -> Trace {
    var trace: Trace?
    var start = 0
    while start < bytes.count {
      line += 1
      let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
      var scanner = JSONScanner(bytes, from: start, to: end)
      start = end + 1
      if scanner.isAtEnd() { continue }
      if trace == nil {
        trace = try header(&scanner)
      } else {
        let notebook = try notebook(&scanner)
        if let before = names.updateValue(line, forKey: notebook.name) {
          throw fail("notebook", "is '\(notebook.name)', as on line \(before)", "Give each notebook a name of its own.")
        }
        trace?.notebooks.append(notebook)
      }
      guard scanner.isAtEnd() else {
        throw fail("", "goes on after the closing '}'", "Put each notebook on one line of its own.")
      }
    }
    guard let trace else {
      throw TraceError(
        file: file, because: "is empty", mend: "A trace begins with {\"celltop-trace\": 1, \"name\": \"…\"}.")
    }
    return trace
  }

  private func header(_ scanner: inout JSONScanner) throws(TraceError) -> Trace {
    var trace = Trace(name: file, notebooks: [])
    var version: Double?
    let mend =
      "A native trace begins with {\"celltop-trace\": 1, \"name\": \"…\"}; import other formats with 'celltop trace import'."
    try scanner.object(fault: { fail("", $0.because, mend) }) { (scanner, key) throws(TraceError) in
      switch key {
      case "celltop-trace": version = try number(&scanner, key)
      case "name": trace.name = try text(&scanner, key)
      case "note": trace.note = try text(&scanner, key)
      default: throw unknown(key, "celltop-trace, name and note")
      }
    }
    guard version == Double(NativeTrace.version) else {
      throw fail(
        "celltop-trace", version == nil ? "is missing" : "is not a version that is known here, which is 1", mend)
    }
    return trace
  }

  private func notebook(_ scanner: inout JSONScanner) throws(TraceError) -> TraceNotebook {
    var notebook = TraceNotebook(name: "", user: "", cells: [])
    var hasCells = false
    let mend =
      "Write a notebook like {\"notebook\": \"n1\", \"user\": \"ana\", \"arrival\": 0, \"cells\": [{\"think\": 0, \"run\": 1}]}."
    try scanner.object(fault: { fail("", $0.because, mend) }) { (scanner, key) throws(TraceError) in
      switch key {
      case "notebook": notebook.name = try text(&scanner, key)
      case "user": notebook.user = try text(&scanner, key)
      case "arrival": notebook.arrival = Instant(seconds: try time(&scanner, key))
      case "priority": notebook.priority = Int32(try whole(&scanner, key, -100...100))
      case "cells":
        hasCells = true
        notebook.cells = []
        notebook.sources = []
        try cells(&scanner, of: &notebook)
      default: throw unknown(key, "notebook, user, arrival, priority and cells")
      }
    }
    guard !notebook.name.isEmpty else { throw fail("notebook", "is missing or empty", mend) }
    guard hasCells else { throw fail("cells", "is missing", mend) }
    if notebook.user.isEmpty { notebook.user = notebook.name }
    return notebook
  }

  private func cells(_ scanner: inout JSONScanner, of notebook: inout TraceNotebook) throws(TraceError) {
    let mend = "Write the cells like [{\"think\": 0, \"run\": 12.5, \"cores\": 4}]."
    guard scanner.take(UInt8(ascii: "[")) else { throw fail("cells", "is not a list", mend) }
    if scanner.take(UInt8(ascii: "]")) { return }
    repeat {
      try cell(&scanner, number: notebook.cells.count + 1, of: &notebook)
    } while scanner.take(UInt8(ascii: ","))
    guard scanner.take(UInt8(ascii: "]")) else { throw fail("cells", "has no closing ']'", mend) }
  }

  private func cell(_ scanner: inout JSONScanner, number: Int, of notebook: inout TraceNotebook) throws(TraceError) {
    var cell = TraceCell(think: .zero, run: Span(microseconds: -1))
    var source = CellSource()
    let mend = "Write a cell like {\"think\": 0, \"run\": 12.5, \"cores\": 4, \"gpus\": 1}."
    try scanner.object(fault: { fail("cells[\(number)]", $0.because, mend) }) { (scanner, key) throws(TraceError) in
      let field = "cells[\(number)].\(key)"
      switch key {
      case "think": cell.think = Span(seconds: try time(&scanner, field))
      case "run": cell.run = Span(seconds: try time(&scanner, field))
      case "cores": cell.cores = Int32(try whole(&scanner, field, 1...Int64(CoreSet.greatest)))
      case "parallel":
        let share = try self.number(&scanner, field)
        guard (-1000...1).contains(share) else {
          throw fail(
            field, "is \(share)", "A share is at most 1, and below 0 where more cores make it slower.")
        }
        cell.parallelThousandths = Int32((share * 1000).rounded())
      case "gpus": cell.gpus = Int32(try whole(&scanner, field, 0...Int64(GPUSet.greatest)))
      case "memory": cell.memory = Bytes(try whole(&scanner, field, 0...(1 << 53)))
      case "gpuMemory": cell.gpuMemory = Bytes(try whole(&scanner, field, 0...(1 << 53)))
      case "outcome":
        let word = try text(&scanner, field)
        guard let outcome = CellOutcome.allCases.first(where: { $0.word == word }) else {
          throw fail(
            field, "is '\(word.printable(at: 20))'",
            "There are \(CellOutcome.allCases.map(\.word).joined(separator: ", ")).")
        }
        cell.outcome = outcome
      case "code":
        let digits = try text(&scanner, field)
        guard digits.utf8.count <= 16, digits.utf8.first != UInt8(ascii: "+"), let hash = UInt64(digits, radix: 16),
          hash != 0
        else {
          throw fail(
            field, "is '\(digits.printable(at: 20))'",
            "Write a hash as 1 to 16 hexadecimal digits; leave it out where the code is not known.")
        }
        source.codeHash = hash
      case "cell":
        let name = try text(&scanner, field)
        guard let known = NativeTrace.cellName(name), known == name else {
          throw fail(
            field, "is '\(name.printable(at: 20))'",
            "Name a cell in 1 to \(NativeTrace.cellNameMost) characters without line breaks.")
        }
        source.jupyterCell = name
      default: throw unknown(field, "think, run, cores, parallel, gpus, memory, gpuMemory, outcome, code and cell")
      }
    }
    guard cell.run >= .zero else { throw fail("cells[\(number)].run", "is missing", mend) }
    notebook.append(cell, source)
  }

  private func unknown(_ key: String, _ known: String) -> TraceError {
    fail(key.printable(at: 40), "is no key of the format", "There are \(known).")
  }

  private func number(_ scanner: inout JSONScanner, _ field: String) throws(TraceError) -> Double {
    do throws(JSONFault) { return try scanner.number() } catch {
      throw fail(field, error.because, "Write a number there.")
    }
  }

  private func text(_ scanner: inout JSONScanner, _ field: String) throws(TraceError) -> String {
    do throws(JSONFault) { return try scanner.string() } catch {
      throw fail(field, error.because, "Write a text in double quotes there.")
    }
  }

  private func time(_ scanner: inout JSONScanner, _ field: String) throws(TraceError) -> Double {
    let value = try number(&scanner, field)
    guard value >= 0 else { throw fail(field, "is \(value), a negative time", "Write 0 or more seconds.") }
    guard value <= NativeTrace.secondsMost else {
      throw fail(field, "is \(value) s, more than a hundred years", "Times are in seconds.")
    }
    return value
  }

  private func whole(
    _ scanner: inout JSONScanner, _ field: String, _ range: ClosedRange<Int64>
  ) throws(TraceError) -> Int64 {
    let value = try number(&scanner, field)
    guard let whole = Int64(exactly: value), range.contains(whole) else {
      throw fail(field, "is \(value)", "Write a whole number from \(range.lowerBound) to \(range.upperBound).")
    }
    return whole
  }
}
