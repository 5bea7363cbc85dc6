import Domain

/// A GPU as a gate needs to know it: its name for drivers, and whose it is.
public struct VisibleGPU: Codable, Hashable, Sendable {
  public var id: String
  public var maker: GPUMaker

  public init(id: String, maker: GPUMaker = .nvidia) {
    self.id = id
    self.maker = maker
  }

  private enum CodingKeys: String, CodingKey {
    case id, maker
  }

  /// Reads what an engine sent.
  ///
  /// - Throws: `DecodingError` where the name cannot be that of a GPU.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    id = try container.decode(String.self, forKey: .id)
    maker = try container.decodeIfPresent(GPUMaker.self, forKey: .maker) ?? .nvidia
    guard GPU.isID(id) else {
      throw DecodingError.dataCorruptedError(
        forKey: .id, in: container, debugDescription: "'\(id.printable(at: 40))' is no name of a GPU")
    }
  }
}
