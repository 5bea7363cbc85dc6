import CLinux
import Glibc

/// Polls until the condition holds; false where it does not within so many seconds.
func eventually(seconds: Int64, _ condition: () -> Bool) -> Bool {
  let deadline = celltop_boottime_us() + seconds * 1_000_000
  while celltop_boottime_us() < deadline {
    if condition() { return true }
    poll(nil, 0, 5)
  }
  return false
}
