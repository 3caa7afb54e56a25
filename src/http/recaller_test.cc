// Answers that a front recalls: in which order, how many at once, and what becomes of those that do not leave at once.
#include "http/recaller.h"

#include <gtest/gtest.h>

#include "http/testing/recalling_front.h"
#include "http/testing/scripted_server.h"

namespace forebay::http {
namespace {

using testing::recalling_front;
using testing::scripted_stream;
using testing::wire;

/// A scripted stream whose kernel takes `room` bytes at once.
class prompt_stream final : public net::stream {
public:
  prompt_stream(std::shared_ptr<wire> on, std::size_t room) : inner_(on), wire_(std::move(on)), room_(room) {}
  net::task<result<std::size_t>> read_some(std::span<std::byte> into, net::deadline until) override {
    return inner_.read_some(into, until);
  }
  std::size_t send_now(std::span<const net::slice> pieces) noexcept override {
    std::size_t taken = 0;
    for (const net::slice& each : pieces) {
      const std::size_t fits = std::min(room_, each.length_bytes());
      wire_->sent.append(reinterpret_cast<const char*>(each.bytes.data()), fits);
      room_ -= fits;
      taken += fits;
    }
    wire_->sends.push_back(taken);
    return taken;
  }
  net::task<result<void>> send(std::span<const net::slice> pieces, bool more,
                               std::chrono::milliseconds stall) override {
    return inner_.send(pieces, more, stall);
  }
  void close() noexcept override { inner_.close(); }
  void abort() noexcept override { inner_.abort(); }
  bool peer_closed() noexcept override { return inner_.peer_closed(); }
  const net::endpoint& peer() const noexcept override { return inner_.peer(); }
  const net::endpoint& local() const noexcept override { return inner_.local(); }

private:
  scripted_stream inner_;
  std::shared_ptr<wire> wire_;
  std::size_t room_;
};

std::string get(std::string_view target) { return "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n"; }
std::string answer(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

struct recaller_scene : ::testing::Test {
  std::shared_ptr<wire> peer = std::make_shared<wire>();
  std::shared_ptr<recalling_front> front = std::make_shared<recalling_front>();
  std::shared_ptr<server_limits> limits = std::make_shared<server_limits>();
  std::shared_ptr<std::atomic<bool>> draining = std::make_shared<std::atomic<bool>>(false);

  void SetUp() override { front->known = {{"/a", "aaaa"}, {"/b", "bb"}}; }
  void serve(std::size_t room = SIZE_MAX) {
    net::loop_group loops(1);
    loops.start();
    auto stream = std::make_unique<prompt_stream>(peer, room);
    net::run_blocking(loops.at(0), serve_connection(std::move(stream), front, limits, draining));
  }
};

TEST_F(recaller_scene, requests_that_came_together_are_answered_together) {
  peer->says(get("/a") + get("/b") + get("/a"));
  serve();
  EXPECT_EQ(peer->sent, answer("aaaa") + answer("bb") + answer("aaaa"));
  EXPECT_EQ(peer->sends.size(), 1u);
  EXPECT_EQ(front->ended, (std::vector<std::string>{"/a 4 whole", "/b 2 whole", "/a 4 whole"}));
  EXPECT_TRUE(front->handled.empty());
}

TEST_F(recaller_scene, the_order_is_kept_where_some_are_recalled_and_others_not) {
  peer->says(get("/a") + get("/slow") + get("/b"));
  serve();
  const std::string text = testing::without_lines(testing::without_lines(peer->sent, "Date: "), "X-Request-Id: ");
  EXPECT_EQ(text, answer("aaaa") + answer("slow!") + answer("bb"));
  EXPECT_EQ(front->handled, std::vector<std::string>{"/slow"});
  EXPECT_EQ(front->raw_heads, std::vector<std::string>{get("/slow")});
}

TEST_F(recaller_scene, a_head_in_pieces_is_for_the_parser_and_has_no_raw_head) {
  const std::string all = get("/a");
  peer->says(all.substr(0, 10)).says(all.substr(10) + get("/b"));
  serve();
  EXPECT_EQ(front->handled, std::vector<std::string>{"/a"});
  EXPECT_EQ(front->raw_heads, std::vector<std::string>{""});
  EXPECT_EQ(front->ended, std::vector<std::string>{"/b 2 whole"});
}

TEST_F(recaller_scene, what_the_kernel_does_not_take_is_sent_by_and_by) {
  for (std::size_t room : {0u, 1u, 40u, 43u, 50u, 80u, 81u}) {
    SetUp();
    peer = std::make_shared<wire>();
    front = std::make_shared<recalling_front>();
    front->known = {{"/a", "aaaa"}, {"/b", "bb"}};
    peer->says(get("/a") + get("/b"));
    serve(room);
    EXPECT_EQ(peer->sent, answer("aaaa") + answer("bb")) << room;
    EXPECT_EQ(front->waits, room < 43 ? 2u : 1u) << room;
    EXPECT_EQ(front->ended, (std::vector<std::string>{"/a 4 whole", "/b 2 whole"})) << room;
    EXPECT_TRUE(peer->closed) << room;
  }
}

TEST_F(recaller_scene, a_reader_who_takes_no_more_is_broken_off) {
  peer->accepts_bytes = 60;
  peer->says(get("/a") + get("/b"));
  serve(50);
  EXPECT_TRUE(peer->aborted);
  EXPECT_EQ(front->ended, (std::vector<std::string>{"/a 4 whole", "/b 0 cut"}));
}

TEST_F(recaller_scene, a_draining_node_parses_and_says_that_it_closes) {
  *draining = true;
  peer->says(get("/a"));
  serve();
  EXPECT_EQ(front->handled, std::vector<std::string>{"/a"});
  EXPECT_NE(peer->sent.find("Connection: close"), std::string::npos);
}

TEST_F(recaller_scene, more_than_a_turn_takes_is_answered_all_the_same) {
  std::string all, expected;
  for (std::size_t i = 0; i < 3 * recaller::answers_at_once + 1; ++i) {
    all += get("/b");
    expected += answer("bb");
  }
  peer->says(all);
  serve();
  EXPECT_EQ(peer->sent, expected);
  EXPECT_EQ(peer->sends.size(), 4u);
}

TEST_F(recaller_scene, a_body_is_not_taken_for_a_request) {
  peer->says("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(get("/a").size()) + "\r\n\r\n" +
             get("/a"));
  serve();
  EXPECT_EQ(front->handled, std::vector<std::string>{"/x"});
  EXPECT_TRUE(front->ended.empty());
}

TEST_F(recaller_scene, the_preface_of_http2_is_no_request_to_recall) {
  peer->says("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  serve();
  EXPECT_TRUE(front->handled.empty());
  EXPECT_TRUE(front->ended.empty());
}

} // namespace
} // namespace forebay::http
