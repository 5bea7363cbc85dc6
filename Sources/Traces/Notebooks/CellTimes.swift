import Domain
import Foundation

/// When a cell of a saved notebook ran, from the metadata that Jupyter and its tools leave in it.
struct CellTimes: Hashable {
  enum Source: String, Hashable, CaseIterable {
    case jupyter = "Jupyter's (execution)"
    case papermill = "papermill's"
    case executeTime = "ExecuteTime's"
    case colab = "Colab's (executionInfo)"
  }

  /// Microseconds since 1970.
  var start: Int64
  var end: Int64
  var source: Source
  /// A `shell.execute_reply.started` that stood more than 2 s from `iopub.execute_input` and was passed over.
  var hadStaleStart = false
}

/// A cell as far as it is read: everything is optional and of any type, because the file is anybody's.
struct SavedCell: Decodable {
  var type: String?
  /// Since nbformat 4.5.
  var id: String?
  var metadata: SavedMetadata?
  var executionCount: Int?
  var source: SavedText?
  var outputs: [Lenient<SavedOutput>]?

  enum CodingKeys: String, CodingKey {
    case type = "cell_type"
    case id, metadata
    case executionCount = "execution_count"
    // Before nbformat 4.
    case promptNumber = "prompt_number"
    case source, input, outputs
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    type = try? container.decode(String.self, forKey: .type)
    id = try? container.decode(String.self, forKey: .id)
    metadata = try? container.decode(SavedMetadata.self, forKey: .metadata)
    executionCount =
      (try? container.decode(Int.self, forKey: .executionCount))
      ?? (try? container.decode(Int.self, forKey: .promptNumber))
    source =
      (try? container.decode(SavedText.self, forKey: .source))
      ?? (try? container.decode(SavedText.self, forKey: .input))
    outputs = try? container.decode([Lenient<SavedOutput>].self, forKey: .outputs)
  }

  /// Which code it is, by its id and by a hash of its text, as the gate of a live kernel makes it.
  var identity: CellSource {
    let text = source?.text ?? ""
    return CellSource(
      jupyterCell: id.flatMap(NativeTrace.cellName), codeHash: text.isEmpty ? 0 : CellSource.hash(of: text))
  }

  /// How it ended, by its outputs and by what its runner noted.
  var outcome: CellOutcome {
    if metadata?.colab?.status == "aborted", metadata?.times?.source == .colab { return .aborted }
    if metadata?.papermill?.exception == true || metadata?.colab?.status == "error" { return .error }
    return outputs?.contains { $0.value?.type == "error" || $0.value?.type == "pyerr" } == true ? .error : .ok
  }
}

/// A value that may be of another type than it should.
struct Lenient<Value: Decodable>: Decodable {
  var value: Value?
  init(from decoder: any Decoder) throws { value = try? Value(from: decoder) }
}

struct SavedOutput: Decodable {
  var type: String?
  enum CodingKeys: String, CodingKey { case type = "output_type" }
}

/// A cell's code: a text, or a list of lines.
struct SavedText: Decodable {
  var text: String

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let lines = try? container.decode([String].self) {
      text = lines.joined()
    } else {
      text = try container.decode(String.self)
    }
  }
}

struct SavedMetadata: Decodable {
  /// Jupyter's and nbclient's: names of messages with the times at which they passed.
  var execution: [String: Lenient<String>]?
  var papermill: Papermill?
  var executeTime: Span?
  var colab: Colab?

  struct Papermill: Decodable {
    var start: String?
    var end: String?
    var exception: Bool?
    enum CodingKeys: String, CodingKey {
      case start = "start_time"
      case end = "end_time"
      case exception
    }
    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      start = try? container.decode(String.self, forKey: .start)
      end = try? container.decode(String.self, forKey: .end)
      exception = try? container.decode(Bool.self, forKey: .exception)
    }
  }

  struct Span: Decodable {
    var start: String?
    var end: String?
    enum CodingKeys: String, CodingKey {
      case start = "start_time"
      case end = "end_time"
    }
  }

  /// Milliseconds: the end since 1970, and the length. Undocumented; that the stamp is the end is seen where cells follow
  /// each other: their stamps are as far apart as the later one's length.
  struct Colab: Decodable {
    var timestamp: Double?
    var elapsed: Double?
    var status: String?
    enum CodingKeys: String, CodingKey { case timestamp, elapsed, status }
    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      timestamp = try? container.decode(Double.self, forKey: .timestamp)
      elapsed = try? container.decode(Double.self, forKey: .elapsed)
      status = try? container.decode(String.self, forKey: .status)
    }
  }

  enum CodingKeys: String, CodingKey {
    case execution, papermill
    case executeTime = "ExecuteTime"
    case colab = "executionInfo"
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    execution = try? container.decode([String: Lenient<String>].self, forKey: .execution)
    papermill = try? container.decode(Papermill.self, forKey: .papermill)
    executeTime = try? container.decode(Span.self, forKey: .executeTime)
    colab = try? container.decode(Colab.self, forKey: .colab)
  }

  /// When the cell ran, by the most exact source; nil where none is whole.
  var times: CellTimes? {
    jupyter ?? pair(papermill?.start, papermill?.end, .papermill) ?? pair(
      executeTime?.start, executeTime?.end, .executeTime)
      ?? fromColab
  }

  /// The kernel's own times are best; nbclient writes none of them. A `.started` far from the moment at which the input was
  /// echoed is of an earlier run.
  private var jupyter: CellTimes? {
    guard let execution else { return nil }
    func time(_ key: String) -> Int64? { execution[key]?.value.flatMap(microseconds) }
    let echoed = time("iopub.execute_input") ?? time("iopub.status.busy")
    var started = time("shell.execute_reply.started")
    var isStale = false
    if let kernel = started, let echoed, abs(kernel - echoed) > 2_000_000 {
      started = nil
      isStale = true
    }
    guard let start = started ?? echoed, let end = time("shell.execute_reply") ?? time("iopub.status.idle"),
      end >= start
    else { return nil }
    return CellTimes(start: start, end: end, source: .jupyter, hadStaleStart: isStale)
  }

  private func pair(_ start: String?, _ end: String?, _ source: CellTimes.Source) -> CellTimes? {
    guard let start = start.flatMap(microseconds), let end = end.flatMap(microseconds), end >= start else { return nil }
    return CellTimes(start: start, end: end, source: source)
  }

  private var fromColab: CellTimes? {
    guard let colab, let end = colab.timestamp, let length = colab.elapsed, (1.2e12...4.2e12).contains(end),
      (0...1e12).contains(length)
    else { return nil }
    return CellTimes(start: Int64((end - length) * 1000), end: Int64(end * 1000), source: .colab)
  }

  private func microseconds(_ text: String) -> Int64? {
    guard text.utf8.count <= 40 else { return nil }
    return Timestamp.reading(Array(text.utf8)[...])?.time.microseconds
  }
}
