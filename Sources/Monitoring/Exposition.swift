import Domain

/// Text in the format that Prometheus reads (prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4).
public struct Exposition: Sendable {
  public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  public enum Kind: String, Sendable {
    case counter, gauge
  }

  public private(set) var text = ""

  public init() {}

  /// A family of values, each with its labels.
  public mutating func add(
    _ name: String, _ kind: Kind, _ help: String, _ values: [(labels: [(String, String)], value: Double)]
  ) {
    begin(name, kind.rawValue, help)
    for value in values { line(name, value.labels, value.value) }
  }

  /// A family of one value without labels.
  public mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
    add(name, kind, help, [([], value)])
  }

  /// A histogram, in seconds.
  public mutating func add(_ name: String, _ help: String, _ histogram: Histogram) {
    begin(name, "histogram", help)
    var total: UInt64 = 0
    for (bound, count) in zip(histogram.bounds, histogram.counts) {
      total += count
      line(name + "_bucket", [("le", Self.number(bound.seconds))], Double(total))
    }
    line(name + "_bucket", [("le", "+Inf")], Double(histogram.count))
    line(name + "_sum", [], histogram.sum.seconds)
    line(name + "_count", [], Double(histogram.count))
  }

  private mutating func begin(_ name: String, _ kind: String, _ help: String) {
    text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(kind)\n"
  }

  private mutating func line(_ name: String, _ labels: [(String, String)], _ value: Double) {
    text += name
    if !labels.isEmpty {
      text += "{" + labels.map { "\($0.0)=\"\(Self.escaped($0.1, quotes: true))\"" }.joined(separator: ",") + "}"
    }
    text += " \(Self.number(value))\n"
  }

  static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
    return value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
  }

  /// A label's value or a help text, whatever it holds.
  static func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      case _ where scalar.value < 32: result += "?"
      case _: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
