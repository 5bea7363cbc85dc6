/// What comes next, for each notebook at most one thing: a 4-ary heap that knows where each notebook stands in it.
///
/// The order is total: by time, then by `order`, which the simulator gives.
package struct Agenda: Sendable {
  package struct Item: Sendable {
    package var time: Int64
    package var order: UInt64
    package var notebook: Int32

    @inline(__always) static func < (a: Item, b: Item) -> Bool {
      a.time != b.time ? a.time < b.time : a.order < b.order
    }
  }

  private var heap: ContiguousArray<Item> = []
  private var places: ContiguousArray<Int32>

  package init(notebooks: Int) {
    places = ContiguousArray(repeating: -1, count: notebooks)
  }

  package var first: Item? { heap.first }

  /// Sets a notebook's next event, in place of the one it had.
  package mutating func set(_ notebook: Int32, at time: Int64, order: UInt64) {
    let item = Item(time: time, order: order, notebook: notebook)
    let place = Int(places[Int(notebook)])
    if place < 0 {
      heap.append(item)
      rise(heap.count - 1, item)
    } else if item < heap[place] {
      rise(place, item)
    } else {
      sink(place, item)
    }
  }

  package mutating func remove(_ notebook: Int32) {
    let place = Int(places[Int(notebook)])
    guard place >= 0 else { return }
    places[Int(notebook)] = -1
    let last = heap.removeLast()
    guard last.notebook != notebook else { return }
    if place > 0, last < heap[(place - 1) >> 2] { rise(place, last) } else { sink(place, last) }
  }

  private mutating func rise(_ start: Int, _ item: Item) {
    heap.withUnsafeMutableBufferPointer { heap in
      places.withUnsafeMutableBufferPointer { places in
        var at = start
        while at > 0 {
          let parent = (at - 1) >> 2
          guard item < heap[parent] else { break }
          heap[at] = heap[parent]
          places[Int(heap[at].notebook)] = Int32(at)
          at = parent
        }
        heap[at] = item
        places[Int(item.notebook)] = Int32(at)
      }
    }
  }

  private mutating func sink(_ start: Int, _ item: Item) {
    heap.withUnsafeMutableBufferPointer { heap in
      places.withUnsafeMutableBufferPointer { places in
        var at = start
        while true {
          let from = at << 2 + 1
          guard from < heap.count else { break }
          var least = from
          let to = min(from + 4, heap.count)
          var child = from + 1
          while child < to {
            if heap[child] < heap[least] { least = child }
            child += 1
          }
          guard heap[least] < item else { break }
          heap[at] = heap[least]
          places[Int(heap[at].notebook)] = Int32(at)
          at = least
        }
        heap[at] = item
        places[Int(item.notebook)] = Int32(at)
      }
    }
  }
}
