// An issuer's keys as they change and as it dies; tokens that are known.
#include "space/token/token_judge.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "net/loop.h"
#include "space/testing/token_maker.h"

namespace forebay::space {
namespace {

using nlohmann::json;
using testing::key_maker;
using testing::key_set_of;

/// What an issuer publishes, and how often it was asked. `gate`, where set, holds answers back.
struct fake_issuer {
  std::string keys;
  unsigned fetches = 0;
  bool dead = false;
  std::optional<net::event> gate;
};

net::task<result<std::string>> answer_of(std::shared_ptr<fake_issuer> from, net::deadline until) {
  ++from->fetches;
  if (from->gate) co_await from->gate->wait(until);
  if (from->dead) co_return fail(error_kind::unreachable, "test", "nobody is there", true);
  co_return from->keys;
}

class token_judging : public ::testing::Test {
protected:
  void SetUp() override {
    loops = std::make_unique<net::loop_group>(1);
    loops->start();
    issuer->keys = key_set_of({first.jwk()});
    make_judge(100);
  }
  void TearDown() override { loops->stop(); }

  void make_judge(std::size_t tokens_max) {
    const auto from = issuer;
    auto keys = std::make_shared<issuer_keys>(
        "lab", [from](net::deadline until) { return answer_of(from, until); }, limits, time);
    trusted_issuer lab{"lab", "https://lab", token_profile::claims, {jwt_algorithm::eddsa}, {{"me"}, {}, {}}, keys};
    lab.claims.leeway = std::chrono::seconds(0);
    judge = std::make_unique<token_judge>(std::vector{lab}, tokens_max, time);
  }
  json claims(int seconds = 3600) const {
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(time.wall().time_since_epoch()).count();
    return {{"iss", "https://lab"}, {"aud", "me"}, {"exp", now + seconds}};
  }
  static net::task<void> ask(token_judge* who, std::string token, std::string* said) {
    const auto verdict = co_await who->judge(std::move(token));
    *said = verdict ? "yes" : verdict.error().context;
  }
  /// Several who come before the issuer has answered the first.
  static net::task<void> ask_together(token_judging* of, std::vector<std::string>* said, std::string token) {
    of->issuer->gate.emplace();
    for (std::string& one : *said) net::loop::current().spawn(ask(of->judge.get(), token, &one));
    co_await net::yield();
    EXPECT_EQ(of->issuer->fetches, 1u);
    of->issuer->gate->notify();
    const auto unsettled = [said] {
      return std::any_of(said->begin(), said->end(), [](auto& one) { return one.empty(); });
    };
    while (unsettled()) co_await net::yield();
  }
  std::string verdict(const std::string& token) {
    std::string said;
    net::run_blocking(loops->at(0), ask(judge.get(), token, &said));
    return said;
  }

  fake_clock time;
  key_limits limits{std::chrono::hours(6), std::chrono::seconds(10), std::chrono::seconds(30)};
  const key_maker first{"EdDSA", "first"}, second{"EdDSA", "second"};
  std::shared_ptr<fake_issuer> issuer = std::make_shared<fake_issuer>();
  std::unique_ptr<net::loop_group> loops;
  std::unique_ptr<token_judge> judge;
  const std::string no_key = "its signature is by no key of its issuer";
};

TEST_F(token_judging, keys_are_fetched_once_for_all_tokens) {
  const std::string token = first.token(claims());
  EXPECT_EQ(verdict(token), "yes");
  EXPECT_EQ(verdict(token), "yes");
  EXPECT_EQ(verdict(first.token(claims(60))), "yes");
  EXPECT_EQ(issuer->fetches, 1u);
}

TEST_F(token_judging, a_token_that_is_known_ends_all_the_same) {
  const std::string token = first.token(claims(60));
  EXPECT_EQ(verdict(token), "yes");
  time.jump_wall(std::chrono::seconds(59));
  EXPECT_EQ(verdict(token), "yes");
  time.jump_wall(std::chrono::seconds(1));
  EXPECT_EQ(verdict(token), "it has expired");
}

TEST_F(token_judging, what_is_for_others_costs_the_issuer_nothing) {
  json foreign = claims();
  foreign["iss"] = "https://lab/";
  EXPECT_EQ(verdict(first.token(foreign)), "its issuer is none that this node trusts");
  json elsewhere = claims();
  elsewhere["aud"] = "them";
  EXPECT_EQ(verdict(first.token(elsewhere)), "it is for another audience");
  EXPECT_EQ(verdict(key_maker("ES256", "first").token(claims())), "its algorithm is none of the issuer's");
  EXPECT_EQ(verdict(first.token(claims(-1))), "it has expired");
  EXPECT_EQ(issuer->fetches, 0u);
}

TEST_F(token_judging, an_unknown_key_is_asked_for_at_most_once_in_a_pause) {
  EXPECT_EQ(verdict(first.token(claims())), "yes");
  issuer->keys = key_set_of({first.jwk(), second.jwk()});
  EXPECT_EQ(verdict(second.token(claims())), no_key) << "keys were fetched just now";
  EXPECT_EQ(issuer->fetches, 1u);
  time.advance(std::chrono::seconds(30));
  EXPECT_EQ(verdict(second.token(claims())), "yes");
  EXPECT_EQ(issuer->fetches, 2u);
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(verdict(key_maker("EdDSA", "../" + std::to_string(i)).token(claims())), no_key);
  EXPECT_EQ(issuer->fetches, 2u);
}

TEST_F(token_judging, a_key_that_is_withdrawn_takes_its_tokens_along) {
  const std::string token = first.token(claims(30 * 3600));
  EXPECT_EQ(verdict(token), "yes");
  issuer->keys = key_set_of({second.jwk()});
  time.advance(std::chrono::hours(3)); // half of the keys' lifetime: the next one who comes starts a fetch
  EXPECT_EQ(verdict(token), "yes");
  EXPECT_EQ(verdict(second.token(claims())), "yes");
  EXPECT_EQ(verdict(token), no_key);
}

TEST_F(token_judging, keys_of_a_dead_issuer_serve_to_the_end_of_their_lifetime) {
  const std::string token = first.token(claims(30 * 3600));
  EXPECT_EQ(verdict(token), "yes");
  issuer->dead = true;
  time.advance(std::chrono::hours(6) - std::chrono::seconds(1));
  EXPECT_EQ(verdict(token), "yes");
  EXPECT_EQ(verdict(first.token(claims(60))), "yes");
  time.advance(std::chrono::seconds(1));
  EXPECT_EQ(verdict(token), "its keys cannot be had now");
  issuer->dead = false;
  time.advance(std::chrono::seconds(31));
  EXPECT_EQ(verdict(token), "yes");
}

TEST_F(token_judging, one_fetch_serves_all_who_wait) {
  std::vector<std::string> said(5);
  net::run_blocking(loops->at(0), ask_together(this, &said, first.token(claims())));
  EXPECT_EQ(said, std::vector<std::string>(5, "yes"));
  EXPECT_EQ(issuer->fetches, 1u);
}

TEST_F(token_judging, no_more_tokens_are_remembered_than_may_be) {
  make_judge(16); // one for each shard
  const std::string token = first.token(claims());
  for (int i = 0; i < 200; ++i) ASSERT_EQ(verdict(first.token(claims(100 + i))), "yes");
  EXPECT_EQ(verdict(token), "yes");
}

} // namespace
} // namespace forebay::space
