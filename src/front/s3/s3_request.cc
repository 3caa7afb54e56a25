#include "front/s3/s3_request.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "front/target.h"
#include "space/path.h"

namespace forebay::front::s3 {
namespace {

/// The Host without its port, in lower case.
std::string host_of(const http::request_head& head) {
  std::string host = to_lower(head.fields.get("host").value_or(""));
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.find(':', bracket == std::string::npos ? 0 : bracket);
  if (colon != std::string::npos) host.resize(colon);
  return host;
}

/// The bucket in a virtual host; empty for path style. Nothing where the host is none of ours.
std::optional<std::string> bucket_in_host(const std::string& host, const std::vector<std::string>& hosts) {
  for (const std::string& each : hosts) {
    const std::string name = to_lower(each);
    if (host == name) return std::string();
    if (host.ends_with("." + name)) return host.substr(0, host.size() - name.size() - 1);
  }
  return std::nullopt;
}

std::string decode_parameter(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return percent_decode(spaced).value_or(spaced);
}

} // namespace

const std::string* s3_request::find(std::string_view name) const noexcept {
  const auto found =
      std::find_if(query.begin(), query.end(), [name](const parameter& one) { return one.name == name; });
  return found == query.end() ? nullptr : &found->value;
}

std::vector<parameter> read_query(std::string_view raw) {
  std::vector<parameter> query;
  for (const std::string_view each : split(raw, '&')) {
    if (each.empty()) continue;
    const std::size_t equals = each.find('=');
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : each.substr(equals + 1);
    query.push_back({decode_parameter(each.substr(0, equals)), decode_parameter(value)});
  }
  return query;
}

result<s3_request> read_request(const http::request_head& head, const std::vector<std::string>& hosts) {
  auto wanted = parse_target(head.target);
  if (!wanted) return fail(wanted.error());
  s3_request read;
  if (wanted->path == "*") return read; // OPTIONS
  auto path = space::decode_path(wanted->path);
  if (!path) return fail(path.error());
  read.query = read_query(wanted->query);
  std::string_view rest = std::string_view(*path).substr(1);
  if (auto bucket = bucket_in_host(host_of(head), hosts); bucket && !bucket->empty()) {
    read.bucket = std::move(*bucket);
  } else {
    const std::size_t slash = rest.find('/');
    read.bucket = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  }
  read.key = rest;
  return read;
}

bool is_for_s3(const http::request_head& head, const std::vector<std::string>& hosts) {
  if (head.fields.get("authorization").value_or("").starts_with("AWS4-HMAC-SHA256")) return true;
  if (head.target.find("X-Amz-Signature=") != std::string::npos) return true;
  return bucket_in_host(host_of(head), hosts).has_value();
}

} // namespace forebay::front::s3
