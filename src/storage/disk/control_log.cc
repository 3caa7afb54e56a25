#include "storage/disk/control_log.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

#include "base/hash.h"
#include "storage/disk/format.h"

namespace forebay::storage::disk {
namespace {

constexpr std::array<std::string_view, 6> kind_names{"object", "version", "rule", "floor", "members", "tenant"};

std::uint64_t line_checksum(std::string_view line) noexcept { return xxh3_64(std::as_bytes(std::span(line))); }

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == '%' || byte == 0x7F) {
      out += fmt::format("%{:02X}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

template <class T>
bool parse_number(std::string_view text, T& into, int base) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), into, base);
  return failed == std::errc{} && end == text.data() + text.size() && !text.empty();
}

bool unescape(std::string_view text, std::string& into) {
  into.clear();
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      into += text[at];
      continue;
    }
    unsigned char byte = 0;
    if (!parse_number(text.substr(at + 1, 2), byte, 16)) return false;
    into += static_cast<char>(byte);
    at += 2;
  }
  return true;
}

} // namespace

bool control_log::parse_key(std::string_view text, key128& into) {
  if (text.size() != 2 * into.bytes.size()) return false;
  for (std::size_t i = 0; i < into.bytes.size(); ++i) {
    if (!parse_number(text.substr(2 * i, 2), into.bytes[i], 16)) return false;
  }
  return true;
}

/// "SEQUENCE KIND KEY TEXT CHECKSUM\n"; a text that is empty is "-".
std::string control_log::render(const control_entry& entry) {
  const std::string text = entry.text.empty() ? "-" : entry.text == "-" ? "%2D" : escaped(entry.text);
  std::string line = fmt::format("{} {} {} {}", entry.sequence, kind_names[static_cast<std::size_t>(entry.kind)],
                                 hex(entry.key.bytes), text);
  line += fmt::format(" {:016x}\n", line_checksum(line));
  return line;
}

bool control_log::parse(std::string_view line, control_entry& into) {
  std::array<std::string_view, 5> words;
  const std::string_view whole = line;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t end = i + 1 < words.size() ? line.find(' ') : line.size();
    if (end == std::string_view::npos) return false;
    words[i] = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  std::uint64_t checksum = 0;
  if (!parse_number(words[4], checksum, 16)) return false;
  if (checksum != line_checksum(whole.substr(0, whole.size() - words[4].size() - 1))) return false;
  const auto kind = std::find(kind_names.begin(), kind_names.end(), words[1]);
  if (kind == kind_names.end() || !parse_number(words[0], into.sequence, 10)) return false;
  if (into.sequence >= sequence_max) return false;
  into.kind = static_cast<control_entry::kind_of>(kind - kind_names.begin());
  if (!parse_key(words[2], into.key)) return false;
  if (words[3] == "-") {
    into.text.clear();
    return true;
  }
  return unescape(words[3], into.text);
}

result<control_log::loaded> control_log::load() {
  auto text = volume_.read_small(file_name, file_bytes_max);
  if (!text && text.error().kind == error_kind::not_found) return loaded{};
  if (!text) return fail(text.error());
  loaded found;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    control_entry entry;
    if (end == std::string_view::npos) break; // torn, so never acknowledged
    if (!parse(rest.substr(0, end), entry)) {
      found.damaged = true;
      break;
    }
    found.entries.push_back(std::move(entry));
    rest.remove_prefix(end + 1);
  }
  return found;
}

result<void> control_log::append(const std::vector<control_entry>& entries) {
  std::string text;
  for (const auto& each : entries) text += render(each);
  return volume_.append_small(file_name, text);
}

result<void> control_log::rewrite(const std::vector<control_entry>& entries) {
  std::string text;
  for (const auto& each : entries) text += render(each);
  const auto present = volume_.read_small(file_name, file_bytes_max);
  // What a killed run wrote last may not have reached the disk: appending nothing syncs it.
  if (present && *present == text) return volume_.append_small(file_name, {});
  return volume_.write_small(file_name, text);
}

} // namespace forebay::storage::disk
