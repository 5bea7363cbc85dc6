import Domain
import Testing

@testable import Traces

@Suite("The native trace format")
struct NativeTraceTests {
  static let good = """
    {"celltop-trace": 1, "name": "two", "note": "a \\"small\\" one"}
    {"notebook": "n1", "user": "ana", "arrival": 0.5, "priority": 2, "cells": [{"think": 0, "run": 12.5, "cores": 4, "parallel": 0.95, "gpus": 1, "memory": 8, "gpuMemory": 16}, {"think": 1e1, "run": 0.000001, "code": "00fF", "cell": "a \\"1\\""}]}

    {"notebook": "n2", "cells": []}
    """

  @Test("reads what the design shows")
  func readsGood() throws {
    let trace = try NativeTrace.read(Array(Self.good.utf8), file: "t.jsonl")
    #expect(trace.name == "two")
    #expect(trace.note == "a \"small\" one")
    #expect(trace.notebooks.count == 2)
    #expect(trace.notebooks[0].arrival == Instant(seconds: 0.5))
    #expect(trace.notebooks[0].priority == 2)
    #expect(
      trace.notebooks[0].cells[0]
        == TraceCell(
          think: .zero, run: Span(seconds: 12.5), cores: 4, parallelThousandths: 950, gpus: 1, memory: Bytes(8),
          gpuMemory: Bytes(16)))
    #expect(trace.notebooks[0].cells[1].think == Span(seconds: 10))
    #expect(trace.notebooks[0].cells[1].run == Span(microseconds: 1))
    #expect(trace.notebooks[0].source(of: 0) == CellSource())
    #expect(trace.notebooks[0].source(of: 1) == CellSource(jupyterCell: "a \"1\"", codeHash: 255))
    #expect(trace.notebooks[0].source(of: 2) == CellSource() && trace.notebooks[1].sources.isEmpty)
    #expect(trace.notebooks[1].user == "n2", "a notebook without a user is its own user")
  }

  @Test("reads back what it writes")
  func roundTrip() throws {
    let trace = try NativeTrace.read(Array(Self.good.utf8), file: "t.jsonl")
    let again = try NativeTrace.read(NativeTrace.write(trace), file: "t.jsonl")
    #expect(again == trace)
  }

  @Test("writes which code a cell is only where it is known")
  func sources() {
    func written(_ source: CellSource) -> String {
      var notebook = TraceNotebook(name: "n", user: "u", cells: [])
      notebook.append(TraceCell(think: .zero, run: .zero), source)
      return String(decoding: NativeTrace.write(Trace(name: "t", notebooks: [notebook])), as: UTF8.self)
    }
    #expect(!written(CellSource(key: 7)).contains("code") && !written(CellSource(key: 7)).contains("\"cell\""))
    #expect(written(CellSource(codeHash: .max)).contains("\"code\": \"ffffffffffffffff\"}"))
    #expect(written(CellSource(jupyterCell: "c")).contains("0.0, \"cell\": \"c\"}"))
  }

  @Test(
    "tells a document by its notebooks' names",
    arguments: [("a", "a"), ("a#2", "a"), ("a#2#13", "a"), ("c#.ipynb", "c#.ipynb"), ("#2", "#2"), ("a#", "a#")])
  func documents(name: String, document: String) {
    #expect(TraceNotebook(name: name, user: "u", cells: []).document == document)
  }

  @Test(
    "names file, line, field and the mend",
    arguments: [
      ("", "t: is empty"),
      ("{\"name\": \"x\"}", "t:1: 'celltop-trace' is missing"),
      ("{\"celltop-trace\": 2}", "t:1: 'celltop-trace' is not a version"),
      ("junk", "t:1: has 'junk' where '{' belongs"),
      ("H{\"notebook\": \"a\"}", "t:2: 'cells' is missing"),
      ("H{\"cells\": []}", "t:2: 'notebook' is missing"),
      ("H{\"notebook\": \"a\", \"colour\": 1}", "t:2: 'colour' is no key of the format. There are notebook, user"),
      (
        "H{\"notebook\": \"a\", \"cells\": [{\"run\": -1}]}",
        "t:2: 'cells[1].run' is -1.0, a negative time. Write 0 or more seconds."
      ),
      ("H{\"notebook\": \"a\", \"arrival\": -2, \"cells\": []}", "t:2: 'arrival' is -2.0, a negative time"),
      ("H{\"notebook\": \"a\", \"cells\": [{\"think\": 1}]}", "t:2: 'cells[1].run' is missing"),
      (
        "H{\"notebook\": \"a\", \"cells\": [{\"run\": 1}, {\"run\": 1, \"cores\": 0}]}",
        "t:2: 'cells[2].cores' is 0.0. Write a whole number from 1 to 4095."
      ),
      ("H{\"notebook\": \"a\", \"cells\": [{\"run\": 1, \"parallel\": 1.5}]}", "'cells[1].parallel' is 1.5"),
      ("H{\"notebook\": \"a\", \"cells\": [{\"run\": \"x\"}]}", "'cells[1].run' is '\"x\"}]}' and not a number"),
      ("H{\"notebook\": \"a\", \"cells\": [{\"run\": 1, \"cpus\": 2}]}", "'cells[1].cpus' is no key"),
      (
        "H{\"notebook\": \"a\", \"cells\": []}\n{\"notebook\": \"a\", \"cells\": []}",
        "t:3: 'notebook' is 'a', as on line 2"
      ),
      ("H{\"notebook\": \"a\", \"cells\": []} x", "t:2: goes on after the closing '}'"),
      ("H{\"notebook\": \"a", "t:2: 'notebook' is a text without its closing"),
      ("H{\"notebook\": \"a\", \"cells\": [{\"run\": 1e99}]}", "more than a hundred years"),
      ("H{\"notebook\": \"a\", \"cells\": [{\"run\": 1, \"code\": \"0\"}]}", "'cells[1].code' is '0'. Write a hash"),
      ("H{\"notebook\": \"a\", \"cells\": [{\"run\": 1, \"code\": \"\"}]}", "'cells[1].code' is ''"),
      ("H{\"notebook\": \"a\", \"cells\": [{\"run\": 1, \"code\": \"+1\"}]}", "'cells[1].code' is '+1'"),
      ("H{\"notebook\": \"a\", \"cells\": [{\"run\": 1, \"code\": \"x\"}]}", "'cells[1].code' is 'x'"),
      ("H{\"notebook\": \"a\", \"cells\": [{\"run\": 1, \"code\": 255}]}", "'cells[1].code'"),
      (
        "H{\"notebook\": \"a\", \"cells\": [{\"run\": 1, \"code\": \"10000000000000000\"}]}",
        "'cells[1].code' is '10000000000000000'"
      ),
      ("H{\"notebook\": \"a\", \"cells\": [{\"run\": 1, \"cell\": \"\"}]}", "'cells[1].cell' is ''. Name a cell"),
      ("H{\"notebook\": \"a\", \"cells\": [{\"run\": 1, \"cell\": \"a\\nb\"}]}", "'cells[1].cell' is 'a?b'"),
      (
        "H{\"notebook\": \"a\", \"cells\": [{\"run\": 1, \"cell\": \"\(String(repeating: "y", count: 65))\"}]}",
        "'cells[1].cell' is 'yyyyyyyyyyyyyyyyyyy…'"
      ),
    ])
  func refusals(text: String, expected: String) {
    let whole = text.hasPrefix("H") ? "{\"celltop-trace\": 1}\n" + text.dropFirst() : text
    let error = #expect(throws: TraceError.self) { try NativeTrace.read(Array(whole.utf8), file: "t") }
    #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
  }
}

