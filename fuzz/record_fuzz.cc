// Records of objects as the disk tier gives them back: no bytes crash the decoder, and what it takes for a record is
// written and read back the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/log.h"
#include "cache/record.h"

namespace {

using namespace forebay;

origin::identity subject() { return {"web", "http://a:80", "", "/x", "anonymous", ""}; }

void check_round_trip(const cache::decoded_record& found, steady_time now, wall_time wall) {
  const auto bytes = cache::encode_record(subject(), found.generation, *found.head, now, wall);
  const auto back = cache::decode_record(bytes, subject(), now, wall);
  if (!back || back->generation != found.generation) std::abort();
  const auto& a = *found.head;
  const auto& b = *back->head;
  if (a.status != b.status || a.pinned != b.pinned || a.length_bytes != b.length_bytes) std::abort();
  if (a.date != b.date || *a.rendered != *b.rendered) std::abort();
  if (cache::age_of(a, now) != cache::age_of(b, now)) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = (log::set_level(log::level::error), true);
  static_cast<void>(quiet);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto now = steady_time(std::chrono::hours(1));
  const auto wall = wall_time(std::chrono::seconds(1'700'000'000));
  if (const auto found = cache::decode_record(bytes, subject(), now, wall)) check_round_trip(*found, now, wall);
  return 0;
}
