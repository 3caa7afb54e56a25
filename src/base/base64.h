// Base64 (RFC 4648).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace forebay {

/// RFC 4648 §4, padded.
std::string base64_encode(std::string_view bytes);
/// RFC 4648 §5 without padding (JSON Web Tokens: RFC 7515 §2).
std::string base64url_encode(std::string_view bytes);
/// RFC 4648 §4; nothing on other characters or missing padding.
std::optional<std::string> base64_decode(std::string_view text);
/// RFC 4648 §5 without padding.
std::optional<std::string> base64url_decode(std::string_view text);

} // namespace forebay
