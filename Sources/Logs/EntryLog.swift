import Domain
import Logging

/// Says of a session's entries what whoever runs the server wants to read: what went wrong as warnings, who came and
/// went, and every cell on `debug`.
///
/// A kernel that ends with no cell in hand ended as kernels do; one that takes its cell along did not. A gate tells of its kernel's
/// end before it goes: one that goes without a word was killed, or is lost.
public struct EntryLog: Sendable {
  private let logger: Logger
  private var names: [NotebookID: String] = [:]
  /// Notebooks whose kernel has ended.
  private var ended: Set<NotebookID> = []
  /// Notebooks whose last cell was lost: what is said next of their kernel says why.
  private var losing: Set<NotebookID> = []

  public init(_ logger: Logger) { self.logger = logger }

  public mutating func take(_ entries: [Entry]) { for entry in entries { take(entry) } }

  private mutating func take(_ entry: Entry) {
    switch entry.event {
    case .policyChanged(let name): logger.notice("the policy decides", metadata: ["policy": "\(name)"])
    case .nodeAdded(let node):
      logger.notice(
        "the node is there", metadata: ["node": "\(node.name)", "cores": "\(node.cores)", "gpus": "\(node.gpus.count)"])
    case .drainChanged(let id, let cores, let gpus):
      logger.notice("drained", metadata: ["node": "\(id.number)", "cores": "\(cores)", "gpus": "\(gpus)"])
    case .notebookOpened(let notebook):
      names[notebook.id] = notebook.path
      logger.info("a notebook opened", metadata: facts(notebook.id, ["user": "\(notebook.user)"]))
    case .notebookClosed(let id):
      if ended.remove(id) != nil {
        logger.info("a notebook closed", metadata: facts(id))
      } else {
        logger.warning("a notebook closed, for its gate was killed or is lost", metadata: facts(id))
      }
      names[id] = nil
      losing.remove(id)
    case .kernelReady(let id): ended.remove(id)
    case .kernelDied(let id):
      ended.insert(id)
      if losing.remove(id) != nil {
        logger.warning("a kernel died, and its cell is lost", metadata: facts(id))
      } else {
        logger.info("a kernel ended", metadata: facts(id))
      }
    case .effectFailed(let id, let sequence, let why):
      logger.warning(
        "an order could not be carried out", metadata: facts(id, ["entry": "\(sequence)", "why": "\(why)"]))
    case .commandAccepted(let command): say(command, "ordered", why: command.why)
    case .commandRefused(let command, let refusal): say(command, "an order was refused", why: refusal.description)
    case .decisionRefused(let refusal):
      logger.error("celltop's policy decided wrongly, which is a bug", metadata: ["why": "\(refusal)"])
    case .invariantBroken(let text):
      logger.error("celltop's books do not add up, which is a bug", metadata: ["why": "\(text)"])
    case .cellRefused(let cell, let refusal):
      logger.info("a cell can never run here", metadata: facts(cell.notebook, ["why": "\(refusal)"]))
    case .cellQueued(let cell):
      losing.remove(cell.notebook)
      logger.debug("queued", metadata: facts(cell.notebook, ["cell": "\(cell.id.number)"]))
    case .cellStarted(let cell, let id, let allotment, _):
      logger.debug("started", metadata: facts(id, ["cell": "\(cell.number)", "cores": "\(allotment.cores)"]))
    case .cellAdopted(let cell, _, let allotment):
      logger.info(
        "a running cell was adopted",
        metadata: facts(cell.notebook, ["cell": "\(cell.id.number)", "cores": "\(allotment.cores)"]))
    case .cellSuspended(let cell, let id, let reason):
      logger.debug("suspended", metadata: facts(id, ["cell": "\(cell.number)", "rule": "\(reason.rule)"]))
    case .cellResumed(let cell, let id, _, _): logger.debug("resumed", metadata: facts(id, ["cell": "\(cell.number)"]))
    case .cellEnded(let cell, let id, let outcome):
      if outcome == .lost { losing.insert(id) }
      logger.debug("ended", metadata: facts(id, ["cell": "\(cell.number)", "outcome": "\(outcome.word)"]))
    case .backlogChanged, .cellWaits, .cellResized, .interruptRequested, .priorityChanged, .pinned,
      .unpinned, .held, .released, .resumeOrdered, .demandOverridden, .usageSampled, .memoryEvicted,
      .suspensionPlanned, .suspensionCalledOff, .gpusSeen:
      break
    }
  }

  private func say(_ command: Command, _ what: String, why: String) {
    var known: Logger.Metadata = ["by": "\(command.author)", "order": "\(command.verb.word)"]
    if !why.isEmpty { known["why"] = "\(why)" }
    logger.notice("\(what)", metadata: command.verb.notebook.map { facts($0, known) } ?? known)
  }

  private func facts(_ id: NotebookID, _ more: Logger.Metadata = [:]) -> Logger.Metadata {
    more.merging(["notebook": "\(names[id] ?? "\(id.number)")"]) { $1 }
  }
}
