// Namespaces: which origins stand behind a path, and by what policy.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/address.h"
#include "origin/source.h"
#include "storage/tier.h"

namespace forebay::space {

class origin_access;
struct access_rules;

struct freshness_policy {
  std::optional<std::chrono::seconds> ttl; ///< overrides what the origin says; absent: the origin's word
  std::vector<std::string> immutable;      ///< key patterns (glob) that never change
  std::chrono::seconds negative_ttl{5};    ///< 404 and 410
  std::chrono::seconds stale_if_error{3600};
  /// Pages of listings. A listing says nothing of its age: workers that start together share it, and whoever waits for
  /// new data waits no longer than a minute.
  std::chrono::seconds listing_ttl{60};
  /// Each reader's right is checked at the origin, so its `private` keeps the bytes from nobody who passed.
  bool share_private = false;
};

/// What a namespace's answers are to the cache.
enum class semantics {
  objects,  ///< versions of large objects, held in extents; the policy may overrule the origin's freshness
  messages, ///< HTTP messages, kept and used as RFC 9111 has it for a shared cache, to the letter
};

/// What of a namespace the disk tier holds.
struct disk_policy {
  std::vector<std::string> keep; ///< key patterns (glob) that are not evicted
  std::uint64_t quota_bytes = 0; ///< 0: none
};

/// True when one of the patterns (base/text.h, glob) matches the key.
bool matches_any(const std::vector<std::string>& patterns, std::string_view key);

/// One namespace: a path prefix, its origins in order of preference and its policy. Immutable.
struct name_space {
  std::string path; ///< "/era5", no trailing slash; "" for "/"
  std::vector<std::shared_ptr<origin::source>> origins;
  semantics meaning = semantics::objects;
  freshness_policy freshness;
  disk_policy disk;
  bool write = false; ///< unsafe methods pass through and invalidate
  /// Whoever asks may write through the data listener, also where the node shows the store credentials.
  bool public_write = false;
  /// Told to readers as other places of each object (RFC 6249): where its public origins have it, and URLs below which
  /// the same keys lie.
  bool tell_origins = false;
  std::vector<std::string> mirrors{};
  bool listing = true;   ///< PROPFIND, and listings of the S3 front
  bool is_public = true; ///< whoever asks may read it; else who shows an S3 key of the configuration, or fits `rules`
  std::shared_ptr<const access_rules> rules{}; ///< of a namespace that is not public; null: S3 keys alone
  /// Where set, the origin decides for each reader (space/access.h).
  std::shared_ptr<origin_access> access;
  std::string bucket; ///< its name for S3 clients; empty: none
  storage::tenant_id tenant = 0;
  std::string label; ///< for metrics: the path, or "/s3" for all open buckets
};

/// Where a request's path leads: the namespace and the exact key bytes below it.
struct placement {
  std::shared_ptr<const name_space> space;
  std::string key;             ///< percent-decoded once; no leading slash
  std::string query;           ///< raw
  origin::shown_token token{}; ///< of a reader whose right was checked: the origin is asked with it
  bool may_write = false;      ///< the reader has shown a right of his own to write here
};

/// Which open stores readers may name in a path.
struct open_store_policy {
  bool s3 = false, gs = false, az = false;
  std::vector<std::string> https_hosts; ///< exact or "*.example.org"; "*" is every public host
  std::vector<std::string> http_hosts;
  std::vector<std::string> ipfs_cids; ///< roots by their CIDv1 in base32, or patterns; none: not served
  std::vector<std::string> s3_buckets{"*"}, gs_buckets{"*"}, az_accounts{"*"};
  net::address_policy addresses; ///< of hosts that are written as one, also for what is held
  freshness_policy freshness;    ///< of all open stores
  disk_policy disk;
};

/// The bucket name of a namespace that is given none: its path with '-' for '/'; "root" for "/".
std::string default_bucket(std::string_view path);

/// The map from paths to namespaces: longest matching path wins, then the open stores. One immutable snapshot
/// per configuration; sources for open stores are made on demand (bounded) and shared. Thread-safe.
class space_map {
public:
  using make_source = std::function<result<std::shared_ptr<origin::source>>(std::string_view url)>;

  space_map(std::vector<std::shared_ptr<const name_space>> spaces, open_store_policy open, make_source make);
  ~space_map();

  /// `path` is the raw request path, still percent-encoded, beginning with '/'. invalid_input for bad escapes, NUL,
  /// "." or ".." segments (also encoded); not_found for an unknown namespace; forbidden for an open store that the
  /// allow-list does not name, and for what lies in a namespace that is not public under another name than its path.
  result<placement> resolve(std::string_view path, std::string_view query) const;

  /// Where an S3 client's bucket and key (of `decode_path`) lead: the namespace of that bucket, or the public bucket
  /// that the allow-list names. Failures as those of `resolve`; not_found: there is no such bucket.
  result<placement> in_bucket(const std::string& bucket, std::string key) const;

  const std::vector<std::shared_ptr<const name_space>>& spaces() const noexcept;
  /// Whether the namespace of this label, or the open stores, keep this key on disk.
  bool keeps(std::string_view label, std::string_view key) const;
  /// Whether `key` of `space` lies in another namespace, which is not public: listings leave it out.
  bool hides(const name_space& space, const std::string& key) const;
  /// Sentence for a 404 body: the configured paths, those of `shown` where that is set, and the open stores.
  std::string describe(const std::function<bool(const name_space&)>& shown = {}) const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace forebay::space
