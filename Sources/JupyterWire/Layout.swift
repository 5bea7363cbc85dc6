/// Where the parts of a message stand among its frames: identities, delimiter, signature, header, parent header,
/// metadata, content, buffers ("Messaging in Jupyter", the wire protocol).
public struct Layout: Hashable, Sendable {
  /// The position of `<IDS|MSG>`; the identities stand before it.
  public var delimiter: Int

  public static let delimiterText = Array("<IDS|MSG>".utf8)

  /// Finds the delimiter among `count` frames; nil where there is none or fewer than the five frames that must follow.
  ///
  /// - Parameter frame: gives a frame by its position.
  public init?(count: Int, frame: (Int) -> UnsafeRawBufferPointer) {
    guard let delimiter = (0..<count).first(where: { frame($0).elementsEqual(Self.delimiterText) }),
      delimiter + 5 < count
    else { return nil }
    self.delimiter = delimiter
  }

  public var signature: Int { delimiter + 1 }
  public var header: Int { delimiter + 2 }
  public var parent: Int { delimiter + 3 }
  public var metadata: Int { delimiter + 4 }
  public var content: Int { delimiter + 5 }
}

/// Makes messages of a gate's own, in the kernel's name.
///
/// Each is signed afresh: a repeated signature is rejected by clients.
public struct Composer: Sendable {
  /// The kernel's session. JupyterLab cancels its queued cells when the session of a kernel's messages changes, so a
  /// gate's messages carry the kernel's own.
  public var session: String
  private let signer: MessageSigner

  public init(session: String, signer: MessageSigner) {
    self.session = session
    self.signer = signer
  }

  /// What makes one message unlike every other: an identifier never used before, and the wall time in ISO 8601.
  public struct Stamp: Sendable {
    public var id: String
    public var date: String
    public init(id: String, date: String) {
      self.id = id
      self.date = date
    }
  }

  /// The frames from the delimiter on.
  ///
  /// - Parameters:
  ///   - type: `msg_type`.
  ///   - parent: the request's header frame as it came; empty for no parent.
  ///   - content: JSON text.
  ///   - subshell: the subshell that it is for; nil for the main one.
  public func frames(
    _ type: String, parent: [UInt8], content: String, metadata: String = "{}", in subshell: String? = nil, stamp: Stamp
  ) -> [[UInt8]] {
    let place = subshell.map { #","subshell_id":\#(quoted($0))"# } ?? ""
    let header =
      #"{"msg_id":\#(quoted(stamp.id)),"msg_type":\#(quoted(type)),"username":"celltop","#
      + #""session":\#(quoted(session)),"date":\#(quoted(stamp.date)),"version":"5.3"\#(place)}"#
    let parts = [
      Array(header.utf8), parent.isEmpty ? Array("{}".utf8) : parent, Array(metadata.utf8), Array(content.utf8),
    ]
    return [Layout.delimiterText, signer.signature(of: parts)] + parts
  }

  /// A `status` message for iopub.
  public func status(_ state: String, parent: [UInt8], stamp: Stamp) -> [[UInt8]] {
    frames("status", parent: parent, content: #"{"execution_state":\#(quoted(state))}"#, stamp: stamp)
  }

  /// A text as output of a cell, or in place of the one shown before under the same name.
  ///
  /// Its metadata say `{"celltop": {"notice": true}}`, by which whoever saves a notebook can leave it out.
  ///
  /// - Parameter name: `display_id`.
  public func display(_ text: String, named name: String, again: Bool, parent: [UInt8], stamp: Stamp) -> [[UInt8]] {
    frames(
      again ? "update_display_data" : "display_data", parent: parent,
      content:
        #"{"data":{"text/plain":\#(quoted(text))},"metadata":{"celltop":{"notice":true}},"transient":{"display_id":\#(quoted(name))}}"#,
      stamp: stamp)
  }

  /// Takes away, at once, all output that a cell has.
  public func clearOutput(parent: [UInt8], stamp: Stamp) -> [[UInt8]] {
    frames("clear_output", parent: parent, content: #"{"wait":false}"#, stamp: stamp)
  }

  /// The reply to a cell that never ran, because one before it failed.
  public func abortedReply(parent: [UInt8], stamp: Stamp) -> [[UInt8]] {
    frames(
      "execute_reply", parent: parent, content: #"{"status":"aborted"}"#, metadata: #"{"status":"aborted"}"#,
      stamp: stamp)
  }

  /// The body of an error: of an `execute_reply` with `reply`, of iopub's `error` without.
  public func error(name: String, value: String, parent: [UInt8], reply: Bool, stamp: Stamp) -> [[UInt8]] {
    let body = #""ename":\#(quoted(name)),"evalue":\#(quoted(value)),"traceback":[\#(quoted("\(name): \(value)"))]"#
    return reply
      ? frames(
        "execute_reply", parent: parent,
        content: #"{"status":"error",\#(body),"execution_count":0,"user_expressions":{},"payload":[]}"#, stamp: stamp)
      : frames("error", parent: parent, content: "{\(body)}", stamp: stamp)
  }

  /// What a subscriber is greeted with (JEP 65).
  public func welcome(subscription: String, stamp: Stamp) -> [[UInt8]] {
    frames("iopub_welcome", parent: [], content: #"{"subscription":\#(quoted(subscription))}"#, stamp: stamp)
  }

  /// The request that interrupts a kernel whose `interrupt_mode` is `message`.
  public func interrupt(stamp: Stamp) -> [[UInt8]] {
    frames("interrupt_request", parent: [], content: "{}", stamp: stamp)
  }

  /// A request that leaves no trace: no output, no history, no execution count, and no abort if it fails.
  public func silentExecute(code: String, in subshell: String? = nil, stamp: Stamp) -> [[UInt8]] {
    frames(
      "execute_request", parent: [],
      content: #"{"code":\#(quoted(code)),"silent":true,"store_history":false,"user_expressions":{},"#
        + #""allow_stdin":false,"stop_on_error":false}"#, in: subshell, stamp: stamp)
  }
}

/// `text` as a JSON string with its quotes.
func quoted(_ text: String) -> String {
  var out = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": out += "\\\""
    case "\\": out += "\\\\"
    case "\n": out += "\\n"
    case "\r": out += "\\r"
    case "\t": out += "\\t"
    case "\u{0}"..<"\u{20}":
      let digits = String(scalar.value, radix: 16)
      out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out + "\""
}
