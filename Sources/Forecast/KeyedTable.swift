/// Values by key, the least recently used forgotten beyond `most`. Finding, adding and forgetting take constant time.
struct KeyedTable<Value: Sendable & Hashable>: Sendable, Hashable {
  private struct Slot: Sendable, Hashable {
    var key: UInt64
    var value: Value
    /// Neighbours in the order of use; -1 at the ends.
    var newer: Int32
    var older: Int32
  }

  let most: Int
  private var places: [UInt64: Int32] = [:]
  private var slots: [Slot] = []
  private var newest: Int32 = -1
  private var oldest: Int32 = -1

  init(most: Int) { self.most = max(most, 1) }

  var count: Int { slots.count }

  /// What is known of a key; reading is no use.
  subscript(key: UInt64) -> Value? { places[key].map { slots[Int($0)].value } }

  /// Changes the value of a key, or of a new one that begins as `fresh`.
  mutating func update(_ key: UInt64, from fresh: @autoclosure () -> Value, _ change: (inout Value) -> Void) {
    let place: Int32
    if let known = places[key] {
      place = known
      if newest != place {
        detach(place)
        attach(place)
      }
    } else if slots.count < most {
      place = Int32(slots.count)
      slots.append(Slot(key: key, value: fresh(), newer: -1, older: -1))
      places[key] = place
      attach(place)
    } else {
      place = oldest
      detach(place)
      places[slots[Int(place)].key] = nil
      slots[Int(place)].key = key
      slots[Int(place)].value = fresh()
      places[key] = place
      attach(place)
    }
    change(&slots[Int(place)].value)
  }

  private mutating func detach(_ place: Int32) {
    let slot = slots[Int(place)]
    if slot.newer >= 0 { slots[Int(slot.newer)].older = slot.older } else { newest = slot.older }
    if slot.older >= 0 { slots[Int(slot.older)].newer = slot.newer } else { oldest = slot.newer }
  }

  private mutating func attach(_ place: Int32) {
    slots[Int(place)].older = newest
    slots[Int(place)].newer = -1
    if newest >= 0 { slots[Int(newest)].newer = place }
    newest = place
    if oldest < 0 { oldest = place }
  }

  /// Every key and value, the least recently used first: adding them in this order gives an equal table.
  var inOrderOfUse: [(key: UInt64, value: Value)] {
    var result: [(key: UInt64, value: Value)] = []
    result.reserveCapacity(slots.count)
    var place = oldest
    while place >= 0 {
      result.append((slots[Int(place)].key, slots[Int(place)].value))
      place = slots[Int(place)].newer
    }
    return result
  }

  static func == (a: Self, b: Self) -> Bool {
    a.most == b.most && a.count == b.count
      && zip(a.inOrderOfUse, b.inOrderOfUse).allSatisfy { $0.key == $1.key && $0.value == $1.value }
  }

  func hash(into hasher: inout Hasher) { hasher.combine(count) }
}
