// A front that knows some answers by heart, for tests.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"

namespace forebay::http::testing {

/// Recalls the paths that it was told of; answers the others as any front.
class recalling_front final : public handler {
public:
  std::map<std::string, std::string, std::less<>> known; ///< target: body
  std::vector<std::string> ended, handled;               ///< "target bytes complete", targets
  std::vector<std::string> raw_heads;                    ///< of `handled`
  unsigned waits = 0;
  std::size_t piece_bytes = SIZE_MAX; ///< bodies are given in pieces of so many
  bool refuses = false;               ///< what is known, by 503

  net::task<response> handle(request& asked) override {
    handled.push_back(asked.head.target);
    raw_heads.emplace_back(asked.raw_head);
    response answer;
    answer.length_bytes = 5;
    answer.body = make_body("slow!");
    co_return answer;
  }
  response refuse(const error&, unsigned status) override {
    response answer;
    answer.head.status = status;
    answer.close = true;
    return answer;
  }
  bool recall(std::string_view raw_head, net::stream&, recalled& into) noexcept override {
    const std::string_view target = raw_head.substr(4, raw_head.find(' ', 4) - 4);
    const auto found = known.find(target);
    if (found == known.end()) return false;
    into.from = std::make_shared<std::string>(target);
    if (refuses) {
      into.head = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno";
      into.refused_status = 503;
      return true;
    }
    const std::string& body = found->second;
    into.head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    for (std::size_t at = 0; at < body.size(); at += into.body[into.pieces++].length_bytes())
      into.body[into.pieces] = net::make_slice(body.substr(at, piece_bytes));
    into.body_bytes = body.size();
    return true;
  }
  void recall_waits(recalled&, const net::stream&) noexcept override { ++waits; }
  void recall_ended(const recalled& answer, const net::stream&, std::uint64_t sent_bytes, bool complete,
                    std::chrono::nanoseconds) noexcept override {
    ended.push_back(*static_cast<const std::string*>(answer.from.get()) + " " + std::to_string(sent_bytes) +
                    (complete ? " whole" : " cut"));
  }
};

} // namespace forebay::http::testing
