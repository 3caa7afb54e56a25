#include "http/http2/fields.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/text.h"
#include "http/authority.h"

namespace forebay::http {
namespace {

/// RFC 9113 §6.5.2: what a field counts for beside its bytes.
constexpr std::size_t field_overhead_bytes = 32;

constexpr char small(char letter) noexcept {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

/// Of an answer or an object alone: in the table of fields that came before (RFC 7541) they would push others out.
/// (nghttp2 knows Age, Content-Length and ETag as such.)
bool is_unique(std::string_view name) noexcept {
  return name == "x-request-id" || name == "cache-status" || name == "last-modified" || name == "repr-digest";
}

/// Fields of a connection, which HTTP/2 does without (RFC 9113 §8.2.2).
bool of_connection(std::string_view name) noexcept {
  return frames_messages(name) || iequals(name, "upgrade") || iequals(name, "te");
}

} // namespace

void http2_head::clear() noexcept {
  for (std::string* each : {&method_, &scheme_, &authority_, &path_, &cookies_}) each->clear();
  fields_.clear();
  list_bytes_ = 0;
  too_large_ = too_many_ = expects_continue_ = false;
}

void http2_head::add(std::string_view name, std::string_view value, const server_limits& limits) {
  list_bytes_ += name.size() + value.size() + field_overhead_bytes;
  too_large_ = too_large_ || list_bytes_ > limits.header_bytes;
  too_many_ = too_many_ || fields_.size() >= limits.header_fields;
  if (too_large_ || too_many_) return;
  if (name == ":method") {
    method_ = value;
  } else if (name == ":scheme") {
    scheme_ = value;
  } else if (name == ":authority") {
    authority_ = value;
  } else if (name == ":path") {
    path_ = value;
  } else if (name == "cookie") { // may come in pieces (RFC 9113 §8.2.3)
    cookies_.append(cookies_.empty() ? "" : "; ").append(value);
  } else {
    fields_.add(name, value);
  }
}

std::string_view http2_head::raw() {
  // nghttp2 lets neither white space into a path nor line ends into a value; if it did, two heads could be one text.
  const bool told = method_ == "GET" && !too_large_ && !too_many_ && path_.find(' ') == std::string::npos;
  if (!told) return {};
  raw_.clear();
  // A tab, so that no request of HTTP/1.1 is the same.
  for (const std::string_view each :
       {std::string_view("GET\t"), std::string_view(path_), std::string_view(" HTTP/2 "), std::string_view(scheme_),
        std::string_view("\r\n:authority: "), std::string_view(authority_), std::string_view("\r\n")}) {
    raw_ += each;
  }
  fields_.render_to(raw_);
  if (!cookies_.empty()) raw_.append("cookie: ").append(cookies_).append("\r\n");
  raw_ += "\r\n";
  return raw_;
}

http2_head::refusal http2_head::finish(request_head& into, const server_limits& limits) {
  into.method = method_;
  into.target = path_;
  into.version = 20;
  into.fields.clear();
  const auto host = fields_.get("host");
  // :authority is who is asked; a Host beside it must not say another (RFC 9113 §8.3.1).
  const bool two_hosts =
      fields_.count("host") > 1 || (host && !authority_.empty() && !same_authority(*host, authority_, scheme_));
  const std::string asked(authority_.empty() ? host.value_or("") : std::string_view(authority_));
  fields_.remove("host");
  if (!asked.empty()) into.fields.add("host", asked);
  fields_.each([&](std::string_view name, std::string_view value) { into.fields.add(name, value); });
  if (!cookies_.empty()) into.fields.add("cookie", cookies_);
  if (path_.size() > limits.target_bytes) return {414, "the request target is too long"};
  if (too_large_ || too_many_) return {431, "the header fields are too large or too many", !too_large_};
  if (two_hosts || !is_valid_authority(asked)) return {400, "a Host that is no host, or more than one"};
  const auto target = classify_target(method_, path_);
  const bool usable = target && (target->form == target_form::origin || target->form == target_form::asterisk);
  if (!usable) return {method_ == "CONNECT" ? 501u : 400u, "a request target of no known form"};
  const auto length = into.fields.get("content-length");
  if (length && parse_u64(*length).value_or(UINT64_MAX) > limits.body_bytes)
    return {413, "the body is larger than this node takes"};
  const auto expected = into.fields.get("expect");
  if (expected && !iequals(*expected, "100-continue")) return {417, "an expectation other than 100-continue"};
  expects_continue_ = expected.has_value();
  return {};
}

http2_answer_fields::http2_answer_fields(const response& answer, const answer_framing& framing,
                                         std::string_view request_id) {
  add(":status", fmt::format("{}", answer.head.status));
  answer.head.fields.each([this](std::string_view name, std::string_view value) {
    if (!of_connection(name)) add(name, value);
  });
  if (answer.shared_fields) {
    for (std::string_view line : split(*answer.shared_fields, '\n')) {
      const std::size_t colon = line.find(':');
      if (colon != std::string_view::npos && !of_connection(line.substr(0, colon)))
        add(line.substr(0, colon), trim(line.substr(colon + 1, line.find('\r') - colon - 1)));
    }
  }
  if (!answer_has(answer, "date:")) add("date", current_date());
  if (!answer_has(answer, "x-request-id:")) add("x-request-id", request_id);
  if (framing.content_length) add("content-length", fmt::format("{}", *framing.content_length));
  make_pairs();
}

http2_answer_fields::http2_answer_fields(const header_table& trailers) {
  trailers.each([this](std::string_view name, std::string_view value) {
    if (!of_connection(name)) add(name, value);
  });
  make_pairs();
}

http2_answer_fields::http2_answer_fields(const response_head& interim) {
  add(":status", fmt::format("{}", interim.status));
  header_table fields = interim.fields;
  remove_hop_by_hop(fields);
  fields.each([this](std::string_view name, std::string_view value) { add(name, value); });
  make_pairs();
}

void http2_answer_fields::refer_to(std::string& head) {
  static constexpr std::string_view status_name = ":status";
  constexpr std::size_t status_at = std::string_view("HTTP/1.1 ").size(), status_length = 3;
  const auto bytes_of = [](const char* at) { return reinterpret_cast<std::uint8_t*>(const_cast<char*>(at)); };
  constexpr std::uint8_t stays = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
  pairs_.clear();
  pairs_.push_back(
      {bytes_of(status_name.data()), bytes_of(head.data() + status_at), status_name.size(), status_length, stays});
  for (std::size_t at = head.find('\n') + 1, end; (end = head.find('\r', at)) != at && end < head.size();
       at = end + 2) {
    const std::size_t colon = head.find(':', at);
    if (colon > end) continue;
    std::transform(head.data() + at, head.data() + colon, head.data() + at, small);
    const auto name = std::string_view(head).substr(at, colon - at);
    const auto value = trim(std::string_view(head).substr(colon + 1, end - colon - 1));
    if (name != "content-length" && of_connection(name)) continue;
    const auto flags = static_cast<std::uint8_t>(is_unique(name) ? stays | NGHTTP2_NV_FLAG_NO_INDEX : stays);
    pairs_.push_back({bytes_of(name.data()), bytes_of(value.data()), name.size(), value.size(), flags});
  }
}

void http2_answer_fields::add(std::string_view name, std::string_view value) {
  runs_.push_back({text_.size(), name.size(), value.size()});
  text_ += to_lower(name);
  text_ += value;
}

void http2_answer_fields::make_pairs() {
  for (const run& each : runs_) {
    auto* const name = reinterpret_cast<std::uint8_t*>(text_.data()) + each.name;
    pairs_.push_back({name, name + each.name_length, each.name_length, each.value_length, NGHTTP2_NV_FLAG_NONE});
  }
}

} // namespace forebay::http
