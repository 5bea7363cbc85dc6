import Domain

/// Tells the thread pools inside a kernel how many threads they may use.
///
/// Binding a process to fewer cores is not enough, and can be harmful: a BLAS that keeps two spinning threads on one core
/// was measured at 31 products a second, against 82 with one thread. So the number goes in by a silent
/// `execute_request` just ahead of the cell, on the same connection, which keeps their order.
///
/// The author sees nothing of it: the code runs in a namespace of its own, is silent, swallows every error, and touches
/// only libraries that are loaded already; those loaded later look at the affinity mask by themselves.
enum ThreadPools {
  /// One silent cell that tells the pools; nil where there is no way in this language.
  static func code(threads: Int, language: String?) -> String? {
    switch language?.lowercased() {
    // One statement that defines the function where it is missing, and calls it.
    case "python": "__import__('builtins').exec(\(python.jsonQuoted), {'celltop_threads': \(threads)})"
    case "r": r(threads)
    case "julia": julia(threads)
    default: nil
    }
  }

  /// R's own workers, and what is loaded or installed of packages that reach BLAS, OpenMP and data.table.
  private static func r(_ threads: Int) -> String {
    """
    invisible(local(suppressWarnings(suppressMessages(try({
      own <- suppressWarnings(as.integer(Sys.getenv("CELLTOP_OWN_THREADS")))
      n <- if (is.na(own) || own < 1L) \(threads)L else min(own, \(threads)L)
      options(mc.cores = n)
      if ("data.table" %in% loadedNamespaces()) data.table::setDTthreads(n)
      Sys.setenv(RCPP_PARALLEL_NUM_THREADS = n)
      if (requireNamespace("RhpcBLASctl", quietly = TRUE)) {
        RhpcBLASctl::blas_set_num_threads(n)
        RhpcBLASctl::omp_set_num_threads(n)
      }
    }, silent = TRUE)))))
    """
  }

  /// Julia's BLAS, where it is loaded; its own threads are fixed at its start.
  private static func julia(_ threads: Int) -> String {
    """
    let own = tryparse(Int, get(ENV, "CELLTOP_OWN_THREADS", ""))
      try
        for (key, library) in Base.loaded_modules
          key.name == "LinearAlgebra" || continue
          Base.invokelatest(library.BLAS.set_num_threads, own === nothing ? \(threads) : min(own, \(threads)))
        end
      catch
      end
      nothing
    end
    """
  }

  private static let python = #"""
    import sys
    pools = sys.modules.get('_celltop_pools')
    if pools is None:
        import types
        pools = types.ModuleType('_celltop_pools')
        exec('''
    import os, sys
    def by_hand(n):
        import ctypes
        names = ('scipy_openblas_set_num_threads64_', 'scipy_openblas_set_num_threads', 'openblas_set_num_threads64_',
                 'openblas_set_num_threads', 'MKL_Set_Num_Threads', 'omp_set_num_threads')
        with open('/proc/self/maps') as maps:
            paths = {line.split(None, 5)[5].strip() for line in maps if line.count('/')}
        for path in paths:
            name = path.rsplit('/', 1)[-1]
            if '.so' in name and any(part in name for part in ('openblas', 'mkl_rt', 'libgomp', 'libiomp', 'libomp')):
                library = ctypes.CDLL(path)
                for function in names:
                    if hasattr(library, function):
                        getattr(library, function)(ctypes.c_int(n))
                        break
    def limit(n):
        try:
            own = os.environ.get('OMP_NUM_THREADS', '').split(',')[0]
            if own.isdigit() and int(own) > 0:
                n = min(n, int(own))
            loaded = sys.modules
            if any(name in loaded for name in ('numpy', 'scipy', 'sklearn', 'torch', 'xgboost', 'lightgbm', 'faiss')):
                try:
                    from threadpoolctl import threadpool_limits
                except ImportError:
                    by_hand(n)
                else:
                    threadpool_limits(n)
            for name, setter in (('torch', 'set_num_threads'), ('numexpr', 'set_num_threads'), ('pyarrow', 'set_cpu_count')):
                if name in loaded:
                    getattr(loaded[name], setter)(n)
        except BaseException:
            pass
    ''', pools.__dict__)
        sys.modules['_celltop_pools'] = pools
    pools.limit(celltop_threads)
    """#

  /// The threads that a kernel's pools begin with; nil for what they choose by themselves.
  ///
  /// A Python kernel's pools look at the affinity mask when they are loaded, and are told before each cell whose number
  /// differs. Others are started on one thread where somebody schedules, which is what a cell gets that asks for nothing,
  /// and are told of more where there is a way.
  static func startThreads(language: String?, isScheduled: Bool) -> Int? {
    isScheduled && language.map { $0.lowercased() != "python" } == true ? 1 : nil
  }

  /// How long an idle OpenMP thread looks for work before it sleeps, unless the kernel's user chose something else.
  ///
  /// A cell has its cores to itself, so that looking costs nobody anything while it runs; sleeping at once cost a histogram boosting
  /// of many short loops 14 times its time on two cores. A thousand looks, some 20 µs, is about what it takes to wake a sleeper, and
  /// bounds what a cell loses whose threads have lost a core to others (Docs/Decisions/0110). `active` stands there for GNU's
  /// OpenMP: a library that was loaded on one core would otherwise never look on two. Intel's and LLVM's sleep at once.
  private static let idling = [("OMP_WAIT_POLICY", "active"), ("GOMP_SPINCOUNT", "1000"), ("KMP_BLOCKTIME", "0")]

  /// What a kernel's environment gets at its start: how its OpenMP threads wait, where its user says nothing of that, and with how
  /// many threads its pools begin, each where its user says nothing of it.
  ///
  /// `OMP_DYNAMIC=true` is left out on purpose: GNU's OpenMP then subtracts the machine's load average of the last 15
  /// minutes from the number of threads, so that on a busy node a granted core would stay unused.
  ///
  /// - Parameter own: the environment as the client gave it.
  static func environment(threads: Int?, own: [String: String]) -> [(String, String)] {
    let numbered = [
      "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "JULIA_NUM_THREADS", "MC_CORES",
      "RCPP_PARALLEL_NUM_THREADS", "R_DATATABLE_NUM_THREADS",
    ]
    // They belong together: of one that its user chose the rest would make something else.
    let waiting = idling.contains { own[$0.0] != nil } ? [] : idling
    return waiting + (threads.map { n in numbered.filter { own[$0] == nil }.map { ($0, "\(n)") } } ?? [])
  }
}
