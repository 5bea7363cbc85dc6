extension Event {
  /// The notebook that may be let go of after this event, where those are kept whole that are open, or among the last `kept` of
  /// `count`; nil for none. Whether that one has closed is for whoever asks to see.
  public func letsGo(keeping kept: Int, of count: Int) -> NotebookID? {
    let place: Int
    if case .notebookOpened = self {
      place = count - 1 - kept
    } else if case .notebookClosed(let id) = self {
      place = Int(id.number)
    } else {
      return nil
    }
    return place >= 0 && place < count - kept ? NotebookID(Int32(place)) : nil
  }
}
