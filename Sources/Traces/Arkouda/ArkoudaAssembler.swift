/// Puts the lines of one server's log, over restarts and rotated files, together to requests.
struct ArkoudaAssembler {
  /// How the times are told, for the notes.
  enum Clock: Hashable { case stamps(resolutionMicroseconds: Int64), sinceMidnight, sinceStart }

  private struct Open {
    var command: String
    var startLeast: Int64
    var startMost: Int64
    /// Its start by a clock without stamps, by which its end is computed.
    var isRelative: Bool
    var user: String?
    var objects: [[UInt8]]
    var hasReply = false
    var line: Int
  }

  private let thresholdMicroseconds: Int64
  private(set) var owners = ArkoudaOwners()
  private(set) var window = ArkoudaWindow()
  private(set) var leftOut = Omissions()
  private(set) var clocks: [Clock] = []
  private(set) var requests = 0
  private(set) var failed = 0
  private(set) var lost = 0
  private(set) var restarts = 0
  private(set) var midnights = 0
  private(set) var untimed = 0
  private(set) var firstUntimed = 0
  /// Lines that only an Arkouda server writes.
  private(set) var recognised = 0
  /// The last instant that was seen; nil before the first.
  private(set) var last: Int64?

  private var open: Open?
  private var asked: (command: String, objects: [[UInt8]])?
  private var base: Int64 = 0
  private var file = ""
  private var line = 0

  init(thresholdMicroseconds: Int64) { self.thresholdMicroseconds = thresholdMicroseconds }

  /// From here on the lines are of that file.
  mutating func begin(file: String) {
    self.file = file
    line = 0
  }

  /// Takes one line; gives the requests that are now known as exactly as they ever will be.
  mutating func take(_ bytes: ArraySlice<UInt8>, number: Int) -> [ArkoudaRequest] {
    line = number
    let parsed = ArkoudaLine(bytes)
    var done: [ArkoudaRequest] = []
    switch parsed.message {
    case .known: break
    case .other: other(bytes)
    case .listening:
      recognised += 1
      done = answered(by: nil, took: nil, failed: false, isLost: true)
      restarts += 1
      owners.restarted()
      asked = nil
      base = last ?? base
    case .asked(let command, let objects):
      recognised += 1
      asked = (command, objects.map(Array.init))
    case .started(let command, let clock, let objects):
      recognised += 1
      done = answered(by: nil, took: nil, failed: false, isLost: true)
      start(command, at: parsed.stamp, clock, objects: objects.map(Array.init))
    case .replied(let user, let objects):
      recognised += 1
      if open != nil {
        open?.hasReply = true
        if let user { open?.user = user }
        open?.objects += objects.map(Array.init)
        // The oldest servers say that a request failed in the reply only.
        if parsed.stamp == nil, let place = bytes.place(of: "repMsg:"),
          bytes[(place + 7)...].trimmed.begins(with: "Error:")
        {
          repliedError = true
        }
      } else {
        leave("replies to no request")
      }
    case .ended(let took, let failed, let user):
      recognised += 1
      if open == nil { leave("ends of no request") }
      if let user { open?.user = user }
      done = answered(by: parsed.stamp, took: took, failed: failed || repliedError, isLost: false)
    case .served(let elapsed):
      recognised += 1
      done = served(elapsedSeconds: elapsed, parsed.stamp)
    }
    return done
  }

  /// The last requests, at the end of everything.
  mutating func finish() -> [ArkoudaRequest] {
    answered(by: nil, took: nil, failed: false, isLost: true) + window.flush()
  }

  private var repliedError = false

  /// The rest of a reply that has line breaks in it names the user; else it is somebody else's output.
  private mutating func other(_ bytes: ArraySlice<UInt8>) {
    if let open, open.hasReply, open.user == nil, let user = ArkoudaLine.user(in: bytes) {
      self.open?.user = user
    } else {
      leave("lines of other output")
    }
  }

  private mutating func leave(_ why: String) {
    let place = "\(file):\(line)"
    leftOut.add(why, at: place)
  }

