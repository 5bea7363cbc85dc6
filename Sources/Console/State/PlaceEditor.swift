import Canvas
import Domain
import Projections
import Verbs

/// The grid on which cores and GPUs are chosen.
public struct PlaceEditor: Sendable, Hashable {
  /// What they are chosen for.
  enum Purpose: Sendable, Hashable {
    /// To pin a notebook to them.
    case pin(NotebookID)
    /// To give them to no further cell; what was drained when the grid was opened, and is chosen no longer, is undrained.
    case drain(CoreSet, GPUSet)
  }

  var purpose: Purpose
  var node: NodeID
  /// What the node has, in order: its cores, then its GPUs.
  var cores: [Int]
  var gpus: [Int]
  var chosenCores: CoreSet
  var chosenGPUs: GPUSet
  /// Others are kept off them.
  var alone: Bool
  var cursor = 0
  /// Where a range began, for the next Space.
  var anchor: Int?

  /// The columns of a notebook's mark: two where letters have begun again.
  var markColumns = 1

  /// The cells of a place: a mark, the widest number, and whose it is.
  var placeWidth: Int { max("\(max(cores.last ?? 0, gpus.last ?? 0))".count, 2) + 1 + markColumns }

  /// How many places stand in a row of a screen so wide.
  func columns(within width: Int) -> Int { min(max((width - 4) / placeWidth, 1), 16) }

  var count: Int { cores.count + gpus.count }

  /// A row of the grid: a heading, or places side by side.
  enum GridRow {
    case heading(String)
    case places(Range<Int>)

    var count: Int { if case .places(let range) = self { range.count } else { 0 } }
  }

  /// The rows from the top; GPUs begin a row of their own.
  func gridRows(perRow: Int, headings: Bool) -> [GridRow] {
    func part(_ name: String, _ range: Range<Int>) -> [GridRow] {
      let rows = stride(from: range.lowerBound, to: range.upperBound, by: perRow).map {
        GridRow.places($0..<min($0 + perRow, range.upperBound))
      }
      return (headings ? [.heading(name)] : []) + rows
    }
    return part("cores", 0..<cores.count) + (gpus.isEmpty ? [] : part("GPUs", cores.count..<count))
  }

  mutating func toggle() {
    if cursor < cores.count {
      let core = cores[cursor]
      if chosenCores.contains(core) { chosenCores.remove(core) } else { chosenCores.insert(core) }
    } else {
      let gpu = gpus[cursor - cores.count]
      if chosenGPUs.contains(gpu) { chosenGPUs.remove(gpu) } else { chosenGPUs.insert(gpu) }
    }
  }

  /// Moves by places; GPUs begin a row of their own.
  ///
  /// - Parameter width: how many places stand in a row.
  mutating func move(_ columns: Int, _ rows: Int, width: Int) {
    func place(_ index: Int) -> (row: Int, column: Int) {
      let coreRows = (cores.count + width - 1) / width
      return index < cores.count
        ? (index / width, index % width)
        : (coreRows + (index - cores.count) / width, (index - cores.count) % width)
    }
    if rows == 0 {
      cursor = min(max(cursor + columns, 0), count - 1)
      return
    }
    let here = place(cursor)
    let candidates = (0..<count).filter { place($0).row == here.row + rows }
    if let next = candidates.last(where: { place($0).column <= here.column }) ?? candidates.first { cursor = next }
  }
}

extension ConsoleState {
  /// Opens the grid for the selected notebook: with its pin, else with what it runs on. In a replay it is to look at.
  mutating func openEditor() -> [Intent] {
    guard !isStray() else { return [] }
    guard let id = selected, let facts = shown[id],
      let node = shown.nodes.first(where: { $0.node.id == facts.notebook.node })
    else {
      say(.warning, "no notebook is selected")
      return []
    }
    guard mayGive([.hold(id)]) else { return [] }
    layer = .editor(
      PlaceEditor(
        purpose: .pin(id), node: node.node.id, cores: Array(node.node.cores), gpus: Array(node.node.gpuSet),
        chosenCores: facts.pin?.cores ?? facts.cell?.allotment?.cores ?? CoreSet(),
        chosenGPUs: facts.pin?.gpus ?? facts.cell?.allotment?.gpus ?? GPUSet(), alone: facts.pin?.reserves ?? false,
        markColumns: hasRepeatedLetters ? 2 : 1))
    return []
  }

