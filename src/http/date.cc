#include "http/date.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.h"

namespace forebay::http {
namespace {

using std::chrono::seconds;
using second_point = std::chrono::sys_time<seconds>;

constexpr std::array<std::string_view, 7> weekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> long_weekdays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                        "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Reads a date from left to right; after the first mismatch `ok` stays false. Names match in any case: the
/// grammar is case-sensitive, but RFC 9111 §4.2 asks caches to be lenient here (and nowhere else).
struct date_reader {
  std::string_view rest;
  bool ok = true;

  void literal(std::string_view wanted) {
    ok = ok && rest.size() >= wanted.size() && iequals(rest.substr(0, wanted.size()), wanted);
    if (ok) rest.remove_prefix(wanted.size());
  }
  template <std::size_t N>
  unsigned one_of(const std::array<std::string_view, N>& names) {
    for (unsigned i = 0; ok && i < N; ++i) {
      if (rest.size() < names[i].size() || !iequals(rest.substr(0, names[i].size()), names[i])) continue;
      rest.remove_prefix(names[i].size());
      return i;
    }
    ok = false;
    return 0;
  }
  int digits(std::size_t count) {
    int value = 0;
    ok = ok && rest.size() >= count;
    for (std::size_t i = 0; ok && i < count; ++i) {
      ok = rest[i] >= '0' && rest[i] <= '9';
      value = value * 10 + (rest[i] - '0');
    }
    if (ok) rest.remove_prefix(count);
    return value;
  }
  /// "hh:mm:ss"; a leap second is the second after.
  seconds time_of_day() {
    const int hour = digits(2);
    literal(":");
    const int minute = digits(2);
    literal(":");
    const int second = digits(2);
    ok = ok && hour < 24 && minute < 60 && second <= 60;
    return std::chrono::hours(hour) + std::chrono::minutes(minute) + seconds(second);
  }
};

std::optional<second_point> join(int year, unsigned month, int day, seconds in_day) {
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month + 1),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return second_point(std::chrono::sys_days(date)) + in_day;
}

/// "Sun, 06 Nov 1994 08:49:37 GMT".
std::optional<second_point> parse_imf_fixdate(std::string_view text) {
  date_reader reader{text};
  reader.one_of(weekdays);
  reader.literal(", ");
  const int day = reader.digits(2);
  reader.literal(" ");
  const unsigned month = reader.one_of(months);
  reader.literal(" ");
  const int year = reader.digits(4);
  reader.literal(" ");
  const seconds in_day = reader.time_of_day();
  reader.literal(" GMT");
  if (!reader.ok || !reader.rest.empty()) return std::nullopt;
  return join(year, month, day, in_day);
}

/// The moment in the year that ends in `two_digits` and lies at most 50 years ahead (RFC 9110 §5.6.7).
std::optional<second_point> join_short_year(int two_digits, unsigned month, int day, seconds in_day, wall_time now) {
  const second_point horizon = std::chrono::floor<seconds>(now) + std::chrono::years(50);
  const std::chrono::year_month_day farthest{std::chrono::floor<std::chrono::days>(horizon)};
  const int last_year = static_cast<int>(farthest.year());
  int year = last_year - last_year % 100 + two_digits;
  if (year > last_year) year -= 100;
  const auto when = join(year, month, day, in_day);
  if (when && *when > horizon) return join(year - 100, month, day, in_day);
  return when;
}

/// "Sunday, 06-Nov-94 08:49:37 GMT".
std::optional<second_point> parse_rfc850(std::string_view text, wall_time now) {
  date_reader reader{text};
  reader.one_of(long_weekdays);
  reader.literal(", ");
  const int day = reader.digits(2);
  reader.literal("-");
  const unsigned month = reader.one_of(months);
  reader.literal("-");
  const int year = reader.digits(2);
  reader.literal(" ");
  const seconds in_day = reader.time_of_day();
  reader.literal(" GMT");
  if (!reader.ok || !reader.rest.empty()) return std::nullopt;
  return join_short_year(year, month, day, in_day, now);
}

/// "Sun Nov  6 08:49:37 1994".
std::optional<second_point> parse_asctime(std::string_view text) {
  date_reader reader{text};
  reader.one_of(weekdays);
  reader.literal(" ");
  const unsigned month = reader.one_of(months);
  reader.literal(" ");
  const bool padded = !reader.rest.empty() && reader.rest.front() == ' ';
  if (padded) reader.literal(" ");
  const int day = reader.digits(padded ? 1 : 2);
  reader.literal(" ");
  const seconds in_day = reader.time_of_day();
  reader.literal(" ");
  const int year = reader.digits(4);
  if (!reader.ok || !reader.rest.empty()) return std::nullopt;
  return join(year, month, day, in_day);
}

/// The system clock counts nanoseconds and ends in 2262, but "Expires: ... 9999" is common: dates beyond it
/// become its last (or first) whole second instead of overflowing into the past.
wall_time clamp_to_clock(second_point when) {
  constexpr second_point last = std::chrono::floor<seconds>(wall_time::max());
  constexpr second_point first = std::chrono::ceil<seconds>(wall_time::min());
  return wall_time(std::clamp(when, first, last));
}

} // namespace

std::optional<wall_time> parse_date(std::string_view text, wall_time now) {
  text = trim(text);
  auto when = parse_imf_fixdate(text);
  if (!when) when = parse_rfc850(text, now);
  if (!when) when = parse_asctime(text);
  if (!when) return std::nullopt;
  return clamp_to_clock(*when);
}

std::string format_date(wall_time when) {
  const auto second = std::chrono::floor<seconds>(when);
  const auto day = std::chrono::floor<std::chrono::days>(second);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{second - day};
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", weekdays[std::chrono::weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
                     time.seconds().count());
}

} // namespace forebay::http
