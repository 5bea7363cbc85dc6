// KernelGate
