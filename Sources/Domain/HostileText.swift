/// Whether a scalar must not reach a terminal: controls (C0, C1, DEL), format characters (bidirectional overrides and
/// isolates, zero-width joiners and spaces, tags), line and paragraph separators, private use, unassigned, and
/// variation selectors, which change a character's width behind our back. Text that carries one shows a visible
/// replacement instead, so that no name can move the cursor, turn its line around, or pass for another.
public func isHostile(_ scalar: Unicode.Scalar) -> Bool {
  let value = scalar.value
  if value < 0x7F { return value < 0x20 }
  if value < 0xA0 || value == 0xAD { return true }
  if value < 0x300 { return false }
  if isVariationSelector(scalar) { return true }
  switch scalar.properties.generalCategory {
  case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: return true
  default: return false
  }
}

private func isVariationSelector(_ scalar: Unicode.Scalar) -> Bool {
  let value = scalar.value
  return (0xFE00...0xFE0F).contains(value) || (0xE0100...0xE01EF).contains(value) || (0x180B...0x180F).contains(value)
}

/// Whether a scalar is a variation selector 15 or 16 right after an emoji, which is common and harmless: it is dropped, and the
/// emoji shows in its plain form, whose width is known.
public func isPlainEmojiSelector(_ scalar: Unicode.Scalar, after base: Unicode.Scalar) -> Bool {
  (scalar.value == 0xFE0F || scalar.value == 0xFE0E) && base.properties.isEmoji && !base.isASCII
}

extension String {
  /// The text as a terminal, a log or an error message may show it: what is hostile (`isHostile`) stands as `?`, and nothing
  /// is longer than `limit` characters.
  public func printable(at limit: Int) -> String {
    var shown = UnicodeScalarView()
    var last: Unicode.Scalar = " "
    for scalar in unicodeScalars.prefix(limit * 4) {
      if !isPlainEmojiSelector(scalar, after: last) { shown.append(isHostile(scalar) ? "?" : scalar) }
      last = scalar
    }
    return String(shown).cut(to: limit)
  }

  /// The text with its controls (C0, C1, DEL) as `?`, cut to `limit` characters: as it is kept, so that a document's path
  /// whose script needs joiners is still that path. Whoever shows it calls ``printable(at:)``.
  public func kept(at limit: Int) -> String {
    let clean = unicodeScalars.prefix(limit * 4).map {
      $0.value < 32 || (127..<160).contains($0.value) ? "?" : $0
    }
    return String(UnicodeScalarView(clean)).cut(to: limit)
  }

  private func cut(to limit: Int) -> String { count > limit ? prefix(limit - 1) + "…" : self }
}
