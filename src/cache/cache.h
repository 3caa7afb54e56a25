// The content cache: objects, versions, extents and fills behind one door.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_range.h"
#include "base/clock.h"
#include "base/result.h"
#include "cache/held_object.h"
#include "cache/report.h"
#include "cache/stored_head.h"
#include "http/message.h"
#include "http/range.h"
#include "net/stream.h"
#include "net/task.h"
#include "space/space.h"
#include "storage/memory_tier.h"
#include "storage/tier.h"

namespace forebay::cache {

namespace cold {
class cold_tier;
}

/// Limits of the cache; each has a setting `limits.*` of the same name.
struct cache_limits {
  std::size_t objects = 1'000'000;               ///< metadata of objects kept
  std::size_t waiters_per_object = 10'000;       ///< requests that wait for one object; beyond: 503
  unsigned fills = 1'024;                        ///< fills in progress, whole node
  std::uint64_t fill_window_bytes = 16ull << 20; ///< how far a fill runs ahead of its fastest reader
  std::uint64_t small_object_bytes = 128 * 1024; ///< objects up to this are fetched whole
  std::size_t followers_per_fill = 10'000;       ///< readers that follow one transfer; beyond: 503
  std::uint64_t pinned_bytes_per_client = 64ull << 20;
  std::uint64_t pinned_bytes = 0; ///< of all clients; beyond, each may hold a little only; 0: half of the memory tier
  /// Bytes that a client made us fetch and did not read; so much is forgiven in a minute. Beyond: 429.
  std::uint64_t unread_bytes_per_client = 4ull << 30;
  std::size_t stored_messages = 100'000;             ///< URIs of namespaces with `semantics = "http"`
  std::uint64_t stored_message_bytes = 128ull << 20; ///< of the heads of those answers
  std::size_t variants_per_message = 16;          ///< answers to one URI that Vary tells apart; the oldest makes room
  std::uint64_t listing_bytes = 64ull << 20;      ///< pages of listings that are held
  std::chrono::milliseconds read_timeout{60'000}; ///< head of an answer from the origin, retries included
  std::chrono::milliseconds reader_timeout{120'000};  ///< a reader's wait for its next byte
  std::chrono::milliseconds disk_read_timeout{2'000}; ///< one read of the disk tier; after it the origin is asked
};

/// Who asks, and for what. The pointers outlive the call and the bodies it gives.
struct open_request {
  space::placement where;
  bool head_only = false;
  std::optional<std::vector<http::range_spec>> ranges; ///< a hint for the first exchange; the caller resolves them
  const http::header_table* fields = nullptr;          ///< the request's: Cache-Control, Pragma
  std::string client;                                  ///< whom pinned bytes are charged to (address)
  net::stream* connection = nullptr;                   ///< to notice a reader that left; may be null
  lookup_report* report = nullptr;
  bool remember = false; ///< the caller keeps `opened::held` where there is one
};

class version;
class listing_cache;
namespace messages {
class message_cache;
}

/// An open object: either a representation at one pinned version, of which any range can be read as often as
/// wanted, or an answer that passes through (uncacheable, or ranges of an object without a validator).
class opened {
public:
  opened();
  opened(opened&&) noexcept;
  opened& operator=(opened&&) noexcept;
  ~opened();

  bool passes() const noexcept { return pass.has_value(); }
  std::shared_ptr<const stored_head> head; ///< null when it passes
  std::chrono::seconds age{};
  held_object held;                   ///< where it was a fresh hit of a complete object; else empty
  std::optional<http::response> pass; ///< ready to be sent: status, end-to-end fields, body

  /// The bytes `range` (within the length); begins reading at the first `next`. Counts into the request's report.
  std::unique_ptr<http::body_source> read(byte_range range);
  /// The whole representation; also while its length is unknown.
  std::unique_ptr<http::body_source> read_all();
  /// Waits until the first bytes of `body` are there and gives a body that begins with them. Heads are sent only
  /// after this: until then a failure is still an honest status, and `changed` means to open again.
  static net::task<result<std::unique_ptr<http::body_source>>> begin(std::unique_ptr<http::body_source> body);

private:
  friend class content_cache;
  struct context;
  std::shared_ptr<context> context_;
};

/// One for the node; thread-safe, its coroutines run on the calling loop. See docs/architecture.md.
class content_cache {
public:
  /// `lower` may be null (no disk tier).
  content_cache(cache_limits limits, storage::memory_tier& memory, storage::lower_tier* lower, const clock& time);
  ~content_cache();

  /// Finds the object, decides freshness, asks the origins (in order) where it must, pins a version. The error
  /// is what the reader shall see: not_found and gone only from an origin's own word.
  net::task<result<opened>> open(open_request asked);

  /// Forgets one object at every origin of its namespace (purge, unsafe methods); how many objects that was.
  /// Success means that it is durable: what was purged comes back by no restart. On a failure of the disk tier it holds
  /// for this run. It goes in every scope and version (`purged_names`); on disk alone, scopes are known that are
  /// the namespace's, "anonymous" or among `scopes`.
  net::task<result<std::size_t>> purge_object(space::placement where, std::vector<std::string> scopes = {});
  /// Forgets all objects of a namespace whose key begins with `prefix` ("" for all of it).
  net::task<result<std::size_t>> purge_prefix(std::shared_ptr<const space::name_space> space, std::string prefix);
  /// Forgets all objects that carry a surrogate tag.
  net::task<result<std::size_t>> purge_tag(std::string tag);

  /// Listings of namespaces. Every purge reaches them: a page that could name what was purged is forgotten.
  listing_cache& listings() noexcept;

  /// Namespaces whose answers are HTTP messages. Every purge reaches them.
  messages::message_cache& messages() noexcept;

  /// What `lower` lets go is looked for there before an origin is asked. It outlives the cache; to be called before the
  /// first `open`, and only with a lower tier.
  void use_cold(cold::cold_tier& tier);

  void update_limits(cache_limits limits); ///< reload
  /// Which objects the operator keeps on disk, by the label of a namespace and the key below it: asked on the disk
  /// tier's threads before such bytes would be evicted. Until this is called all that was kept stays.
  void update_keep(std::function<bool(std::string_view label, std::string_view key)> keeps);
  struct usage {
    std::size_t objects, fills, followers, waiters;
  };
  usage usage_now() const;

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace forebay::cache
