/// The message types that a gate treats in a way of their own ("Messaging in Jupyter", version 5.4).
public enum MessageType: Hashable, Sendable {
  case executeRequest, executeReply
  case kernelInfoRequest, kernelInfoReply
  case completeRequest, inspectRequest, isCompleteRequest, historyRequest, commInfoRequest, connectRequest
  case commOpen, commMessage, commClose
  case interruptRequest, shutdownRequest
  case status, iopubWelcome
  /// Every other type: forwarded without being understood.
  case other

  init(_ value: JSONSlice) {
    for (word, type) in Self.words where value.holds(word) {
      self = type
      return
    }
    self = .other
  }

  /// The most frequent first: on iopub they are compared in this order.
  private static let words: [(StaticString, MessageType)] = [
    ("status", .status), ("execute_request", .executeRequest), ("execute_reply", .executeReply),
    ("kernel_info_request", .kernelInfoRequest), ("kernel_info_reply", .kernelInfoReply),
    ("complete_request", .completeRequest), ("inspect_request", .inspectRequest),
    ("is_complete_request", .isCompleteRequest), ("history_request", .historyRequest),
    ("comm_info_request", .commInfoRequest), ("connect_request", .connectRequest), ("comm_open", .commOpen),
    ("comm_msg", .commMessage), ("comm_close", .commClose), ("interrupt_request", .interruptRequest),
    ("shutdown_request", .shutdownRequest), ("iopub_welcome", .iopubWelcome),
  ]
}

/// What a gate reads of a message's header.
public struct Header: Hashable, Sendable {
  public var type: MessageType
  /// `msg_id`; parents name it.
  public var id: String
  /// `session`, which the sender keeps for its life.
  public var session: String
  /// `subshell_id`, where the message is for a subshell.
  public var subshell: String?

  public init(type: MessageType, id: String, session: String, subshell: String? = nil) {
    self.type = type
    self.id = id
    self.session = session
    self.subshell = subshell
  }

  /// Reads a header frame; nil where it is not one. Of members written twice the last counts, as in Python.
  public init?(_ frame: UnsafeRawBufferPointer) {
    self.init(type: .other, id: "", session: "")
    var named = false
    var members = JSONMembers(frame)
    while let (key, value) = members.next() {
      if key.holds("msg_type") {
        type = MessageType(value)
        named = true
      } else if key.holds("msg_id") {
        id = value.string ?? ""
      } else if key.holds("session") {
        session = value.string ?? ""
      } else if key.holds("subshell_id") {
        subshell = value.string
      }
    }
    guard members.isComplete, named, !id.isEmpty else { return nil }
  }

  /// The type alone, quickly; nil where the frame is not a header.
  public static func type(of frame: UnsafeRawBufferPointer) -> MessageType? {
    var type: MessageType?
    for (key, value) in JSONMembers(frame) where key.holds("msg_type") { type = MessageType(value) }
    return type
  }

  /// The `msg_id` alone, quickly: of a parent header, the request that this message belongs to.
  public static func id(of frame: UnsafeRawBufferPointer) -> String? {
    var id: String?
    for (key, value) in JSONMembers(frame) where key.holds("msg_id") { id = value.string }
    return id
  }
}

/// What a gate reads of an `execute_request`'s content.
public struct ExecuteRequest: Hashable, Sendable {
  public var code = ""
  public var silent = false
  /// Whether an error aborts the cells that wait behind this one; kernels take it as true where it is missing.
  public var stopOnError = true
  /// `allow_stdin`: whether somebody is there to answer `input()`; kernels take it as false where it is missing.
  public var allowsInput = false

  public init(code: String = "", silent: Bool = false, stopOnError: Bool = true, allowsInput: Bool = false) {
    self.code = code
    self.silent = silent
    self.stopOnError = stopOnError
    self.allowsInput = allowsInput
  }

  /// Reads a content frame; what is missing or of the wrong kind keeps its default.
  public init(_ frame: UnsafeRawBufferPointer) {
    for (key, value) in JSONMembers(frame) {
      if key.holds("code") {
        code = value.string ?? ""
      } else if key.holds("silent") {
        silent = value.bool ?? false
      } else if key.holds("stop_on_error") {
        stopOnError = value.bool ?? true
      } else if key.holds("allow_stdin") {
        allowsInput = value.bool ?? false
      }
    }
  }
}

/// What a gate reads of an `execute_request`'s metadata, with which JupyterLab sends the cell's own.
public struct CellMetadata: Hashable, Sendable {
  /// `cellId`, which JupyterLab and VS Code send.
  public var cell: String?
  /// `celltop.tell`: whether the author wants to be told why the cell waits; nil where the cell does not say.
  public var tells: Bool?

  public init(_ frame: UnsafeRawBufferPointer) {
    for (key, value) in JSONMembers(frame) {
      if key.holds("cellId") {
        cell = value.string
      } else if key.holds("celltop") {
        for (inner, word) in value.members where inner.holds("tell") { tells = word.bool }
      }
    }
  }
}

/// How a kernel says that a request went: the `status` of a reply's content.
public enum ReplyStatus: Hashable, Sendable {
  case ok
  /// With the exception's name.
  case error(name: String)
  /// `aborted`, or the `abort` that IRkernel and bash_kernel send; any unknown word counts as this too.
  case aborted

  /// Reads a reply's content frame.
  public init(_ frame: UnsafeRawBufferPointer) {
    var word: JSONSlice?
    var name = ""
    for (key, value) in JSONMembers(frame) {
      if key.holds("status") {
        word = value
      } else if key.holds("ename") {
        name = value.string ?? ""
      }
    }
    guard let word else {
      self = .aborted
      return
    }
    self = word.holds("ok") ? .ok : word.holds("error") ? .error(name: name) : .aborted
  }
}

/// A `status` message's `execution_state`.
public enum ExecutionState: Hashable, Sendable {
  case busy, idle, other

  /// Reads a `status` message's content frame.
  public init(_ frame: UnsafeRawBufferPointer) {
    self = .other
    for (key, value) in JSONMembers(frame) where key.holds("execution_state") {
      self = value.holds("idle") ? .idle : value.holds("busy") ? .busy : .other
    }
  }
}

/// What a gate reads of a `kernel_info_reply`'s content.
public struct KernelInfoReply: Hashable, Sendable {
  /// `implementation`: `ipython` for ipykernel.
  public var implementation = ""
  /// `language_info.name`: `python`, `R`, …
  public var language = ""

  public init(_ frame: UnsafeRawBufferPointer) {
    for (key, value) in JSONMembers(frame) {
      if key.holds("implementation") {
        implementation = value.string ?? ""
      } else if key.holds("language_info") {
        for (inner, word) in value.members where inner.holds("name") { language = word.string ?? "" }
      }
    }
  }
}
