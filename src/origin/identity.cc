#include "origin/identity.h"

#include <array>

#include "base/hash.h"

namespace forebay::origin {
namespace {

/// "length:bytes", so that no two lists of fields spell alike.
void append_field(std::string& out, std::string_view field) {
  out += std::to_string(field.size());
  out += ':';
  out += field;
}

} // namespace

std::string identity::canonical() const {
  std::string out;
  for (const std::string* each : {&kind, &endpoint, &bucket, &key, &scope, &variant}) append_field(out, *each);
  return out;
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
