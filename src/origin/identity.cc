#include "origin/identity.h"

#include <array>
#include <charconv>

#include "base/hash.h"

namespace forebay::origin {
namespace {

/// "length:bytes", so that no two lists of fields spell alike.
void append_field(std::string& out, std::string_view field) {
  std::array<char, 20> digits;
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), field.size()).ptr);
  out += ':';
  out += field;
}

} // namespace

std::string identity::canonical() const {
  std::string out;
  constexpr std::size_t separators = 6 * 8; // lengths of up to seven digits
  out.reserve(kind.size() + endpoint.size() + bucket.size() + key.size() + scope.size() + variant.size() + separators);
  for (const std::string* each : {&kind, &endpoint, &bucket, &key, &scope, &variant}) append_field(out, *each);
  return out;
}

std::optional<identity> identity::parse(std::string_view canonical) {
  identity made;
  for (std::string* each : {&made.kind, &made.endpoint, &made.bucket, &made.key, &made.scope, &made.variant}) {
    std::size_t length = 0;
    const auto [end, failed] = std::from_chars(canonical.data(), canonical.data() + canonical.size(), length);
    canonical.remove_prefix(static_cast<std::size_t>(end - canonical.data()));
    if (failed != std::errc{} || !canonical.starts_with(':') || canonical.size() - 1 < length) return std::nullopt;
    *each = canonical.substr(1, length);
    canonical.remove_prefix(1 + length);
  }
  if (!canonical.empty()) return std::nullopt;
  return made;
}

storage::object_key identity::key128() const { return storage::object_key{sha256_128(canonical())}; }

storage::version_key make_version_key(const storage::object_key& object, const validator& pinned,
                                      std::optional<std::uint64_t> length_bytes, std::uint64_t nonce) {
  std::string spelled(reinterpret_cast<const char*>(object.bytes.data()), object.bytes.size());
  append_field(spelled, std::to_string(static_cast<unsigned>(pinned.kind)));
  append_field(spelled, pinned.value);
  append_field(spelled, length_bytes ? std::to_string(*length_bytes) : std::string("unknown"));
  append_field(spelled, std::to_string(nonce));
  return storage::version_key{sha256_128(spelled)};
}

} // namespace forebay::origin
