// A reader's own bearer token (RFC 6750), on its way to the one origin that it is for.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace forebay::origin {

/// A secret: a type of its own, so that nothing formats or stores it by accident. Immutable, shared by what is asked
/// in its reader's name.
class reader_token {
public:
  explicit reader_token(std::string secret) : secret_(std::move(secret)) {}
  const std::string& secret() const noexcept { return secret_; }

private:
  std::string secret_;
};
/// Null: the reader shows none.
using shown_token = std::shared_ptr<const reader_token>;

/// In identities: bytes that readers fetch with tokens of their own are nobody else's, not those of anonymous readers.
inline constexpr std::string_view readers_scope = "tokens-of-readers";

/// Makes a read or a listing a question whether its reader may: only the origin's own word counts, no page that a
/// redirect leads to.
struct access_probe {
  std::string challenge; ///< out: WWW-Authenticate of a refusal
};

} // namespace forebay::origin