  private mutating func note(_ clock: Clock) {
    if !clocks.contains(clock) { clocks.append(clock) }
  }

  private mutating func start(_ command: String, at stamp: Timestamp?, _ clock: ArkoudaClock?, objects: [[UInt8]]) {
    let before = asked
    asked = nil
    var least: Int64
    var width: Int64 = 0
    if let stamp {
      note(.stamps(resolutionMicroseconds: stamp.resolutionMicroseconds))
      least = stamp.microseconds
      width = stamp.resolutionMicroseconds - 1
      if let last, least + width < last - ArkoudaWindow.slackMicroseconds, last - least > stamp.resolutionMicroseconds {
        leave("times at which the log's clock was set back")
      }
    } else if let clock {
      (least, width) = relative(clock)
    } else {
      untimed += 1
      if firstUntimed == 0 { firstUntimed = line }
      return
    }
    open = Open(
      command: command, startLeast: least, startMost: least + width, isRelative: stamp == nil,
      objects: objects + (before?.objects ?? []), line: line)
    repliedError = false
    last = max(last ?? least, least)
  }

  /// The instant of a clock without stamps. Midnight passes where it falls back; a server has started where the other
  /// one does.
  private mutating func relative(_ clock: ArkoudaClock) -> (least: Int64, width: Int64) {
    switch clock {
    case .sinceMidnight(let seconds, let resolution):
      note(.sinceMidnight)
      let day: Int64 = 86_400_000_000
      var instant = Int64((seconds * 1e6).rounded())
      if let last {
        let days = last / day
        instant += days * day
        if instant + resolution < last {
          instant += day
          midnights += 1
        }
      }
      return (instant - resolution / 2, resolution)
    case .sinceStart(let seconds):
      note(.sinceStart)
      let since = Int64((seconds * 1e6).rounded())
      if let last, base + since < last - 1_000_000 { base = last }
      return (base + since, 0)
    }
  }

  /// `requests = …` of a server that says of its shutdown only that it was asked.
  private mutating func served(elapsedSeconds: Double?, _ stamp: Timestamp?) -> [ArkoudaRequest] {
    if open != nil { return answered(by: stamp, took: nil, failed: false, isLost: false) }
    guard let asked, asked.command == "shutdown", let elapsedSeconds else { return [] }
    self.asked = nil
    let instant = base + Int64((elapsedSeconds * 1e6).rounded())
    open = Open(
      command: asked.command, startLeast: instant, startMost: instant, isRelative: true, objects: [], line: line)
    return answered(by: nil, took: 0, failed: false, isLost: false)
  }

  /// Closes the open request, if there is one.
  private mutating func answered(
    by stamp: Timestamp?, took: Double?, failed: Bool, isLost: Bool
  ) -> [ArkoudaRequest] {
    guard let open else { return [] }
    self.open = nil
    defer { repliedError = false }
    let took = took.map { Int64(($0 * 1e6).rounded()) }
    var end = (least: open.startLeast, most: open.startMost)
    if let stamp, !open.isRelative {
      end = (stamp.microseconds, stamp.microseconds + stamp.resolutionMicroseconds - 1)
    } else if let took {
      end = (open.startLeast + took, open.startMost + took)
    }
    if end.least < open.startLeast { end = (open.startLeast, max(end.most, open.startMost)) }
    let owner = owners.owner(
      named: open.user, command: open.command, objects: open.objects, start: open.startLeast,
      burst: thresholdMicroseconds)
    guard let owner else {
      leave("requests of more users than \(ArkoudaOwners.usersMost)")
      return []
    }
    requests += 1
    if isLost { lost += 1 } else if failed { self.failed += 1 }
    owners.heard(owner, command: open.command, objects: open.objects, end: end.most)
    last = max(last ?? end.least, end.least)
    // Where the clock was set back the bounds of what went before mean nothing.
    let request = ArkoudaRequest(
      user: owner, command: open.command, startLeast: open.startLeast, startMost: open.startMost, endLeast: end.least,
      endMost: end.most, took: isLost ? nil : took, failed: failed, lost: isLost)
    return window.add(request)
  }
}
