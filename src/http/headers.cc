#include "http/headers.h"

#include <algorithm>
#include <array>
#include <functional>

#include "base/text.h"

namespace forebay::http {
namespace {

/// What would end a line or a string early. RFC 9110 §5.5 has it replaced by a space, so that no value, whoever
/// wrote it, can split a message.
constexpr bool ends_line(char c) noexcept { return c == '\r' || c == '\n' || c == '\0'; }

bool lies_within(std::string_view part, const std::string& whole) noexcept {
  const std::less_equal<const char*> not_after;
  return not_after(whole.data(), part.data()) && not_after(part.data(), whole.data() + whole.size());
}

bool same_name(std::string_view a, std::string_view b) noexcept { return a.size() == b.size() && iequals(a, b); }

} // namespace

void header_table::add(std::string_view name, std::string_view value) {
  value = trim(value);
  // The value may be one of our own (`t.add("x", *t.get("y"))`): appending the name may move the buffer.
  const bool ours = lies_within(value, buffer_);
  const std::size_t ours_at = ours ? static_cast<std::size_t>(value.data() - buffer_.data()) : 0;
  const std::size_t name_at = buffer_.size();
  buffer_.append(name);
  if (ours) value = std::string_view(buffer_).substr(ours_at, value.size());
  const std::size_t value_at = buffer_.size();
  buffer_.append(value);
  for (std::size_t at = name_at; at < buffer_.size(); ++at) {
    if (ends_line(buffer_[at])) buffer_[at] = ' ';
  }
  entries_.push_back({static_cast<std::uint32_t>(name_at), static_cast<std::uint32_t>(value_at - name_at),
                      static_cast<std::uint32_t>(value_at), static_cast<std::uint32_t>(buffer_.size() - value_at)});
}

void header_table::set(std::string_view name, std::string_view value) {
  add(name, value);
  const entry fresh = entries_.back();
  entries_.pop_back();
  const std::string_view wanted = std::string_view(buffer_).substr(fresh.name_at, fresh.name_length);
  const auto is_named = [&](const entry& e) {
    return same_name(std::string_view(buffer_).substr(e.name_at, e.name_length), wanted);
  };
  const auto first = std::find_if(entries_.begin(), entries_.end(), is_named);
  if (first == entries_.end()) {
    entries_.push_back(fresh);
    return;
  }
  entries_.erase(std::remove_if(first + 1, entries_.end(), is_named), entries_.end());
  *first = fresh; // in the place of the first, so that the order of the others tells nothing
}

std::size_t header_table::remove(std::string_view name) {
  const auto gone = std::remove_if(entries_.begin(), entries_.end(), [&](const entry& e) {
    return same_name(std::string_view(buffer_).substr(e.name_at, e.name_length), name);
  });
  const auto removed = static_cast<std::size_t>(entries_.end() - gone);
  entries_.erase(gone, entries_.end());
  return removed;
}

void header_table::clear() noexcept {
  buffer_.clear();
  entries_.clear();
}

std::optional<std::string_view> header_table::get(std::string_view name) const noexcept {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const field f = at(i);
    if (same_name(f.name, name)) return f.value;
  }
  return std::nullopt;
}

std::size_t header_table::count(std::string_view name) const noexcept {
  std::size_t found = 0;
  each([&](std::string_view n, std::string_view) { found += same_name(n, name) ? 1 : 0; });
  return found;
}

std::optional<std::string> header_table::joined(std::string_view name) const {
  std::optional<std::string> all;
  each([&](std::string_view n, std::string_view value) {
    if (!same_name(n, name)) return;
    if (all) {
      all->append(", ").append(value);
    } else {
      all.emplace(value);
    }
  });
  return all;
}

header_table::field header_table::at(std::size_t index) const noexcept {
  const entry& e = entries_[index];
  return {{buffer_.data() + e.name_at, e.name_length}, {buffer_.data() + e.value_at, e.value_length}};
}

void header_table::render_to(std::string& out) const {
  each([&](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  });
}

void remove_hop_by_hop(header_table& fields) {
  // Connection names further fields; it is read before it goes. (A copy: removing does not move the buffer, but
  // that is this class's secret.)
  if (const auto options = fields.joined("connection")) {
    for (const std::string_view option : split(*options, ',')) {
      const std::string_view name = trim(option);
      if (!name.empty()) fields.remove(name);
    }
  }
  // RFC 9110 §7.6.1; the Proxy-* fields because a cache must not store or pass them on (RFC 9111 §3.1); Trailer
  // because whoever frames the body anew says anew which trailers follow.
  static constexpr std::array<std::string_view, 10> always{"connection",
                                                           "keep-alive",
                                                           "proxy-connection",
                                                           "te",
                                                           "trailer",
                                                           "transfer-encoding",
                                                           "upgrade",
                                                           "proxy-authenticate",
                                                           "proxy-authentication-info",
                                                           "proxy-authorization"};
  for (const std::string_view name : always) fields.remove(name);
}

} // namespace forebay::http
