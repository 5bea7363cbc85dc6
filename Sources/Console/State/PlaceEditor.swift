import Canvas
import Domain
import Projections
import Verbs

/// The grid on which the cores and GPUs of a notebook are chosen.
public struct PlaceEditor: Sendable, Hashable {
  var notebook: NotebookID
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

  /// How many places stand in a row.
  static let columns = 16

  var count: Int { cores.count + gpus.count }

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
  mutating func move(_ columns: Int, _ rows: Int) {
    func place(_ index: Int) -> (row: Int, column: Int) {
      let coreRows = (cores.count + Self.columns - 1) / Self.columns
      return index < cores.count
        ? (index / Self.columns, index % Self.columns)
        : (coreRows + (index - cores.count) / Self.columns, (index - cores.count) % Self.columns)
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
    guard let id = selected, let facts = shown[id],
      let node = shown.nodes.first(where: { $0.node.id == facts.notebook.node })
    else {
      say(.warning, "no notebook is selected")
      return []
    }
    guard mayGive([.hold(id)]) else { return [] }
    layer = .editor(
      PlaceEditor(
        notebook: id, node: node.node.id, cores: Array(node.node.cores), gpus: Array(node.node.gpuSet),
        chosenCores: facts.pin?.cores ?? facts.cell?.allotment?.cores ?? CoreSet(),
        chosenGPUs: facts.pin?.gpus ?? facts.cell?.allotment?.gpus ?? GPUSet(), alone: facts.pin?.reserves ?? false))
    return []
  }

  mutating func handle(_ press: KeyPress, in editor: PlaceEditor) -> [Intent] {
    var editor = editor
    switch press.key {
    case .escape:
      layer = nil
      return []
    case .enter:
      layer = nil
      return apply(editor)
    case .left, .character("h"): editor.move(-1, 0)
    case .right, .character("l"): editor.move(1, 0)
    case .up, .character("k"): editor.move(0, -1)
    case .down, .character("j"): editor.move(0, 1)
    case .home: editor.cursor = 0
    case .end: editor.cursor = max(editor.count - 1, 0)
    case .tab: editor.cursor = editor.cursor < editor.cores.count && !editor.gpus.isEmpty ? editor.cores.count : 0
    case .character(" "):
      guard mayOrder(), editor.count > 0 else { return [] }
      editor.toggle()
    case .character("o"): editor.alone.toggle()
    case .character("n"): (editor.chosenCores, editor.chosenGPUs) = (CoreSet(), GPUSet())
    case .character, .function, .pageUp, .pageDown, .insert, .delete, .backspace: break
    }
    layer = .editor(editor)
    return []
  }

  private mutating func apply(_ editor: PlaceEditor) -> [Intent] {
    guard mayOrder(), let facts = shown[editor.notebook] else { return [] }
    let whom = Line.Whom.these(["#\(editor.notebook.number)"])
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
