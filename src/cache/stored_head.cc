#include "cache/stored_head.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "http/date.h"
#include "http/targeted_control.h"

namespace forebay::cache {
namespace {

using std::chrono::seconds;

/// RFC 9111 §1.2.2: what a number too large for us counts as.
constexpr seconds saturated{2'147'483'647};

/// Fields that the answer to a reader makes anew, and cookies, which are one reader's alone.
constexpr std::array<std::string_view, 11> per_answer = {
    "content-length",    "content-range", "age",        "date",       "accept-ranges", "cache-status", "via",
    "transfer-encoding", "x-request-id",  "set-cookie", "set-cookie2"};

bool belongs_to_whole_body(std::string_view name) {
  constexpr std::string_view checksums = "x-amz-checksum-";
  return iequals(name, "content-md5") || iequals(name, "content-digest") ||
         (name.size() > checksums.size() && iequals(name.substr(0, checksums.size()), checksums));
}

bool is_per_answer(std::string_view name) {
  return std::any_of(per_answer.begin(), per_answer.end(), [&](std::string_view each) { return iequals(each, name); });
}

std::vector<std::string> surrogate_tags(const http::header_table& fields) {
  std::vector<std::string> tags;
  for (const std::string_view name : {"surrogate-key", "cache-tag", "xkey"}) {
    const auto value = fields.joined(name);
    if (!value) continue;
    std::string word;
    for (const char c : *value + " ") {
      if (c != ' ' && c != ',') {
        word += c;
      } else if (!word.empty()) {
        tags.push_back(std::move(word));
        word.clear();
      }
    }
  }
  return tags;
}

seconds age_field(const http::header_table& fields) {
  const auto line = fields.get("age");
  if (!line) return seconds{0};
  // Of several the first counts, and what is no number counts for nothing (RFC 9111 §5.1).
  const std::string_view value = trim(line->substr(0, line->find(',')));
  const auto number = parse_u64(value);
  if (!number) {
    // More digits than 64 bits hold is a very old answer; anything else is no age at all.
    const bool digits = !value.empty() && value.find_first_not_of("0123456789") == std::string_view::npos;
    return digits ? saturated : seconds{0};
  }
  return seconds{static_cast<std::int64_t>(std::min<std::uint64_t>(*number, saturated.count()))};
}

/// What follows from the fields: everything but status, pin and length.
void derive(stored_head& head, const origin::read_answer& answer, steady_time steady_now) {
  head.version = answer.version;
  const auto date = answer.fields.get("date");
  const auto parsed = date ? http::parse_date(*date, answer.received) : std::nullopt;
  head.date_value = parsed.value_or(answer.received);
  head.date = http::format_date(head.date_value);
  head.received = steady_now;

  // RFC 9111 §4.2.3
  const auto apparent = std::max(seconds_between(head.date_value, answer.received), seconds{0});
  const auto delay = std::max(std::chrono::floor<seconds>(answer.received - answer.requested), seconds{0});
  head.initial_age = std::min(saturated, std::max(apparent, age_field(answer.fields) + delay));

  auto control = http::effective_cache_control(head.fields);
  head.control = std::move(control.directives);
  head.expires_lifetime.reset();
  if (const auto expires = head.fields.get("expires"); expires && !control.targeted) {
    const bool single = head.fields.count("expires") == 1; // two of them contradict each other: stale
    const auto when = single ? http::parse_date(*expires, answer.received) : std::nullopt;
    head.expires_lifetime = when ? std::max(seconds_between(head.date_value, *when), seconds{0}) : seconds{0};
  }
  head.validators = {};
  if (const auto tag = head.fields.get("etag")) head.validators.tag = http::parse_etag(*tag);
  if (const auto modified = head.fields.get("last-modified")) {
    head.validators.last_modified = http::parse_date(*modified, answer.received);
  }
  head.tags = surrogate_tags(head.fields);
  auto rendered = std::make_shared<std::string>();
  head.fields.render_to(*rendered);
  rendered->shrink_to_fit(); // it stays as long as its object
  head.rendered = std::move(rendered);
}

} // namespace

seconds age_of(const stored_head& head, steady_time now) noexcept {
  const auto resident = std::max(std::chrono::floor<seconds>(now - head.received), seconds{0});
  return std::min(saturated, head.initial_age + resident);
}

stored_head make_stored_head(const origin::read_answer& answer, steady_time steady_now) {
  stored_head head;
  head.status = answer.status == 206 ? 200 : answer.status;
  answer.fields.each([&](std::string_view name, std::string_view value) {
    if (is_per_answer(name)) return;
    (belongs_to_whole_body(name) ? head.whole_fields : head.fields).add(name, value);
  });
  head.pinned = answer.pinned;
  head.length_bytes = answer.length_bytes;
  derive(head, answer, steady_now);
  return head;
}

bool names_another(const stored_head& old, const origin::read_answer& answer) {
  const auto told = answer.fields.get("etag"), held = old.fields.get("etag");
  if (!told || !held) return false;
  const auto theirs = http::parse_etag(*told), ours = http::parse_etag(*held);
  return theirs && ours ? !http::weak_match(*theirs, *ours) : *told != *held;
}

stored_head refreshed_head(const stored_head& old, const origin::read_answer& answer, steady_time steady_now) {
  stored_head head = old;
  // First all old fields of a name go, then the new ones come: a repeated field keeps all its lines.
  const auto updates = [](std::string_view name) {
    return !is_per_answer(name) && !belongs_to_whole_body(name) && !iequals(name, "content-encoding") &&
           !iequals(name, "content-type");
  };
  answer.fields.each([&](std::string_view name, std::string_view) {
    if (updates(name)) head.fields.remove(name);
  });
  answer.fields.each([&](std::string_view name, std::string_view value) {
    if (updates(name)) head.fields.add(name, value);
  });
  derive(head, answer, steady_now);
  return head;
}

} // namespace forebay::cache
