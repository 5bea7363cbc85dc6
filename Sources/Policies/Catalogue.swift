import Engine

extension PolicyCatalogue {
  /// Every policy of celltop.
  public static var standard: PolicyCatalogue {
    var catalogue = PolicyCatalogue()
    catalogue.add(Dynamic.self)
    catalogue.add(Everything.self)
    catalogue.add(Partition.self)
    catalogue.add(Reservation.self)
    catalogue.add(FirstCome.self)
    catalogue.add(ShortestFirst.self)
    catalogue.add(Backfill.self)
    catalogue.add(FairShare.self)
    return catalogue
  }
}
