// The wire format of protocol buffers, as far as dag-pb and UnixFS need it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "origin/ipfs/varint.h"

namespace forebay::origin::ipfs {

struct protobuf_field {
  std::uint64_t number = 0;
  bool is_bytes = false;
  std::uint64_t value = 0; ///< of a varint
  std::string_view bytes;  ///< of a length-delimited field
};

/// Takes the next field off the front; nothing when it is malformed or of a wire type that is not used here.
inline std::optional<protobuf_field> take_field(std::string_view& message) noexcept {
  const auto tag = take_varint(message);
  if (!tag || *tag >> 3 == 0) return std::nullopt;
  protobuf_field made;
  made.number = *tag >> 3;
  const auto value = take_varint(message);
  if (!value) return std::nullopt;
  switch (*tag & 7) {
  case 0: made.value = *value; return made;
  case 2:
    if (*value > message.size()) return std::nullopt;
    made.is_bytes = true;
    made.bytes = message.substr(0, *value);
    message.remove_prefix(*value);
    return made;
  default: return std::nullopt;
  }
}

} // namespace forebay::origin::ipfs
