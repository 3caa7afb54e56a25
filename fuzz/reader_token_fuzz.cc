// What readers show as a token: never a crash, an end that the clock holds, and a Cache-Control that opens nothing.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "front/reader_right.h"
#include "http/cache_control.h"
#include "space/token_end.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace forebay;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto end = space::token_end(text)) {
    if (*end < wall_time() || *end > wall_time(std::chrono::seconds(4'000'000'000))) std::abort();
  }
  http::header_table fields;
  fields.add("Authorization", text);
  const auto token = front::read_token(fields);
  if (token && (*token)->secret().find_first_of(" ,\r\n\"") != std::string::npos) std::abort();

  const auto control = http::parse_cache_control(front::as_private(text));
  if (!control.is_private || control.is_public || control.s_maxage) std::abort();
  return 0;
}
