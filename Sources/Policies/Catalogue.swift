import Engine

extension PolicyCatalogue {
  /// Every policy of celltop.
  public static var standard: PolicyCatalogue {
    var catalogue = PolicyCatalogue()
    catalogue.add(FirstCome.self)
    return catalogue
  }
}
