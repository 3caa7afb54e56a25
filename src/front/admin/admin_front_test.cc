// The admin listener's routes, over a real cache.
#include "front/admin/admin_front.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "front/mixed_front.h"
#include "front/testing/front_scene.h"

namespace forebay::front {
namespace {

using ::testing::HasSubstr;
using testing::seen_answer;

class admin_scene : public testing::front_scene {
protected:
  void SetUp() override {
    front_scene::SetUp();
    state.name = "near";
    state.version = "1.2.3";
    state.cache = cache.get();
    state.memory = memory.get();
    state.loops = loops.get();
    state.listeners = {{"127.0.0.1:8080", {"data"}}};
    admin = std::make_unique<admin_front>(state, *front, std::make_shared<const admin_settings>());
    register_node_metrics(state);
  }
  void TearDown() override {
    forget_node_metrics(state);
    front_scene::TearDown();
  }
  seen_answer admin_ask(const std::string& method, const std::string& target, field_list fields = {},
                        const std::string& body = {}) {
    return ask(*admin, method, target, fields, body);
  }
  seen_answer purge(const std::string& body) {
    return admin_ask("POST", "/purge", {{"Content-Type", "application/json"}}, body);
  }
  std::size_t purged(const std::string& body) {
    const auto answer = purge(body);
    EXPECT_EQ(answer.status, 200u) << answer.body;
    return nlohmann::json::parse(answer.body)["purged"];
  }

  node_state state;
  std::unique_ptr<admin_front> admin;
};

TEST_F(admin_scene, probes) {
  EXPECT_EQ(admin_ask("GET", "/healthz").status, 200u);
  EXPECT_EQ(admin_ask("GET", "/readyz").status, 503u);
  state.listening = true;
  EXPECT_EQ(admin_ask("GET", "/readyz").status, 200u);
  state.draining = true;
  EXPECT_EQ(admin_ask("GET", "/readyz").status, 503u);
  EXPECT_EQ(admin_ask("GET", "/healthz").status, 200u);
}

TEST_F(admin_scene, metrics) {
  const auto answer = admin_ask("GET", "/metrics");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_THAT(answer.body, HasSubstr("forebay_build_info{version=\"1.2.3\",node=\"near\"} 1\n"));
  EXPECT_THAT(answer.body, HasSubstr("\nforebay_memory_capacity_bytes 67108864\n"));
  EXPECT_THAT(answer.body, HasSubstr("\nforebay_loop_lag_seconds{loop=\"0\"} "));
  EXPECT_THAT(answer.body, HasSubstr("\nprocess_open_fds "));
}

TEST_F(admin_scene, status) {
  ask("GET", "/data/x");
  ask("GET", "/data/x");
  const auto status = nlohmann::json::parse(admin_ask("GET", "/status").body);
  EXPECT_EQ(status["node"], "near");
  EXPECT_EQ(status["version"], "1.2.3");
  EXPECT_EQ(status["listeners"][0]["address"], "127.0.0.1:8080");
  EXPECT_EQ(status["namespaces"][0]["path"], "/data");
  EXPECT_EQ(status["namespaces"][0]["origins"][0], "fake");
  EXPECT_EQ(status["tiers"]["memory"]["capacity_bytes"], 64u << 20);
  EXPECT_GE(status["bytes"]["served_by_tier"]["memory"], 1000);
  EXPECT_GT(status["requests"]["hit_ratio"], 0.0);
  EXPECT_GT(status["saved_usd"], 0.0);
}

TEST_F(admin_scene, purge_of_an_object_a_prefix_and_a_namespace) {
  for (const char* path : {"/data/a/1", "/data/a/2", "/data/b%20c"}) ask("GET", path);
  EXPECT_EQ(purged(R"({"path": "/data/b%20c"})"), 1u);
  EXPECT_EQ(purged(R"({"path": "/data/b%20c"})"), 0u);
  ask("GET", "/data/b%20c");
  EXPECT_EQ(purged(R"({"prefix": "/data/a/"})"), 2u);
  EXPECT_EQ(purged(R"({"namespace": "/data"})"), 1u);
  EXPECT_EQ(purged(R"({"tag": "none"})"), 0u);
}

TEST_F(admin_scene, purge_makes_the_next_read_ask_the_origin) {
  ask("GET", "/data/x");
  const auto before = origin->reads.bytes.load();
  purged(R"({"path": "/data/x"})");
  EXPECT_EQ(ask("GET", "/data/x").body, bytes(0, 1000));
  EXPECT_EQ(origin->reads.bytes.load(), before + 1000);
}

TEST_F(admin_scene, purge_refuses) {
  EXPECT_EQ(purge("{").status, 400u);
  EXPECT_EQ(purge(R"({"path": "/nowhere/x"})").status, 404u);
  EXPECT_EQ(purge(R"({"namespace": "/nowhere"})").status, 404u);
  EXPECT_EQ(purge("{\"path\": \"/data/" + std::string(admin_body_bytes_max, 'x') + "\"}").status, 400u);
  const auto get = admin_ask("GET", "/purge");
  EXPECT_EQ(get.status, 405u);
  EXPECT_EQ(get.field("allow"), "POST");
  // What a page in a browser may send without asking.
  EXPECT_EQ(admin_ask("POST", "/purge", {{"Content-Type", "text/plain"}}, R"({"path": "/data/x"})").status, 415u);
}

TEST_F(admin_scene, everything_else) {
  EXPECT_EQ(admin_ask("GET", "/data/x").status, 404u);
  EXPECT_EQ(admin_ask("POST", "/metrics").status, 405u);
  const auto head = admin_ask("HEAD", "/metrics");
  EXPECT_EQ(head.status, 200u);
  EXPECT_EQ(head.body, "");
}

TEST_F(admin_scene, token) {
  admin->update(std::make_shared<const admin_settings>(admin_settings{"open sesame"}));
  EXPECT_EQ(admin_ask("GET", "/status").status, 401u);
  EXPECT_EQ(admin_ask("GET", "/status", {{"Authorization", "Bearer open"}}).status, 401u);
  EXPECT_EQ(admin_ask("GET", "/status", {{"Authorization", "Basic open sesame"}}).status, 401u);
  EXPECT_EQ(admin_ask("GET", "/status", {{"Authorization", "bearer open sesame"}}).status, 200u);
  EXPECT_EQ(admin_ask("POST", "/purge", {{"Content-Type", "application/json"}}, R"({"tag": "x"})").status, 401u);
  EXPECT_EQ(admin_ask("GET", "/healthz").status, 200u);
}

TEST_F(admin_scene, a_listener_of_both) {
  mixed_front both(front.get(), nullptr, admin.get());
  EXPECT_EQ(ask(both, "GET", "/healthz").body, "alive\n");
  EXPECT_EQ(ask(both, "GET", "/data/x").body, bytes(0, 1000));
}

} // namespace
} // namespace forebay::front
