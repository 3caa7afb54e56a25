// Readers with rights of their own before one origin: what is asked in the name of one serves all who may read.
#include "cache/cache.h"

#include "cache/cache_scene.h"
#include "cache/engine.h"

namespace forebay::cache {
namespace {

using net::testing::eventually;
using testing::cache_scene;
using testing::mib;

class cache_rights : public cache_scene {
protected:
  /// A read beside the test, in the name of a reader.
  void begin_as(background& into, unsigned loop, const char* token, const std::string& key,
                std::optional<http::range_spec> range = {}) {
    open_request asked = wish(key, range, into.seen.report);
    asked.where.token = std::make_shared<const origin::reader_token>(token);
    loops->at(loop).spawn(run(cache.get(), std::move(asked), &into, UINT64_MAX));
  }
  static net::task<void> open_head(content_cache* from, open_request asked) {
    asked.head_only = true;
    auto opened = co_await from->open(std::move(asked));
    EXPECT_TRUE(opened.has_value());
  }
  /// Both wait for one exchange, which was begun in the name of "refused"; then its answer comes.
  void read_together(const std::string& key, std::optional<http::range_spec> range, std::uint64_t bytes) {
    const auto& collapsed = cache_metrics().collapsed;
    const auto before = collapsed.value();
    const auto requests = origin->requests.load();
    origin->set([](auto& now) {
      now.answers_wait = true;
      now.refused = {"refused"};
    });
    background refused, other;
    begin_as(refused, 0, "refused", key, range);
    eventually([&] { return origin->requests == requests + 1; });
    begin_as(other, 1, "good", key, range);
    eventually([&] { return collapsed.value() > before; });
    origin->set([](auto& now) { now.answers_wait = false; });
    eventually([&] { return refused.ended && other.ended; });
    EXPECT_EQ(refused.seen.outcome.error().kind, error_kind::forbidden);
    EXPECT_TRUE(other.seen.outcome) << other.seen.outcome.error().message();
    EXPECT_TRUE(other.seen.right);
    EXPECT_EQ(other.seen.bytes, bytes);
    EXPECT_EQ(origin->requests, requests + 2);
  }
};

TEST_F(cache_rights, who_waits_for_a_first_exchange_is_not_refused_for_another) {
  origin->set([](auto& now) { now.length_bytes = mib; });
  read_together("a", {}, mib);
}

TEST_F(cache_rights, who_follows_a_fill_is_not_refused_for_another) {
  origin->set([](auto& now) { now.length_bytes = 8 * mib; });
  lookup_report report;
  net::run_blocking(loops->at(0), open_head(cache.get(), wish("a", {}, report)));
  read_together("a", http::range_spec{0, mib - 1}, mib);
}

TEST_F(cache_rights, what_an_origin_calls_private_is_shared_where_it_decides) {
  origin->set([](auto& now) {
    now.length_bytes = 1'000;
    now.cache_control = "private, max-age=60";
  });
  read("a");
  EXPECT_FALSE(read("a").report.hit);
  auto shared = std::make_shared<space::name_space>(*space);
  shared->freshness.share_private = true;
  space = shared;
  read("b");
  EXPECT_TRUE(read("b").report.hit);
}

} // namespace
} // namespace forebay::cache
