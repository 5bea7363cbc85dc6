import CLinux
import Domain
import Engine
import Foundation
import ServerLink
import Verbs

/// Who may do what with the server, by the user at the other end of a connection.
public struct AccessRules: Sendable, Hashable {
  /// What somebody is whom no list names.
  public enum Everyone: String, Sendable, Hashable, CaseIterable {
    case author, observer, nobody
  }

  /// Login names that may do everything, besides root and the server's own user.
  public var operators: Set<String> = []
  /// Groups whose members may.
  public var operatorGroups: Set<String> = []
  /// Login names that may only look, whatever `everyone` says.
  public var observers: Set<String> = []
  public var observerGroups: Set<String> = []
  public var everyone = Everyone.author
  /// Whether everybody sees the paths, the code's hashes and the processes of everybody's notebooks, not only of the own ones.
  public var showsPaths = false
  /// Whether gates tell the cells' code, for operators and the notebooks' authors to see; it is recorded nowhere.
  public var showsCode = false

  public init() {}

  /// The role of a user.
  ///
  /// - Parameter groups: the names of the groups that the user is in.
  /// - Returns: nil where the user may not even look.
  public func role(uid: UInt32, user: String, groups: Set<String>, serverUser: UInt32) -> ClientRole? {
    if uid == 0 || uid == serverUser { return .operator }
    if operators.contains(user) || !operatorGroups.isDisjoint(with: groups) { return .operator }
    if observers.contains(user) || !observerGroups.isDisjoint(with: groups) { return .observer }
    switch everyone {
    case .author: return .author
    case .observer: return .observer
    case .nobody: return nil
    }
  }

  /// Why a role may not give an order; nil where it may.
  ///
  /// - Parameters:
  ///   - owner: the user of the notebook that the order is about; nil where it is about none that is known.
  ///   - isOverridden: whether an operator gave the standing order that this one would take back.
  public static func refusal(
    of verb: Verb, by user: String, _ role: ClientRole, owner: String?, isOverridden: Bool
  ) -> Refusal? {
    switch role {
    case .operator: return nil
    case .observer: return Refusal(.notAllowed, "you are an observer here: you may look, and order nothing")
    case .author: return verb.refusal(toAuthor: user, owner: owner, isOverridden: isOverridden)
    }
  }
}

/// Which standing orders operators gave, so that a notebook's author does not take them back.
struct OperatorsOrders {
  /// `end` goes with a `plan` for the cell's end.
  private enum Kind: Hashable { case hold, suspend, plan, end, pin, priority, demand }

  private struct Place: Hashable {
    var notebook: NotebookID
    var kind: Kind
  }

  private var places: Set<Place> = []

  private static func kind(_ verb: Verb) -> Kind? {
    switch verb {
    case .suspend, .resume: .suspend
    case .suspendAfter, .suspendAtEnd, .callOff: .plan
    case .hold, .release: .hold
    case .pin, .unpin: .pin
    case .setPriority: .priority
    case .overrideDemand: .demand
    case .interrupt, .drain, .undrain, .setPolicy: nil
    }
  }

  /// Whether an operator gave the order that this one would change.
  ///
  /// - Parameter isPlanned: whether a suspension is planned for the notebook's cell at present: one whose time has come is a
  ///   suspension, and its giver's as before. A board that is ahead of the order errs towards the operator.
  func stands(against verb: Verb, isPlanned: Bool = false) -> Bool {
    guard let id = verb.notebook, let kind = Self.kind(verb) else { return false }
    if places.contains(Place(notebook: id, kind: kind)) { return true }
    // A suspension now would do away with the plan.
    let isOfPlan = if case .suspend = verb { true } else { kind == .suspend && !isPlanned }
    return isOfPlan && places.contains(Place(notebook: id, kind: .plan))
  }

  /// Keeps in mind an order that was accepted. An author's never takes the place of an operator's: it is refused where it would
  /// change anything.
  mutating func note(_ verb: Verb, byOperator: Bool, isPlanned: Bool = false) {
    guard let id = verb.notebook, let kind = Self.kind(verb) else { return }
    let place = Place(notebook: id, kind: kind)
    let plans: Set = [Place(notebook: id, kind: .plan), Place(notebook: id, kind: .end)]
    switch verb {
    case .release, .unpin, .overrideDemand(_, nil), .setPriority(_, 0): places.remove(place)
    case .callOff: places.subtract(plans)
    case .resume:
      places.remove(place)
      if !isPlanned { places.subtract(plans) }
    case .suspend, .suspendAfter, .suspendAtEnd, .hold, .pin, .setPriority, .overrideDemand:
      guard byOperator else { return }
      if kind == .suspend || kind == .plan { places.subtract(plans) }
      places.insert(place)
      if case .suspendAtEnd = verb { places.insert(Place(notebook: id, kind: .end)) }
    case .interrupt, .drain, .undrain, .setPolicy: break
    }
  }

  /// What operators ordered of a notebook that closed, which the next one of the same user and document gets: a restarted kernel.
  private var legacies = Legacies<Set<Kind>>()
  private var openDocuments = OpenDocuments()

  /// A notebook closed.
  ///
  /// - Parameter document: its user and its document.
  mutating func close(_ id: NotebookID, _ document: String) {
    let kinds = legacy(of: id)
    // A successor that is open already has them.
    if openDocuments.close(id, document) == nil { legacies.leave(kinds.isEmpty ? nil : kinds, for: document) }
    forget(id, all: true)
  }

  /// A notebook was opened.
  mutating func open(_ id: NotebookID, _ document: String) {
    let predecessor = openDocuments.open(id, document)
    for kind in legacies.take(document) ?? predecessor.map({ legacy(of: $0) }) ?? [] {
      places.insert(Place(notebook: id, kind: kind))
    }
  }

  /// What operators ordered of a notebook that the next one of its document gets, too.
  private func legacy(of id: NotebookID) -> Set<Kind> {
    let kinds = Set(places.filter { $0.notebook == id }.map(\.kind))
    // What is to be held at its cell's end is, where the cell ends with its kernel.
    return kinds.intersection([.hold, .pin, .priority, .demand]).union(kinds.contains(.end) ? [.hold] : [])
  }

  /// A cell ended, and with it its suspension; a notebook closed, and with it all.
  mutating func forget(_ id: NotebookID, all: Bool) {
    // A suspension planned for the cell's end has become a hold by then.
    let becomesHold = !all && places.contains(Place(notebook: id, kind: .end))
    let ofCell: Set<Kind> = [.suspend, .plan, .end]
    places = places.filter { $0.notebook != id || (!all && !ofCell.contains($0.kind)) }
    if becomesHold { places.insert(Place(notebook: id, kind: .hold)) }
  }
}
