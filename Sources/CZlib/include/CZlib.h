#pragma once
#include <zlib.h>

/// `inflateInit2` for a gzip stream; a macro of zlib's that Swift cannot see.
static inline int celltop_inflate_begin(z_stream *stream) { return inflateInit2(stream, 15 + 16); }
