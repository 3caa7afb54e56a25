// The head of an answer, line by line as libcurl hands it over.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "http/client_transfer.h"
#include "http/syntax.h"

namespace forebay::http {

std::size_t client_transfer::on_header(char* text, std::size_t size, std::size_t count, void* self) {
  // Trailers that libcurl met while it was paused come in one piece.
  for (std::string_view left(text, size * count); !left.empty();) {
    const std::size_t length = std::min(left.find('\n'), left.size() - 1) + 1;
    if (!static_cast<client_transfer*>(self)->take_header_line(left.substr(0, length))) return 0;
    left.remove_prefix(length);
  }
  return size * count;
}

bool client_transfer::take_header_line(std::string_view line) {
  head_bytes_ += line.size(); // of all heads and trailers of this exchange: none may be used to flood us
  if (head_bytes_ > settings_->limits.header_bytes) {
    return refuse_head(fmt::format("the head of the answer is longer than {} bytes", settings_->limits.header_bytes));
  }
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (line.empty()) return head_done_ || end_head();
  if (!head_done_ && line.starts_with("HTTP/")) return begin_head(line);
  take_field(line);
  return true;
}

bool client_transfer::begin_head(std::string_view status_line) {
  head_.fields.clear();
  last_name_.clear();
  const std::size_t space = status_line.find(' ');
  const auto code = space == std::string_view::npos ? std::nullopt : parse_u64(status_line.substr(space + 1, 3));
  if (!code || *code < 100 || *code > 599) return refuse_head("the status line holds no status of HTTP");
  head_.status = static_cast<unsigned>(*code);
  head_.version = status_line.starts_with("HTTP/1.0") ? 10 : 11;
  return true;
}

void client_transfer::take_field(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') { // obs-fold (RFC 9112 §5.2): a space to us
    if (!last_name_.empty()) last_value_.append(" ").append(trim(line));
    return;
  }
  flush_field();
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return; // passed on by nobody
  last_name_ = line.substr(0, colon);
  last_value_ = trim(line.substr(colon + 1));
}

void client_transfer::flush_field() {
  const auto control = [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; };
  const bool clean = std::none_of(last_value_.begin(), last_value_.end(), control);
  header_table& into = head_done_ ? trailers_ : head_.fields;
  if (!last_name_.empty() && clean) into.add(last_name_, last_value_);
  last_name_.clear();
}

bool client_transfer::end_head() {
  flush_field();
  if (head_.status == 101) return refuse_head("the origin switched protocols without being asked");
  if (head_.status < 200) {
    if (on_interim_ && head_.status != 100) on_interim_(head_); // 100 is between libcurl and the origin
    head_.fields.clear();
    return true;
  }
  const bool coded = head_.fields.has("Transfer-Encoding");
  if (coded) head_.fields.remove("Content-Length"); // RFC 9112 §6.3: the coding decides
  std::optional<std::uint64_t> length;
  for (std::size_t i = 0; i < head_.fields.size(); ++i) {
    const auto field = head_.fields.at(i);
    if (!iequals(field.name, "Content-Length")) continue;
    const auto value = parse_u64(field.value);
    const bool differs = length && value != length;
    if (!value || differs) return refuse_head("the answer has no single valid Content-Length");
    length = value;
  }
  const bool bodiless = head_only_ || head_.status == 204 || head_.status == 304;
  if (length && !bodiless) body_total_ = length;
  if (!length && !coded && !bodiless && target_.scheme == "https") {
    const curl_tlssessioninfo* session = nullptr;
    curl_easy_getinfo(easy_, CURLINFO_TLS_SSL_PTR, &session);
    if (session != nullptr) tls_session_ = session->internals;
  }
  head_done_ = true;
  stage_ = stage::receiving;
  wake();
  return true;
}

bool client_transfer::refuse_head(std::string context) {
  failure_ = error{error_kind::broken, target_.place(), std::move(context)};
  return false;
}

} // namespace forebay::http
