// Who may read: the origin's word on a reader's own token, remembered for a short time.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/hash.h"
#include "base/result.h"
#include "net/task.h"
#include "origin/source.h"
#include "space/access_rules.h"

namespace forebay::space {

/// Bounds of what is remembered and asked, whole node.
struct access_limits {
  std::size_t answers = 100'000;             ///< remembered, of all tokens and prefixes
  unsigned checks = 32;                      ///< under way at once; others wait
  std::size_t waiters = 10'000;              ///< requests that wait for one check
  std::chrono::milliseconds timeout{10'000}; ///< one check, its place in the queue included
};

/// Of a namespace whose origin decides.
struct access_policy {
  std::chrono::seconds ttl{60};        ///< how long a yes is believed, at most to the token's own end
  std::chrono::seconds refused_ttl{5}; ///< how long a no is
  /// How many leading segments of a key a yes or no is for. A key with fewer stands for itself: with a depth beyond any
  /// key's, each object does.
  unsigned prefix_depth = 1'000;
};

/// What the origin said. unauthorised, forbidden, not_found and gone are its own words; any other failure says that it
/// gave none, and nobody is let in.
struct verdict {
  result<void> outcome;
  std::string challenge; ///< WWW-Authenticate of a refusal, as the origin sent it
};

struct access_memory;

/// What is remembered of all namespaces, bounded: the least recently used goes. It holds keyed hashes of tokens under a
/// random key of its own, never a token. Thread-safe.
class access_table {
public:
  access_table(access_limits limits, const clock& time);
  ~access_table();

  struct usage {
    std::size_t answers, running;
  };
  usage usage_now() const;

private:
  friend class origin_access;
  std::shared_ptr<access_memory> memory_;
};

/// The decision of one namespace. Thread-safe; immutable but for the table.
class origin_access {
public:
  /// `asked`: a source that carries the tokens of readers. `name` tells namespaces apart.
  origin_access(std::string name, access_policy policy, std::shared_ptr<origin::source> asked,
                std::shared_ptr<access_table> table);

  /// Whether the reader with this token (null: with none) may read the object, or list the directory. One question to
  /// the origin however many ask for a token and a prefix; it belongs to none of them. A "not found" is of its object
  /// alone. Where a list is an object of the store, a right to read is one to list; elsewhere they are two.
  net::task<verdict> decide(std::string key, std::string query, origin::shown_token token,
                            access_action action = access_action::read) const;

  /// The origin refused the token a transfer of what it was let in for: the next request asks again.
  void forget(std::string_view key, std::string_view query, const origin::shown_token& token,
              access_action action) const;

  /// Whether a right to `directory` ("" or "a/b/") is one to everything below it.
  bool covers_below(std::string_view directory) const noexcept;

private:
  /// The leading segments that an answer about `key` is for; nothing where the key stands for itself.
  std::optional<std::string_view> scope_of(std::string_view key) const noexcept;
  /// Whether the question is a listing's. The root of a store of objects is none: all that can be asked is its list.
  bool is_listing(std::string_view key, access_action action) const noexcept;

  struct names {
    key128 place; ///< the token and the prefix
    key128 about; ///< the token and the object
  };
  names names_of(std::string_view key, std::string_view query, const origin::shown_token& token, bool listing) const;

  const std::string name_;
  const access_policy policy_;
  const std::shared_ptr<origin::source> asked_;
  const std::shared_ptr<access_table> table_;
};

/// The directory that a listing of `prefix` shows: its part up to the last slash.
std::string directory_of(std::string_view prefix);

} // namespace forebay::space
