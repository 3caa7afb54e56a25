// Asks a front for recalled answers to what has come on a connection, and sends them together.
#pragma once

#include <string_view>
#include <vector>

#include "http/recall.h"
#include "http/server.h"
#include "net/stream.h"

namespace forebay::http {

/// One for a connection of HTTP/1.1; loop thread only. The answers are in the order of their requests, and a request
/// that the front does not recall ends the run: it is for the parser.
class recaller {
public:
  /// Answers in one go, and bytes of theirs, after which others on the loop get their turn.
  static constexpr std::size_t answers_at_once = 32;
  static constexpr std::uint64_t bytes_at_once = 256 * 1024;

  explicit recaller(handler& front) : front_(front) {}

  /// Answers whole heads at the beginning of `came` as far as the front recalls them and the stream takes the answers;
  /// how many bytes of requests that were. The last one may be owed; requests behind it are asked about again. Nothing
  /// may be owed before.
  std::size_t answer(std::string_view came, net::stream& to) noexcept;
  std::size_t answered() const noexcept { return count_; }        ///< by the last call
  std::size_t sent_bytes() const noexcept { return sent_bytes_; } ///< likewise
  /// True while the stream has not taken all of it: `send_rest` is next.
  bool owes() const noexcept { return owed_; }
  /// False: the connection broke.
  net::task<bool> send_rest(net::stream& to, std::chrono::milliseconds stall);

  /// Gives memory back after a time without requests.
  void trim();

private:
  std::size_t recall(std::string_view came, net::stream& to, std::uint64_t& bytes) noexcept;
  std::size_t keep_begun(std::size_t used) noexcept;
  void gather();
  void end(net::stream& to, bool complete, std::size_t sent_bytes) noexcept;

  handler& front_;
  std::vector<recalled> answers_; ///< `count_` of them are in use
  std::size_t count_ = 0;
  std::vector<net::slice> pieces_;
  std::size_t sent_bytes_ = 0; ///< of `pieces_`
  bool owed_ = false;
};

} // namespace forebay::http
