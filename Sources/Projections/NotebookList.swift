import Domain

/// The notebooks of a board, by number: a list whose copies share what neither has changed.
///
/// A screen keeps the board that it shows while the next one is folded. In one array, every change would copy what is known of
/// thousands of notebooks, and every frame would let go of as much; here a change copies the stretch in which its notebook stands.
public struct NotebookList: RandomAccessCollection, Sendable, Hashable {
  /// How many notebooks stand together: a power of two.
  @usableFromInline static let stretch = 32

  @usableFromInline var stretches: [[NotebookFacts]] = []
  public private(set) var endIndex = 0

  init() {}

  public var startIndex: Int { 0 }

  public internal(set) subscript(position: Int) -> NotebookFacts {
    // A copy, for a frame over thousands of notebooks too dear: that looks. No `_read`: built without optimisation, what its
    // caller takes out of it is let go of again after it has ended, in memory that is no longer its own (Swift 6.2;
    // MALLOC_PERTURB_=85 shows it).
    get { stretches[position / Self.stretch][position % Self.stretch] }
    _modify { yield &stretches[position / Self.stretch][position % Self.stretch] }
  }

  /// What `body` gives for a notebook, which is not copied: a borrowed parameter of this size would be, where its closure is
  /// not inlined. The place is valid within `body` only.
  @inlinable
  public func look<Value>(at id: NotebookID, _ body: (UnsafePointer<NotebookFacts>) -> Value) -> Value {
    let position = Int(id.number)
    let stretch = stretches[position / Self.stretch]
    precondition(position % Self.stretch < stretch.count, "no such notebook")
    return stretch.withUnsafeBufferPointer { body($0.baseAddress! + position % Self.stretch) }
  }

  /// What `body` gives for each of these notebooks, of which none is copied.
  @inlinable
  public func values<Value>(of ids: [NotebookID], _ body: (UnsafePointer<NotebookFacts>) -> Value) -> [Value] {
    ids.map { look(at: $0, body) }
  }

  mutating func append(_ facts: NotebookFacts) {
    if endIndex % Self.stretch == 0 {
      stretches.append([])
      stretches[stretches.count - 1].reserveCapacity(Self.stretch)
    }
    stretches[stretches.count - 1].append(facts)
    endIndex += 1
  }
}
