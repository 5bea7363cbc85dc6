#pragma once
// The NVIDIA Management Library (NVML API Reference Guide), opened at run time: a machine without it has no such GPUs.
// Only what is used of it is declared here; the types are those of nvml.h.

typedef void *celltop_nvml_device;

typedef struct {
  unsigned long long total, free, used;
} celltop_nvml_memory;

// nvmlProcessInfo_v2_t, which nvmlDeviceGetComputeRunningProcesses_v3 fills in.
typedef struct {
  unsigned int pid;
  unsigned long long used_memory;
  unsigned int gpu_instance, compute_instance;
} celltop_nvml_process;

// nvmlReturn_t's that mean something to us.
enum { CELLTOP_NVML_SUCCESS = 0, CELLTOP_NVML_INSUFFICIENT_SIZE = 7 };

typedef struct {
  void *library;
  int (*init)(void);
  int (*shutdown)(void);
  const char *(*error_string)(int);
  int (*driver_version)(char *, unsigned int);
  int (*device_count)(unsigned int *);
  int (*device_by_index)(unsigned int, celltop_nvml_device *);
  int (*device_uuid)(celltop_nvml_device, char *, unsigned int);
  int (*device_name)(celltop_nvml_device, char *, unsigned int);
  int (*device_memory)(celltop_nvml_device, celltop_nvml_memory *);
  int (*device_processes)(celltop_nvml_device, unsigned int *, celltop_nvml_process *);
  // These three are missing in old drivers; null then.
  int (*mig_mode)(celltop_nvml_device, unsigned int *current, unsigned int *pending);
  int (*mig_count)(celltop_nvml_device, unsigned int *);
  int (*mig_device)(celltop_nvml_device, unsigned int, celltop_nvml_device *);
} celltop_nvml;

// Opens the library at `path` (or of that name) and finds its functions; it is not initialised yet.
// Returns 0; -1 where there is no such library; 1 where it lacks a function.
int celltop_nvml_open(const char *path, celltop_nvml *table);
// Closes it.
void celltop_nvml_close(celltop_nvml *table);
