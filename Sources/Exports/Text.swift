import Projections

extension FieldValue {
  /// The value as a field of a CSV file (RFC 4180): quoted where it must be.
  ///
  /// A text that a spreadsheet would take for a formula gets an apostrophe before it, for names come from outside.
  var csv: String {
    var body: String
    switch self {
    case .null: return ""
    case .number(let value): return "\(value)"
    case .real(let value): return value.isFinite ? "\(value)" : ""
    case .flag(let value): return value ? "true" : "false"
    case .text(let value):
      body = value
      if let first = value.unicodeScalars.first, "=+-@\t\r".unicodeScalars.contains(first) { body = "'" + value }
    case .list, .object:
      body = ""
      json(into: &body)
    }
    guard body.utf8.contains(where: { $0 == 44 || $0 == 34 || $0 == 10 || $0 == 13 }) else { return body }
    var quoted = "\""
    for scalar in body.unicodeScalars {
      if scalar == "\"" { quoted += "\"" }
      quoted.unicodeScalars.append(scalar)
    }
    return quoted + "\""
  }
}
