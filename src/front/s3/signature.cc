#include "front/s3/signature.h"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "front/s3/s3_request.h"
#include "front/target.h"
#include "origin/s3/sigv4.h"

namespace forebay::front::s3 {
namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";
constexpr std::size_t signature_digits = 64;
constexpr std::size_t signed_names_max = 128; // as many as a request may have fields
using claimed = tl::expected<std::optional<authorization>, s3_failure>;

tl::unexpected<s3_failure> malformed(std::string message) {
  return tl::unexpected(s3_failure{400, "AuthorizationHeaderMalformed", std::move(message)});
}
tl::unexpected<s3_failure> malformed_query(std::string message) {
  return tl::unexpected(s3_failure{400, "AuthorizationQueryParametersError", std::move(message)});
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// "20130524T000000Z" as a time. Years that overflow the clock, or could with what is added to them, are none.
std::optional<wall_time> parse_timestamp(std::string_view text) {
  const bool shape = text.size() == 16 && text[8] == 'T' && text[15] == 'Z' && is_digits(text.substr(0, 8)) &&
                     is_digits(text.substr(9, 6));
  if (!shape) return std::nullopt;
  const auto number = [text](std::size_t at, std::size_t count) {
    return static_cast<int>(parse_u64(text.substr(at, count)).value_or(0));
  };
  constexpr int first_year = 1970, last_year = 2200;
  if (number(0, 4) < first_year || number(0, 4) > last_year) return std::nullopt;
  std::tm utc{};
  utc.tm_year = number(0, 4) - 1900;
  utc.tm_mon = number(4, 2) - 1;
  utc.tm_mday = number(6, 2);
  utc.tm_hour = number(9, 2);
  utc.tm_min = number(11, 2);
  utc.tm_sec = number(13, 2);
  return std::chrono::system_clock::from_time_t(timegm(&utc));
}

/// "id/20130524/us-east-1/s3/aws4_request"; an access key may hold slashes itself.
bool read_credential(std::string_view text, authorization& into) {
  const auto parts = split(text, '/');
  if (parts.size() < 5) return false;
  const auto scope = std::span(parts).last(4);
  if (scope[0].size() != 8 || !is_digits(scope[0]) || scope[2] != "s3" || scope[3] != "aws4_request") return false;
  std::size_t scope_bytes = 0;
  for (const auto each : scope) scope_bytes += each.size() + 1;
  into.access_key_id = text.substr(0, text.size() - scope_bytes);
  into.date = scope[0];
  into.region = scope[1];
  return !into.access_key_id.empty();
}

bool read_names(std::string_view text, authorization& into) {
  const auto names = split(text, ';');
  if (names.size() > signed_names_max) return false;
  for (const auto each : names) {
    if (each.empty() || to_lower(each) != each) return false;
    into.signed_names.emplace_back(each);
  }
  return true;
}

bool is_signature(std::string_view text) {
  return text.size() == signature_digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

claimed read_header(std::string_view field, const http::request_head& head) {
  authorization claim;
  bool credential = false, names = false;
  for (const std::string_view each : split(field.substr(algorithm.size()), ',')) {
    const std::string_view part = trim(each);
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) return malformed("the Authorization field holds a part without '='");
    const std::string_view name = part.substr(0, equals), value = part.substr(equals + 1);
    if (name == "Credential") credential = read_credential(value, claim);
    if (name == "SignedHeaders") names = read_names(value, claim);
    if (name == "Signature") claim.signature = value;
  }
  if (!credential) return malformed("expected Credential=<id>/<yyyymmdd>/<region>/s3/aws4_request");
  if (!names || !is_signature(claim.signature)) return malformed("expected SignedHeaders and a Signature of 64 digits");
  claim.timestamp = head.fields.get("x-amz-date").value_or("");
  claim.payload = head.fields.get("x-amz-content-sha256").value_or("");
  if (!parse_timestamp(claim.timestamp))
    return tl::unexpected(s3_failure{403, "AccessDenied", "a signed request needs a valid x-amz-date"});
  if (claim.payload.empty())
    return tl::unexpected(
        s3_failure{400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"});
  if (!claim.timestamp.starts_with(claim.date)) return malformed("Credential and x-amz-date name different days");
  return claim;
}

claimed read_presigned(const std::vector<parameter>& query) {
  authorization claim;
  bool credential = false, names = false;
  for (const parameter& each : query) {
    if (each.name == "X-Amz-Algorithm" && each.value != algorithm)
      return malformed_query("X-Amz-Algorithm only supports AWS4-HMAC-SHA256");
    if (each.name == "X-Amz-Credential") credential = read_credential(each.value, claim);
    if (each.name == "X-Amz-SignedHeaders") names = read_names(each.value, claim);
    if (each.name == "X-Amz-Signature") claim.signature = each.value;
    if (each.name == "X-Amz-Date") claim.timestamp = each.value;
    if (each.name == "X-Amz-Content-Sha256") claim.payload = each.value;
    if (each.name == "X-Amz-Expires") {
      const auto seconds = parse_u64(each.value);
      if (!seconds || *seconds == 0 || std::chrono::seconds(*seconds) > presigned_max)
        return malformed_query("X-Amz-Expires must be from 1 to 604800 seconds");
      claim.expires = std::chrono::seconds(*seconds);
    }
  }
  const bool whole = credential && names && is_signature(claim.signature) && claim.expires &&
                     parse_timestamp(claim.timestamp) && claim.timestamp.starts_with(claim.date);
  if (!whole) {
    return malformed_query("expected X-Amz-Algorithm, -Credential, -Date, -Expires, -SignedHeaders and -Signature");
  }
  if (claim.payload.empty()) claim.payload = origin::s3::unsigned_payload;
  return claim;
}

/// The query as it came, but for the signature itself.
std::string without_signature(std::string_view raw) {
  std::string rest;
  for (const std::string_view each : split(raw, '&')) {
    if (each.starts_with("X-Amz-Signature=")) continue;
    if (!rest.empty()) rest += '&';
    rest += each;
  }
  return rest;
}

std::string canonical_of(const authorization& claim, const http::request_head& head, const target& wanted) {
  std::string lines, names;
  for (const std::string& name : claim.signed_names) {
    std::string value;
    bool first = true;
    head.fields.each([&](std::string_view each, std::string_view text) {
      if (!iequals(each, name)) return;
      if (!first) value += ',';
      first = false;
      value += origin::s3::canonical_value(text);
    });
    lines += fmt::format("{}:{}\n", name, value);
    names += (names.empty() ? "" : ";") + name;
  }
  const std::string path = origin::s3::encode_key(percent_decode(wanted.path).value_or(wanted.path));
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", head.method, path,
                     origin::s3::canonical_query(without_signature(wanted.query)), lines, names, claim.payload);
}

bool is_signed_name(const authorization& claim, std::string_view name) {
  return std::find(claim.signed_names.begin(), claim.signed_names.end(), name) != claim.signed_names.end();
}

/// Fields that mean something to S3, and Host, must not be added by others on the way.
std::optional<std::string> unsigned_field(const authorization& claim, const http::request_head& head) {
  if (!is_signed_name(claim, "host")) return "host";
  std::optional<std::string> missing;
  head.fields.each([&](std::string_view name, std::string_view) {
    const std::string lower = to_lower(name);
    if (lower.starts_with("x-amz-") && !is_signed_name(claim, lower) &&
        !(claim.expires && lower == "x-amz-content-sha256"))
      missing = lower;
  });
  return missing;
}

} // namespace

claimed read_authorization(const http::request_head& head) {
  const auto wanted = parse_target(head.target);
  if (!wanted) return std::optional<authorization>();
  const auto query = read_query(wanted->query);
  const bool presigned = std::any_of(query.begin(), query.end(), [](const parameter& one) {
    return one.name == "X-Amz-Algorithm" || one.name == "X-Amz-Signature";
  });
  const auto field = head.fields.get("authorization");
  const bool in_header = field && field->starts_with(algorithm);
  if (presigned && field) {
    return tl::unexpected(s3_failure{400, "InvalidArgument", "Only one auth mechanism allowed: header or query"});
  }
  if (presigned) {
    auto claim = read_presigned(query);
    const auto hash = head.fields.get("x-amz-content-sha256");
    if (claim && hash && is_signed_name(**claim, "x-amz-content-sha256")) (*claim)->payload = *hash;
    return claim;
  }
  if (in_header) return read_header(*field, head);
  return std::optional<authorization>();
}

std::optional<s3_failure> verify(const authorization& claim, std::string_view secret, const http::request_head& head,
                                 wall_time now) {
  const auto signed_at = *parse_timestamp(claim.timestamp);
  if (claim.expires && now > signed_at + *claim.expires) return s3_failure{403, "AccessDenied", "Request has expired"};
  if (signed_at > now + clock_skew_max || (!claim.expires && now > signed_at + clock_skew_max)) {
    return s3_failure{403, "RequestTimeTooSkewed",
                      "The difference between the request time and the current time is too large."};
  }
  if (const auto missing = unsigned_field(claim, head)) {
    return s3_failure{403, "AccessDenied",
                      "There were headers present in the request which were not signed: " + *missing};
  }
  const auto wanted = parse_target(head.target);
  const std::string scope = origin::s3::credential_scope(claim.date, claim.region, "s3");
  const auto key = origin::s3::signing_key(secret, claim.date, claim.region, "s3");
  const auto right =
      hmac_sha256(key, origin::s3::string_to_sign(claim.timestamp, scope, canonical_of(claim, head, *wanted)));
  if (equal_in_constant_time(hex(right), claim.signature)) return std::nullopt;
  return s3_failure{403, "SignatureDoesNotMatch",
                    "The request signature we calculated does not match the signature you provided. Check your key and "
                    "signing method."};
}

chunk_signing begin_chunks(const authorization& claim, std::string_view secret) {
  return {origin::s3::signing_key(secret, claim.date, claim.region, "s3"), claim.timestamp,
          origin::s3::credential_scope(claim.date, claim.region, "s3"), claim.signature};
}

} // namespace forebay::front::s3