@Suite("The AdobeTrace")
struct AdobeTraceTests {
  @Test("tells sessions apart by a submission before the previous end")
  func sessions() throws {
    let text = """
      job_id,num_gpu,submit_time,iterations,model_name,duration,interval
      0,1,100,0,a,5,0
      1,4,110,0,a,2,0
      2,1,111,0,b,1,0
      """
    let folder = try Scratch()
    let trace = try AdobeTrace.read(try folder.write(text, "a.csv")).trace
    #expect(trace.notebooks.map { $0.cells.count } == [2, 1])
    #expect(trace.notebooks[0].arrival == Instant(seconds: 6000))
    #expect(trace.notebooks[0].cells[1].think == Span(seconds: 300))
    #expect(trace.notebooks[0].cells[1].gpus == 4)
    #expect(trace.notebooks[1].arrival == Instant(seconds: 6660))
  }

  @Test(
    "names file, line and column",
    arguments: [
      ("x", "a.csv:1: is not the AdobeTrace's header"),
      ("H", "a.csv: holds a header and no row"),
      ("H\n0,1,2", "a.csv:2: has 3 columns"),
      ("H\n0,1,-5,0,a,5,0", "a.csv:2: 'submit_time' is '-5'"),
      ("H\n0,1,5,0,a,5,0\n0,x,5,0,a,5,0", "a.csv:3: 'num_gpu' is 'x'"),
    ])
  func refusals(text: String, expected: String) throws {
    let whole = text.hasPrefix("H") ? AdobeTrace.header + text.dropFirst() : text
    let folder = try Scratch()
    let path = try folder.write(whole, "a.csv")
    let error = #expect(throws: TraceError.self) { try AdobeTrace.read(path) }
    #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
  }
}
