#include "origin/file/file_body.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace forebay::origin::file {
namespace {

class file_body final : public http::client_body {
public:
  explicit file_body(file_body_parts parts) : state_(std::make_shared<state>()) { state_->parts = std::move(parts); }
  ~file_body() override { state_->closed = true; }
  net::task<result<std::size_t>> read_some(std::span<std::byte> into) override { return read(state_, into); }
  bool at_end() const noexcept override { return state_->parts.range.empty(); }

private:
  struct state {
    file_body_parts parts;
    bool closed = false; ///< the body is gone, and with it the memory that was to be filled
    /// A worker that is late still writes here, so it is the worker's as well.
    std::shared_ptr<std::vector<std::byte>> room;
  };

  static net::task<result<std::size_t>> read(std::shared_ptr<state> mine, std::span<std::byte> into) {
    byte_range& range = mine->parts.range;
    if (range.empty() || into.empty()) co_return std::size_t{0};
    const std::size_t length = std::min({into.size(), file_piece_bytes, std::size_t(range.length_bytes())});
    if (mine->room == nullptr) mine->room = std::make_shared<std::vector<std::byte>>();
    if (mine->room->size() < length) mine->room->resize(length);
    std::function<result<std::size_t>()> work = [of = mine->parts.of, from = mine->parts.from, at = range.begin,
                                                 room = mine->room, length] {
      return read_piece(*of, *from, at, std::span(*room).first(length));
    };
    auto got =
        co_await net::offload(*mine->parts.workers, net::deadline::after(mine->parts.piece_timeout), std::move(work));
    if (mine->closed) co_return fail(error_kind::cancelled, mine->parts.of->name, "nobody reads any more");
    if (!got) {
      mine->room.reset();
      mine->parts.counters->count_error(got.error());
      co_return fail(std::move(got.error()));
    }
    std::memcpy(into.data(), mine->room->data(), *got);
    range.begin += *got;
    mine->parts.bytes->add(*got);
    co_return *got;
  }

  std::shared_ptr<state> state_;
};

class empty_body final : public http::client_body {
public:
  net::task<result<std::size_t>> read_some(std::span<std::byte>) override { co_return std::size_t{0}; }
  bool at_end() const noexcept override { return true; }
};

} // namespace

std::unique_ptr<http::client_body> make_file_body(file_body_parts parts) {
  return std::make_unique<file_body>(std::move(parts));
}

std::unique_ptr<http::client_body> make_empty_body() { return std::make_unique<empty_body>(); }

} // namespace forebay::origin::file
