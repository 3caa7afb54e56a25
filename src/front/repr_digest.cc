#include "front/repr_digest.h"

#include <array>
#include <fmt/format.h>

#include "base/base64.h"
#include "http/structured_field.h"
#include "origin/checksum.h"

namespace forebay::front {
namespace {

/// As IANA has them; empty where it has none.
std::string_view registered_name(origin::digest_kind kind) noexcept {
  switch (kind) {
  case origin::digest_kind::sha512: return "sha-512";
  case origin::digest_kind::sha256: return "sha-256";
  case origin::digest_kind::sha1: return "sha";
  case origin::digest_kind::md5: return "md5";
  case origin::digest_kind::crc32c: return "crc32c";
  case origin::digest_kind::crc64nvme:
  case origin::digest_kind::crc32: return "";
  }
  return "";
}

/// What this node computes itself, the one that is taken first where several are liked alike.
constexpr std::array computed_kinds{origin::digest_kind::sha256, origin::digest_kind::sha512,
                                    origin::digest_kind::crc32c};

/// From 1 to 10; 0: not acceptable, or not asked for (RFC 9530 §4).
std::int64_t preference(const http::structured::dictionary& wanted, std::string_view name) {
  const auto* member = http::structured::find(wanted, name);
  const auto* item = member != nullptr ? std::get_if<http::structured::item>(&member->value) : nullptr;
  const auto* weight = item != nullptr ? std::get_if<std::int64_t>(&item->value) : nullptr;
  return weight != nullptr && *weight >= 1 && *weight <= 10 ? *weight : 0;
}

/// What `asked`, a field of preferences, likes best; empty where there is none of it.
std::string best_of(const std::optional<std::string>& asked, const cache::stored_head& head,
                    const std::vector<origin::expected_digest>& computed) {
  const auto wanted = asked ? http::structured::parse_dictionary(*asked) : std::nullopt;
  if (!wanted) return {};
  http::header_table fields = head.fields;
  head.whole_fields.each([&](std::string_view name, std::string_view value) { fields.add(name, value); });
  std::string best;
  std::int64_t best_weight = 0;
  auto known = origin::find_digests(fields); // the strongest first
  known.insert(known.end(), computed.begin(), computed.end());
  for (const auto& digest : known) {
    const std::string_view name = registered_name(digest.kind);
    const std::int64_t weight = name.empty() ? 0 : preference(*wanted, name);
    if (weight <= best_weight) continue;
    best_weight = weight;
    best = render_digest(digest.kind, digest.value);
  }
  return best;
}

} // namespace

std::string render_digest(origin::digest_kind kind, const std::string& value) {
  return fmt::format("{}=:{}:", registered_name(kind), base64_encode(value));
}

void add_wanted_digests(http::response_head& answer, const http::header_table& request, const cache::stored_head& head,
                        const std::vector<origin::expected_digest>& computed) {
  if (head.status != 200 || (answer.status != 200 && answer.status != 206)) return;
  const auto add = [&](std::string_view field, std::string_view preferences) {
    if (head.fields.has(field) || head.whole_fields.has(field)) return;
    const std::string digest = best_of(request.joined(preferences), head, computed);
    if (!digest.empty()) answer.fields.add(field, digest);
  };
  add("Repr-Digest", "want-repr-digest");
  if (answer.status == 200) add("Content-Digest", "want-content-digest");
}

std::optional<origin::digest_kind> computable(const http::header_table& request, std::string_view preferences) {
  const auto asked = request.joined(preferences);
  const auto wanted = asked ? http::structured::parse_dictionary(*asked) : std::nullopt;
  if (!wanted) return std::nullopt;
  std::optional<origin::digest_kind> best;
  std::int64_t best_weight = 0;
  for (const auto kind : computed_kinds) {
    const std::int64_t weight = preference(*wanted, registered_name(kind));
    if (weight <= best_weight) continue;
    best_weight = weight;
    best = kind;
  }
  return best;
}

} // namespace forebay::front
