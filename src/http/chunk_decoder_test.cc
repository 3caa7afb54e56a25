#include <fmt/format.h>
#include <gtest/gtest.h>

#include "http/parser.h"

namespace forebay::http {
namespace {

struct decoded {
  std::string body;
  std::size_t taken = 0;
  bool ended = false, failed = false;
  std::string trailers;
};

decoded decode(std::vector<std::string_view> pieces) {
  chunk_decoder decoder;
  decoded out;
  for (std::string_view piece : pieces) {
    while (!piece.empty() && !out.ended) {
      const auto step = decoder.feed(std::as_bytes(std::span(piece)));
      if (!step) {
        EXPECT_EQ(step.error().kind, error_kind::invalid_input);
        out.failed = true;
        return out;
      }
      EXPECT_GT(step->taken, 0u);
      out.body.append(reinterpret_cast<const char*>(step->data.data()), step->data.size());
      out.taken += step->taken;
      out.ended = step->ended;
      piece.remove_prefix(step->taken);
    }
  }
  decoder.trailers().render_to(out.trailers);
  return out;
}

TEST(chunk_decoder, any_split_gives_the_same_body) {
  const std::string text =
      "5\r\nhello\r\n0A;x=\"y;z\"\r\n, new worl\r\n1 ; a\r\nd\r\n000\r\nX-Sum: 1 \r\nY:\r\n\r\nGET";
  for (std::size_t a = 0; a <= text.size(); ++a) {
    const std::string_view view = text;
    const decoded out = decode({view.substr(0, a), view.substr(a)});
    EXPECT_FALSE(out.failed) << a;
    EXPECT_TRUE(out.ended) << a;
    EXPECT_EQ(out.body, "hello, new world") << a;
    EXPECT_EQ(out.taken, text.size() - 3) << a;
    EXPECT_EQ(out.trailers, "X-Sum: 1\r\nY: \r\n") << a;
  }
}

TEST(chunk_decoder, an_unfinished_body_has_not_ended) {
  const std::string text = "3\r\nabc\r\n0\r\nX: y\r\n\r\n";
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    const decoded out = decode({std::string_view(text).substr(0, cut)});
    EXPECT_FALSE(out.failed) << cut;
    EXPECT_FALSE(out.ended) << cut;
  }
}

TEST(chunk_decoder, refuses_what_confuses) {
  for (const std::string_view text : {"\r\n",
                                      "g\r\n",
                                      "-1\r\n",
                                      "+1\r\na\r\n",
                                      " 1\r\na\r\n",
                                      "0x1\r\na\r\n",
                                      "1\na\r\n",
                                      "1\r\na\n",
                                      "1\r\naX",
                                      "1\r\nab\r\n",
                                      "1 \r\na\r\n",
                                      "1 x\r\na\r\n",
                                      "1\ra\r\n",
                                      "1;a\nb\r\n",
                                      "1;\x01\r\na\r\n",
                                      "1,2\r\na\r\n",
                                      "1\t\r\na\r\n",
                                      "10000000000000000\r\n",
                                      "00000000000000001\r\n",
                                      "FFFFFFFFFFFFFFFFF\r\n",
                                      "0\n\r\n",
                                      "0\r\n\n",
                                      "0\r\nX : y\r\n\r\n",
                                      "0\r\n X: y\r\n\r\n",
                                      "0\r\nX: y\r\n z\r\n\r\n",
                                      "0\r\nXy\r\n\r\n",
                                      "0\r\nX: \x01\r\n\r\n",
                                      "0\r\nX: a\rb\r\n\r\n",
                                      "0\r\n: y\r\n\r\n",
                                      "0\r\r\n"}) {
    EXPECT_TRUE(decode({text}).failed) << text;
  }
  EXPECT_TRUE(decode({std::string_view("0\r\nX: \0\r\n\r\n", 11)}).failed);
}

TEST(chunk_decoder, the_largest_size_is_awaited) {
  const decoded out = decode({"ffffffffffffffff\r\nabc"});
  EXPECT_FALSE(out.failed);
  EXPECT_EQ(out.body, "abc");
}

TEST(chunk_decoder, limits) {
  const std::string long_text(chunk_decoder::trailer_limit_bytes + 1, 'a');
  EXPECT_TRUE(decode({"1;" + long_text}).failed);
  EXPECT_TRUE(decode({"1" + std::string(chunk_decoder::line_limit_bytes + 1, ' ')}).failed);
  EXPECT_TRUE(decode({"0\r\nX: " + long_text}).failed);
  std::string many = "0\r\n";
  for (std::size_t i = 0; i < chunk_decoder::trailer_limit_fields; ++i) many += "X: y\r\n";
  EXPECT_TRUE(decode({many + "\r\n"}).ended);
  EXPECT_TRUE(decode({many + "X: y\r\n\r\n"}).failed);
}

} // namespace
} // namespace forebay::http
