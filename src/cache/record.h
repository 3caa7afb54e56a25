// What of an object outlives a restart: its record in the lower tier. Internal to cache/.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cache/object.h"

namespace forebay::cache {

/// CBOR (RFC 8949): identity, generation, the representation's head, its age and the time of writing, the name by which
/// it is kept.
std::string encode_record(const origin::identity& name, std::uint64_t generation, const stored_head& head,
                          steady_time now, wall_time wall, const std::optional<kept_name>& kept = {});
/// In the place of a record: nothing is stored of the object any more.
std::string encode_absence();

struct decoded_record {
  std::uint64_t generation = 0;
  std::shared_ptr<const stored_head> head;
  std::optional<kept_name> kept;
};
/// Nothing for an absence, for the record of another object (128 equal bits), and for what cannot be read. Age goes on
/// while the node is off: by the wall clock or, where the machine was not booted since and it says more, by the steady
/// one. When the wall clock stands before the time of writing, the age is not known: as old as can be.
std::optional<decoded_record> decode_record(std::string_view bytes, const origin::identity& name, steady_time now,
                                            wall_time wall);

/// What the lower tier asks of kept records: that no rule covers this one, and what `keeps` says of its name.
bool still_kept(const storage::lower_tier& lower, const storage::stored_record& record,
                const std::function<bool(const kept_name&)>& keeps);

/// Purges in the words of the lower tier's rules.
std::string rule_of_prefix(const origin::identity& prefix);
std::string rule_of_tag(std::string_view tag);
bool covers(std::string_view rule, const origin::identity& name, const stored_head& head);

/// Looks once on disk for what is known of an object; others that want it wait meanwhile. Only with a lower tier.
net::task<void> restore(std::shared_ptr<engine> shared, std::shared_ptr<object> about);

/// Writes the record of what was just installed, or its absence. Caller holds the object's mutex.
void keep_record(engine& shared, object& about);

/// The operator keeps the object by this name: its record says so from now on.
void note_kept(engine& shared, object& about, kept_name by);

} // namespace forebay::cache
