import Domain

/// A word that a line may begin with, and what may follow it.
public struct GrammarWord: Sendable, Hashable {
  public var name: String
  /// Other spellings; any beginning that fits no other word serves as well.
  public var others: [String]
  /// What follows it: `[now | after TIME | at-end]`. Empty for nothing.
  public var takes: String
  /// A few words for people.
  public var summary: String
  /// A line that is right.
  public var example: String

  public init(_ name: String, others: [String] = [], takes: String = "", summary: String, example: String = "") {
    self.name = name
    self.others = others
    self.takes = takes
    self.summary = summary
    self.example = example.isEmpty ? name : example
  }

  /// Whether it is an order to notebooks; the others are to the node, and operators' to give.
  public var isAboutNotebooks: Bool { !["drain", "undrain", "policy"].contains(name) }

  /// The word with what follows it.
  public var usage: String { takes.isEmpty ? name : "\(name) \(takes)" }
}

/// The one language of orders: `VERB [ARGUMENTS] [on WHOM] [because WHY]`, for the palette and for `celltop ctl`.
///
/// WHOM is names or numbers of notebooks with commas between them, `user:NAME`, `state:STATE`, `tagged`, `filtered` or
/// `all`; without it the notebook under the cursor (or the tagged ones) is meant. A name with blanks, commas or quotes stands
/// in quotes, in which `\"` is a quote and `\\` a backslash.
public enum Grammar {
  /// The words of orders, in the order in which people are told of them.
  public static let words: [GrammarWord] = [
    GrammarWord(
      "suspend", others: ["preempt"], takes: "[now | after TIME | at-end]",
      summary: "take a running cell's cores and GPUs", example: "suspend after 20s"),
    GrammarWord("call-off", others: ["calloff"], summary: "take back a suspension that has not happened yet"),
    GrammarWord("resume", others: ["continue"], summary: "let a suspended cell go on"),
    GrammarWord("interrupt", others: ["kill", "stop"], summary: "interrupt a running cell: its work is lost"),
    GrammarWord("priority", others: ["prio", "nice"], takes: "N", summary: "from -100 to 100", example: "priority 5"),
    GrammarWord(
      "pin", takes: "[[cores] LIST] [gpus LIST] [alone]",
      summary: "bind to cores and GPUs, or to those that it is on", example: "pin 0-3 gpus 1"),
    GrammarWord("unpin", summary: "bind to nothing"),
    GrammarWord("hold", summary: "start no further cell of it"),
    GrammarWord("release", summary: "let its cells start again"),
    GrammarWord(
      "demand", takes: "cores=N gpus=N memory=SIZE gpu-memory=SIZE | own",
      summary: "what its later cells ask for, whatever else says", example: "demand cores=1-4 memory=8G"),
    GrammarWord(
      "drain", takes: "[cores] LIST | gpus LIST", summary: "give these cores or GPUs to no further cell",
      example: "drain 0-3"),
    GrammarWord(
      "undrain", takes: "[cores] LIST | gpus LIST", summary: "give them to cells again", example: "undrain 0-3"),
    GrammarWord("policy", takes: "NAME", summary: "decide by another policy", example: "policy dynamic"),
  ]

  /// The word that is meant by a spelling or by a beginning of one, among `words`.
  ///
  /// - Throws: `ParseError` that lists what there is, or what it could mean.
  public static func word(_ typed: String, among words: [GrammarWord] = words) throws(ParseError) -> GrammarWord {
    let text = typed.lowercased()
    if let exact = words.first(where: { $0.name == text || $0.others.contains(text) }) { return exact }
    let close = words.filter { word in ([word.name] + word.others).contains { $0.hasPrefix(text) } }
    if close.count == 1, !text.isEmpty { return close[0] }
    let names = words.map(\.name).joined(separator: ", ")
    throw ParseError(
      reading: "the command", text: typed,
      because: close.isEmpty || text.isEmpty
        ? "there is none of that name" : "it could be \(close.map(\.name).joined(separator: " or "))",
      mend: close.isEmpty || text.isEmpty ? names : close[0].example)
  }
}
