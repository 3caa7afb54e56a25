#include "cache/messages/rules.h"

#include <gtest/gtest.h>

#include "cache/messages/outgoing.h"
#include "cache/messages/selection.h"
#include "cache/messages/stored_message.h"
#include "http/targeted_control.h"

namespace forebay::cache::messages {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;

using field_list = std::initializer_list<std::pair<std::string_view, std::string_view>>;

http::header_table table(field_list fields) {
  http::header_table made;
  for (const auto& [name, value] : fields) made.add(name, value);
  return made;
}

stored_head head_with(field_list fields, unsigned status = 200) {
  const wall_time then(1'700'000'000s);
  return head_of(status, table(fields), then, then, steady_time(1'000s));
}

bool kept(const stored_head& head, field_list request = {}) {
  const auto fields = table(request);
  return storable(head, fields, http::request_cache_control(fields));
}

use used(const stored_head& head, seconds age, std::string_view control = "") {
  return decide_use(head, {}, "k", age, http::parse_cache_control(control)).what;
}

TEST(message_rules, what_may_be_stored) {
  EXPECT_TRUE(kept(head_with({})));
  EXPECT_FALSE(kept(head_with({{"Cache-Control", "no-store"}})));
  EXPECT_FALSE(kept(head_with({{"Cache-Control", "private"}})));
  EXPECT_TRUE(kept(head_with({{"Cache-Control", "private=\"a\", max-age=1"}})));
  EXPECT_FALSE(kept(head_with({{"Cache-Control", "max-age=1"}}), {{"Cache-Control", "no-store"}}));
  EXPECT_FALSE(kept(head_with({}, 302)));
  EXPECT_TRUE(kept(head_with({{"Cache-Control", "max-age=1"}}, 302)));
  EXPECT_TRUE(kept(head_with({{"Cache-Control", "max-age=1"}}, 599)));
  EXPECT_FALSE(kept(head_with({{"Cache-Control", "max-age=1, must-understand"}}, 599)));
  EXPECT_TRUE(kept(head_with({{"Cache-Control", "no-store, max-age=1, must-understand"}})));
}

TEST(message_rules, errors_that_a_client_provokes_need_a_word_of_the_origin) {
  for (const unsigned status : {400u, 405u, 413u, 414u, 431u}) {
    EXPECT_FALSE(kept(head_with({}, status))) << status;
    EXPECT_FALSE(kept(head_with({{"Cache-Control", "public"}}, status))) << status;
    EXPECT_TRUE(kept(head_with({{"Cache-Control", "max-age=5"}}, status))) << status;
  }
}

TEST(message_rules, answers_to_who_is_authorised_are_shared_only_by_word) {
  const auto shared = [](std::string_view control) {
    return kept(head_with({{"Cache-Control", control}}), {{"Authorization", "x"}});
  };
  EXPECT_FALSE(shared("max-age=60"));
  EXPECT_TRUE(shared("max-age=60, public"));
  EXPECT_TRUE(shared("max-age=60, must-revalidate"));
  EXPECT_TRUE(shared("s-maxage=60"));
}

TEST(message_rules, use_of_what_is_fresh_or_stale) {
  const auto head = head_with({{"Cache-Control", "max-age=100, stale-while-revalidate=50"}});
  EXPECT_EQ(used(head, 99s), use::fresh);
  EXPECT_EQ(used(head, 100s), use::stale_while_revalidate);
  EXPECT_EQ(used(head, 151s), use::must_ask);
  EXPECT_EQ(used(head, 151s, "max-stale=60"), use::stale_allowed);
  EXPECT_EQ(used(head, 50s, "no-cache"), use::must_ask);
  EXPECT_EQ(used(head, 50s, "max-age=49"), use::must_ask);
  EXPECT_EQ(used(head, 50s, "min-fresh=51"), use::must_ask);
  const auto strict = head_with({{"Cache-Control", "max-age=100, must-revalidate"}});
  EXPECT_EQ(used(strict, 101s, "max-stale"), use::must_ask);
  EXPECT_TRUE(forbids_stale(strict));
  EXPECT_FALSE(stands_in(strict, {}, -1s, {}));
  EXPECT_TRUE(stands_in(head, {}, -1s, {}));
}

TEST(message_rules, a_request_says_for_itself_how_stale_may_stand_in) {
  const auto head = head_with({{"Cache-Control", "max-age=100, stale-if-error=5"}});
  const auto strict = head_with({{"Cache-Control", "max-age=100, must-revalidate"}});
  const auto insists = http::parse_cache_control("stale-if-error=0"),
             bears = http::parse_cache_control("stale-if-error=60");
  EXPECT_FALSE(stands_in(head, {}, -30s, {}));
  EXPECT_TRUE(stands_in(head, {}, -30s, bears));
  EXPECT_FALSE(stands_in(head, {}, -1s, insists));
  EXPECT_FALSE(stands_in(strict, {}, -30s, bears));
}

TEST(message_rules, what_one_request_provoked_says_nothing_of_what_is_stored) {
  const auto judged = [](unsigned status, field_list fields, field_list request = {}) {
    const auto asked = table(request);
    return judge(head_with(fields, status), asked, http::request_cache_control(asked));
  };
  const field_list fresh{{"Cache-Control", "max-age=5"}}, unkept{{"Cache-Control", "no-store"}};
  EXPECT_EQ(judged(412, fresh), keeping::leave);
  EXPECT_EQ(judged(416, fresh), keeping::leave);
  EXPECT_EQ(judged(416, unkept), keeping::leave);
  EXPECT_EQ(judged(400, unkept), keeping::leave);
  EXPECT_EQ(judged(404, fresh, {{"If-Match", "\"a\""}}), keeping::leave);
  EXPECT_EQ(judged(403, fresh, {{"If-Unmodified-Since", "x"}}), keeping::leave);
  EXPECT_EQ(judged(200, fresh, {{"If-Match", "\"a\""}}), keeping::keep);
  EXPECT_EQ(judged(200, unkept, {{"Authorization", "x"}}), keeping::leave);
  EXPECT_EQ(judged(200, unkept), keeping::forget);
  EXPECT_EQ(judged(302, {}), keeping::forget);
}

TEST(message_rules, a_tenth_of_its_age_where_nothing_is_told) {
  const auto guessed = [](field_list fields, unsigned status) { return lifetime(head_with(fields, status), {}, "k"); };
  const field_list old{{"Date", "Tue, 14 Nov 2023 22:13:20 GMT"}, {"Last-Modified", "Tue, 14 Nov 2023 22:11:40 GMT"}};
  EXPECT_EQ(guessed(old, 200), 10s);
  EXPECT_EQ(guessed(old, 302), 0s);
  EXPECT_EQ(guessed({}, 200), 0s);
}

TEST(message_selection, normalises_what_means_the_same) {
  const auto chosen = [](std::string_view vary, field_list first, field_list second) {
    const auto response = table({{"Vary", vary}});
    const auto by = selection_of(response, table(first));
    return by && selects(*by, response, table(second));
  };
  EXPECT_TRUE(chosen("Foo", {{"Foo", "1,2"}}, {{"Foo", "1"}, {"Foo", " 2 "}}));
  EXPECT_FALSE(chosen("Foo", {{"Foo", "1,2"}}, {{"Foo", "2,1"}}));
  EXPECT_FALSE(chosen("Foo", {{"Foo", "\"a, b\""}}, {{"Foo", "\"a,b\""}}));
  EXPECT_FALSE(chosen("Foo", {{"Foo", ""}}, {}));
  EXPECT_TRUE(chosen("accept-encoding", {{"Accept-Encoding", "gzip, br"}}, {{"Accept-Encoding", "BR,gzip"}}));
  EXPECT_FALSE(selection_of(table({{"Vary", "Foo, *"}}), {}).has_value());
}

TEST(message_parts, gaps_and_pieces) {
  const auto at = [](std::uint64_t begin, std::uint64_t end) { return part{{begin, end}, nullptr}; };
  const std::vector<part> parts{at(5, 9), at(0, 3), at(2, 4)};
  EXPECT_EQ(first_gap(parts, 12), (byte_range{4, 5}));
  EXPECT_TRUE(first_gap({at(0, 6), at(5, 12)}, 12).empty());
  EXPECT_EQ(missing_span(parts, 12), (byte_range{4, 12}));
  EXPECT_EQ(missing_span({at(0, 1), at(5, 6), at(10, 12)}, 12), (byte_range{1, 10}));
  EXPECT_TRUE(missing_span({at(0, 6), at(5, 12)}, 12).empty());
  const auto pieces = pieces_of(parts, {1, 4});
  ASSERT_TRUE(pieces.has_value());
  ASSERT_EQ(pieces->size(), 2u);
  EXPECT_EQ(pieces->back().range, (byte_range{1, 2}));
  EXPECT_FALSE(pieces_of(parts, {3, 6}).has_value());
}

TEST(message_outgoing, route_fields_of_strangers_stay_here) {
  const auto request =
      table({{"X-Forwarded-Host", "evil"}, {"Connection", "a"}, {"A", "1"}, {"B", "2"}, {"Host", "h"}});
  const auto fields = end_to_end(request, false);
  EXPECT_EQ(fields.size(), 2u);
  EXPECT_TRUE(fields.has("b"));
  EXPECT_TRUE(fields.has("via"));
  EXPECT_TRUE(end_to_end(request, true).has("x-forwarded-host"));
}

TEST(message_outgoing, via_tells_in_which_version_the_request_came) {
  const auto via = [](unsigned version, field_list request = {}) {
    return *end_to_end(table(request), false, version).joined("via");
  };
  EXPECT_EQ(via(11), "1.1 forebay");
  EXPECT_EQ(via(10, {{"Via", "1.1 a"}}), "1.1 a, 1.0 forebay");
  EXPECT_EQ(via(20), "2 forebay");
}

TEST(message_outgoing, max_forwards_is_counted_down) {
  const auto left = [](std::string_view told) {
    auto fields = table({{"Max-Forwards", told}});
    count_forward(fields);
    return std::string(*fields.get("max-forwards"));
  };
  EXPECT_EQ(left("5"), "4");
  EXPECT_EQ(left("0"), "0");
  EXPECT_EQ(left("x"), "x");
}

} // namespace
} // namespace forebay::cache::messages
