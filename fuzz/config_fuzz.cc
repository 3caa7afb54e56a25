// libFuzzer entry over the configuration loader: no text may crash it, and what it accepts survives a round trip.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "app/config.h"

namespace {

forebay::app::load_input input_of(std::string text) {
  forebay::app::load_input input;
  input.file_name = "fuzz.toml";
  input.file_text = std::move(text);
  input.machine = {4, 16ull << 30, false, "fuzz"};
  input.touch_files = false;
  return input;
}

/// Secrets come back masked, and a proxy without its user: those may differ.
bool may_differ(const forebay::app::change& one) {
  return one.key == "credentials" || one.key == "admin.token" || one.key == "network.proxy";
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t longest_bytes = 16 * 1024; // `show` of more would pass the longest document
  if (size > longest_bytes) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto loaded = forebay::app::load(input_of(text));
  if (!loaded) {
    if (loaded.error().empty()) std::abort(); // refused without a reason
    for (const auto& one : loaded.error()) {
      if (one.found.empty() || one.expected.empty() || one.message().empty()) std::abort();
    }
    return 0;
  }
  const auto again = forebay::app::load(input_of(forebay::app::show(*loaded)));
  if (!again) std::abort();
  for (const auto& one : forebay::app::diff(*loaded, *again)) {
    if (!may_differ(one)) std::abort();
  }

  // The same bytes as a flag.
  auto flag = input_of("");
  flag.sets.push_back(text);
  static_cast<void>(forebay::app::load(flag));
  return 0;
}
