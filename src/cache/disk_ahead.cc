#include "cache/disk_ahead.h"

#include <algorithm>

#include "cache/version.h"
#include "net/loop.h"

namespace forebay::cache {
namespace {

/// One read of the disk, at whose multiples pieces end. So long are most extents.
constexpr std::uint64_t piece_bytes = 1u << 20;
/// The first piece of a long read, so that its first byte need not wait for all of an ordinary one.
constexpr std::uint64_t first_piece_bytes = 256u << 10;
/// Ahead of one reader: what a fast disk brings while one piece is sent.
constexpr std::uint64_t disk_ahead_bytes = 4u << 20;
/// Ahead of all readers, of the memory tier: beyond it what was read would be gone before it is sent.
constexpr std::uint64_t memory_share = 8;

constexpr std::uint64_t piece_end(std::uint64_t at, std::uint64_t piece) noexcept { return at / piece * piece + piece; }

} // namespace

disk_ahead::disk_ahead(std::shared_ptr<engine> shared, std::shared_ptr<version> of)
    : engine_(std::move(shared)), version_(std::move(of)) {}

disk_ahead::~disk_ahead() { drop_until(UINT64_MAX); }

void disk_ahead::begin(byte_range held, std::uint64_t end) {
  drop_until(UINT64_MAX);
  ordered_ = {held.begin, held.begin};
  const bool long_read = end > piece_end(held.begin, piece_bytes);
  const std::uint64_t first = piece_end(held.begin, long_read ? first_piece_bytes : piece_bytes);
  add({held.begin, std::min(held.end, first)}, false); // the rest once that is here: it shall have the disk to itself
}

void disk_ahead::advance(std::uint64_t at, std::uint64_t end) {
  if (pieces_.empty()) return;
  const bool busy = std::any_of(pieces_.begin(), pieces_.end(), [](const auto& each) { return each->refused_ahead(); });
  while (!stopped_ && !busy && pieces_.back()->range.end < std::min(end, at + disk_ahead_bytes)) {
    const byte_range next = next_piece(end);
    if (next.empty() || !add(next, true)) break;
  }
  drop_until(at);
}

/// What the lower tier holds behind the last piece and memory does not; empty where that is nothing.
byte_range disk_ahead::next_piece(std::uint64_t end) const {
  const std::uint64_t at = pieces_.back()->range.end;
  const byte_range wanted{at, std::min(end, piece_end(at, piece_bytes))};
  if (wanted.empty() || engine_->memory.covers(version_->key(), at)) return {};
  const auto held = engine_->lower->find(version_->key(), wanted);
  return held && held->begin == at ? *held : byte_range{};
}

bool disk_ahead::add(byte_range range, bool ahead) {
  const std::uint64_t bytes = ahead ? range.length_bytes() : 0;
  const std::uint64_t limit = engine_->memory.settings().capacity_bytes / memory_share;
  if (engine_->disk_ahead_bytes.fetch_add(bytes, std::memory_order_relaxed) + bytes > limit && ahead) {
    engine_->disk_ahead_bytes.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  if (ahead) engine_->counts.disk_ahead_reads.add();
  auto made = std::make_shared<piece>();
  made->range = range;
  made->charged_bytes = bytes;
  pieces_.push_back(made);
  ordered_.end = range.end;
  net::loop::current().spawn(read(engine_, version_, std::move(made)));
  return true;
}

void disk_ahead::drop_until(std::uint64_t at) noexcept {
  while (!pieces_.empty() && pieces_.front()->range.end <= at) {
    engine_->disk_ahead_bytes.fetch_sub(pieces_.front()->charged_bytes, std::memory_order_relaxed);
    pieces_.pop_front();
  }
}

net::task<void> disk_ahead::read(std::shared_ptr<engine> shared, std::shared_ptr<version> of,
                                 std::shared_ptr<piece> mine) {
  const auto until = net::deadline::after(shared->limits_now()->disk_read_timeout);
  auto outcome = co_await shared->lower->read(of->key(), mine->range, until);
  mine->outcome = std::move(outcome);
  mine->ended.notify();
}

bool disk_ahead::brings(std::uint64_t at) const noexcept {
  return std::any_of(pieces_.begin(), pieces_.end(),
                     [&](const auto& each) { return each->range.contains(at) && !each->waited_for; });
}

net::task<result<byte_range>> disk_ahead::wait(std::uint64_t at, net::deadline until) {
  const auto found =
      std::find_if(pieces_.begin(), pieces_.end(), [&](const auto& each) { return each->range.contains(at); });
  if (found == pieces_.end()) co_return fail(error_kind::internal, "disk tier", "nothing was asked of it");
  const std::shared_ptr<piece> mine = *found;
  mine->waited_for = true;
  const bool ended = co_await mine->ended.wait(until);
  if (!ended) co_return fail(error_kind::timeout, "disk tier", "the disk did not answer in time", true);
  if (mine->refused_ahead()) co_return fail(error_kind::not_found, "disk tier", "there was no room to read ahead");
  co_return mine->outcome;
}

} // namespace forebay::cache
