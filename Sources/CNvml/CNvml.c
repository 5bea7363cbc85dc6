#include "CNvml.h"

#include <dlfcn.h>
#include <string.h>

int celltop_nvml_open(const char *path, celltop_nvml *table) {
  memset(table, 0, sizeof *table);
  table->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!table->library) return -1;
  const struct {
    const char *name;
    void *place;
    int needed;
  } functions[] = {
      {"nvmlInit_v2", &table->init, 1},
      {"nvmlShutdown", &table->shutdown, 1},
      {"nvmlErrorString", &table->error_string, 1},
      {"nvmlSystemGetDriverVersion", &table->driver_version, 1},
      {"nvmlDeviceGetCount_v2", &table->device_count, 1},
      {"nvmlDeviceGetHandleByIndex_v2", &table->device_by_index, 1},
      {"nvmlDeviceGetUUID", &table->device_uuid, 1},
      {"nvmlDeviceGetName", &table->device_name, 1},
      {"nvmlDeviceGetMemoryInfo", &table->device_memory, 1},
      {"nvmlDeviceGetComputeRunningProcesses_v3", &table->device_processes, 1},
      {"nvmlDeviceGetMigMode", &table->mig_mode, 0},
      {"nvmlDeviceGetMaxMigDeviceCount", &table->mig_count, 0},
      {"nvmlDeviceGetMigDeviceHandleByIndex", &table->mig_device, 0},
  };
  for (unsigned i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    void *found = dlsym(table->library, functions[i].name);
    if (!found && functions[i].needed) {
      celltop_nvml_close(table);
      return 1;
    }
    memcpy(functions[i].place, &found, sizeof found);
  }
  return 0;
}

void celltop_nvml_close(celltop_nvml *table) {
  if (table->library) dlclose(table->library);
  memset(table, 0, sizeof *table);
}
