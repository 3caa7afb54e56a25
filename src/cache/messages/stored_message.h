// A stored answer to a URI: its head, what chose it, and the parts of its body. Internal to cache/.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "cache/messages/selection.h"
#include "cache/stored_head.h"
#include "cache/version.h"
#include "http/trailers.h"
#include "net/wait.h"

namespace forebay::cache::messages {

/// A run of the representation's bytes, as a version of its own that begins at 0.
struct part {
  byte_range range; ///< `end` is version::length_unknown while a body of unknown length comes
  std::shared_ptr<version> bytes;
  std::shared_ptr<http::late_trailers> trailers{}; ///< of a body whose length its head did not tell; may be null
  std::uint64_t end() const noexcept {
    if (range.end != version::length_unknown) return range.end;
    return bytes->length() == version::length_unknown ? version::length_unknown : range.begin + bytes->length();
  }
};

/// What the heads of all stored messages take, and one message's share of it.
using head_ledger = std::atomic<std::uint64_t>;
class head_share {
public:
  head_share(std::shared_ptr<head_ledger> in, std::uint64_t bytes) : in_(std::move(in)), bytes_(bytes) {
    in_->fetch_add(bytes_, std::memory_order_relaxed);
  }
  head_share(const head_share&) = delete;
  head_share& operator=(const head_share&) = delete;
  ~head_share() { in_->fetch_sub(bytes_, std::memory_order_relaxed); }

private:
  std::shared_ptr<head_ledger> in_;
  std::uint64_t bytes_;
};

/// Immutable: what changes is another message.
struct stored_message {
  std::shared_ptr<const stored_head> head;
  selection chosen_by;
  std::vector<part> parts;                   ///< none for an empty body
  bool whole = true;                         ///< false: parts of 206 answers that do not make the whole
  bool suspect = false;                      ///< a HEAD told of another representation: ask before it is used
  std::shared_ptr<const head_share> share{}; ///< of memory, once it is stored

  /// Of the representation; nothing while it is unknown.
  std::optional<std::uint64_t> length_bytes() const;
  /// Memory that its head takes: fields, what chose it, and what is kept beside them.
  std::uint64_t head_bytes() const;
  /// Nothing of it was evicted, broke off, or was left by its readers.
  bool usable() const;
};

/// Bytes of a part, in that part's own counting.
struct piece {
  std::shared_ptr<version> bytes;
  byte_range range;
};
/// The pieces that make `range`; nothing where a byte of it is not held.
std::optional<std::vector<piece>> pieces_of(const std::vector<part>& parts, byte_range range);

/// The first run of [0, length) that no part holds; empty when all is held.
byte_range first_gap(const std::vector<part>& parts, std::uint64_t length);
/// From the first byte that no part holds to the last: one request brings all that is missing.
byte_range missing_span(const std::vector<part>& parts, std::uint64_t length);

/// The head to store of an answer with `status` and `fields`, which came between the two times. Its status is that of
/// the whole representation: 206 becomes 200.
stored_head head_of(unsigned status, const http::header_table& fields, wall_time requested, wall_time received,
                    steady_time now);

/// `old` after an answer about the same representation (304, HEAD, another part) brought these fields (RFC 9111 §3.2).
stored_head updated_head(const stored_head& old, const http::header_table& fields, wall_time requested,
                         wall_time received, steady_time now);

/// Two answers are of one representation: the same strong entity tag (RFC 9110 §15.3.7.3).
bool same_strong_tag(const stored_head& a, const stored_head& b);

/// One exchange with the origin that others wait for.
struct flight {
  std::vector<net::event> waiters;
  bool done = false;
};

/// All that is known of one URI. The mutex is held for a look or a change, never across an await.
struct message_entry {
  explicit message_entry(origin::identity named) : name(std::move(named)), key(name.key128()) {}

  const origin::identity name;
  const storage::object_key key;
  std::mutex mutex;
  std::vector<std::shared_ptr<const stored_message>> variants; ///< newest last
  std::shared_ptr<flight> asking;
  steady_time pass_until{};     ///< hit-for-miss
  std::uint64_t generation = 0; ///< another one after each purge: what was asked before it is not kept
  std::atomic<bool> used{true}; ///< for the table's clock
  std::atomic_flag refreshing;  ///< a refresh that no reader waits for is on its way
};

} // namespace forebay::cache::messages
