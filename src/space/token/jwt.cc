#include "space/token/jwt.h"

#include <algorithm>
#include <cmath>

#include "base/base64.h"
#include "base/text.h"
#include "space/token/strict_json.h"

namespace forebay::space {
namespace {

tl::unexpected<error> bad_token(std::string why) { return fail(error_kind::unauthorised, "token", std::move(why)); }

/// A text member; nothing where it is not there or another thing.
const std::string* text_of(const nlohmann::json& in, std::string_view name) {
  const auto found = in.find(name);
  return found != in.end() && found->is_string() ? &found->get_ref<const std::string&>() : nullptr;
}

/// Access tokens (RFC 9068) and those of no stated type.
bool is_usual_type(const nlohmann::json& header) {
  if (!header.contains("typ")) return true;
  const std::string* const type = text_of(header, "typ");
  return type != nullptr && (iequals(*type, "JWT") || iequals(*type, "at+jwt") || iequals(*type, "application/at+jwt"));
}

result<void> read_header(const nlohmann::json& header, jwt& into) {
  if (!header.is_object()) return bad_token("its header is no JSON object with each member once");
  const std::string* const algorithm = text_of(header, "alg");
  if (algorithm == nullptr) return bad_token("its header names no algorithm");
  // We understand no extension, and what is critical must be understood (RFC 7515 §4.1.11).
  if (header.contains("crit") || header.contains("b64")) return bad_token("its header has a critical extension");
  if (!is_usual_type(header)) return bad_token("it is of another type than JWT and at+jwt");
  into.algorithm = *algorithm;
  if (!header.contains("kid")) return {};
  const std::string* const kid = text_of(header, "kid");
  if (kid == nullptr) return bad_token("the key that its header names is no text");
  into.kid = *kid;
  return {};
}

/// NumericDate (RFC 7519 §2). Beyond what clocks hold it is for ever, or long over.
std::optional<wall_time> moment_of(const nlohmann::json& value) {
  constexpr double first_second = 0, last_second = 4'000'000'000;
  if (!value.is_number()) return std::nullopt;
  const double second = value.get<double>();
  if (!std::isfinite(second)) return std::nullopt;
  return wall_time(
      std::chrono::seconds(static_cast<std::int64_t>(std::floor(std::clamp(second, first_second, last_second)))));
}

bool is_for_us(const nlohmann::json& claims, const std::vector<std::string>& audiences) {
  const auto aud = claims.find("aud");
  if (aud == claims.end()) return false;
  const auto fits = [&](const nlohmann::json& one) {
    return one.is_string() &&
           std::find(audiences.begin(), audiences.end(), one.get_ref<const std::string&>()) != audiences.end();
  };
  if (aud->is_array()) return std::any_of(aud->begin(), aud->end(), fits);
  return fits(*aud);
}

} // namespace

result<jwt> parse_jwt(std::string_view text) {
  if (text.size() > token_bytes_max) return bad_token("it is too long");
  const auto parts = split(text, '.');
  if (parts.size() != 3 || parts[0].empty() || parts[1].empty() || parts[2].empty())
    return bad_token("it is no JSON Web Token of three parts");
  const auto header = base64url_decode(parts[0]), claims = base64url_decode(parts[1]);
  auto signature = base64url_decode(parts[2]);
  if (!header || !claims || !signature) return bad_token("it is not written in base64url");
  jwt made;
  const auto sound = read_header(parse_strict_json(*header), made);
  if (!sound) return fail(sound.error());
  auto read = parse_strict_json(*claims);
  if (!read.is_object()) return bad_token("its claims are no JSON object with each member once");
  const std::string* const issuer = text_of(read, "iss");
  if (issuer == nullptr) return bad_token("it names no issuer");
  made.issuer = *issuer;
  made.signed_part = text.substr(0, parts[0].size() + 1 + parts[1].size());
  made.signature = std::move(*signature);
  made.claims = std::make_shared<const nlohmann::json>(std::move(read));
  return made;
}

result<wall_time> judge_claims(const nlohmann::json& claims, const claim_terms& terms, wall_time now) {
  const auto exp = claims.find("exp");
  const auto end = exp != claims.end() ? moment_of(*exp) : std::nullopt;
  if (!end) return bad_token("it does not say when it ends");
  if (now >= *end + terms.leeway) return bad_token("it has expired");
  for (const char* const name : {"nbf", "iat"}) {
    const auto found = claims.find(name);
    if (found == claims.end()) continue;
    const auto begin = moment_of(*found);
    if (!begin) return bad_token("one of its dates is none");
    if (now + terms.leeway < *begin) return bad_token("it does not hold yet");
  }
  if (!is_for_us(claims, terms.audiences)) return bad_token("it is for another audience");
  for (const std::string& name : terms.required) {
    if (!claims.contains(name)) return bad_token("a claim that is required is not there");
  }
  return *end + terms.leeway;
}

std::vector<std::string_view> words_of(const nlohmann::json& of, std::string_view claim) {
  const std::string* const text = text_of(of, claim);
  if (text == nullptr) return {};
  auto words = split(*text, ' ');
  std::erase_if(words, [](std::string_view word) { return word.empty(); });
  return words;
}

} // namespace forebay::space
