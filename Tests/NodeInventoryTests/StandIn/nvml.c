// A library in the place of NVIDIA's libnvidia-ml.so.1, for machines without such a GPU. What it plays is chosen when it
// is compiled: GPUS whole GPUs of 80 GiB; MIG=n cuts GPU n into three parts, or into PARTS; LOST=n lets GPU n fall off the bus;
// PROCESSES on each GPU; BROKEN fails to start as a library without a driver does; OLD lacks what old drivers lack.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef GPUS
#define GPUS 2
#endif
#ifndef MIG
#define MIG -1
#endif
#ifndef PARTS
#define PARTS 3
#endif
#ifndef LOST
#define LOST -1
#endif
#ifndef PROCESSES
#define PROCESSES 1
#endif

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15 };

struct device {
  int gpu, part;  // part -1: the whole
};
struct memory {
  unsigned long long total, free, used;
};
struct process {
  unsigned int pid;
  unsigned long long used;
  unsigned int gpu_instance, compute_instance;
};

static struct device whole[64], parts[64][7];
static int started;

int nvmlInit_v2(void) {
#ifdef BROKEN
  return DRIVER_NOT_LOADED;
#else
  for (int i = 0; i < 64; i++) {
    whole[i] = (struct device){i, -1};
    for (int j = 0; j < 7; j++) parts[i][j] = (struct device){i, j};
  }
  started++;
  return SUCCESS;
#endif
}

int nvmlShutdown(void) { return started-- > 0 ? SUCCESS : 1; }

const char *nvmlErrorString(int error) {
  switch (error) {
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case GPU_IS_LOST: return "GPU is lost";
    default: return "Unknown Error";
  }
}

int nvmlSystemGetDriverVersion(char *text, unsigned int room) {
  return snprintf(text, room, "570.86.15") < (int)room ? SUCCESS : INSUFFICIENT_SIZE;
}

int nvmlDeviceGetCount_v2(unsigned int *count) {
  *count = GPUS;
  return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device) {
  if (index >= GPUS) return INVALID_ARGUMENT;
  if ((int)index == LOST) return GPU_IS_LOST;
  *device = &whole[index];
  return SUCCESS;
}

int nvmlDeviceGetUUID(struct device *device, char *text, unsigned int room) {
  int length = device->part < 0 ? snprintf(text, room, "GPU-0000000%d-aaaa-bbbb-cccc-dddddddddddd", device->gpu)
                                : snprintf(text, room, "MIG-0000000%d-aaaa-bbbb-cccc-%012d", device->gpu, device->part);
  return length < (int)room ? SUCCESS : INSUFFICIENT_SIZE;
}

int nvmlDeviceGetName(struct device *device, char *text, unsigned int room) {
  return snprintf(text, room, device->part < 0 ? "Stand-In 80GB" : "Stand-In 80GB MIG 2g.20gb") < (int)room ? SUCCESS : INSUFFICIENT_SIZE;
}

int nvmlDeviceGetMemoryInfo(struct device *device, struct memory *memory) {
  memory->total = (unsigned long long)(device->part < 0 ? 80 : 20) << 30;
  memory->used = 3ull << 30;
  memory->free = memory->total - memory->used;
  return SUCCESS;
}

int nvmlDeviceGetMigMode(struct device *device, unsigned int *current, unsigned int *pending) {
  *current = *pending = device->gpu == MIG;
  return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(struct device *device, unsigned int *count) {
  *count = 7;
  return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(struct device *device, unsigned int index, void **part) {
  // Three of the seven places are taken, and not the first ones.
  if (device->gpu != MIG || index < 1 || index > PARTS) return NOT_FOUND;
  *part = &parts[device->gpu][index];
  return SUCCESS;
}

#ifndef OLD
int nvmlDeviceGetComputeRunningProcesses_v3(struct device *device, unsigned int *count, struct process *all) {
  unsigned int room = *count;
  *count = PROCESSES;
  if (room < PROCESSES) return INSUFFICIENT_SIZE;
  for (unsigned int i = 0; i < PROCESSES; i++) {
    all[i] = (struct process){(unsigned int)getpid() + i, i == 1 ? ~0ull : 1ull << 30, ~0u, ~0u};
  }
  return SUCCESS;
}
#endif
