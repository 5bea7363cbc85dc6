import Domain
import Testing

@testable import Traces

@Suite("Timed notebooks")
struct TimedNotebookTests {
  private static func cell(_ metadata: String, count: Int = 1, source: String = "\"x\"", outputs: String = "[]")
    -> String
  {
    "{\"cell_type\": \"code\", \"execution_count\": \(count), \"metadata\": {\(metadata)}, \"source\": \(source), \"outputs\": \(outputs)}"
  }

  private static func notebook(_ cells: String...) -> String {
    "{\"nbformat\": 4, \"metadata\": {}, \"cells\": [{\"cell_type\": \"markdown\", \"metadata\": {}, \"source\": []}, \(cells.joined(separator: ", "))]}"
  }

  static let jupyter = cell(
    #""execution": {"iopub.status.busy": "2024-01-06T12:00:00.000Z", "iopub.execute_input": "2024-01-06T12:00:00.100Z", "iopub.status.idle": "2024-01-06T12:00:02.300Z", "shell.execute_reply.started": "2024-01-06T12:00:00.050Z", "shell.execute_reply": "2024-01-06T12:00:02.250Z"}"#
  )
  static let stale = cell(
    #""execution": {"iopub.execute_input": "2024-01-06T12:01:00.000Z", "shell.execute_reply.started": "2024-01-06T11:00:00.000Z", "shell.execute_reply": "2024-01-06T12:01:01.000Z"}"#,
    count: 2)
  static let nbclient = cell(
    #""execution": {"iopub.status.busy": "2024-01-06T12:02:00.000000Z", "iopub.execute_input": "2024-01-06T12:02:00.001000Z", "shell.execute_reply": "2024-01-06T12:02:00.501000Z", "iopub.status.idle": "2024-01-06T12:02:00.502000Z"}"#,
    count: 3)
  static let papermill = cell(
    #""papermill": {"start_time": "2024-01-06T12:03:00.5", "end_time": "2024-01-06T12:03:04.5", "duration": 4, "exception": true, "status": "completed"}"#,
    count: 4)
  static let executeTime = cell(
    #""ExecuteTime": {"start_time": "2024-01-06T14:04:00+02:00", "end_time": "2024-01-06T14:04:08+02:00"}"#, count: 5,
    source: ##"["# celltop: cores=4 gpus=1 memory=2G\n", "fit()"]"##, outputs: #"[{"output_type": "error"}]"#)
  // 2024-01-06 12:05:10 UTC, 10 s before it the start.
  static let colab = cell(
    #""executionInfo": {"status": "ok", "timestamp": 1704542710000, "elapsed": 10000, "user": {"displayName": "x"}, "user_tz": 0}"#,
    count: 6)
  static let aborted = cell(
    #""executionInfo": {"status": "aborted", "timestamp": 1704542710001, "elapsed": 9}"#, count: 7)

  static let all = notebook(jupyter, stale, nbclient, papermill, executeTime, colab)

  @Test("reads every kind of metadata")
  func kinds() throws {
    let folder = try Scratch()
    let found = try TimedNotebooks.read([try folder.write(Self.all, "a.ipynb")])
    let cells = found.trace.notebooks[0].cells
    #expect(found.trace.notebooks.count == 1)
    #expect(cells.map { $0.run.seconds } == [2.2, 1, 0.5, 4, 8, 10])
    #expect(cells.map { $0.think.seconds } == [0, 57.75, 59.001, 59.999, 55.5, 52])
    #expect(cells.map(\.outcome) == [.ok, .ok, .ok, .error, .error, .ok])
    #expect(cells[4].cores == 4 && cells[4].gpus == 1 && cells[4].memory == Bytes(2 << 30))
    #expect(found.notes.contains { $0.contains("1 cells had a stale") })
    #expect(found.notes[0].contains("3 by Jupyter's") && found.notes[0].contains("1 by Colab's"))
  }

  @Test("reads a folder, passes over checkpoints, and counts what has no times")
  func folder() throws {
    let folder = try Scratch()
    _ = try folder.write(Self.all, "sub/a.ipynb")
    _ = try folder.write(Self.all, "sub/.ipynb_checkpoints/a-checkpoint.ipynb")
    _ = try folder.write(Self.notebook(Self.cell("")), "b.ipynb")
    _ = try folder.write("not a notebook", "c.ipynb")
    _ = try folder.write(Self.notebook(Self.papermill, Self.aborted), "d.ipynb")
    let found = try TimedNotebooks.read([folder.folder])
    #expect(found.trace.notebooks.map(\.name) == ["sub/a.ipynb", "d.ipynb"])
    #expect(found.leftOut.count(of: "code cells without times") == 1)
    #expect(found.leftOut.count(of: "notebooks without a timed cell") == 1)
    #expect(found.leftOut.count(of: "files that are no notebooks") == 1)
    #expect(found.leftOut.count(of: "cells that never ran, because one before them failed") == 1)
  }

  @Test("cuts where the author went away, and orders cells by when they ran")
  func cuts() throws {
    func at(_ start: String, _ end: String, _ count: Int) -> String {
      Self.cell(#""papermill": {"start_time": "\#(start)", "end_time": "\#(end)"}"#, count: count)
    }
    let folder = try Scratch()
    let path = try folder.write(
      Self.notebook(
        at("2024-01-06T12:00:20", "2024-01-06T12:00:30", 2), at("2024-01-06T12:00:00", "2024-01-06T12:00:10", 1),
        at("2024-01-07T12:00:00", "2024-01-07T12:00:10", 9), at("2024-01-07T12:00:05", "2024-01-07T12:00:15", 10)),
      "a.ipynb")
    let found = try TimedNotebooks.read([path])
    #expect(found.trace.notebooks.map { $0.cells.map(\.think.seconds) } == [[0, 10], [0, 0]])
    #expect(found.trace.notebooks[1].cells[1].run == Span(seconds: 5), "what is left after the cell that it overlaps")
    #expect(found.trace.notebooks.map(\.name) == ["a.ipynb", "a.ipynb#2"])
  }

  @Test("says which code a cell is by its id and a hash, never by its text")
  func identity() throws {
    func cell(_ id: String, _ source: String, _ second: Int) -> String {
      let times = "{\"start_time\": \"2024-01-06T12:00:0\(second)\", \"end_time\": \"2024-01-06T12:00:0\(second)\"}"
      return "{\"cell_type\": \"code\", \"id\": \(id), \"metadata\": {\"papermill\": \(times)}, \"source\": \(source)}"
    }
    let folder = try Scratch()
    let long = "\"\(String(repeating: "z", count: 200))\""
    let path = try folder.write(
      Self.notebook(
        cell("\"one\"", "[\"secret(\", \"1)\"]", 1), cell("\"t\\nwo\"", "\"secret(1)\"", 2), cell("3", "\"\"", 3),
        cell(long, "5", 4)), "a.ipynb")
    let notebook = try TimedNotebooks.read([path]).trace.notebooks[0]
    let hash = CellSource.hash(of: "secret(1)")
    #expect(notebook.source(of: 0) == CellSource(jupyterCell: "one", codeHash: hash))
    #expect(notebook.source(of: 1) == CellSource(jupyterCell: "t?wo", codeHash: hash))
    #expect(notebook.source(of: 2) == CellSource())
    #expect(notebook.source(of: 3).jupyterCell?.count == 64 && notebook.source(of: 3).codeHash == 0)
    let written = NativeTrace.write(Trace(name: "t", notebooks: [notebook]))
    #expect(!String(decoding: written, as: UTF8.self).contains("secret"))
    #expect(try NativeTrace.read(written, file: "t").notebooks[0] == notebook)
  }

  @Test("refuses what was named and is no notebook, with its first line")
  func refuses() throws {
    let folder = try Scratch()
    let path = try folder.write("print(1)", "a.ipynb")
    let error = #expect(throws: TraceError.self) { try TimedNotebooks.read([path]) }
    #expect(error?.description.contains("a.ipynb:1: 'print(1)' is not the beginning of a notebook") == true)
  }
}
