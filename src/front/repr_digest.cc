#include "front/repr_digest.h"

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

/// From 1 to 10; 0: not acceptable, or not asked for (RFC 9530 §4).
std::int64_t preference(const http::structured::dictionary& wanted, std::string_view name) {
  const auto* member = http::structured::find(wanted, name);
  const auto* item = member != nullptr ? std::get_if<http::structured::item>(&member->value) : nullptr;
  const auto* weight = item != nullptr ? std::get_if<std::int64_t>(&item->value) : nullptr;
  return weight != nullptr && *weight >= 1 && *weight <= 10 ? *weight : 0;
}

/// What `asked`, a field of preferences, likes best; empty where there is none of it.
std::string best_of(const std::optional<std::string>& asked, const cache::stored_head& head) {
  const auto wanted = asked ? http::structured::parse_dictionary(*asked) : std::nullopt;
  if (!wanted) return {};
  http::header_table fields = head.fields;
  head.whole_fields.each([&](std::string_view name, std::string_view value) { fields.add(name, value); });
  std::string best;
  std::int64_t best_weight = 0;
  for (const auto& digest : origin::find_digests(fields)) { // the strongest first
    const std::string_view name = registered_name(digest.kind);
    const std::int64_t weight = name.empty() ? 0 : preference(*wanted, name);
    if (weight <= best_weight) continue;
    best_weight = weight;
    best = fmt::format("{}=:{}:", name, base64_encode(digest.value));
  }
  return best;
}

} // namespace

void add_wanted_digests(http::response_head& answer, const http::header_table& request,
                        const cache::stored_head& head) {
  if (head.status != 200 || (answer.status != 200 && answer.status != 206)) return;
  const auto add = [&](std::string_view field, std::string_view preferences) {
    if (head.fields.has(field) || head.whole_fields.has(field)) return;
    const std::string digest = best_of(request.joined(preferences), head);
    if (!digest.empty()) answer.fields.add(field, digest);
  };
  add("Repr-Digest", "want-repr-digest");
  if (answer.status == 200) add("Content-Digest", "want-content-digest");
}

} // namespace forebay::front
