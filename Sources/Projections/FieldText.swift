import Domain

extension FieldValue {
  /// The value as JSON (RFC 8259).
  public func json(into text: inout String) {
    switch self {
    case .null: text += "null"
    case .number(let value): text += "\(value)"
    case .real(let value): text += value.isFinite ? "\(value)" : "null"
    case .flag(let value): text += value ? "true" : "false"
    case .text(let value): text += value.jsonQuoted
    case .list(let values):
      text += "["
      for (index, value) in values.enumerated() {
        if index > 0 { text += ", " }
        value.json(into: &text)
      }
      text += "]"
    case .object(let fields): fields.json(into: &text)
    }
  }
}

extension [Field] {
  /// The row as a JSON object.
  public func json(into text: inout String) {
    text += "{"
    for (index, field) in enumerated() {
      if index > 0 { text += ", " }
      text += "\"\(field.name)\": "
      field.value.json(into: &text)
    }
    text += "}"
  }
}
