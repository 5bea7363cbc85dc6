#pragma once
// What Swift cannot see of Linux's process interface. Next to no logic: a call, or a few that belong together.

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// fork(2): marked unavailable in Swift. Only to be called while the process has one thread.
pid_t celltop_fork(void);
// prctl(PR_SET_CHILD_SUBREAPER, 1).
int celltop_set_subreaper(void);
// prctl(PR_SET_NAME, name).
int celltop_set_name(const char *name);
// Blocks, or with blocking 0 unblocks, these signals of the calling thread.
int celltop_mask_signals(const int *signals, int count, int blocking);
// Unblocks every signal of the calling thread.
int celltop_unmask_all_signals(void);
// signalfd(2), close-on-exec and non-blocking, for these signals.
int celltop_signalfd(const int *signals, int count);
// The number of the next signal of a signalfd, or -1.
int celltop_next_signal(int descriptor);
// pidfd_open(2).
int celltop_pidfd_open(pid_t pid);
// tgkill(2).
int celltop_signal_thread(pid_t process, pid_t thread, int signal);
// sched_setaffinity(2) and sched_getaffinity(2) with a mask of any length; the kernel's own return values.
long celltop_set_affinity(pid_t thread, const uint64_t *words, size_t bytes);
long celltop_get_affinity(pid_t thread, uint64_t *words, size_t bytes);
// waitid(2) for one child, leaving it a zombie: 1 ended (status as waitpid gives it), 0 not yet, -1 errno.
int celltop_peek_exit(pid_t pid, int *status);
// execvpe(3): returns only on failure.
int celltop_execute(char *const arguments[], char *const environment[]);
// vfork(2) and execvpe(3): a child in a session of its own with no signal blocked, killed when this process dies. Comes back once
// the child has become the other program, or could not (`reason` is the errno then, else 0; the child ends with 127); -1 where
// there is no child.
pid_t celltop_start_child(char *const arguments[], char *const environment[], int *reason);
// A pair of connected stream sockets, close-on-exec.
int celltop_socket_pair(int descriptors[2]);
// A non-blocking, close-on-exec stream socket connected to a path: the descriptor, or -1.
int celltop_connect_unix(const char *path);
// WIFSIGNALED, WTERMSIG, WEXITSTATUS.
int celltop_status_signalled(int status);
int celltop_status_signal(int status);
int celltop_status_exit(int status);
// malloc_trim(0): gives free heap memory back to the system.
void celltop_return_memory(void);
// Asks for short turns on the processor, taken soon: sched_setattr(2) with a slice of a tenth of a millisecond, which Linux heeds from
// 6.12 on. The calling thread alone; threads made by it ask for nothing.
void celltop_take_short_turns(void);
// Lets others run first, by so much more than before: setpriority(2) of the calling thread alone.
void celltop_give_way(int more);
// Microseconds of processor time of the calling thread.
int64_t celltop_thread_processor_us(void);
// mallopt(M_ARENA_MAX, 1): all threads share one heap, which shrinks again. Before there is a second thread.
void celltop_share_one_heap(void);

// Writes out what was printed to standard output. Returns 0, or the reason why some of it could not be written.
int celltop_finish_output(void);
