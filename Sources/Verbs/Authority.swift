import Domain

extension Verb {
  /// Why the author of notebooks, who is no operator, may not give the order; nil where nothing speaks against it. What there
  /// is not the engine refuses.
  ///
  /// - Parameters:
  ///   - owner: the user of the notebook that the order is about; nil where it is about none that is known.
  ///   - isOverridden: whether an operator gave the standing order that this one would take back or replace.
  public func refusal(toAuthor user: String, owner: String?, isOverridden: Bool = false) -> Refusal? {
    guard notebook != nil else {
      return Refusal(.notAllowed, "'\(word)' is about the whole node: only an operator may say so")
    }
    guard let owner else { return nil }
    guard owner == user else { return Refusal(.notAllowed, "it is \(owner)'s notebook: you may order your own about") }
    switch self {
    case .setPriority(_, let value) where value > 0:
      return Refusal(.notAllowed, "only an operator may raise a priority above 0")
    case .pin(_, let pin) where pin.reserves:
      return Refusal(.notAllowed, "only an operator may keep others off cores and GPUs")
    case .release, .resume, .unpin, .setPriority, .overrideDemand, .pin, .callOff:
      return isOverridden ? Refusal(.notAllowed, "an operator ordered it so: only an operator may take it back") : nil
    // It would change nothing but whose order it is.
    case .hold: return isOverridden ? Refusal(.notAllowed, "an operator holds it already") : nil
    case .suspend, .suspendAfter, .suspendAtEnd:
      return isOverridden ? Refusal(.notAllowed, "an operator has suspended it, or is going to") : nil
    case .interrupt, .drain, .undrain, .setPolicy: return nil
    }
  }
}
