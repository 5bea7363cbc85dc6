import Domain
import GateLink

/// What the author of a held cell is told, and when: where it stands in line, once it has been held for a while, again
/// when that has changed, and that no longer once it starts.
///
/// It sends nothing itself. A notice is an output of the held cell, which has no other yet: clearing the cell's output takes
/// it away again, and nothing of it is saved with the notebook.
struct AuthorNotice {
  /// The cell at the head of the line.
  struct Held {
    var key: UInt64
    var messageID: String
    var since: Instant
  }

  enum Act: Equatable {
    case show(String)
    case update(String)
  }

  /// The least time between two texts.
  static let textsApart = Span(microseconds: 1_000_000)

  private var standing: (key: UInt64, what: Standing, heard: Instant)?
  private var shown: (messageID: String, text: String, at: Instant)?

  /// The engine said where the cell with this key stands.
  mutating func heard(_ what: Standing, of key: UInt64, at now: Instant) { standing = (key, what, now) }

  /// What is to be shown now; nil for nothing new.
  ///
  /// - Parameter after: how long a cell is held before its author is told.
  mutating func tick(_ held: Held, after: Span, at now: Instant) -> Act? {
    guard now >= wake(held, after: after), let standing, standing.key == held.key else { return nil }
    let text = Self.text(standing.what, later: now - standing.heard)
    guard let before = shown, before.messageID == held.messageID else {
      shown = (held.messageID, text, now)
      return .show(text)
    }
    shown?.at = now
    guard text != before.text else { return nil }
    shown?.text = text
    return .update(text)
  }

  /// When `tick` has something to do next.
  func wake(_ held: Held, after: Span) -> Instant {
    guard let standing, standing.key == held.key else { return .never }
    guard let shown, shown.messageID == held.messageID else { return held.since + after }
    let next = shown.at + Self.textsApart
    if standing.heard > shown.at { return next }
    return max(next, Self.change(standing.what, since: standing.heard, after: shown.at))
  }

  /// The cell with this `msg_id` waits no more.
  ///
  /// - Returns: whether its author was shown something, which is to be taken away.
  mutating func ended(_ messageID: String) -> Bool {
    guard shown?.messageID == messageID else { return false }
    shown = nil
    return true
  }

  /// When a text may read differently though nothing was heard: as finely as it speaks of what is left.
  private static func change(_ what: Standing, since heard: Instant, after told: Instant) -> Instant {
    guard let expected = what.expectedSeconds, let latest = what.latestSeconds else { return .never }
    let elapsed = (told - heard).seconds
    if elapsed > latest { return .never }
    let left = expected - elapsed
    return told + Span(seconds: left > 4000 ? 60 : left > 100 ? 15 : 2.5)
  }

  /// "waiting for 1 GPU: 2nd in line, about 40 s".
  ///
  /// - Parameter later: the time since the standing was so.
  static func text(_ what: Standing, later: Span) -> String {
    let need = what.need.printable(at: 200)
    let facts = [what.place.map(place), expected(what, later: later)].compactMap(\.self)
    return facts.isEmpty ? need : "\(need): \(facts.joined(separator: ", "))"
  }

  private static func place(_ number: Int32) -> String {
    guard number > 1 else { return "next in line" }
    let ending =
      switch (number % 10, number % 100) {
      case (1, let teens) where teens != 11: "st"
      case (2, let teens) where teens != 12: "nd"
      case (3, let teens) where teens != 13: "rd"
      case _: "th"
      }
    return "\(number)\(ending) in line"
  }

  private static func expected(_ what: Standing, later: Span) -> String? {
    guard let expected = what.expectedSeconds, expected.isFinite else { return nil }
    let left = expected - later.seconds
    if left >= 2.5 { return "about \(rounded(left))" }
    guard let latest = what.latestSeconds, latest < later.seconds else { return "any moment" }
    return "later than foreseen"
  }

  /// A time as roughly as it is known.
  private static func rounded(_ seconds: Double) -> String {
    switch min(seconds, 1e9) {
    case let few where few < 57.5: "\(max(5, Int((few / 5).rounded()) * 5)) s"
    case let some where some < 3570: "\(max(1, Int((some / 60).rounded()))) min"
    case let many: "\(max(1, Int((many / 3600).rounded()))) h"
    }
  }
}

/// Whom to tell, as the gate's own environment says it over what the engine said.
struct TellingChoice: Equatable {
  private(set) var audience: Telling.Audience?
  private(set) var afterSeconds: Double?
  /// What of the environment could not be read, for the kernel's log.
  private(set) var problems: [String] = []

  /// Reads `CELLTOP_TELL` (people, everyone or nobody) and `CELLTOP_TELL_AFTER` (seconds), which a kernelspec's `env` may
  /// set.
  init(environment: [String: String]) {
    if let text = environment["CELLTOP_TELL"], !text.isEmpty {
      audience = Telling.Audience(rawValue: text)
      if audience == nil {
        problems.append(
          "cannot read CELLTOP_TELL '\(text.printable(at: 40))': it is neither people, everyone nor nobody")
      }
    }
    if let text = environment["CELLTOP_TELL_AFTER"], !text.isEmpty {
      if let seconds = Double(text), seconds >= 0, seconds <= Telling.secondsMost {
        afterSeconds = seconds
      } else {
        problems.append(
          "cannot read CELLTOP_TELL_AFTER '\(text.printable(at: 40))': it is not a number of seconds from 0 to 86400")
      }
    }
  }

  /// What holds under an engine that said this.
  func over(_ engine: Telling?) -> Telling {
    let other = engine ?? Telling()
    let seconds = afterSeconds ?? other.afterSeconds
    return Telling(
      audience ?? other.audience,
      afterSeconds: seconds >= 0 && seconds <= Telling.secondsMost ? seconds : Telling().afterSeconds)
  }
}

extension Telling {
  /// Whether the author of a cell is told.
  ///
  /// Whoever runs notebooks in bulk (nbclient, papermill, nbconvert) names no document and answers no `input()`: nobody would
  /// see it, and what they keep is every output that came.
  ///
  /// - Parameters:
  ///   - cell: its own word, which goes before all; nil where it says nothing.
  ///   - isNamed: whether the request names a document's cell, or the kernel a session.
  ///   - allowsInput: whether somebody would answer `input()`.
  func tells(cell: Bool?, isNamed: Bool, allowsInput: Bool) -> Bool {
    if let cell { return cell }
    return switch audience {
    case .everyone: true
    case .nobody: false
    case .people: isNamed && allowsInput
    }
  }
}
