import CLinux
import Domain
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

/// The groups that a user is in, by name; remembered for a minute.
struct GroupBook {
  static let keptFor = Span(seconds: 60)

  private var known: [UInt32: (groups: Set<String>, until: Instant)] = [:]

  mutating func groups(of uid: UInt32, at now: Instant) -> Set<String> {
    if let entry = known[uid], entry.until > now { return entry.groups }
    if known.count > 1024 { known = [:] }
    let groups = Self.read(uid)
    known[uid] = (groups, now + Self.keptFor)
    return groups
  }

  private static func read(_ uid: UInt32) -> Set<String> {
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    var buffer = [CChar](repeating: 0, count: 16_384)
    guard getpwuid_r(uid, &entry, &buffer, buffer.count, &found) == 0, found != nil, let name = entry.pw_name else {
      return []
    }
    var count: Int32 = 256
    var numbers = [gid_t](repeating: 0, count: Int(count))
    guard getgrouplist(name, entry.pw_gid, &numbers, &count) >= 0 else { return [] }
    return Set(numbers.prefix(Int(max(count, 0))).compactMap(groupName))
  }

  private static func groupName(_ gid: gid_t) -> String? {
    var entry = group()
    var found: UnsafeMutablePointer<group>?
    var buffer = [CChar](repeating: 0, count: 65_536)
    guard getgrgid_r(gid, &entry, &buffer, buffer.count, &found) == 0, found != nil, let name = entry.gr_name else {
      return nil
    }
    return String(cString: name)
  }
}

/// Which standing orders operators gave, so that a notebook's author does not take them back.
struct OperatorsOrders {
  private enum Kind: Hashable { case hold, suspend, plan, pin, priority, demand }

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
  func stands(against verb: Verb) -> Bool {
    guard let id = verb.notebook, let kind = Self.kind(verb) else { return false }
    return places.contains(Place(notebook: id, kind: kind))
  }

  /// Keeps in mind an order that was accepted.
  mutating func note(_ verb: Verb, byOperator: Bool) {
    guard let id = verb.notebook, let kind = Self.kind(verb) else { return }
    let place = Place(notebook: id, kind: kind)
    switch verb {
    case .resume, .release, .unpin, .callOff, .overrideDemand(_, nil), .setPriority(_, 0): places.remove(place)
    case .suspend, .suspendAfter, .suspendAtEnd, .hold, .pin, .setPriority, .overrideDemand:
      if byOperator { places.insert(place) } else { places.remove(place) }
    case .interrupt, .drain, .undrain, .setPolicy: break
    }
  }

  /// What operators ordered of a notebook that closed, which the next one of the same user and document gets: a restarted kernel.
  private var legacies: [String: Set<Kind>] = [:]

  /// A notebook closed.
  ///
  /// - Parameter document: its user and its document.
  mutating func close(_ id: NotebookID, _ document: String) {
    let kinds = Set(places.filter { $0.notebook == id }.map(\.kind)).intersection([.hold, .pin, .priority, .demand])
    legacies[document] = kinds.isEmpty ? nil : kinds
    forget(id, all: true)
  }

  /// A notebook was opened.
  mutating func open(_ id: NotebookID, _ document: String) {
    for kind in legacies.removeValue(forKey: document) ?? [] { places.insert(Place(notebook: id, kind: kind)) }
  }

  /// A cell ended, and with it its suspension; a notebook closed, and with it all.
  mutating func forget(_ id: NotebookID, all: Bool) {
    // A suspension planned for the cell's end has become a hold by then.
    let becomesHold = !all && places.contains(Place(notebook: id, kind: .plan))
    places = places.filter { $0.notebook != id || (!all && $0.kind != .suspend && $0.kind != .plan) }
    if becomesHold { places.insert(Place(notebook: id, kind: .hold)) }
  }
}
