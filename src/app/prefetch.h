// `forebay prefetch`: pulls an object, a directory or a Zarr store into the node.
#pragma once

#include <string>

namespace forebay::app {

struct prefetch_options {
  std::string url, node_url;
  unsigned jobs = 8;
  bool quiet = false;
  std::string token_file; ///< empty: none is shown
  std::string token;      ///< once it was read
};

/// Lists by PROPFIND, directory by directory; where the origin cannot list, the chunks of a Zarr store are derived
/// from its metadata (chunks that are not there are fill values, not failures). A second run finds what the node
/// holds by then as hits, so it goes on where the first one ended. exit_failed when an object could not be read.
int run_prefetch(const prefetch_options& options);

} // namespace forebay::app
