import Domain
import Glibc
import JupyterWire

/// The five sockets of a kernel, in the connection file's words.
enum Channel: String, CaseIterable {
  case shell, iopub, stdin, control, hb

  var key: String { rawValue + "_port" }
}

/// A kernel's connection file ("Connection files", jupyter_client): where its sockets are, and the key that signs.
///
/// Members that are not understood are kept and handed on. It is read on the way to each kernel's start, and so without the
/// general decoder, which takes 3 ms for its first text.
struct ConnectionFile: Equatable {
  /// Each member's value as its text stands in the file.
  private var members: [String: String] = [:]
  private(set) var transport: String
  private(set) var ip: String
  private(set) var key: String

  /// Reads the text of a connection file.
  ///
  /// - Throws: `ParseError` that says which member is missing or wrong.
  init(parsing bytes: [UInt8], name: String) throws(ParseError) {
    func fail(_ why: String) -> ParseError {
      ParseError(
        reading: "the connection file", text: name, because: why,
        mend: #"{"transport":"tcp","ip":"127.0.0.1","shell_port":50001,…,"key":"…"}"#)
    }
    let (isObject, members, texts) = bytes.withUnsafeBytes(Self.read)
    guard isObject else { throw fail("it is not a JSON object") }
    self.members = members
    transport = texts["transport"] ?? "tcp"
    ip = texts["ip"] ?? "127.0.0.1"
    key = texts["key"] ?? ""
    notebook = texts["jupyter_session"]
    if let open = texts["curve_publickey"], let secret = texts["curve_secretkey"], !open.isEmpty, !secret.isEmpty {
      curve = CurveKeys(publicKey: open, secretKey: secret)
    }
    guard transport == "tcp" || transport == "ipc" else {
      throw fail("the transport '\(transport)' is neither tcp nor ipc")
    }
    for channel in Channel.allCases {
      guard (1...65_535).contains(port(channel)) else {
        throw fail("'\(channel.key)' is not a port from 1 to 65535")
      }
    }
    let scheme = texts["signature_scheme"] ?? "hmac-sha256"
    guard key.isEmpty || scheme == "hmac-sha256" else {
      throw fail("the signature scheme '\(scheme)' is not hmac-sha256")
    }
  }

  /// The members' values as they stand, and those that are strings, decoded; of members written twice the last counts.
  private static func read(_ bytes: UnsafeRawBufferPointer) -> (
    isObject: Bool, members: [String: String], texts: [String: String]
  ) {
    var (members, texts): ([String: String], [String: String]) = ([:], [:])
    var all = JSONMembers(bytes)
    while let (key, value) = all.next() {
      guard let name = key.string else { return (false, [:], [:]) }
      members[name] = String(decoding: value.text, as: UTF8.self)
      texts[name] = value.string
    }
    return (all.isComplete, members, texts)
  }

  /// A channel's port; 0 where the file says none.
  private func port(_ channel: Channel) -> Int { members[channel.key].flatMap { Int($0) } ?? 0 }

  /// All ports that the file names.
  var ports: Set<UInt16> { Set(Channel.allCases.compactMap { UInt16(exactly: port($0)) }) }

  /// Where a channel's socket is, as ZeroMQ writes it.
  func endpoint(_ channel: Channel) -> String {
    let port = port(channel)
    if transport == "ipc" { return "ipc://\(ip)-\(port)" }
    return ip.contains(":") ? "tcp://[\(ip)]:\(port)" : "tcp://\(ip):\(port)"
  }

  /// The notebook's path, where the server wrote it (`jupyter_session`).
  private(set) var notebook: String?

  /// The CURVE keys (Z85) of an encrypted kernel, where the client made some.
  private(set) var curve: CurveKeys?

  struct CurveKeys: Equatable {
    var publicKey: String
    var secretKey: String
  }

  /// The same kernel behind these ports of this machine.
  func moved(to ports: [Channel: UInt16]) -> ConnectionFile {
    var moved = self
    moved.transport = "tcp"
    moved.ip = "127.0.0.1"
    moved.members["transport"] = moved.transport.jsonQuoted
    moved.members["ip"] = moved.ip.jsonQuoted
    for (channel, port) in ports { moved.members[channel.key] = String(port) }
    return moved
  }

  /// The same kernel behind sockets in a directory that only its user may enter.
  func moved(into directory: String) -> ConnectionFile {
    var moved = self
    moved.ip = directory + "/k"
    moved.members["ip"] = moved.ip.jsonQuoted
    for (number, channel) in Channel.allCases.enumerated() { moved.members[channel.key] = String(number + 1) }
    return moved
  }

  /// The longest directory for `moved(into:)`: a socket's path may have 107 bytes (unix(7)).
  static let directoryBytesMost = 107 - "/k-5".utf8.count

  /// The file's text.
  func text() -> [UInt8] {
    let lines = members.sorted { $0.key < $1.key }.map { "  \($0.key.jsonQuoted): \($0.value)" }
    return Array("{\n\(lines.joined(separator: ",\n"))\n}\n".utf8)
  }
}
