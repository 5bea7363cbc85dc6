import CHwloc
import Domain

/// Reads which cores share what, through hwloc.
public enum HardwareTopology {
  /// This machine's topology, cut to `cores`; nil where hwloc cannot tell.
  public static func here(cores: CoreSet) -> CoreTopology? { read(synthetic: nil)?.restricted(to: cores) }

  /// A topology described in hwloc's synthetic form, such as `pack:2 l3:2 core:4 pu:2`; nil where it is none.
  static func synthetic(_ description: String) -> CoreTopology? { read(synthetic: description) }

  private static func read(synthetic: String?) -> CoreTopology? {
    var made: hwloc_topology_t?
    guard hwloc_topology_init(&made) == 0, let topology = made else { return nil }
    defer { hwloc_topology_destroy(topology) }
    if let synthetic, hwloc_topology_set_synthetic(topology, synthetic) != 0 { return nil }
    guard hwloc_topology_load(topology) == 0 else { return nil }
    let units = domains(topology, HWLOC_OBJ_PU)
    func found(_ type: hwloc_obj_type_t, otherwise: [CoreSet]) -> [CoreSet] {
      let all = domains(topology, type)
      return all.isEmpty ? otherwise : all
    }
    let whole = [units.reduce(into: CoreSet()) { $0.formUnion($1) }]
    let packages = found(HWLOC_OBJ_PACKAGE, otherwise: whole)
    // The last level that more than one core shares; where none is told, the package stands for it.
    let level3 = domains(topology, HWLOC_OBJ_L3CACHE)
    let level2 = domains(topology, HWLOC_OBJ_L2CACHE)
    let physical = found(HWLOC_OBJ_CORE, otherwise: units)
    let caches = !level3.isEmpty ? level3 : level2.count < physical.count && !level2.isEmpty ? level2 : packages
    return CoreTopology(
      physical: physical, caches: caches, numaNodes: found(HWLOC_OBJ_NUMANODE, otherwise: packages),
      packages: packages)
  }

  /// The logical cores, by the operating system's numbers, below each object of a type.
  private static func domains(_ topology: hwloc_topology_t, _ type: hwloc_obj_type_t) -> [CoreSet] {
    var all: [CoreSet] = []
    var next = hwloc_get_next_obj_by_type(topology, type, nil)
    while let object = next {
      var cores = CoreSet()
      if let set = object.pointee.cpuset {
        var core = hwloc_bitmap_next(set, -1)
        while core >= 0, Int(core) <= CoreSet.greatest {
          cores.insert(Int(core))
          core = hwloc_bitmap_next(set, core)
        }
      }
      all.append(cores)
      next = hwloc_get_next_obj_by_type(topology, type, object)
    }
    return all
  }
}
