#include "http/answer_head.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <iterator>
#include <random>

#include <fmt/format.h>

#include "base/text.h"
#include "http/date.h"

namespace forebay::http {
namespace {

constexpr std::size_t request_id_limit = 128;

/// Whether a rendered block has a field of that name (given with its colon).
bool block_has(std::string_view block, std::string_view name_and_colon) noexcept {
  while (!block.empty()) {
    if (iequals(block.substr(0, name_and_colon.size()), name_and_colon)) return true;
    const std::size_t end = block.find('\n');
    if (end == std::string_view::npos) return false;
    block.remove_prefix(end + 1);
  }
  return false;
}

bool is_sane_id(std::string_view id) noexcept {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !id.empty() && id.size() <= request_id_limit && std::all_of(id.begin(), id.end(), allowed);
}

/// The next of this process's ids: a counter with a random start, scrambled by a bijection (splitmix64's), so that
/// no two are equal and none tells how busy the node is. Each thread draws a block of the counter.
std::uint64_t next_request_number() {
  constexpr std::uint64_t block = 1u << 16;
  static std::atomic<std::uint64_t> blocks{[] {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32) | device();
  }()};
  thread_local std::uint64_t next = 0, left = 0;
  if (left == 0) {
    next = blocks.fetch_add(block, std::memory_order_relaxed);
    left = block;
  }
  --left;
  std::uint64_t z = next++;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

} // namespace

bool frames_messages(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 5> framing{"connection", "content-length", "keep-alive",
                                                           "transfer-encoding", "proxy-connection"};
  return std::any_of(framing.begin(), framing.end(), [name](std::string_view f) { return iequals(f, name); });
}

bool answer_has(const response& answer, std::string_view name_and_colon) noexcept {
  if (answer.head.fields.has(name_and_colon.substr(0, name_and_colon.size() - 1))) return true;
  return answer.shared_fields && block_has(*answer.shared_fields, name_and_colon);
}

answer_framing frame_answer(const response& answer, std::string_view method, unsigned version,
                            bool keep_alive) noexcept {
  const unsigned status = answer.head.status;
  const bool never_has_body = status < 200 || status == 204 || status == 304;
  answer_framing framing;
  if (!never_has_body) {
    framing.content_length = answer.length_bytes;
    if (method != "HEAD") {
      framing.sends_body = answer.body != nullptr;
      if (!framing.sends_body && !framing.content_length) framing.content_length = 0;
    }
  }
  const bool length_unknown = framing.sends_body && !framing.content_length;
  framing.chunked = length_unknown && version >= 11;
  framing.close = answer.close || !keep_alive || (length_unknown && !framing.chunked);
  framing.says_keep_alive = !framing.close && version < 11;
  return framing;
}

void render_answer_head(std::string& out, const response& answer, const answer_framing& framing,
                        std::string_view request_id) {
  const auto into = std::back_inserter(out);
  fmt::format_to(into, "HTTP/1.1 {} {}\r\n", answer.head.status, reason_phrase(answer.head.status));
  answer.head.fields.each([&](std::string_view name, std::string_view value) {
    if (!frames_messages(name)) out.append(name).append(": ").append(value).append("\r\n");
  });
  if (!answer_has(answer, "date:")) out.append("Date: ").append(current_date()).append("\r\n");
  if (!answer_has(answer, "x-request-id:")) out.append("X-Request-Id: ").append(request_id).append("\r\n");
  if (framing.chunked) out.append("Transfer-Encoding: chunked\r\n");
  if (framing.content_length) fmt::format_to(into, "Content-Length: {}\r\n", *framing.content_length);
  if (framing.close) out.append("Connection: close\r\n");
  if (framing.says_keep_alive) out.append("Connection: keep-alive\r\n");
}

std::string_view current_date() {
  thread_local std::chrono::sys_seconds rendered_for{};
  thread_local std::string text;
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  if (text.empty() || now != rendered_for) {
    text = format_date(now);
    rendered_for = now;
  }
  return text;
}

void choose_request_id(std::string& id, std::optional<std::string_view> offered) {
  id.clear();
  if (offered && is_sane_id(*offered)) {
    id.append(*offered);
    return;
  }
  std::array<char, 16> made;
  make_request_id(made);
  id.append(made.data(), made.size());
}

void make_request_id(std::span<char, 16> id) noexcept {
  static constexpr auto pairs = [] {
    constexpr std::string_view digits = "0123456789abcdef";
    std::array<std::array<char, 2>, 256> made{};
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = {digits[i >> 4], digits[i & 15]};
    return made;
  }();
  std::uint64_t number = next_request_number();
  for (std::size_t i = id.size(); i > 0; number >>= 8) {
    i -= 2;
    std::memcpy(id.data() + i, pairs[number & 255].data(), 2);
  }
}

} // namespace forebay::http
