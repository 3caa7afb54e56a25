// Pages of listings, as their origins gave them: kept for a short time, asked for once however many want them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "cache/report.h"
#include "net/task.h"
#include "space/space.h"

namespace forebay::cache {

/// One page of a namespace's listing. The words are those of `origin::list_request`.
struct page_request {
  std::shared_ptr<const space::name_space> space;
  std::string prefix;
  bool recursive = false;
  bool markers = false;
  std::string start_after;
  std::string continuation;       ///< `listing_page::next` of the page before
  std::size_t max_entries = 1000; ///< at least 1
  std::chrono::milliseconds timeout{60'000};
  bool insists = false;        ///< Cache-Control: no-cache: the origin is asked although a fresh page is held
  origin::shown_token token{}; ///< of the reader, where the origin decides who may read
};

struct listing_page {
  std::vector<origin::list_entry> entries;
  std::string next; ///< where the next page begins, at the origin that gave this one; empty: it was the last
  steady_time received{};
  bool truncated() const noexcept { return !next.empty(); }
};

/// What it may hold and how many may wait; see `cache_limits`.
struct listing_limits {
  std::uint64_t bytes = 64ull << 20;
  std::size_t waiters = 10'000; ///< of one page
  /// A listing ends by its own deadline; this much later nobody believes in it any more, and who asks asks anew.
  std::chrono::milliseconds grace{5'000};
};

/// One for the node; thread-safe, its coroutines run on the calling loop. A bucket is never held whole: pages come and
/// go one by one, the least recently used first.
class listing_cache {
public:
  listing_cache(listing_limits limits, const clock& time);
  ~listing_cache();

  /// The page at the first origin that answers (a continuation goes on at the origin that began). not_found and gone
  /// are an origin's own word and are kept as long as those of objects. `report` may be null.
  net::task<result<std::shared_ptr<const listing_page>>> list(page_request asked, lookup_report* report);

  /// The object of this name was written or removed: pages that could name it are forgotten, also those that are on
  /// their way. Credential scopes do not count: what one wrote the others see.
  void forget_object(const origin::identity& name);
  /// The same for all objects whose key begins with that of `prefix`.
  void forget_prefix(const origin::identity& prefix);
  void clear();

  void update_limits(listing_limits limits);
  struct usage {
    std::size_t pages;
    std::uint64_t bytes;
  };
  usage usage_now() const;

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace forebay::cache
