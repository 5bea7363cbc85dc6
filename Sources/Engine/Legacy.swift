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

/// Which notebooks of each user and document are open: a kernel that is restarted may be there before its predecessor is gone.
public struct OpenDocuments: Sendable {
  private var ids: [String: [NotebookID]] = [:]

  public init() {}

  /// Adds a notebook to those of a document (`Notebook.documentKey`).
  ///
  /// - Returns: the one that was opened last of those that are open still: whose successor it is.
  public mutating func open(_ id: NotebookID, _ document: String) -> NotebookID? {
    defer { ids[document, default: []].append(id) }
    return ids[document]?.last
  }

  /// Takes a notebook away that has closed.
  ///
  /// - Returns: its successor, which was opened after it and is open still; nil where there is none.
  public mutating func close(_ id: NotebookID, _ document: String) -> NotebookID? {
    ids[document]?.removeAll { $0 == id }
    if ids[document]?.isEmpty == true { ids[document] = nil }
    return ids[document]?.first { $0 > id }
  }
}

/// What an operator ordered of a notebook: the next one of the same user and document, which is what a restarted kernel is,
/// gets the same orders, whether this one is gone by then or not.
struct Legacy: Sendable {
  private var priority: Int32?
  private var pin: Pin?
  private var isHeld: Bool
  private var demandOverride: Demand?

  /// Nil where nothing was ordered.
  init?(of slot: NotebookSlot, opened: Notebook) {
    priority = slot.priority == opened.priority ? nil : slot.priority
    pin = slot.pin
    // What is to be held at its cell's end is, where the cell ends with its kernel.
    isHeld = slot.isHeld || slot.planned.map { $0.due == nil } ?? false
    demandOverride = slot.demandOverride
    if priority == nil, pin == nil, !isHeld, demandOverride == nil { return nil }
  }

  /// The same orders for its successor.
  ///
  /// - Parameter isOpen: whether the predecessor is open still: what it reserves it keeps everybody off, the successor too,
  ///   which gets such a pin once it is gone.
  func events(for id: NotebookID, on node: NodeID, besides isOpen: Bool = false) -> [Event] {
    var events: [Event] = []
    if let priority { events.append(.priorityChanged(id, priority)) }
    if let pin, pin.node == node, !isOpen || !pin.reserves { events.append(.pinned(id, pin)) }
    if isHeld { events.append(.held(id)) }
    if let demandOverride { events.append(.demandOverridden(id, demandOverride)) }
    return events
  }
}
