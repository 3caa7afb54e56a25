// A shared cache of HTTP messages, by the letter of RFC 9111: what namespaces with `semantics = "http"` are read
// through.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cache/report.h"
#include "http/message.h"
#include "http/range.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/wait.h"
#include "origin/identity.h"
#include "space/space.h"

namespace forebay::cache {
struct engine;
}

namespace forebay::cache::messages {

/// One request of a reader. The pointers outlive the answer's body.
struct message_request {
  space::placement where;
  std::string method;
  unsigned version = 11;     ///< of HTTP, as it came: 10, 11 or 20
  http::header_table fields; ///< as they came
  std::string host;          ///< the authority that the reader used, in lower case
  std::unique_ptr<http::body_source> body;
  std::optional<std::uint64_t> body_bytes;
  std::optional<std::vector<http::range_spec>> ranges; ///< of a GET, well spelt
  bool keeps_ranges = false;                           ///< they are too many, or overlap: not for the origin
  std::string boundary;                                ///< for an answer of several ranges
  std::string client;                                  ///< whom pinned bytes are charged to
  bool from_trusted_proxy = false;
  net::stream* connection = nullptr;
  lookup_report* report = nullptr;
  net::deadline write_until{}; ///< head of the answer to another method than GET and HEAD
  std::function<void(const http::response_head&)> on_interim{};
};

/// One for the node; thread-safe, its coroutines run on the calling loop. Answers lie in the memory tier, each body as
/// a version of its own; what memory lets go is a miss.
class message_cache {
public:
  explicit message_cache(std::shared_ptr<engine> shared);
  ~message_cache();

  /// The answer: stored, validated, or the origin's own with whatever status. The error is for the reader's eyes: the
  /// origin gave no answer, or only-if-cached found nothing.
  net::task<result<http::response>> exchange(message_request asked);

  /// Forgets every answer to the names that `which` accepts; how many URIs had one.
  std::size_t forget(const std::function<bool(const origin::identity&)>& which);
  /// Forgets the answers that carry a surrogate tag.
  std::size_t forget_tag(const std::string& tag);
  std::size_t size() const noexcept;

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace forebay::cache::messages
