// One scripted connection, served to its end, for tests.
#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>

#include "http/server.h"
#include "http/testing/test_front.h"
#include "net/loop.h"

namespace forebay::http::testing {

/// `text` without the lines that begin with `prefix`.
inline std::string without_lines(std::string_view text, std::string_view prefix) {
  std::string kept;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, length);
    if (line.substr(0, prefix.size()) != prefix) kept += line;
    text.remove_prefix(length);
  }
  return kept;
}

inline std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

struct scripted_server {
  std::shared_ptr<wire> peer = std::make_shared<wire>();
  std::shared_ptr<test_front> front = std::make_shared<test_front>();
  std::shared_ptr<server_limits> limits = std::make_shared<server_limits>();
  std::shared_ptr<std::atomic<bool>> draining = std::make_shared<std::atomic<bool>>(false);

  /// What the server sent, without the fields whose values change from run to run.
  std::string serve() {
    net::loop_group loops(1);
    loops.start();
    net::run_blocking(loops.at(0), serve_connection(std::make_unique<scripted_stream>(peer), front, limits, draining));
    EXPECT_TRUE(peer->destroyed);
    EXPECT_NE(peer->closed, peer->aborted) << "a connection ends in one of two ways";
    return without_lines(without_lines(peer->sent, "Date: "), "X-Request-Id: ");
  }
};

} // namespace forebay::http::testing
