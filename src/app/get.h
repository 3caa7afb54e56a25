// `forebay get`: one object, or a range of it, into a file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "http/headers.h"
#include "http/message.h"
#include "net/task.h"

namespace forebay::app {

struct get_options {
  std::string url, node_url;
  std::string range;  ///< "a-b", "a-" or "-n"; empty: the whole object
  std::string output; ///< file, "-" for standard output; empty: the object's name in this directory
  bool quiet = false;
  std::string token_file; ///< empty: none is shown
  std::string token;      ///< once it was read
};

/// What is known of a partial download, kept beside it so that the next run goes on where this one broke off.
struct partial_state {
  std::string target; ///< on which node does not matter: the validator says that it is the same version
  std::string etag;   ///< strong, with its quotes
  std::uint64_t length_bytes = 0;
};
std::string render_partial_state(const partial_state& state);
std::optional<partial_state> parse_partial_state(const std::string& json);

/// Where the bytes of an answer belong, and whether it is the answer that was asked for.
struct body_place {
  std::uint64_t begin = 0, end = 0; ///< `end` is UINT64_MAX while the length is unknown
  std::optional<std::uint64_t> object_bytes;
};
/// Reads status, Content-Range and Content-Length; broken when they contradict `asked_from` (the first byte that
/// was asked for, where one was).
result<body_place> place_of(const http::response_head& head, std::optional<std::uint64_t> asked_from);

/// Runs the command; an exit code of exit_codes.h.
int run_get(const get_options& options);

} // namespace forebay::app
