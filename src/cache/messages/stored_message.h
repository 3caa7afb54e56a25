// A stored answer to a URI: its head, what chose it, and the parts of its body. Internal to cache/.
#pragma once

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

/// Immutable: what changes is another message.
struct stored_message {
  std::shared_ptr<const stored_head> head;
  selection chosen_by;
  std::vector<part> parts; ///< none for an empty body
  bool whole = true;       ///< false: parts of 206 answers that do not make the whole
  bool suspect = false;    ///< a HEAD told of another representation: ask before it is used

  /// Of the representation; nothing while it is unknown.
  std::optional<std::uint64_t> length_bytes() const;
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
};

} // namespace forebay::cache::messages
