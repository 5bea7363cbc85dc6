#pragma once
#define NCURSES_WIDECHAR 1
#include <ncurses.h>
#include <term.h>

// What Swift 6 cannot see or refuses: mutable globals, function-like macros, and the attribute macros with casts.

static inline WINDOW *celltop_stdscr(void) { return stdscr; }
static inline int celltop_colors(void) { return COLORS; }
static inline int celltop_color_pairs(void) { return COLOR_PAIRS; }

static inline attr_t celltop_attr_bold(void) { return WA_BOLD; }
static inline attr_t celltop_attr_dim(void) { return WA_DIM; }
static inline attr_t celltop_attr_italic(void) { return WA_ITALIC; }
static inline attr_t celltop_attr_underline(void) { return WA_UNDERLINE; }
static inline attr_t celltop_attr_reverse(void) { return WA_REVERSE; }

// term.h defines its capabilities as macros over a global.
static inline const char *celltop_capability(const char *name) {
  const char *value = tigetstr(name);
  return value == (const char *)-1 ? NULL : value;
}
/// The terminfo entry in use is forgotten, so that another can be tried.
static inline int celltop_forget_terminal(void) { return cur_term ? del_curterm(cur_term) : OK; }
static inline int celltop_setupterm(const char *term, int fd, int *result) { return setupterm(term, fd, result); }

// <wchar.h> keeps this one back unless _XOPEN_SOURCE is defined.
int wcwidth(wchar_t character);
