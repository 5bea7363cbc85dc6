import Domain

/// What is left of notebooks that have closed, for the next ones of the same user and document: of the latest `most`, so that
/// what is kept does not grow for ever with the documents that were ever opened.
public struct Legacies<Value: Sendable>: Sendable {
  private let most: Int
  private var values: [String: Value] = [:]
  /// Whose was left first stands first.
  private var order: [String] = []

  public init(most: Int = 4096) { self.most = max(most, 1) }

  public var count: Int { values.count }

  /// Keeps what is left of a document (`Notebook.documentKey`) in place of what was before; nil for nothing.
  public mutating func leave(_ value: Value?, for document: String) {
    take(document)
    guard let value else { return }
    if order.count >= most { values[order.removeFirst()] = nil }
    values[document] = value
    order.append(document)
  }

  /// Hands out what is left of a document, once.
  @discardableResult public mutating func take(_ document: String) -> Value? {
    guard let value = values.removeValue(forKey: document) else { return nil }
    order.removeAll { $0 == document }
    return value
  }
}

/// What an operator ordered of a notebook that is gone: the next one of the same user and document, which is what a
/// restarted kernel is, gets the same orders.
struct Legacy: Sendable {
  private var priority: Int32?
  private var pin: Pin?
  private var isHeld: Bool
  private var demandOverride: Demand?

  /// Nil where nothing was ordered.
  init?(of slot: NotebookSlot, opened: Notebook) {
    priority = slot.priority == opened.priority ? nil : slot.priority
    pin = slot.pin
    isHeld = slot.isHeld
    demandOverride = slot.demandOverride
    if priority == nil, pin == nil, !isHeld, demandOverride == nil { return nil }
  }

  /// The same orders for its successor.
  func events(for id: NotebookID, on node: NodeID) -> [Event] {
    var events: [Event] = []
    if let priority { events.append(.priorityChanged(id, priority)) }
    if let pin, pin.node == node { events.append(.pinned(id, pin)) }
    if isHeld { events.append(.held(id)) }
    if let demandOverride { events.append(.demandOverridden(id, demandOverride)) }
    return events
  }
}
