// Opening names below a root so that none leaves it. Blocking.
#pragma once

#include "origin/file/tree.h"

namespace forebay::origin::file {

/// The failure that `number` (errno) means for `what`.
error error_of(const tree& of, int number, const std::string& what);

/// The root itself. unreachable where it cannot be opened, or does not hold what must be `present`.
result<descriptor> open_root(const tree& of);

/// `path` (no leading slash; "" is the root) below `root` with `flags` of open(2), by the tree's symlink policy. The
/// kernel resolves it (openat2), so that nobody who renames directories meanwhile opens a way out; kernels and
/// sandboxes without that call get a walk that follows no links.
result<descriptor> open_beneath(const tree& of, int root, const std::string& path, int flags, unsigned mode = 0);

/// The walk alone, for tests.
result<descriptor> walk_beneath(const tree& of, int root, const std::string& path, int flags, unsigned mode = 0);

} // namespace forebay::origin::file
