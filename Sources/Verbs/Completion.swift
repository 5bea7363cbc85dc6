import Domain
import Projections

/// What the last word of a line could become.
public struct Completion: Sendable, Hashable {
  /// The line up to the word that is being typed.
  public var before: String
  /// What the word could be, in the order in which it is offered.
  public var candidates: [String]

  /// What all candidates begin with.
  public var common: String {
    guard var common = candidates.first else { return "" }
    for candidate in candidates {
      while !candidate.hasPrefix(common) { common.removeLast() }
    }
    return common
  }
}

extension Grammar {
  /// What can be typed next.
  ///
  /// - Parameters:
  ///   - words: what a line may begin with; a caller's own words among them.
  ///   - policies: the names of policies.
  public static func completion(
    of text: String, on board: Board, among words: [GrammarWord] = words, policies: [String] = []
  ) -> Completion {
    let cut = wordBegin(in: text)
    let before = String(text[..<cut])
    let typed = text[cut...].lowercased()
    let earlier = before.split { $0 == " " }.map(String.init)
    func fitting(_ offered: [String]) -> Completion {
      Completion(
        before: before,
        candidates: offered.filter { offer in
          // A name in quotes is found by its beginning without them, too.
          let offer = offer.lowercased()
          return offer.hasPrefix(typed) || (offer.first == "\"" && offer.dropFirst().hasPrefix(typed))
        })
    }
    guard let first = earlier.first else { return fitting(words.map(\.name)) }
    guard let word = try? Self.word(first, among: words), Self.words.contains(word) else { return fitting([]) }
    if earlier.contains("because") { return fitting([]) }
    if earlier.contains("on") {
      let isListing = earlier.last == "on" || before.hasSuffix(",")
      return isListing ? fitting(whom(on: board)) : fitting(["because "])
    }
    if ["after", "cores", "gpus"].contains(earlier.last ?? "") {
      return fitting(arguments(of: word, after: earlier, on: board, policies: policies))
    }
    return fitting(
      arguments(of: word, after: earlier, on: board, policies: policies) + (word.isAboutNotebooks ? ["on "] : [])
        + ["because "])
  }

  private static func whom(on board: Board) -> [String] {
    let open = board.notebooks.filter { $0.state != .gone }
    var users: [String] = []
    for facts in open where !users.contains(facts.notebook.user) { users.append(facts.notebook.user) }
    let names = open.prefix(200).map { quoted(board.word(naming: $0.notebook.id)) }
    return names + users.map { "user:\($0)" } + ["state:running", "state:queued", "tagged", "filtered", "all"]
  }

  private static func arguments(
    of word: GrammarWord, after earlier: [String], on board: Board, policies: [String]
  ) -> [String] {
    let node = board.nodes.first
    func places(_ cores: CoreSet?, _ gpus: GPUSet?) -> [String] {
      switch earlier.last {
      case "cores": [cores.map { "\($0)" } ?? ""].filter { !$0.isEmpty }
      case "gpus": [gpus.map { "\($0)" } ?? ""].filter { !$0.isEmpty }
      default: ["cores ", "gpus "].filter { !earlier.contains(String($0.dropLast())) }
      }
    }
    switch word.name {
    case "suspend":
      if earlier.last == "after" { return ["10s", "20s", "1m", "5m"] }
      return earlier.count == 1 ? ["now", "after ", "at-end"] : []
    case "priority": return earlier.count == 1 ? ["-10", "-5", "0", "5", "10"] : []
    case "policy": return earlier.count == 1 ? policies : []
    case "demand":
      let given = earlier.dropFirst().map { $0.prefix { $0 != "=" } + "=" }
      return (earlier.count == 1 ? ["own"] : [])
        + ["cores=", "gpus=", "memory=", "gpu-memory="].filter { name in !given.contains { $0 == name } }
    case "pin":
      return places(node?.node.cores, node?.node.gpuSet)
        + (earlier.count > 1 && !earlier.contains("alone") ? ["alone"] : [])
    case "drain": return places(node?.node.cores, node?.node.gpuSet)
    case "undrain": return places(node?.drainedCores, node?.drainedGPUs)
    default: return []
    }
  }
}
