import Domain

/// Where a waiting cell stands, for its author.
public struct Standing: Codable, Hashable, Sendable {
  /// What it waits for: "waiting for 1 GPU".
  public var need: String
  /// 1 for the next to start; nil where the line does not decide.
  public var place: Int32?
  /// Seconds from now until it is expected to start; nil where nothing can be said.
  public var expectedSeconds: Double?
  /// Seconds from now until it is later than foreseen.
  public var latestSeconds: Double?

  public init(need: String, place: Int32?, expectedSeconds: Double? = nil, latestSeconds: Double? = nil) {
    self.need = need
    self.place = place
    self.expectedSeconds = expectedSeconds
    self.latestSeconds = latestSeconds
  }

  /// The standing of a wait at `now`.
  public init(_ wait: Wait, at now: Instant) {
    self.init(
      need: wait.need, place: wait.isOperators ? nil : wait.place,
      expectedSeconds: wait.expected.map { ($0.median - now).seconds },
      latestSeconds: wait.expected.map { ($0.late - now).seconds })
  }
}
