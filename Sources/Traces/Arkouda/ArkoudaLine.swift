/// One line of an Arkouda server's log, whatever the version: what it says, without its stamp.
///
/// **Source**: the server's `src/Logging.chpl`, `src/ServerDaemon.chpl` and, before 2023, `src/arkouda_server.chpl`
/// (github.com/Bears-R-Us/arkouda) through their versions; `Docs/TRACES.md` has the table of eras.
struct ArkoudaLine {
  /// When it was written; nil in the eras without stamps.
  var stamp: Timestamp?
  var message: Message

  enum Message {
    /// `reqMsg: …`: what the oldest servers print before they start; the objects that it names.
    case asked(command: String, objects: [ArraySlice<UInt8>])
    /// `>>> …`: a request starts.
    case started(command: String, clock: ArkoudaClock?, objects: [ArraySlice<UInt8>])
    /// `repMsg: …`: the reply, which names the user in later eras, and the objects that were made.
    case replied(user: String?, objects: [ArraySlice<UInt8>])
    /// `<<< …`: a request has ended.
    case ended(tookSeconds: Double?, failed: Bool, user: String?)
    /// `requests = …`: the server's last words.
    case served(elapsedSeconds: Double?)
    /// `server listening on …`: a server has started.
    case listening
    /// A line that a server writes and that says nothing here: a memory line, the banner's frame.
    case known
    /// Anything else.
    case other
  }

  init(_ bytes: ArraySlice<UInt8>) {
    var rest = bytes
    if let (time, after) = Timestamp.reading(rest) {
      stamp = time
      rest = after.trimmed
      // A collector puts its own stamp before the server's: the finer one is kept.
      if let (inner, behind) = Timestamp.reading(rest) {
        if inner.resolutionMicroseconds < time.resolutionMicroseconds { stamp = inner }
        rest = behind.trimmed
      }
    }
    message = Self.message(Self.body(rest), whole: rest)
  }

  /// What follows `[module] routine Line N LEVEL [Chapel]`; all of it where there is no such head.
  private static func body(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    // The head has no free text, so that the tag is near the beginning or is none.
    let near = bytes.prefix(400)
    for tag in ["[Chapel ]", "[Chapel]"] as [StaticString] {
      if bytes.first == UInt8(ascii: "["), let place = near.place(of: tag) {
        return bytes[(place + tag.utf8CodeUnitCount)...].trimmed
      }
    }
    // A collector's own prefix: what counts stands behind it.
    for mark in [">>> ", "<<< ", "repMsg:"] as [StaticString] {
      if let place = near.place(of: mark), place > bytes.startIndex, near[near.startIndex] == UInt8(ascii: "[") {
        return bytes[place...]
      }
    }
    return bytes.trimmed
  }

  private static func message(_ body: ArraySlice<UInt8>, whole: ArraySlice<UInt8>) -> Message {
    switch body.first {
    case nil: return .known
    case UInt8(ascii: ">"):
      if let rest = body.dropping(">>> ") { return started(rest) }
    case UInt8(ascii: "<"):
      if let rest = body.dropping("<<< ") { return ended(rest) }
    case UInt8(ascii: "r"):
      if let rest = body.dropping("repMsg:") { return .replied(user: user(in: rest), objects: objects(in: rest)) }
      if let rest = body.dropping("reqMsg:") {
        let text = rest.trimmed
        return .asked(command: command(text), objects: objects(in: text))
      }
      if body.begins(with: "requests = ") { return .served(elapsedSeconds: elapsed(body)) }
    case UInt8(ascii: "*"):
      if body.place(of: "server listening on") != nil { return .listening }
      return .known
    case UInt8(ascii: "s"):
      if body.begins(with: "server listening on") { return .listening }
    default: break
    }
    return isKnown(body) ? .known : .other
  }

  private static func isKnown(_ body: ArraySlice<UInt8>) -> Bool {
    let heads: [StaticString] = [
      "MessageArgs:", "Command: ", "bytes of memory ", "memory tracking", "memory limit", "arkouda server version",
      "built with chapel",
    ]
    return heads.contains { body.begins(with: $0) }
  }

  private static func started(_ rest: ArraySlice<UInt8>) -> Message {
    let name = command(rest)
    // `>>> connect started at 32282.1sec`; a user's text cannot say so, because it comes after a quote or a bracket.
    if let place = rest.prefix(300).place(of: " started at "), let clock = ArkoudaClock(rest[(place + 12)...]) {
      return .started(command: name, clock: clock, objects: objects(in: rest))
    }
    return .started(command: name, clock: nil, objects: objects(in: rest))
  }

