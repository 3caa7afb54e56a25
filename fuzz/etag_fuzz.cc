// Entity tags and preconditions: tags read back as they are written, and no condition crashes its evaluation.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http/etag.h"

namespace {

using namespace forebay;

const wall_time now = wall_time(std::chrono::seconds(1'700'000'000));

void check_round_trip(const http::etag& tag) {
  const auto back = http::parse_etag(tag.to_string());
  if (!back || *back != tag || !http::weak_match(*back, tag)) std::abort();
  if (http::strong_match(*back, tag) == tag.weak) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto tag = http::parse_etag(text)) check_round_trip(*tag);
  const auto list = http::parse_etag_list(text);
  if (list) {
    if (list->any != list->tags.empty()) std::abort();
    for (const auto& tag : list->tags) check_round_trip(tag);
  }
  for (const char* name : {"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"}) {
    http::header_table request;
    request.add(name, text);
    const http::validators have{http::etag{false, "a"}, now};
    const auto outcome = http::evaluate_preconditions(request, have, true, now);
    if (http::evaluate_preconditions(request, have, false, now) == http::precondition::not_modified) std::abort();
    // A condition on tags that cannot be read: If-Match must fail, If-None-Match must not answer "not modified".
    const bool unread = !http::parse_etag_list(*request.get(name));
    if (unread && name == std::string_view("If-Match") && outcome != http::precondition::failed) std::abort();
    if (unread && name == std::string_view("If-None-Match") && outcome != http::precondition::proceed) std::abort();
    static_cast<void>(http::if_range_holds(request, have, now, now));
  }
  return 0;
}
