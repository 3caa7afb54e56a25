#include "front/answer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "http/not_modified.h"

namespace forebay::front {
namespace {

template <std::size_t N>
bool listed(const std::array<std::string_view, N>& names, std::string_view name) noexcept {
  return std::any_of(names.begin(), names.end(),
                     [name](std::string_view one) { return one.size() == name.size() && iequals(one, name); });
}

/// Said by this node itself; an origin's word would contradict it, or be sent twice.
bool is_ours(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 6> names{"accept-ranges",
                                                         "access-control-allow-origin",
                                                         "access-control-allow-credentials",
                                                         "access-control-expose-headers",
                                                         "content-length",
                                                         "x-request-id"};
  return listed(names, name);
}

/// Lists to which we append: what came before must stand before.
bool is_path_field(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 2> names{"via", "cache-status"};
  return listed(names, name);
}

/// True of a whole body alone: clients compare these with what they received (RFC 9530 §2, S3's checksums).
bool is_of_whole_body(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 2> names{"content-md5", "content-digest"};
  constexpr std::string_view s3_checksum = "x-amz-checksum-";
  return listed(names, name) ||
         (name.size() > s3_checksum.size() && iequals(name.substr(0, s3_checksum.size()), s3_checksum));
}

bool is_sent(std::string_view name, portion what) noexcept {
  if (is_ours(name)) return false;
  switch (what) {
  case portion::whole: return true;
  case portion::one_range: return !is_of_whole_body(name);
  case portion::many_ranges: return !is_of_whole_body(name) && !iequals(name, "content-type");
  case portion::nothing: return http::is_in_not_modified(name) || is_path_field(name);
  }
  return true;
}

} // namespace

http::response begin_answer(const cache::stored_head& head, unsigned status, portion what) {
  http::response answer;
  answer.head.status = status;
  answer.head.version = head.version;
  bool as_rendered = head.rendered != nullptr;
  head.fields.each([&](std::string_view name, std::string_view) {
    if (!is_sent(name, what) || is_path_field(name)) as_rendered = false;
  });
  if (as_rendered) {
    answer.shared_fields = head.rendered;
  } else {
    head.fields.each([&](std::string_view name, std::string_view value) {
      if (is_sent(name, what)) answer.head.fields.add(name, value);
    });
  }
  if (!head.date.empty()) answer.head.fields.add("Date", head.date);
  return answer;
}

void unshare(http::response& answer) {
  if (answer.shared_fields == nullptr) return;
  std::string_view lines = *answer.shared_fields;
  while (!lines.empty()) {
    const std::size_t end = lines.find("\r\n"), colon = lines.find(':');
    if (end == std::string_view::npos || colon > end) break;
    answer.head.fields.add(lines.substr(0, colon), lines.substr(colon + 1, end - colon - 1));
    lines.remove_prefix(end + 2);
  }
  answer.shared_fields.reset();
}

void add_node_fields(http::response_head& answer, const http::request& asked, const std::string& cache_status) {
  http::header_table& fields = answer.fields;
  fields.add("Via", answer.version == 10 ? "1.0 forebay" : "1.1 forebay");
  if (!cache_status.empty()) fields.add("Cache-Status", cache_status);
  fields.set("X-Request-Id", asked.id);
  fields.set("Access-Control-Allow-Origin", "*");
  fields.set("Access-Control-Expose-Headers", "*");
}

void add_age(http::header_table& fields, std::chrono::seconds age, bool from_cache) {
  if (from_cache || age.count() > 0) fields.add("Age", fmt::format("{}", age.count()));
}

multipart_body::multipart_body(cache::opened object, std::vector<byte_range> ranges, http::multipart_layout layout)
    : object_(std::move(object)), ranges_(std::move(ranges)), layout_(std::move(layout)) {}

net::task<result<net::slice>> multipart_body::next(std::size_t max_bytes) {
  if (!begun_) {
    begun_ = true;
    reading_ = object_.read(ranges_.front());
    result<net::slice> first = co_await reading_->next(max_bytes);
    if (!first) co_return first;
    ahead_ = std::move(*first);
    co_return net::make_slice(layout_.part_heads.front());
  }
  if (!ahead_.empty()) {
    net::slice given = ahead_.part(0, std::min(max_bytes, ahead_.length_bytes()));
    ahead_ = ahead_.part(given.length_bytes(), ahead_.length_bytes() - given.length_bytes());
    co_return given;
  }
  for (;;) {
    if (reading_ != nullptr) {
      result<net::slice> piece = co_await reading_->next(max_bytes);
      if (!piece || !piece->empty()) co_return piece;
      reading_.reset();
      ++part_;
    }
    if (part_ == ranges_.size()) {
      if (tail_sent_) co_return net::slice{};
      tail_sent_ = true;
      co_return net::make_slice(layout_.tail);
    }
    reading_ = object_.read(ranges_[part_]);
    co_return net::make_slice(layout_.part_heads[part_]);
  }
}

std::string make_boundary(std::string_view request_id) {
  static std::atomic<std::uint64_t> count{0};
  const auto digest = sha256_128(fmt::format("{}/{}/{}", request_id, count.fetch_add(1, std::memory_order_relaxed),
                                             std::chrono::steady_clock::now().time_since_epoch().count()));
  return hex(digest.bytes);
}

} // namespace forebay::front
