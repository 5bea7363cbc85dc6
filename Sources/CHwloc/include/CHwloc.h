#pragma once
// Portable Hardware Locality (https://www.open-mpi.org/projects/hwloc/), as it is.
#include <hwloc.h>
