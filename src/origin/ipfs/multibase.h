// The bases in which CIDs are written (multibase).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace forebay::origin::ipfs {

/// Bytes of `text` in the alphabet of the prefix: 'b'/'B' base32, 'k'/'K' base36, 'f'/'F' base16, 'z' base58btc.
/// Nothing for other prefixes, other characters and bits that are left over.
std::optional<std::string> multibase_decode(std::string_view text);
/// Without a prefix, as CIDv0 is written.
std::optional<std::string> base58_decode(std::string_view text);
/// RFC 4648 base32, lower case, no padding, with the prefix 'b'.
std::string multibase_base32(std::string_view bytes);

} // namespace forebay::origin::ipfs
