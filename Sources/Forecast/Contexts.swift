import Domain

/// What a forecast may rest on, from the most general to the most particular.
enum Level: Int, CaseIterable, Sendable {
  case everyone = 0
  case kernel = 1
  case user = 2
  /// Cells that ask for the same cores and GPUs.
  case demand = 3
  /// Cells that came after one that ran (or after a pause that lasted) about as long.
  case echo = 4
  /// The same, with the one before it, and the same demand.
  case rhythm = 5
  /// The same document, whoever runs it.
  case notebook = 6
  /// The notebook since it was opened.
  case sitting = 7
  /// The same document, after a run or a pause about as long as the last.
  case habit = 8
  /// The same place in the same document.
  case place = 9
  /// The same code, anywhere.
  case code = 10
  /// The same code in the same document.
  case ownCode = 11

  /// How many values a sketch of the level remembers, by weight.
  var memory: Float {
    switch self {
    case .everyone: 2000
    case .kernel, .demand, .echo, .rhythm: 1000
    case .user: 400
    case .notebook: 100
    case .habit: 50
    case .sitting: 10
    case .place, .code, .ownCode: 16
    }
  }

  /// How many bins a sketch of the level has at the most.
  var binsMost: Int {
    switch self {
    case .everyone: LogScale.bins
    case .kernel, .user, .demand, .echo, .rhythm: 160
    case .notebook, .sitting, .habit, .place, .code, .ownCode: 48
    }
  }

  /// The share that a level is given before its trust has been learned.
  var trustAtFirst: Float {
    switch self {
    case .everyone: 1
    case .kernel, .demand: 0.3
    case .user, .echo, .rhythm, .notebook, .sitting, .habit, .place: 0.4
    case .code, .ownCode: 0.6
    }
  }
}

/// The keys of one forecast, one for each level; 0 where the level does not apply.
struct Contexts: Sendable, Hashable {
  private(set) var keys: [UInt64] = Array(repeating: 0, count: Level.allCases.count)

  init() {}

  init?(keys: [UInt64]) {
    guard keys.count == Level.allCases.count else { return nil }
    self.keys = keys
  }

  subscript(level: Level) -> UInt64 { keys[level.rawValue] }

  /// Only what tells a place in a document.
  init(_ own: OwnContexts) {
    keys[Level.place.rawValue] = own.place
    keys[Level.ownCode.rawValue] = own.code
  }

  /// Sets the key of a level from the parts that it is made of.
  mutating func set(_ level: Level, _ parts: UInt64...) {
    var digest = Digest()
    digest.put(UInt64(level.rawValue))
    for part in parts { digest.put(part) }
    keys[level.rawValue] = digest.value == 0 ? 1 : digest.value
  }
}

/// The keys that tell a cell of a document from others, wherever and by whomever the document is run; 0 where there is none.
struct OwnContexts: Sendable, Hashable {
  var place: UInt64
  var code: UInt64

  init(_ contexts: Contexts) {
    place = contexts[.place]
    code = contexts[.ownCode]
  }
}