  /// Opens the grid of what is drained: of the selected notebook's node, else of the first.
  ///
  /// - Parameter hit: the core or GPU to begin at; nil for the first core.
  mutating func openDrain(at hit: ScreenHit? = nil) -> [Intent] {
    guard mayOrder() else { return [] }
    let own = selected.flatMap { shown[$0]?.notebook.node }
    guard let node = shown.nodes.first(where: { $0.node.id == own }) ?? shown.nodes.first else {
      say(.warning, "no node is known yet")
      return []
    }
    guard mayGive([.drain(node.node.id, CoreSet(), GPUSet())]) else { return [] }
    var editor = PlaceEditor(
      purpose: .drain(node.drainedCores, node.drainedGPUs), node: node.node.id, cores: Array(node.node.cores),
      gpus: Array(node.node.gpuSet), chosenCores: node.drainedCores, chosenGPUs: node.drainedGPUs, alone: false,
      markColumns: hasRepeatedLetters ? 2 : 1)
    if case .core(let number, _) = hit { editor.cursor = editor.cores.firstIndex(of: number) ?? 0 }
    if case .gpu(let number, _) = hit {
      editor.cursor = editor.gpus.firstIndex(of: number).map { $0 + editor.cores.count } ?? 0
    }
    layer = .editor(editor)
    return []
  }

  mutating func handle(_ press: KeyPress, in editor: PlaceEditor) -> [Intent] {
    var editor = editor
    let width = editor.columns(within: size.columns > 0 ? size.columns : 80)
    switch press.key {
    case .escape:
      layer = nil
      return []
    case .enter:
      layer = nil
      return apply(editor)
    case .left, .character("h"): editor.move(-1, 0, width: width)
    case .right, .character("l"): editor.move(1, 0, width: width)
    case .up, .character("k"): editor.move(0, -1, width: width)
    case .down, .character("j"): editor.move(0, 1, width: width)
    case .home: editor.cursor = 0
    case .end: editor.cursor = max(editor.count - 1, 0)
    case .tab: editor.cursor = editor.cursor < editor.cores.count && !editor.gpus.isEmpty ? editor.cores.count : 0
    case .character(" "):
      guard mayOrder(), editor.count > 0 else { return [] }
      editor.toggle()
    case .character("o"): if case .pin = editor.purpose { editor.alone.toggle() }
    case .character("n"): (editor.chosenCores, editor.chosenGPUs) = (CoreSet(), GPUSet())
    case .character, .function, .pageUp, .pageDown, .insert, .delete, .backspace: break
    }
    layer = .editor(editor)
    return []
  }

  private mutating func apply(_ editor: PlaceEditor) -> [Intent] {
    switch editor.purpose {
    case .pin(let id): return pin(id, by: editor)
    case .drain(let cores, let gpus): return drain(by: editor, before: (cores, gpus))
    }
  }

  /// Asks before cores and GPUs are taken from everyone, with what it is likely to bring; only what was changed on the grid is
  /// ordered.
  private mutating func drain(by editor: PlaceEditor, before: (cores: CoreSet, gpus: GPUSet)) -> [Intent] {
    guard mayOrder() else { return [] }
    let drained = (editor.chosenCores.subtracting(before.cores), editor.chosenGPUs.subtracting(before.gpus))
    let back = (before.cores.subtracting(editor.chosenCores), before.gpus.subtracting(editor.chosenGPUs))
    var verbs: [Verb] = []
    if !back.0.isEmpty || !back.1.isEmpty { verbs.append(.undrain(editor.node, back.0, back.1)) }
    if !drained.0.isEmpty || !drained.1.isEmpty { verbs.append(.drain(editor.node, drained.0, drained.1)) }
    guard !verbs.isEmpty else {
      say(.warning, "no core and no GPU was changed; Space drains or undrains one")
      return []
    }
    guard mayGive(verbs) else { return [] }
    return ask(Confirmation(line: Line(.drain(drained.0, drained.1)), verbs: verbs, refused: [], word: nil))
  }

  private mutating func pin(_ id: NotebookID, by editor: PlaceEditor) -> [Intent] {
    guard mayOrder(), let facts = shown[id] else { return [] }
    let whom = Line.Whom.these(["#\(id.number)"])
    if editor.chosenCores.isEmpty, editor.chosenGPUs.isEmpty {
      guard facts.pin != nil else {
        say(.warning, "no core and no GPU is chosen, and \(facts.name) is not pinned")
        return []
      }
      return give(Line(.unpin, on: whom))
    }
    return give(Line(.pin(editor.chosenCores, editor.chosenGPUs, alone: editor.alone), on: whom))
  }
}