  /// `connect took 0.0004sec`, `[int] resulted in error MSG in  0.0005 sec`, `x resulted in <Name>: …`,
  /// `shutdown initiated by USER took 0.0001 sec`.
  private static func ended(_ rest: ArraySlice<UInt8>) -> Message {
    guard let space = rest.firstIndex(of: 0x20) else { return .other }
    let verb = rest[space...].trimmed
    if let took = verb.dropping("took ") { return .ended(tookSeconds: seconds(took), failed: false, user: nil) }
    if verb.begins(with: "resulted in") {
      let took = verb.place(of: " in ", last: true).flatMap { seconds(verb[($0 + 4)...].trimmed) }
      return .ended(tookSeconds: took, failed: true, user: nil)
    }
    if let who = verb.dropping("initiated by "), let end = who.place(of: " took ", last: true) {
      return .ended(
        tookSeconds: seconds(who[(end + 6)...]), failed: false, user: name(who[..<end]))
    }
    return .other
  }

  /// A duration, `0.0004sec` or `5.1e-05 sec`; nil where it is none, or longer than a century.
  private static func seconds(_ bytes: ArraySlice<UInt8>) -> Double? {
    guard let end = bytes.prefix(48).place(of: "sec"), let value = bytes[..<end].trimmed.decimalNumber, value >= 0,
      value <= NativeTrace.secondsMost
    else { return nil }
    return value
  }

  private static func elapsed(_ body: ArraySlice<UInt8>) -> Double? {
    guard let place = body.place(of: "elapsed sec = ") else { return nil }
    return body[(place + 14)...].trimmed.decimalNumber.flatMap { (0...NativeTrace.secondsMost).contains($0) ? $0 : nil }
  }

  /// The first word, without quotes; shortened to what a name may be.
  private static func command(_ bytes: ArraySlice<UInt8>) -> String {
    var word = bytes.prefix { $0 != 0x20 }
    if word.first == UInt8(ascii: "\"") { word = word.dropFirst().prefix { $0 != UInt8(ascii: "\"") } }
    return word.shown(at: 60)
  }

  /// The value of the last `"user":` of a reply. Quotes within the reply's own text are escaped, so that they cannot
  /// pretend to be it.
  static func user(in reply: ArraySlice<UInt8>) -> String? {
    for key in ["\"user\":\"", "\"user\": \""] as [StaticString] {
      guard let place = reply.place(of: key, last: true) else { continue }
      return name(reply[(place + key.utf8CodeUnitCount)...].prefix { $0 != UInt8(ascii: "\"") })
    }
    return nil
  }

  private static func name(_ bytes: ArraySlice<UInt8>) -> String? {
    let text = bytes.trimmed.shown(at: 64)
    return text.isEmpty ? nil : text
  }

  /// The names of server objects (`id_5`, `id_Ky9Pf34_1`) in the first kilobytes, 16 at the most.
  static func objects(in bytes: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    var found: [ArraySlice<UInt8>] = []
    var rest = bytes.prefix(4096)
    while found.count < 16, let place = rest.place(of: "id_") {
      let name = rest[place...].prefix { byte in
        byte == 0x5F || (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
      }
      if name.count > 3, name.count <= 40, place == rest.startIndex || !isWordByte(rest[place - 1]) {
        found.append(name)
      }
      rest = rest[name.endIndex...]
    }
    return found
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    byte == 0x5F || (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
  }
}

/// The clock of the servers that wrote no stamps: seconds, since midnight or since the server's start.
enum ArkoudaClock: Hashable {
  /// October 2019, `32282.1sec`: rounded to so many microseconds.
  case sinceMidnight(seconds: Double, resolutionMicroseconds: Int64)
  /// December 2019, `7.25 sec`.
  case sinceStart(seconds: Double)

  /// Reads `32282.1sec` or `7.25 sec`.
  init?(_ bytes: ArraySlice<UInt8>) {
    guard let end = bytes.prefix(48).place(of: "sec"), end > bytes.startIndex else { return nil }
    let digits = bytes[..<end]
    let value = digits.trimmed
    guard let seconds = value.decimalNumber, seconds >= 0, seconds <= NativeTrace.secondsMost else { return nil }
    if digits.last == 0x20 {
      self = .sinceStart(seconds: seconds)
      return
    }
    var resolution: Int64 = 1_000_000
    if let dot = value.firstIndex(of: UInt8(ascii: ".")) {
      for _ in 0..<min(value.endIndex - dot - 1, 6) { resolution /= 10 }
    }
    self = .sinceMidnight(seconds: seconds, resolutionMicroseconds: resolution)
  }
}
