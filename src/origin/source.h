// The interface of a store: head, read a range at a pinned version, list, write.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_range.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/client.h"
#include "http/message.h"
#include "http/range.h"
#include "net/task.h"
#include "net/wait.h"
#include "origin/identity.h"
#include "origin/reader_token.h"

namespace forebay::origin {

/// One read (or head) of an object.
struct read_request {
  std::string key;   ///< decoded key bytes below the source's own prefix; may be empty, hold spaces, '+', "//", UTF-8
  std::string query; ///< raw query string without '?', for kinds that have one (web); others ignore it
  bool head_only = false;
  std::optional<http::range_spec> range;
  validator pin;                                 ///< If-Match or its kin: the answer is of this version, or `changed`
  std::optional<std::uint64_t> pin_length_bytes; ///< whole length of the pinned version: another one is `changed`
  std::optional<std::string> if_none_match;      ///< revalidation: the stored ETag, as sent
  std::optional<std::string> if_modified_since;  ///< revalidation: the stored Last-Modified, as sent
  http::header_table fields;             ///< end-to-end request fields that the cache decided to forward (Accept ...)
  net::deadline until{};                 ///< of the head, over all retries; unset: the source's read_timeout
  bool may_retry = true;                 ///< false: one attempt (the caller elects retries itself)
  shown_token token{};                   ///< shown by sources that carry the tokens of readers; others ignore it
  std::shared_ptr<access_probe> probe{}; ///< where set, the question is whether the reader may
};

/// The head of a store's answer, checked: for a 206, Content-Range agreed with the request.
struct read_answer {
  unsigned status = 200; ///< 200, 203, 204, 206, 300.. other final codes that are not errors, or 304
  validator pinned;      ///< of the representation; kind none where the store gave no strong one
  std::optional<std::uint64_t> length_bytes; ///< of the whole object; absent when unknown (chunked)
  std::optional<byte_range> range;           ///< what the body holds of the object when status is 206
  http::header_table fields;                 ///< end-to-end response fields (hop-by-hop removed)
  wall_time requested{}, received{};         ///< for the Age arithmetic (RFC 9111 §4.2.3)
  std::unique_ptr<http::client_body> body;   ///< null for head_only, 204 and 304
  unsigned version = 11;                     ///< of HTTP in which it came, 10 or 11
};

/// One page of a listing.
struct list_request {
  std::string prefix;                ///< of keys below the source's own; any bytes, not only whole directories
  bool recursive = false;            ///< false: one level; keys are cut behind the first '/' after the prefix
  bool markers = false;              ///< also the object whose key is the prefix itself (a "directory marker")
  std::string start_after;           ///< only entries behind this key; looked at where `continuation` is empty
  std::string continuation;          ///< `listing::next` of the page before, for the same prefix and `recursive`
  std::size_t max_entries = 100'000; ///< at least 1
  net::deadline until{};
  shown_token token{};                   ///< as of a read
  std::shared_ptr<access_probe> probe{}; ///< as of a read
};
struct list_entry {
  std::string key; ///< below the source's prefix; directories (common prefixes) end in '/'
  bool directory = false;
  std::optional<std::uint64_t> length_bytes;
  std::optional<wall_time> modified;
  std::string etag; ///< with quotes, or empty
};
struct listing {
  std::vector<list_entry> entries; ///< in the order of the bytes of their keys
  std::string next;                ///< where the next page begins, in the store's own words; empty: this was the last
  bool truncated() const noexcept { return !next.empty(); }
};

struct write_request {
  std::string method; ///< PUT, POST, DELETE, PATCH ...; where the cache keeps messages, GET and HEAD as well
  std::string key;
  std::string query;
  http::header_table fields;
  std::unique_ptr<http::body_source> body;
  std::optional<std::uint64_t> length_bytes;
  net::deadline until{};
  std::function<void(const http::response_head&)> on_interim{}; ///< told of 102 and 103
};
/// Any final answer of the store, error statuses included: it is passed on.
struct write_answer {
  http::response_head head;
  std::unique_ptr<http::client_body> body;
};

/// The whole length that a range_unsatisfiable failure of a source tells (its context holds it), where known.
std::optional<std::uint64_t> unsatisfied_length(const error& failure);

/// A store (bucket, container, tree) with its credentials. Thread-safe: one object for all loops; exchanges
/// run on the calling loop through `http::client::current()`. Failures by kind: not_found / gone only when
/// the store said so; a 403 is forbidden, 401 unauthorised; 429 and SlowDown are throttled with retry_after;
/// other 5xx broken or unreachable (retryable); 412 on a pinned read, or another validator or length than the pin,
/// is `changed`; 416 is range_unsatisfiable (its context holds the length where known). Retries (bounded, with
/// jitter), the breaker and the limit of connections per origin are inside.
class source {
public:
  virtual ~source() = default;
  /// "s3://era5-pds", "https://data.example.org/x": for metrics, logs and errors. No secret.
  virtual const std::string& name() const noexcept = 0;
  virtual identity identify(const std::string& key, const std::string& query) const = 0;
  virtual net::task<result<read_answer>> read(read_request asked) = 0;
  virtual net::task<result<listing>> list(list_request asked) = 0;
  virtual net::task<result<write_answer>> write(write_request asked) = 0;
  /// Whether the list of a directory is itself an object, at the directory's name: who may read that may list it.
  /// Elsewhere the right to list is one of its own.
  virtual bool lists_on_pages() const noexcept { return false; }
  /// Where everybody reads the object without this node; empty where that takes credentials, or there is no such URL.
  virtual std::string public_url(const std::string& key) const {
    (void)key;
    return {};
  }
  /// Price of a GB that leaves this store, in US dollars (for "money saved"); 0 where unknown.
  virtual double egress_usd_per_gb() const noexcept { return 0; }
};

} // namespace forebay::origin
