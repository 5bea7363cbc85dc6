import Canvas

/// Turns a terminal's bytes into events.
///
/// Total: any bytes in any division give some events, and after rubbish the next key is understood. Pure: time is an
/// argument, so that the one question that only time can answer, whether an escape byte was a key or the start of a
/// sequence, can be tested without waiting. Understood are UTF-8, xterm's keys with modifiers ("XTerm Control
/// Sequences", sections "PC-Style Function Keys" and "Extended coordinates"), the Linux console's and rxvt's, mouse
/// reports in SGR and in X10 form, bracketed paste, and `CSI … u` of terminals that send it unasked.
public struct InputDecoder: Sendable {
  /// How long an escape byte, `ESC [` or `ESC O` may wait for the rest before it counts as typed.
  public static let escapeTimeout: Duration = .milliseconds(25)
  /// How long a longer sequence, a divided character or a paste without an end may be silent before it is given up.
  public static let silenceTimeout: Duration = .milliseconds(500)
  /// What is kept of one paste.
  public static let pasteBytesMax = 65_536

  private static let sequenceBytesMax = 64

  private var pending: [UInt8] = []
  private var paste: [UInt8]?
  private var lastByte: Duration = .zero

  /// A decoder that has seen nothing.
  public init() {}

  /// When ``expire(at:)`` wants to be called, if no byte comes before; nil when nothing waits.
  public var deadline: Duration? {
    if paste != nil { return lastByte + InputDecoder.silenceTimeout }
    guard !pending.isEmpty else { return nil }
    let mayBeTyped = pending == [0x1B] || pending == [0x1B, 0x5B] || pending == [0x1B, 0x4F]
    return lastByte + (mayBeTyped ? InputDecoder.escapeTimeout : InputDecoder.silenceTimeout)
  }

  /// Takes bytes that arrived at a time, counted from any fixed moment, and gives the events that are now complete.
  /// Bytes that came late are judged as late: what had waited too long is given up first.
  public mutating func feed(_ bytes: some Sequence<UInt8>, at time: Duration) -> [KeyEvent] {
    var events = expire(at: time)
    lastByte = time
    for byte in bytes {
      if paste != nil {
        appendToPaste(byte, &events)
      } else {
        pending.append(byte)
        drain(&events, isFinal: false)
      }
    }
    return events
  }

  /// Gives up waiting where ``deadline`` has passed: an escape counts as the key, a broken sequence is dropped whole,
  /// so that its rest is never taken for commands.
  public mutating func expire(at time: Duration) -> [KeyEvent] {
    guard let deadline, time >= deadline else { return [] }
    var events: [KeyEvent] = []
    if let content = paste {
      paste = nil
      events.append(.paste(InputDecoder.text(of: content)))
    } else {
      drain(&events, isFinal: true)
    }
    return events
  }

  private mutating func drain(_ events: inout [KeyEvent], isFinal: Bool) {
    while !pending.isEmpty, paste == nil {
      switch Sequences.parse(pending, isFinal: isFinal) {
      case .incomplete:
        guard pending.count > InputDecoder.sequenceBytesMax else { return }
        pending.removeAll()
      case .event(let event, let length):
        if let event { events.append(event) }
        pending.removeFirst(length)
      case .pasteStart(let length):
        pending.removeFirst(length)
        paste = []
      }
    }
  }

  private mutating func appendToPaste(_ byte: UInt8, _ events: inout [KeyEvent]) {
    let end: [UInt8] = [0x1B, 0x5B, 0x32, 0x30, 0x31, 0x7E]  // ESC [ 201 ~
    guard var content = paste else { return }
    paste = nil  // Only one reference, so that appending does not copy.
    content.append(byte)
    if byte == 0x7E, content.suffix(end.count).elementsEqual(end) {
      content.removeLast(end.count)
      events.append(.paste(InputDecoder.text(of: content)))
      return
    }
    // What is over the limit is cut, but the last bytes are kept to recognise the end.
    let most = InputDecoder.pasteBytesMax + end.count
    if content.count > most { content.remove(at: InputDecoder.pasteBytesMax) }
    paste = content
  }

  private static func text(of content: [UInt8]) -> String {
    String(decoding: content.prefix(pasteBytesMax), as: UTF8.self)
  }
}
