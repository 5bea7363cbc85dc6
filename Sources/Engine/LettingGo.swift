import Domain

extension Scheduler {
  /// Lets go of what nobody asks any more about a notebook that has closed: its path, the names of its kernel and gate, its last cell.
  /// Whose it was, its priority and how long its cells ran stay, which a policy may ask; so does what a kernel that is started
  /// anew takes over. No entry tells of it, because no decision hangs on it. Of an open notebook it lets go of nothing.
  public mutating func letGo(of id: NotebookID) { ledger.state.letGo(of: id) }
}

extension SchedulerState {
  mutating func letGo(of id: NotebookID) {
    guard contains(id), self[id].state == .gone else { return }
    let index = Int(id.number)
    notebooks[index] = bare(index)
    (descriptions[index].path, descriptions[index].kernel, descriptions[index].gate) = ("", "", "")
  }

  /// A closed notebook's slot without its last cell and what was ordered of it.
  func bare(_ index: Int) -> NotebookSlot {
    var bare = NotebookSlot(descriptions[index])
    bare.state = .gone
    bare.priority = notebooks[index].priority
    bare.attainedBefore = notebooks[index].attainedBefore
    return bare
  }
}
