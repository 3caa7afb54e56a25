#include "origin/s3/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <span>

#include "base/hash.h"
#include "base/text.h"

namespace forebay::origin::s3 {
namespace {

/// "20130524T000000Z".
std::string basic_timestamp(wall_time when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

bool is_signed(std::string_view lower_name) { return lower_name.starts_with("x-amz-") || lower_name == "content-md5"; }

std::string hex_sha256(std::string_view text) { return hex(sha256(text)); }

} // namespace

std::string canonical_value(std::string_view value) {
  std::string out;
  for (const char c : trim(value)) {
    if (c == ' ' && !out.empty() && out.back() == ' ') continue;
    out += c;
  }
  return out;
}

std::string credential_scope(std::string_view date, std::string_view region, std::string_view service) {
  return fmt::format("{}/{}/{}/aws4_request", date, region, service);
}

std::string string_to_sign(std::string_view timestamp, std::string_view scope, std::string_view canonical) {
  return fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", timestamp, scope, hex_sha256(canonical));
}

std::array<std::uint8_t, 32> signing_key(std::string_view secret, std::string_view date, std::string_view region,
                                         std::string_view service) {
  const std::string first = "AWS4" + std::string(secret);
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(first.data()), first.size());
  const auto of_date = hmac_sha256(bytes, date);
  const auto of_region = hmac_sha256(of_date, region);
  const auto of_service = hmac_sha256(of_region, service);
  return hmac_sha256(of_service, "aws4_request");
}

std::string encode_key(std::string_view key) { return percent_encode(key, "/"); }
std::string encode_parameter(std::string_view text) { return percent_encode(text); }

std::string canonical_query(std::string_view raw) {
  std::vector<std::pair<std::string, std::string>> parameters;
  for (const std::string_view each : split(raw, '&')) {
    if (each.empty()) continue;
    const std::size_t equals = each.find('=');
    const std::string_view name = each.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? std::string_view{} : each.substr(equals + 1);
    const auto plain = [](std::string_view text) { return percent_decode(text).value_or(std::string(text)); };
    parameters.emplace_back(encode_parameter(plain(name)), encode_parameter(plain(value)));
  }
  std::sort(parameters.begin(), parameters.end());
  std::string out;
  for (const auto& [name, value] : parameters) {
    if (!out.empty()) out += '&';
    out += name + "=" + value;
  }
  return out;
}

std::string canonical_request(const signed_request& request, const http::header_table& fields,
                              std::string& signed_names) {
  std::map<std::string, std::string> signed_fields{{"host", request.host}};
  fields.each([&](std::string_view name, std::string_view value) {
    const std::string lower = to_lower(name);
    if (!is_signed(lower)) return;
    auto& joined = signed_fields[lower];
    if (!joined.empty()) joined += ',';
    joined += canonical_value(value);
  });
  std::string lines;
  signed_names.clear();
  for (const auto& [name, value] : signed_fields) {
    lines += fmt::format("{}:{}\n", name, value);
    if (!signed_names.empty()) signed_names += ';';
    signed_names += name;
  }
  const std::string path = request.encoded_path.empty() ? "/" : request.encoded_path;
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, path, canonical_query(request.query), lines,
                     signed_names, request.payload_hash);
}

void sign(const signed_request& request, http::header_table& fields, const access_keys& keys, std::string_view region,
          wall_time when, std::string_view service) {
  const std::string timestamp = basic_timestamp(when);
  const std::string date = timestamp.substr(0, 8);
  fields.set("x-amz-date", timestamp);
  fields.set("x-amz-content-sha256", request.payload_hash);
  if (keys.session_token.empty())
    fields.remove("x-amz-security-token");
  else
    fields.set("x-amz-security-token", keys.session_token);
  std::string names;
  const std::string canonical = canonical_request(request, fields, names);
  const std::string scope = credential_scope(date, region, service);
  const auto signature = hmac_sha256(signing_key(keys.secret_access_key, date, region, service),
                                     string_to_sign(timestamp, scope, canonical));
  fields.set("Authorization", fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                                          keys.access_key_id, scope, names, hex(signature)));
}

} // namespace forebay::origin::s3
