// Bodies that are read from files, piece by piece, on workers.
#pragma once

#include <memory>

#include "base/byte_range.h"
#include "base/metrics.h"
#include "http/client.h"
#include "net/offload.h"
#include "origin/file/tree.h"
#include "origin/gate.h"

namespace forebay::origin::file {

/// What one call of a worker reads or writes: large enough for a parallel file system, small beside a fill's window.
inline constexpr std::size_t file_piece_bytes = 1024 * 1024;

struct file_body_parts {
  std::shared_ptr<const tree> of;
  std::shared_ptr<open_file> from;
  std::shared_ptr<net::worker_pool> workers;
  byte_range range;
  metrics::counter* bytes;
  std::chrono::milliseconds piece_timeout;
  std::shared_ptr<gate> counters;
};
std::unique_ptr<http::client_body> make_file_body(file_body_parts parts);

/// A body of no bytes.
std::unique_ptr<http::client_body> make_empty_body();

} // namespace forebay::origin::file
