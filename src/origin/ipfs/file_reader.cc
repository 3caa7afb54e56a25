// The body of a file that is a tree of blocks.
#include <algorithm>
#include <cstring>
#include <deque>

#include "net/loop.h"
#include "origin/ipfs/walk.h"

namespace forebay::origin::ipfs {
namespace {

/// Blocks that are on their way while a reader takes one: a gateway is far, and a block is small.
constexpr std::size_t blocks_ahead = 4;

/// A part of the file that is still to come: a block whose bytes begin at `begin`.
struct part {
  cid name;
  std::uint64_t begin = 0, length_bytes = 0;
  unsigned depth = 0;

  /// Of the fetch, once it was started.
  struct fetch {
    net::event done;
    bool over = false;
    result<placed_node> got = fail(error_kind::cancelled, "IPFS", "not fetched");
  };
  std::shared_ptr<fetch> on_its_way{};
};

net::task<> run_fetch(std::shared_ptr<gateways> from, cid name, std::shared_ptr<part::fetch> into,
                      net::deadline until) {
  into->got = co_await fetch_node(std::move(from), std::move(name), until);
  into->over = true;
  into->done.notify();
}

class tree_body final : public http::client_body {
public:
  tree_body(std::shared_ptr<gateways> from, placed_node file, byte_range range, std::chrono::milliseconds timeout)
      : state_(std::make_shared<state>()) {
    state_->from = std::move(from);
    state_->range = range;
    state_->timeout = timeout;
    state_->expand(std::move(file.content), 0, 0);
  }
  ~tree_body() override { state_->closed = true; }
  net::task<result<std::size_t>> read_some(std::span<std::byte> into) override { return read(state_, into); }
  bool at_end() const noexcept override { return state_->range.empty(); }

private:
  struct state {
    std::shared_ptr<gateways> from;
    byte_range range; ///< still to be given
    std::chrono::milliseconds timeout{};
    std::deque<part> parts; ///< in the order of the file
    std::string data;       ///< at hand: bytes of the file from `data_begin` on
    std::uint64_t data_begin = 0;
    bool closed = false; ///< the body is gone, and with it the memory that was to be filled

    /// Puts what a node holds in its place, and leaves out what is not asked for. Children without bytes are never
    /// fetched: a few blocks can name them a billion times.
    void expand(node content, std::uint64_t begin, unsigned depth) {
      data = std::move(content.data);
      data_begin = begin;
      std::uint64_t at = begin + data.size();
      std::vector<part> children;
      for (std::size_t i = 0; i < content.links.size(); ++i) {
        const byte_range covers{at, at + content.blocks[i]};
        if (!covers.empty() && covers.overlaps(range)) {
          children.push_back({std::move(content.links[i].to), at, content.blocks[i], depth + 1});
        }
        at = covers.end;
      }
      parts.insert(parts.begin(), std::make_move_iterator(children.begin()), std::make_move_iterator(children.end()));
    }
    void start_fetches() {
      for (std::size_t i = 0; i < std::min(parts.size(), blocks_ahead); ++i) {
        if (parts[i].on_its_way != nullptr) continue;
        parts[i].on_its_way = std::make_shared<part::fetch>();
        net::loop::current().spawn(run_fetch(from, parts[i].name, parts[i].on_its_way, net::deadline::after(timeout)));
      }
    }
    /// What is at hand of the range, copied; 0 when nothing is.
    std::size_t give(std::span<std::byte> into) {
      const byte_range have = intersect({data_begin, data_begin + data.size()}, range);
      if (have.empty() || have.begin != range.begin) return 0;
      const auto length = std::min<std::size_t>(into.size(), have.length_bytes());
      std::memcpy(into.data(), data.data() + (have.begin - data_begin), length);
      range.begin += length;
      return length;
    }
  };

  static net::task<result<std::size_t>> read(std::shared_ptr<state> mine, std::span<std::byte> into) {
    if (mine->range.empty() || into.empty()) co_return std::size_t{0};
    for (;;) {
      if (const std::size_t given = mine->give(into); given > 0) co_return given;
      if (mine->parts.empty()) co_return fail(error_kind::broken, "IPFS", "the file has fewer bytes than it said");
      mine->start_fetches();
      const part next = mine->parts.front();
      const net::deadline until = net::deadline::after(mine->timeout + net::loop::tick);
      bool came = next.on_its_way->over;
      if (!came) came = co_await next.on_its_way->done.wait(until);
      if (mine->closed) co_return fail(error_kind::cancelled, "IPFS", "nobody reads any more");
      if (!came) co_return fail(error_kind::timeout, "ipfs://" + next.name.to_string(), "a block did not come in time");
      auto& got = next.on_its_way->got;
      if (!got) co_return fail(std::move(got.error()));
      const bool fits = got->content.type == node_type::file && got->content.length_bytes == next.length_bytes;
      if (!fits || next.depth > depth_max) {
        co_return fail(error_kind::broken, "ipfs://" + next.name.to_string(),
                       "a block is not what the file's tree says of it");
      }
      mine->parts.pop_front();
      mine->expand(std::move(got->content), next.begin, next.depth);
    }
  }

  std::shared_ptr<state> state_;
};

} // namespace

std::unique_ptr<http::client_body> make_file_body(std::shared_ptr<gateways> from, placed_node file, byte_range range,
                                                  std::chrono::milliseconds block_timeout) {
  return std::make_unique<tree_body>(std::move(from), std::move(file), range, block_timeout);
}

} // namespace forebay::origin::ipfs
