import Domain

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
