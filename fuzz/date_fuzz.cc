// HTTP dates: what is read and written reads back as the same second.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http/date.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace forebay;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::int64_t today : {std::int64_t{0}, std::int64_t{1'700'000'000}, std::int64_t{9'000'000'000}}) {
    const wall_time now = wall_time(std::chrono::seconds(today));
    const auto when = http::parse_date(text, now);
    if (!when) continue;
    if (http::parse_date(http::format_date(*when), now) != when) std::abort();
  }
  return 0;
}
