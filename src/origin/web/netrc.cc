#include "origin/web/netrc.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>

#include "base/text.h"

namespace forebay::origin::web {
namespace {

constexpr std::size_t netrc_bytes_max = 1024 * 1024;
constexpr std::string_view blank = " \t\r\n";

/// The next word, in quotes or not; nothing at the end. '#' begins a comment where a word could begin.
std::optional<std::string> take_word(std::string_view& text) {
  for (;;) {
    const std::size_t begin = text.find_first_not_of(blank);
    if (begin == std::string_view::npos) return std::nullopt;
    text.remove_prefix(begin);
    if (text.front() != '#') break;
    text.remove_prefix(std::min(text.find('\n'), text.size()));
  }
  std::string word;
  if (text.front() != '"') {
    const std::size_t end = std::min(text.find_first_of(blank), text.size());
    word = std::string(text.substr(0, end));
    text.remove_prefix(end);
    return word;
  }
  std::size_t at = 1;
  for (; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) ++at;
    word += text[at];
  }
  text.remove_prefix(std::min(at + 1, text.size()));
  return word;
}

/// A macro ends with an empty line.
void skip_macro(std::string_view& text) {
  const std::size_t end = std::min(text.find("\n\n"), text.size());
  text.remove_prefix(end);
}

} // namespace

netrc_entries parse_netrc(std::string_view text) {
  netrc_entries found;
  std::string machine;
  netrc_entry entry;
  const auto keep = [&] {
    if (!machine.empty() && !entry.login.empty()) found.emplace(to_lower(machine), entry);
    machine.clear();
    entry = {};
  };
  while (const auto word = take_word(text)) {
    if (*word == "machine") {
      keep();
      machine = take_word(text).value_or("");
    } else if (*word == "default") {
      keep();
    } else if (*word == "login") {
      entry.login = take_word(text).value_or("");
    } else if (*word == "password") {
      entry.password = take_word(text).value_or("");
    } else if (*word == "account") {
      static_cast<void>(take_word(text));
    } else if (*word == "macdef") {
      skip_macro(text);
    }
  }
  keep();
  return found;
}

result<netrc_entries> load_netrc() {
  const char* named = std::getenv("NETRC");
  const char* home = std::getenv("HOME");
  std::string path = named != nullptr ? named : "";
  if (path.empty() && home != nullptr) path = std::string(home) + "/.netrc";
  std::ifstream file(path, std::ios::binary);
  std::string text(netrc_bytes_max, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (path.empty() || !file.eof() || file.bad()) {
    return fail(error_kind::invalid_input, "netrc",
                fmt::format("the file \"{}\" (of NETRC, or ~/.netrc) cannot be read, or is too long", path));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return parse_netrc(text);
}

} // namespace forebay::origin::web
